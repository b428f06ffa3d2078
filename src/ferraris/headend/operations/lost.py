"""Operations on lost days: of which meters nobody read the registers in time, and which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final

from sqlalchemy import ColumnElement, select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plans import plans
from ferraris.headend.collect.success import Lost, lost_meters, lost_of_meter
from ferraris.headend.collect.windows import local_day
from ferraris.headend.operations.collecting import known_plan
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after
from ferraris.headend.operations.segments import below
from ferraris.headend.store.tables.inventory import METER, NODE

__all__ = ["LostDay", "LostMeter", "list_lost", "show_lost"]

_EPOCH: Final = date(1970, 1, 1)
_MOST_DAYS: Final = 400
_WINDOW: Final = 500


@dataclass(frozen=True, slots=True)
class LostMeter:
    """A meter that lost a day, and the registers of which nobody knows how they stood then."""

    meter: str
    segment: str
    model: str
    firmware: str
    registers: list[str]


@dataclass(frozen=True, slots=True)
class LostDay:
    """A local day that a meter lost under a plan, and of which registers."""

    plan: str
    day: date
    registers: list[str]


@operation("GET /plans/{plan}/lost/{day}", command="success lost", right=Right.SEE_METERS)
def list_lost(
    desk: Desk,
    plan: str,
    day: date,
    segment: Annotated[str, "With all that hangs below it."] = "",
    model: str = "",
    firmware: str = "",
    after: str = "",
    limit: int = 100,
) -> Page[LostMeter]:
    """List the meters that lost a local day of a plan: registers of it were not read in time.

    Nothing brings them back, so these meters are not among those that are missing.
    """
    known, start, most = known_plan(desk, plan), number_after(after), checked_limit(limit)
    if not 0 <= (day - _EPOCH).days < 1 << 20:
        raise UsageError(f"day: {day} is too long ago")
    where = desk.visible(Right.SEE_METERS)
    if segment:
        where &= METER.c.node.in_(below(desk, segment))
    if model:
        where &= METER.c.model == model
    if firmware:
        where &= METER.c.firmware == firmware
    found = lost_meters(desk.connection, desk.tenant, known, (day - _EPOCH).days, desk.now)
    seen = _seen(desk, [each for each in found if each.meter > start], where, most + 1)
    more = str(seen[most - 1][0]) if len(seen) > most else ""
    return Page([each for _, each in seen[:most]], more)


@operation("GET /meters/{meter}/lost", command="meters lost", right=Right.SEE_METERS)
def show_lost(desk: Desk, meter: str, days: int = 30) -> list[LostDay]:
    """Show which of its last days a meter lost, the newest first."""
    row = desk.meter(meter, Right.SEE_METERS)
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"days is 1 to {_MOST_DAYS}, not {days}")
    found = [
        LostDay(known.plan.name, _EPOCH + timedelta(days=each.day), list(each.registers))
        for known in plans(desk.connection, desk.tenant)
        for each in lost_of_meter(
            desk.connection,
            desk.tenant,
            known,
            row.id,
            since_day=local_day(desk.now, known.plan.zone) - days,
            now=desk.now,
        )
    ]
    return sorted(found, key=lambda each: (each.day, each.plan), reverse=True)


def _seen(
    desk: Desk, found: Sequence[Lost], where: ColumnElement[bool], most: int
) -> list[tuple[int, LostMeter]]:
    """The first of them that are wanted and may be seen, with their numbers."""
    seen: list[tuple[int, LostMeter]] = []
    for start in range(0, len(found), _WINDOW):
        window = {each.meter: each for each in found[start : start + _WINDOW]}
        rows = desk.connection.execute(
            select(METER.c.id, METER.c.external_id, NODE.c.name, METER.c.model, METER.c.firmware)
            .outerjoin(NODE, NODE.c.id == METER.c.node)
            .where(METER.c.id.in_(window), where)
            .order_by(METER.c.id)
        )
        seen += [
            (row[0], LostMeter(row[1], row[2] or "", *row[3:], list(window[row[0]].registers)))
            for row in rows
        ]
        if len(seen) >= most:
            break
    return seen
