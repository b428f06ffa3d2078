"""Read success as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, select

from ferraris.headend.access.rights import Right
from ferraris.headend.page.look import Look
from ferraris.headend.store.tables.collecting import PLAN, PLAN_METER, READ_SUCCESS
from ferraris.headend.store.tables.inventory import NODE
from ferraris.headend.store.tables.readings import BLOCK

__all__ = [
    "Day",
    "Group",
    "PlanName",
    "success_arrivals",
    "success_days",
    "success_groups",
    "success_plans",
]

_EPOCH: Final = date(1970, 1, 1)
_EACH_S: Final = 900


@dataclass(frozen=True, slots=True)
class PlanName:
    """A plan whose success is counted, and the zone of its deadline."""

    number: int
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class Group:
    """How many reads were due of some meters, came in time, and came late."""

    name: str
    due: int
    in_time: int
    late: int

    @property
    def share(self) -> float | None:
        """The share that came in time."""
        return self.in_time / self.due if self.due else None

    @property
    def so_far(self) -> float | None:
        """The share that is there by now."""
        return (self.in_time + self.late) / self.due if self.due else None

    @property
    def missing(self) -> int:
        """How many are not there."""
        return self.due - self.in_time - self.late


@dataclass(frozen=True, slots=True)
class Day(Group):
    """All meters of a plan on a local day."""

    day: date
    deadline_s: float


def success_plans(look: Look) -> Sequence[PlanName]:
    """The plans that work, the most important first."""
    look.desk.demand(Right.SEE_METERS)
    rows = look.connection.execute(
        select(PLAN.c.id, PLAN.c.name, PLAN.c.document)
        .where(PLAN.c.tenant == look.caller.tenant, PLAN.c.active == 1)
        .order_by(PLAN.c.priority, PLAN.c.name)
    )
    return [PlanName(row.id, row.name, json.loads(row.document).get("zone", "UTC")) for row in rows]


def success_days(look: Look, plan: PlanName, most: int) -> Sequence[Day]:
    """The last days of a plan, in order."""
    of_plan = _of_plan(look, plan)
    newest = look.connection.execute(select(func.max(READ_SUCCESS.c.day)).where(of_plan)).scalar()
    if newest is None:
        return []
    rows = look.connection.execute(
        select(
            READ_SUCCESS.c.day,
            func.sum(READ_SUCCESS.c.due).label("due"),
            func.sum(READ_SUCCESS.c.in_time).label("in_time"),
            func.sum(READ_SUCCESS.c.late).label("late"),
            func.max(READ_SUCCESS.c.deadline_s).label("deadline_s"),
        )
        .where(of_plan, READ_SUCCESS.c.day > newest - most)
        .group_by(READ_SUCCESS.c.day)
        .order_by(READ_SUCCESS.c.day)
    )
    return [
        Day(
            "",
            int(row.due),
            int(row.in_time),
            int(row.late),
            _EPOCH + timedelta(days=row.day),
            row.deadline_s,
        )
        for row in rows
    ]


def success_groups(look: Look, plan: PlanName, day: Day, by: str) -> Sequence[Group]:
    """A day of a plan by segment, model or firmware."""
    column: Any = {
        "segment": NODE.c.name,
        "model": READ_SUCCESS.c.model,
        "firmware": READ_SUCCESS.c.firmware,
    }[by]
    rows = look.connection.execute(
        select(
            column.label("name"),
            func.sum(READ_SUCCESS.c.due).label("due"),
            func.sum(READ_SUCCESS.c.in_time).label("in_time"),
            func.sum(READ_SUCCESS.c.late).label("late"),
        )
        .select_from(READ_SUCCESS)
        .outerjoin(
            NODE, and_(NODE.c.id == READ_SUCCESS.c.node, NODE.c.tenant == READ_SUCCESS.c.tenant)
        )
        .where(_of_plan(look, plan), READ_SUCCESS.c.day == (day.day - _EPOCH).days)
        .group_by(column)
    )
    return [Group(row.name or "", int(row.due), int(row.in_time), int(row.late)) for row in rows]


def _of_plan(look: Look, plan: PlanName) -> Any:
    return and_(READ_SUCCESS.c.tenant == look.caller.tenant, READ_SUCCESS.c.plan == plan.number)


def success_arrivals(look: Look, plan: PlanName, day: Day) -> Sequence[tuple[float, float]]:
    """When the profiles of a day came, in quarters of an hour, as shares of what is due."""
    number = (day.day - _EPOCH).days
    first = (
        select(BLOCK.c.meter, func.min(BLOCK.c.stored_s).label("stored_s"))
        .join(PLAN_METER, PLAN_METER.c.meter == BLOCK.c.meter)
        .where(BLOCK.c.day == number, PLAN_METER.c.plan == plan.number)
        .group_by(BLOCK.c.meter)
        .subquery()
    )
    quarter = func.floor(first.c.stored_s / float(_EACH_S)).label("quarter")
    rows = look.connection.execute(
        select(quarter, func.count().label("meters")).group_by(quarter).order_by(quarter)
    )
    found, total = [], 0
    for row in rows:
        total += row.meters
        found.append(((int(row.quarter) + 1) * float(_EACH_S), total / max(day.due, total)))
    return found
