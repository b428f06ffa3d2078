"""What people ask: how well reading goes, what is missing and why, and what waits for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, true

from ferraris.core.errors import UsageError
from ferraris.headend.collect.gaps import MeterGaps
from ferraris.headend.collect.plan import ALARMS, LOG, REGISTERS, Item
from ferraris.headend.collect.plans import KnownPlan, at_work, gap_list
from ferraris.headend.collect.sleeping import sleeps_until
from ferraris.headend.collect.target import SUB_METER
from ferraris.headend.inventory import Tree, node
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.tables.collecting import CONTACT, LACK, READ_SUCCESS, REREAD, SESSION
from ferraris.headend.store.tables.inventory import METER, NODE
from ferraris.headend.store.upsert import upsert

__all__ = [
    "MissingMeter",
    "Session",
    "Success",
    "SuccessOf",
    "held_meters",
    "mark_to_read_again",
    "missing_meters",
    "release",
    "sessions",
    "success_by",
    "success_of_days",
    "success_part",
]

_OF_NOW = (REGISTERS, LOG, ALARMS)
_BY = ("segment", "model", "firmware")


@dataclass(frozen=True, slots=True)
class Success:
    """Read success of a day: of `due` meters so many were there in time, so many later.

    Of those that are `lost` something is missing for good; the rest can still come.
    """

    day: int
    due: int
    in_time: int
    late: int
    lost: int
    deadline_s: float
    counted_s: float
    final: bool


@dataclass(frozen=True, slots=True)
class SuccessOf:
    """Read success of a part of the meters; `name` is empty for those that have none."""

    name: str
    due: int
    in_time: int
    late: int
    lost: int


@dataclass(frozen=True, slots=True)
class MissingMeter:
    """A meter of which something is missing: how much, since when, why, and what it waits for."""

    meter: int
    external_id: str
    gaps: int
    oldest_day: int
    state: str
    reason: str
    message: str
    tries: int
    not_before_s: float | None
    heard_s: float | None
    days_silent: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """One session with a meter."""

    number: int
    external_id: str
    started_s: float
    ended_s: float
    occasion: str
    outcome: str
    message: str
    intervals: int
    registers: int
    events: int
    deviation_s: float | None


def success_of_days(
    connection: Connection,
    plan: int,
    *,
    since_day: int,
    until_day: int,
    part: ColumnElement[bool] | None = None,
) -> list[Success]:
    """Read success of a plan for the local days since <= day < until, in order.

    `part` is what `success_part` gives, None for all meters.
    """
    c = READ_SUCCESS.c
    rows = connection.execute(
        select(
            c.day, func.sum(c.due), func.sum(c.in_time), func.sum(c.late), func.sum(c.lost),
            func.max(c.deadline_s), func.max(c.counted_s), func.min(c.final),
        )
        .where(
            c.plan == plan, c.day >= since_day, c.day < until_day, true() if part is None else part
        )
        .group_by(c.day)
        .order_by(c.day)
    )  # fmt: skip
    return [
        Success(
            row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4]), row[5], row[6],
            bool(row[7]),
        )
        for row in rows
    ]  # fmt: skip


def success_part(connection: Connection, tenant: int, by: str, name: str) -> ColumnElement[bool]:
    """The meters of a segment (all that is below it), model or firmware, for `success_of_days`.

    An empty name is for those that have none; raises `NotFoundError` for an unknown segment.
    """
    column: ColumnElement[Any] = _column(by)
    if by != "segment":
        return column == name
    if not name:
        return column == 0
    return column.in_(Tree.load(connection, tenant).below(node(connection, tenant, name).number))


def success_by(
    connection: Connection, plan: int, day: int, by: str, *, days: int = 1
) -> list[SuccessOf]:
    """Read success by segment (all that is below it), model or firmware.

    Of a day, or of so many days together of which it is the last.
    """
    column = _column(by)
    c = READ_SUCCESS.c
    rows = connection.execute(
        select(column, func.sum(c.due), func.sum(c.in_time), func.sum(c.late), func.sum(c.lost))
        .where(c.plan == plan, c.day > day - days, c.day <= day)
        .group_by(column)
    )
    found = {row[0]: tuple(map(int, row[1:5])) for row in rows}
    if by == "segment":
        return _by_segment(connection, found)
    return [SuccessOf(str(name), *counts) for name, counts in sorted(found.items())]


def _column(by: str) -> Any:
    if by not in _BY:
        raise UsageError(f"by is one of {', '.join(_BY)}", where="collect")
    return READ_SUCCESS.c.node if by == "segment" else READ_SUCCESS.c[by]


def missing_meters(
    connection: Connection,
    tenant: int,
    known: list[KnownPlan],
    *,
    now: float,
    after: int = 0,
    limit: int = 100,
    among: ColumnElement[bool] | None = None,
) -> tuple[list[MissingMeter], int | None]:
    """Meters of which something is missing under these plans, in order, and where to go on.

    `among` is a condition on `meter` for who may not see all of them.
    """
    gaps = gap_list(connection, tenant, at_work(known, now, always=True))
    found: list[MissingMeter] = []
    at: int | None = after
    while at is not None and len(found) < limit:
        window, at = gaps.window(connection, at)
        seen = _seen(connection, window, among)
        for each in window:
            if each.target.meter in seen:
                found.append(_missing(each, now))
            if len(found) == limit:
                return found, each.target.meter
    return found, None


def held_meters(connection: Connection, tenant: int, *, limit: int = 1000) -> list[tuple[str, str]]:
    """The external ids of meters that wait for a human, and why."""
    whole = select(METER.c.external_id, CONTACT.c.reason).join(
        CONTACT, CONTACT.c.meter == METER.c.id
    )
    part = select(METER.c.external_id, LACK.c.reason).join(LACK, LACK.c.meter == METER.c.id)
    rows = connection.execute(
        whole.where(CONTACT.c.tenant == tenant, CONTACT.c.state == "held")
        .union(part.where(LACK.c.tenant == tenant, LACK.c.held == 1))
        .order_by("external_id")
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def release(connection: Connection, tenant: int, meters: Collection[int] | None = None) -> int:
    """Let meters and their gaps wait no longer; returns how many did. None means all of them.

    What a sub-meter waits for is mostly its host, which is let go as well.
    """
    released = 0
    waiting = (CONTACT.c.tenant == tenant) & CONTACT.c.state.in_(("waiting", "held"))
    lacking = LACK.c.tenant == tenant
    if meters is not None:
        hosts = select(METER.c.behind).where(
            METER.c.id.in_(sorted(meters)), METER.c.kind == SUB_METER
        )
        waiting &= CONTACT.c.meter.in_(sorted(meters)) | CONTACT.c.meter.in_(hosts)
        lacking &= LACK.c.meter.in_(sorted(meters))
    for table, condition in ((CONTACT, waiting), (LACK, lacking)):
        released += connection.execute(delete(table).where(condition)).rowcount
    return released


def mark_to_read_again(
    connection: Connection,
    tenant: int,
    meters: Collection[int],
    items: Mapping[int, Item],
    *,
    first_day: int,
    last_day: int,
    by: str,
    now: float,
) -> int:
    """Mark UTC days of meters to be read once more; returns how many marks there are.

    Registers and logs know no past days: they are read again as they are now.
    """
    today = int(now) // DAY_S
    marks = [
        {"tenant": tenant, "meter": meter, "item": number, "day": day, "asked_by": by,
         "asked_s": now}
        for meter in sorted(meters)
        for number, item in sorted(items.items())
        for day in ([today] if item.kind in _OF_NOW else range(first_day, last_day + 1))
    ]  # fmt: skip
    upsert(connection, REREAD, marks)
    chosen = (LACK.c.tenant == tenant) & LACK.c.meter.in_(sorted(meters))
    connection.execute(delete(LACK).where(chosen, LACK.c.item.in_(sorted(items))))
    return len(marks)


def sessions(
    connection: Connection,
    tenant: int,
    *conditions: ColumnElement[bool],
    before: int | None = None,
    limit: int = 100,
) -> list[Session]:
    """Sessions, newest first; conditions are on `session` and `meter`."""
    wanted = (
        select(SESSION, METER.c.external_id)
        .join(METER, METER.c.id == SESSION.c.meter)
        .where(SESSION.c.tenant == tenant, *conditions)
        .order_by(SESSION.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(SESSION.c.id < before)
    return [
        Session(
            row.id, row.external_id, row.started_s, row.ended_s, row.occasion, row.outcome,
            row.message, row.intervals, row.registers, row.events, row.deviation_s,
        )
        for row in connection.execute(wanted)
    ]  # fmt: skip


def _missing(found: MeterGaps, now: float) -> MissingMeter:
    worst = max(found.gaps, key=lambda gap: (gap.held, gap.tries, -gap.day))
    state = found.state or ("held" if worst.held else "waiting" if worst.tries else "due")
    reason, message = found.why(now)
    until = sleeps_until(found.target, now)
    if until is not None and state == "due":
        state = "waiting"
    silent = None if found.heard_s is None else max(0, int(now - found.heard_s) // DAY_S)
    waits_s = max(found.not_before_s, until.timestamp() if until else 0.0)
    not_before_s = waits_s or worst.not_before_s or None
    return MissingMeter(
        found.target.meter,
        found.target.external_id,
        len(found.gaps),
        min(gap.day for gap in found.gaps),
        state,
        reason or worst.reason,
        message or worst.message,
        max(found.tries, worst.tries),
        not_before_s,
        found.heard_s,
        silent,
    )


def _seen(
    connection: Connection, window: list[MeterGaps], among: ColumnElement[bool] | None
) -> set[int]:
    numbers = {each.target.meter for each in window}
    if among is None or not numbers:
        return numbers
    rows = connection.execute(select(METER.c.id).where(METER.c.id.in_(sorted(numbers)), among))
    return set(rows.scalars())


def _by_segment(connection: Connection, found: Mapping[Any, tuple[int, ...]]) -> list[SuccessOf]:
    """What hangs at each node and below it."""
    nodes = {
        row.id: (row.name, row.parent)
        for row in connection.execute(
            select(NODE.c.id, NODE.c.name, NODE.c.parent)
        )  # numbers are of one tenant, those of others meet nothing here
    }
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for number, counts in found.items():
        at, climbed = number, set[Any]()
        names = [""] if at not in nodes else []
        while at in nodes and at not in climbed:
            climbed.add(at)
            names.append(nodes[at][0])
            at = nodes[at][1]
        for name in names:
            for place, count in enumerate(counts):
                sums[name][place] += count
    return [SuccessOf(name, *counts) for name, counts in sorted(sums.items())]
