"""Read success as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import func, select

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plan import PROFILE
from ferraris.headend.collect.plans import KnownPlan, plans, profile_numbers
from ferraris.headend.operations.collecting import (
    SuccessPart,
    list_success,
    list_success_parts,
)
from ferraris.headend.page.look import Look
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.tables.collecting import PLAN_METER
from ferraris.headend.store.tables.readings import BLOCK

__all__ = ["Day", "success_arrivals", "success_days", "success_groups", "success_plans"]

_EPOCH: Final = date(1970, 1, 1)
_EACH_S: Final = 900


@dataclass(frozen=True, slots=True)
class Day:
    """All meters of a plan on a local day: how many were due, came in time, and came late."""

    day: date
    due: int
    in_time: int
    late: int
    deadline_s: float

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


def success_plans(look: Look) -> Sequence[KnownPlan]:
    """The plans that work, the most important first."""
    look.desk.demand_everywhere(Right.SEE_METERS)
    found = [each for each in plans(look.connection, look.caller.tenant) if each.plan.active]
    return sorted(found, key=lambda each: (each.plan.priority, each.plan.name))


def success_days(look: Look, plan: KnownPlan, most: int) -> Sequence[Day]:
    """The last days of a plan that are over, in order."""
    return [
        Day(each.day, each.due, each.in_time, each.late, each.deadline.timestamp())
        for each in look.ask(list_success, plan=plan.plan.name, days=most)
    ]


def success_groups(look: Look, plan: KnownPlan, day: Day, by: str) -> Sequence[SuccessPart]:
    """A day of a plan by segment - with all that is below it -, model or firmware."""
    return look.ask(list_success_parts, plan=plan.plan.name, day=day.day, by=by)


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
