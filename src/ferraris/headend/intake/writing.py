"""Batches of pushes into the store: whose they are, what they tell, all in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, update

from ferraris.client import Push
from ferraris.core.errors import Error
from ferraris.headend.collect.alarms import LAST_GASP, Signal, all_alarms, signal
from ferraris.headend.intake.decoding import Told, told_by
from ferraris.headend.intake.envelopes import rests_on_certificates
from ferraris.headend.intake.senders import Sender, Senders
from ferraris.headend.registration.recognition import Known, Reason
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.changes import note_many
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError, StoreError
from ferraris.headend.store.tables.inventory import METER, TENANT

__all__ = ["Arrived", "Outcome", "PushWriter"]

_LOG = logging.getLogger("ferraris.intake")
_HEARD_EVERY_S = 60.0
_MOST_HEARD = 200_000


class Arrived(NamedTuple):
    """A push and who sent it, as far as it is known; None for a claim that nothing proves."""

    push: Push
    sender: Sender | None


@dataclass(slots=True)
class Outcome:
    """What became of a batch; `fresh` are senders that were looked up again, `days` those of which
    readings came, `kept` the pushes that are on the disk."""

    stored: int = 0
    undecodable: int = 0
    announced: int = 0
    turned_away: Counter[str] = field(default_factory=Counter)
    fresh: list[Sender] = field(default_factory=list)
    days: set[int] = field(default_factory=set)
    kept: list[Push] = field(default_factory=list)


class _Line(NamedTuple):
    """One push on its way into the store."""

    known: Known
    push: Push
    told: Told


class PushWriter:
    """Writes for one tenant, in threads; `announced` hears of meters that are not active yet."""

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        senders: Senders,
        strangers: Strangers,
        *,
        announced: Callable[[Connection, Known, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._tenant = archive.tenant
        self._senders = senders
        self._strangers = strangers
        self._announced = announced
        self._clock = clock
        self._heard: dict[int, float] = {}

    def write(self, batch: Sequence[Arrived]) -> Outcome:
        """Sort, take apart and write; the floors follow what they stand for.

        Raises `StoreError` when nothing can be written: the batch may be written again, and what
        is there already changes nothing.
        """
        outcome = Outcome()
        known = self._whose(batch, outcome)
        lines: list[_Line] = []
        newcomers: dict[int, tuple[Known, str]] = {}
        for arrived, whose in zip(batch, known, strict=True):
            if whose is None:
                continue
            if whose.state != "active":
                newcomers[whose.number] = (whose, arrived.push.peer)
                continue
            told = self._told(arrived, whose)
            if told is None:
                outcome.undecodable += 1
            else:
                lines.append(_Line(whose, arrived.push, told))
        self._into_store(lines, list(newcomers.values()), outcome)
        outcome.announced = len(newcomers)
        for line in lines:
            outcome.days |= {block.day for block in line.told.brought.blocks}
            outcome.days |= {read.day for read in line.told.brought.reads}
        self._senders.keep_floors({a.sender.title: a.sender for a in batch if a.sender}.values())
        return outcome

    # -- whose ------------------------------------------------------------------------------

    def _whose(self, batch: Sequence[Arrived], outcome: Outcome) -> list[Known | None]:
        """For each push the meter that may have sent it; the others are turned away."""
        stale = [a.sender.title for a in batch if a.sender and self._senders.is_stale(a.sender)]
        fresh = {each.title: each for each in self._senders.look_up(stale)} if stale else {}
        outcome.fresh = list(fresh.values())
        names = [a.push.device for a in batch if a.sender is None]
        by_name = self._senders.named(names) if names else {}
        return [self._one(arrived, fresh, by_name, outcome) for arrived in batch]

    def _one(
        self,
        arrived: Arrived,
        fresh: dict[bytes, Sender],
        by_name: dict[str, Known],
        outcome: Outcome,
    ) -> Known | None:
        push, message = arrived.push, ""
        if arrived.sender is not None:
            sender = fresh.get(arrived.sender.title, arrived.sender)
            known, reason = sender.verdict.known, sender.verdict.reason
            if reason is None and sender.trouble and rests_on_certificates(push):
                reason, message = Reason.CERTIFICATE, sender.trouble
        else:
            known = by_name.get(push.device)
            reason = _of_claim(known)
        if reason is None:
            return known
        outcome.turned_away[reason.value] += 1
        name = push.device if known is None else known.external_id
        self._strangers.take_note(self._tenant, name, reason, peer=push.peer, message=message)
        return None

    def _told(self, arrived: Arrived, known: Known) -> Told | None:
        sender = arrived.sender
        try:
            return told_by(
                arrived.push,
                zone=known.zone,
                companion=known.companion,
                lists=None if sender is None else sender.lists,
                now=self._clock(),
            )
        except (Error, ValueError, ArithmeticError) as error:
            _LOG.warning("%s: a push that is not what its list says: %s", known.external_id, error)
            return None

    # -- into the store ---------------------------------------------------------------------

    def _into_store(
        self, lines: list[_Line], newcomers: list[tuple[Known, str]], outcome: Outcome
    ) -> None:
        try:
            self._in_one(lines, newcomers)
            outcome.stored += len(lines)
            outcome.kept += [line.push for line in lines]
        except StoreAwayError:
            raise
        except StoreError:
            self._probe()  # the store itself is at fault: nothing is lost, the batch comes again
            self._in_one([], newcomers)
            for line in lines:
                self._alone(line, outcome)

    def _alone(self, line: _Line, outcome: Outcome) -> None:
        """One that the store refuses keeps no other from being written."""
        try:
            self._in_one([line], [])
            outcome.stored += 1
            outcome.kept.append(line.push)
        except StoreAwayError:
            raise
        except StoreError as error:
            self._probe()
            outcome.undecodable += 1
            _LOG.error("%s: a push that the store refuses: %s", line.known.external_id, error)

    def _probe(self) -> None:
        """Raises `StoreError` when the store takes nothing at all, as on a full disk."""
        with self._engine.transaction() as connection:
            connection.execute(
                update(TENANT).where(TENANT.c.id == self._tenant).values(name=TENANT.c.name)
            )

    def _in_one(self, lines: Sequence[_Line], newcomers: Sequence[tuple[Known, str]]) -> None:
        heard = self._engine.repeated(lambda connection: self._put(connection, lines, newcomers))
        self._heard |= heard
        if len(self._heard) > _MOST_HEARD:
            self._heard.clear()

    def _put(
        self,
        connection: Connection,
        lines: Sequence[_Line],
        newcomers: Sequence[tuple[Known, str]],
    ) -> dict[int, float]:
        now = self._clock()
        for known, peer in newcomers:
            self._announced(connection, known, peer)
        if not lines:
            return {}
        stored = self._archive.put_many(
            connection,
            [(line.known.number, line.told.brought) for line in lines],
            source="push",
            now=now,
        )
        signal(connection, self._tenant, [_signal_of(line) for line in lines])
        gained = {
            line.known.external_id
            for line, each in zip(lines, stored, strict=True)
            if each.intervals or each.events
        }
        note_many(connection, self._tenant, "readings", sorted(gained), at_s=now)
        return self._note_heard(connection, lines, now)

    def _note_heard(
        self, connection: Connection, lines: Sequence[_Line], now: float
    ) -> dict[int, float]:
        """When meters were heard, to the minute: not a row for each push."""
        heard = {
            line.known.number: now
            for line in lines
            if now - self._heard.get(line.known.number, -1e9) >= _HEARD_EVERY_S
        }
        if heard:
            connection.execute(
                update(METER).where(METER.c.id == bindparam("number")).values(heard_s=now),
                [{"number": number} for number in sorted(heard)],
            )
        return heard


def _signal_of(line: _Line) -> Signal:
    alarms = all_alarms(line.known.companion, line.told.alarms)
    alarms[LAST_GASP] = line.told.last_gasp  # who is heard again has power again
    return Signal(line.known.number, line.known.external_id, line.told.at_s, alarms)


def _of_claim(known: Known | None) -> Reason | None:
    """What is to be thought of a push that nothing proves: it may announce a meter, no more."""
    if known is None:
        return Reason.UNKNOWN
    if known.state == "retired":
        return Reason.RETIRED
    if known.state == "suspended":
        return Reason.SUSPENDED
    if known.state == "active" and known.authentication != "none":
        return Reason.UNPROTECTED
    return None
