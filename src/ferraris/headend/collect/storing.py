"""Writing what sessions brought, and what follows for their meters: all in one transaction."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, update

from ferraris.headend.collect.alarm_clearing import clear_later
from ferraris.headend.collect.alarms import Signal, all_alarms, signal
from ferraris.headend.collect.claims import Claims, Rest
from ferraris.headend.collect.gaps import AtWork, Gap
from ferraris.headend.collect.plan import CLEAR, REGISTERS, Item
from ferraris.headend.collect.plans import gap_list
from ferraris.headend.collect.policy import PERMANENT, SHORT, Failure, Policy
from ferraris.headend.collect.session import Report
from ferraris.headend.collect.sleeping import sleeps_until
from ferraris.headend.collect.target import SLEEPY
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.changing import change
from ferraris.headend.observe.observer import SessionSeen
from ferraris.headend.store import changes
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.tables.collecting import ITEM_LAYOUT, LACK, LOG_READ, REREAD, SESSION
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.upsert import add, upsert

__all__ = ["Settled", "store_reports"]

_TOLD_BY_NAME: Final = 8  # sessions of one transaction that are told one by one


@dataclass(slots=True)
class Settled:
    """What a transaction of reports came to.

    `filled` are the meters that have no gap left of those that they were read for; `resting` tells
    when each meter whose session failed is tried again - None when a human is asked -, `lacking`
    when it is asked again for what it did not have.
    """

    intervals: int = 0
    registers: int = 0
    events: int = 0
    filled: set[int] = field(default_factory=set)
    resting: dict[int, float | None] = field(default_factory=dict)
    lacking: dict[int, float | None] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)
    seen: list[SessionSeen] = field(default_factory=list)

    def add(self, other: Settled) -> None:
        """What another part of the transaction came to."""
        self.intervals += other.intervals
        self.registers += other.registers
        self.events += other.events
        self.filled |= other.filled
        self.resting |= other.resting
        self.lacking |= other.lacking
        self.reasons |= other.reasons
        self.days |= other.days
        self.seen += other.seen


def store_reports(
    connection: Connection,
    archive: Archive,
    claims: Claims,
    reports: Sequence[Report],
    work: list[AtWork],
    *,
    policy: Policy,
    now: float,
) -> Settled:
    """Write everything; when the transaction commits it is durable, otherwise nothing happened."""
    storing = _Storing(connection, archive, policy, reports, now)
    storing.readings()
    storing.notes()
    storing.identities()
    items = storing.lacks(work)
    storing.alarms(items)
    storing.sessions()
    storing.tell()
    settled = storing.settled
    claims.settle(
        connection,
        [report.meter for report in reports if report.meter not in storing.rests],
        list(storing.rests.values()),
        now=now,
    )
    return settled


class _Storing:
    def __init__(
        self,
        connection: Connection,
        archive: Archive,
        policy: Policy,
        reports: Sequence[Report],
        now: float,
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._tenant = archive.tenant
        self._policy = policy
        self._reports = reports
        self._now = now
        self._stored: list[Any] = []
        self.rests: dict[int, Rest] = {}
        self.settled = Settled()

    def readings(self) -> None:
        batch = [(report.meter, report.brought) for report in self._reports]
        self._stored = self._archive.put_many(self._connection, batch, now=self._now)
        for stored in self._stored:
            self.settled.intervals += stored.intervals
            self.settled.registers += stored.registers
            self.settled.events += stored.events
        for report in self._reports:
            self.settled.days |= {block.day for block in report.brought.blocks}
            self.settled.days |= {read.day for read in report.brought.reads}

    def notes(self) -> None:
        """Logs read, marks to read again that are served, and when meters were heard."""
        logs = [
            {"tenant": self._tenant, "meter": report.meter, "log": log, "until_s": at_s,
             "read_s": at_s}
            for report in self._reports
            for log, at_s in report.logs.items()
        ]  # fmt: skip
        upsert(self._connection, LOG_READ, logs)
        served = [
            {"m": report.meter, "i": gap.item, "d": gap.day}
            for report in self._reports
            for gap in report.found.gaps
            if gap.again and gap.item in report.tried and gap.item not in report.refused
        ]
        if served:
            self._connection.execute(
                delete(REREAD).where(
                    REREAD.c.meter == bindparam("m"),
                    REREAD.c.item == bindparam("i"),
                    REREAD.c.day == bindparam("d"),
                ),
                served,
            )
        heard = [
            {"which": report.meter, "at": report.ended_s}
            for report in sorted(self._reports, key=lambda report: report.meter)
            if report.reached
        ]
        if heard:
            self._connection.execute(
                update(METER)
                .where(METER.c.id == bindparam("which"))
                .values(heard_s=bindparam("at")),
                heard,
            )

    def identities(self) -> None:
        """Keep who was found at a channel for which the inventory knows no number."""
        for report in self._reports:
            target, device = report.found.target, report.device
            if device is None or not report.reached or target.device[1]:
                continue
            fields = {"serial_number": device.serial_number}
            if not target.device[0]:
                fields["maker"] = device.manufacturer
            with contextlib.suppress(NotFoundError, ConflictError):  # somebody else did just now
                change(
                    self._connection, self._tenant, target.external_id, fields, at_s=self._now
                )  # fmt: skip

    def alarms(self, items: Mapping[int, Item]) -> None:
        """Alarms that were read; where the plan says so, what is stored is to be cleared."""
        told = []
        for report in self._reports:
            target = report.found.target
            if report.alarms:
                bits = list(report.alarms.values())
                alarms = all_alarms(target.companion, bits)
                told.append(Signal(report.meter, target.external_id, report.ended_s, alarms))
        signal(self._connection, self._tenant, told, source="read")
        for report in self._reports:
            for number, read in report.alarms.items():
                item = items.get(number)
                if read.bits and item is not None and item.each == CLEAR:
                    clear_later(
                        self._connection, self._tenant, report.meter, item.name, read.bits,
                        now=self._now,
                    )  # fmt: skip

    def lacks(self, work: list[AtWork]) -> Mapping[int, Item]:
        """What is still missing, by the store's own word, and what each gap or meter waits for.

        Returns what the numbers of items mean.
        """
        gaps = gap_list(self._connection, self._tenant, work)
        self._layouts(gaps.items)
        gaps = gap_list(self._connection, self._tenant, work)
        asked = [report.meter for report in self._reports if report.tried]
        left = {
            found.target.meter: {(gap.item, gap.day): gap for gap in found.gaps}
            for found in gaps.of(self._connection, asked)
        }
        lacking: list[dict[str, Any]] = []
        filled: list[dict[str, Any]] = []
        waits: dict[int, bool] = {}
        lacks: dict[int, list[dict[str, Any]]] = {}
        for report in self._reports:
            mine = lacks[report.meter] = []
            untouched = {(gap.item, gap.day): gap for gap in report.found.gaps}
            missing = left.get(report.meter, {}) if report.tried else untouched
            waiting = False
            for gap in report.found.gaps:
                key = {"meter": report.meter, "item": gap.item, "day": gap.day}
                if (gap.item, gap.day) not in missing:
                    if gap.tries or gap.held:
                        filled.append({"m": report.meter, "i": gap.item, "d": gap.day})
                elif gap.item in report.tried:
                    mine.append(key | self._lack(report, gap))
                else:
                    waiting = True
            waits[report.meter] = waiting
            lacking += mine
        for report in self._reports:
            waiting = waits[report.meter] or any(waits[each.meter] for each in report.behind)
            self._judge(report, waiting, lacks[report.meter])
        upsert(self._connection, LACK, lacking)
        if filled:
            self._connection.execute(
                delete(LACK).where(
                    LACK.c.meter == bindparam("m"),
                    LACK.c.item == bindparam("i"),
                    LACK.c.day == bindparam("d"),
                ),
                filled,
            )
        return gaps.items

    def _lack(self, report: Report, gap: Gap) -> dict[str, Any]:
        """A gap that the meter answered for and that is still there."""
        refused = report.refused.get(gap.item)
        kind, reason = (SHORT, "short") if refused is None else (PERMANENT, refused.reason)
        message = "" if refused is None else refused.message
        if refused is None and gap.part:
            pause_s, held = 0.0, False  # the hole is not at the end: the whole day, at once
        else:
            verdict = self._policy.verdict(kind, gap.tries + 1, report.meter)
            pause_s, held = verdict.pause_s, verdict.held
        return {
            "tenant": self._tenant, "held": int(held), "tries": gap.tries + 1,
            "not_before_s": self._now + pause_s, "reason": reason, "message": message[:500],
            "since_s": self._now,
        }  # fmt: skip

    def _judge(self, report: Report, waiting: bool, lacking: Sequence[Mapping[str, Any]]) -> None:
        """What follows for the meter as a whole; a sub-meter waits with its host."""
        meter, failure = report.meter, report.failure
        if report.found.target.host and waiting:
            self.settled.reasons[meter] = "host"
        elif failure is not None and (waiting or (not report.found.gaps and not report.reached)):
            rest = self._rest(report, failure)
            self.rests[meter] = rest
            self.settled.resting[meter] = None if rest.held else rest.not_before_s
            self.settled.reasons[meter] = failure.reason
        elif lacking:
            times = [row["not_before_s"] for row in lacking if not row["held"]]
            self.settled.lacking[meter] = min(times, default=None)
            self.settled.reasons[meter] = str(lacking[0]["reason"])
        elif report.found.gaps or not report.behind:
            self.settled.filled.add(meter)

    def _rest(self, report: Report, failure: Failure) -> Rest:
        found = report.found
        if failure.reason == "asleep":
            until = sleeps_until(found.target, self._now)
            until_s = self._now if until is None else until.timestamp()
            return Rest(report.meter, False, found.tries, until_s, "asleep", failure.message)
        if found.target.contact == SLEEPY and not report.reached and failure.reason == "line":
            until_s = self._now + self._policy.asleep_s
            return Rest(report.meter, False, 0, until_s, "asleep", "")
        tries = found.tries + 1
        verdict = self._policy.verdict(failure.kind, tries, report.meter)
        return Rest(
            report.meter, verdict.held, tries, self._now + verdict.pause_s, failure.reason,
            failure.message[:500],
        )  # fmt: skip

    def _layouts(self, items: Mapping[int, Item]) -> None:
        """Note layouts that are all that some meters have of an item."""
        noted: set[tuple[int, int]] = set()
        for report in self._reports:
            for number, names in report.answered.items():
                item = items.get(number)
                if item is None or item.kind != REGISTERS or set(item.registers) <= names:
                    continue
                for read in report.brought.reads:
                    layout = self._archive.catalogue.make_layout(self._connection, read.channels)
                    noted.add((number, layout))
        rows = [
            {"tenant": self._tenant, "item": item, "layout": layout}
            for item, layout in sorted(noted)
        ]
        add(self._connection, ITEM_LAYOUT, rows)

    def sessions(self) -> None:
        rows = []
        for report, stored in self._begun():
            outcome, message = "done", ""
            rest = self.rests.get(report.meter)
            if rest is not None:
                outcome, message = rest.reason, rest.message
            elif report.failure is not None:
                message = f"all was read, then: {report.failure.message}"
            elif report.refused:
                first = next(iter(report.refused.values()))
                message = f"{len(report.refused)} refused: {first.message}"
            rows.append(
                {"tenant": self._tenant, "meter": report.meter, "started_s": report.started_s,
                 "ended_s": report.ended_s, "occasion": report.occasion, "outcome": outcome,
                 "message": message[:500], "intervals": stored.intervals,
                 "registers": stored.registers, "events": stored.events,
                 "deviation_s": report.deviation_s}
            )  # fmt: skip
            self.settled.seen.append(
                SessionSeen(
                    report.found.target.external_id, report.occasion, outcome, report.started_s,
                    report.ended_s, stored.intervals, stored.registers, message,
                )
            )  # fmt: skip
        if rows:
            self._connection.execute(insert(SESSION), rows)

    def _begun(self) -> Iterator[tuple[Report, Any]]:
        """What came of meters that were spoken to, or tried; sub-meters may never have been."""
        for report, stored in zip(self._reports, self._stored, strict=True):
            if not report.found.target.host or report.tried or report.device is not None:
                yield report, stored

    def tell(self) -> None:
        """One line for each session, or one for all of them when they are many."""
        if len(self._reports) <= _TOLD_BY_NAME:
            for report, stored in self._begun():
                reason = self.settled.reasons.get(report.meter, "done")
                changes.note(
                    self._connection, self._tenant, "session", report.found.target.external_id,
                    at_s=self._now,
                    detail={"outcome": reason, "intervals": stored.intervals,
                            "registers": stored.registers, "events": stored.events},
                )  # fmt: skip
            return
        outcomes = Counter(self.settled.reasons.get(r.meter, "done") for r in self._reports)
        changes.note(
            self._connection, self._tenant, "session", "", at_s=self._now,
            detail={"outcomes": dict(outcomes), "intervals": self.settled.intervals,
                    "registers": self.settled.registers, "events": self.settled.events},
        )  # fmt: skip
