"""Read success as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, select

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plan import PROFILE
from ferraris.headend.collect.plans import KnownPlan, plans, profile_numbers
from ferraris.headend.page.look import Look
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.tables.collecting import PLAN_METER, READ_SUCCESS
from ferraris.headend.store.tables.inventory import NODE
from ferraris.headend.store.tables.readings import BLOCK

__all__ = [
    "Day",
    "Group",
    "success_arrivals",
    "success_days",
    "success_groups",
    "success_plans",
]

_EPOCH: Final = date(1970, 1, 1)
_EACH_S: Final = 900


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


def success_plans(look: Look) -> Sequence[KnownPlan]:
    """The plans that work, the most important first."""
    look.desk.demand_everywhere(Right.SEE_METERS)
    found = [each for each in plans(look.connection, look.caller.tenant) if each.plan.active]
    return sorted(found, key=lambda each: (each.plan.priority, each.plan.name))


def success_days(look: Look, plan: KnownPlan, most: int) -> Sequence[Day]:
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


def success_groups(look: Look, plan: KnownPlan, day: Day, by: str) -> Sequence[Group]:
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


def _of_plan(look: Look, plan: KnownPlan) -> Any:
    return and_(READ_SUCCESS.c.tenant == look.caller.tenant, READ_SUCCESS.c.plan == plan.number)


def success_arrivals(look: Look, plan: KnownPlan, day: Day) -> Sequence[tuple[float, float]]:
    """When the load profiles of a day were whole, by quarters of an hour, as shares of all due."""
    profiles = [each for each in plan.items.values() if each.kind == PROFILE]
    numbers = profile_numbers(look.connection, look.caller.tenant, plan.items)
    there: Counter[int] = Counter()
    whole_s: dict[int, int] = {}
    for each in profiles:
        rows = look.connection.execute(
            select(BLOCK.c.meter, func.min(BLOCK.c.stored_s))
            .join(PLAN_METER, PLAN_METER.c.meter == BLOCK.c.meter)
            .where(
                PLAN_METER.c.plan == plan.number,
                BLOCK.c.profile == numbers.get(each.name, -1),
                BLOCK.c.day == (day.day - _EPOCH).days,
                BLOCK.c.rows >= DAY_S // each.period_s,
            )
            .group_by(BLOCK.c.meter)
        )
        for meter, stored_s in rows:
            there[meter] += 1
            whole_s[meter] = max(whole_s.get(meter, 0), stored_s)
    quarters = Counter(
        stored_s // _EACH_S for meter, stored_s in whole_s.items() if there[meter] == len(profiles)
    )
    found, total = [], 0
    for quarter in sorted(quarters):
        total += quarters[quarter]
        found.append(((quarter + 1) * float(_EACH_S), min(1.0, total / max(day.due, 1))))
    return found
