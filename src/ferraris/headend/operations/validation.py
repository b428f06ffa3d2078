"""Operations on validation: what needs a look, decisions of humans, running again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory.groups import group_selection
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.final_values import (
    MOST_DAYS,
    channel_of,
    look,
    moment_of,
    profile_of,
    sealer_of,
)
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.store.changes import note
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.claims import NOTHING_CAME, count_due
from ferraris.headend.vee.decisions import About, DecisionKind, decide, decisions_about
from ferraris.headend.vee.exceptions import (
    DayCounts,
    DayException,
    counts_by_day,
    exceptions,
)
from ferraris.headend.vee.local_days import date_of, number_of

__all__ = [
    "Again",
    "DecisionLine",
    "Decisions",
    "Outcome",
    "Waiting",
    "again_validated",
    "count_validated",
    "decide_values",
    "list_decisions",
    "list_exceptions",
    "waiting_validation",
]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a human decides about intervals of a channel, and why.

    `kind` is set, accept or rules; only set has `values`, one for each of `ends`.
    """

    profile: str
    channel: str
    kind: DecisionKind
    ends: list[datetime]
    reason: str
    values: list[int] | None = None


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision; `raw` is what the meter had said then."""

    number: int
    profile: str
    channel: str
    end: datetime
    version: int
    kind: str
    value: int | None
    raw: int | None
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Again:
    """Which days are to run again: UTC dates, both included; of all profiles unless one is said.

    With `silent` also days of which nothing came, so that they get estimates.
    """

    meters: list[str]
    since: date
    until: date
    profile: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many were decided about, or marked."""

    count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many days of profiles wait to be validated."""

    due: int


@operation("GET /meters/{meter}/decisions", command="decisions list", right=Right.SEE_READINGS)
def list_decisions(desk: Desk, meter: str, after: str = "", limit: int = 100) -> Page[DecisionLine]:
    """List what humans decided about a meter's values, in the order in which they did."""
    row = desk.meter(meter, Right.SEE_READINGS)
    found = decisions_about(
        desk.connection, row.id, after=number_after(after), limit=checked_limit(limit) + 1
    )
    if ends := [decision.end_s for _, decision in found]:
        look(desk, row, (min(ends) - 1, max(ends)))
    return page(
        found,
        limit,
        lambda pair: DecisionLine(
            pair[0], pair[1].profile, pair[1].channel, moment_of(pair[1].end_s), pair[1].version,
            pair[1].kind, pair[1].value, pair[1].raw, pair[1].by, pair[1].reason,
            moment_of(pair[1].at_s),
        ),
        lambda pair: pair[0],
    )  # fmt: skip


@operation("POST /meters/{meter}/decisions", command="decisions put", right=Right.EDIT_READINGS)
def decide_values(desk: Desk, meter: str, body: Decisions) -> Outcome:
    """Set values, accept what the meter said, or give values back to the rules."""
    row = desk.meter(meter, Right.EDIT_READINGS)
    profile = profile_of(desk, body.profile)
    if body.values is not None and len(body.values) != len(body.ends):
        raise UsageError("values: one for each of ends")
    values: list[int | None] = list(body.values) if body.values else [None] * len(body.ends)
    ends = [int(each.timestamp()) for each in body.ends]
    count = decide(
        desk.connection,
        sealer_of(desk),
        About(desk.tenant, row.id, profile, channel_of(desk, row.id, profile, body.channel)),
        body.kind,
        list(zip(ends, values, strict=True)),
        by=desk.caller.name,
        reason=body.reason,
        at_s=desk.now,
    )
    desk.detail.update(kind=str(body.kind), intervals=count, channel=body.channel)
    note(desk.connection, desk.tenant, "vee", meter, at_s=desk.now, detail={"decided": count})
    return Outcome(count)


@operation("GET /validation/exceptions", command="validation exceptions", right=Right.SEE_METERS)
def list_exceptions(
    desk: Desk, since: date, until: date, group: str = "", after: str = "", limit: int = 100
) -> Page[DayException]:
    """List the days with values that are suspect, estimated or missing, the newest first."""
    where = desk.visible(Right.SEE_METERS)
    if group:
        where &= METER.c.id.in_(group_selection(desk.connection, desk.tenant, group))
    found = exceptions(
        desk.connection,
        where,
        _days(since, until),
        after=_place(after),
        limit=checked_limit(limit) + 1,
    )
    return page(found, limit, lambda pair: pair[1], lambda pair: "/".join(map(str, pair[0])))


@operation("GET /validation/days", command="validation days", right=Right.SEE_METERS)
def count_validated(desk: Desk, since: date, until: date, group: str = "") -> list[DayCounts]:
    """Count how good the final values are, day by day."""
    where = desk.visible(Right.SEE_METERS)
    if group:
        where &= METER.c.id.in_(group_selection(desk.connection, desk.tenant, group))
    return counts_by_day(desk.connection, where, _days(since, until))


@operation("GET /validation/waiting", command="validation waiting", right=Right.SEE_METERS)
def waiting_validation(desk: Desk) -> Waiting:
    """Count the days that wait to be validated."""
    return Waiting(count_due(desk.connection, desk.visible(Right.SEE_METERS)))


@operation("POST /validation/again", command="validation again", right=Right.EDIT_READINGS)
def again_validated(desk: Desk, body: Again) -> Outcome:
    """Have days of meters validated again."""
    first, last = _days(body.since, body.until)
    rows = [desk.meter(meter, Right.EDIT_READINGS) for meter in dict.fromkeys(body.meters)]
    desk.subject = f"{len(rows)} meters"
    numbers = [row.id for row in rows]
    table = FINAL if body.silent else BLOCK
    known = select(table.c.meter, table.c.profile).where(table.c.meter.in_(numbers)).distinct()
    if body.profile:
        known = known.where(table.c.profile == profile_of(desk, body.profile))
    if body.silent:
        pairs = [(row[0], row[1]) for row in desk.connection.execute(known)]
        keys = {(meter, profile, day) for meter, profile in pairs for day in range(first, last + 1)}
        reason, local = NOTHING_CAME, True
    else:
        days = known.add_columns(BLOCK.c.day).where(BLOCK.c.day.between(first, last))
        keys = {(row[0], row[1], row[2]) for row in desk.connection.execute(days)}
        reason, local = f"asked by {desk.caller.name}", False
    count = mark_due(
        desk.connection, desk.tenant, keys, reason=reason, at_s=desk.now, local=local
    )  # fmt: skip
    desk.detail.update(since=body.since.isoformat(), until=body.until.isoformat(), days=count)
    return Outcome(count)


def _days(since: date, until: date) -> tuple[int, int]:
    first, last = number_of(since), number_of(until)
    if not 0 <= last - first < MOST_DAYS:
        raise UsageError(f"until: from since on, at most {MOST_DAYS} days")
    return first, last


def _place(after: str) -> tuple[int, ...]:
    if not after:
        return ()
    try:
        day, meter, profile, channel = (int(part) for part in after.split("/"))
        date_of(day)
    except (ValueError, OverflowError):
        raise UsageError("after is what the page before said, nothing else") from None
    return day, meter, profile, channel
