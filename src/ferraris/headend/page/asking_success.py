"""Read success as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plans import KnownPlan, plans
from ferraris.headend.collect.success import arrivals
from ferraris.headend.operations.collecting import (
    SuccessPart,
    list_success,
    list_success_parts,
)
from ferraris.headend.page.look import Look

__all__ = [
    "DAYS",
    "Chosen",
    "Day",
    "chosen",
    "success_arrivals",
    "success_days",
    "success_groups",
]

DAYS: Final = 30
"""How many days are looked at."""

_EPOCH: Final = date(1970, 1, 1)
_EACH_S: Final = 900


@dataclass(frozen=True, slots=True)
class Day:
    """All meters of a plan on a local day: how many were due, came in time, late, or are lost."""

    day: date
    due: int
    in_time: int
    late: int
    lost: int
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
        """How many are not there, and can still come."""
        return self.due - self.in_time - self.late - self.lost


@dataclass(frozen=True, slots=True)
class Chosen:
    """The plan that is looked at, and its last thirty days, the newest last."""

    plan: KnownPlan
    plans: Sequence[KnownPlan]
    days: Sequence[Day]


def chosen(look: Look) -> Chosen | None:
    """The plan that the query names, or else the most important; found once for a page.

    None when no plan works; `ForbiddenError` for who may not see all meters.
    """
    return look.once("success", _chosen)


def _chosen(look: Look) -> Chosen | None:
    look.desk.demand_everywhere(Right.SEE_METERS)
    known = [each for each in plans(look.connection, look.caller.tenant) if each.plan.active]
    known.sort(key=lambda each: (each.plan.priority, each.plan.name))
    if not known:
        return None
    wanted = look.query.get("plan", "")
    plan = next((each for each in known if each.plan.name == wanted), known[0])
    return Chosen(plan, known, success_days(look, plan, DAYS))


def success_days(
    look: Look, plan: KnownPlan, most: int, *, by: str = "", part: str = ""
) -> Sequence[Day]:
    """The last days of a plan that are over, in order: of all meters, or of one part of them."""
    return [
        Day(each.day, each.due, each.in_time, each.late, each.lost, each.deadline.timestamp())
        for each in look.ask(list_success, plan=plan.plan.name, days=most, by=by, part=part)
    ]


def success_groups(
    look: Look, plan: KnownPlan, day: Day, by: str, *, days: int = 1
) -> Sequence[SuccessPart]:
    """A day of a plan, or some up to it, by segment - with all below it -, model or firmware."""
    return look.ask(list_success_parts, plan=plan.plan.name, day=day.day, by=by, days=days)


def success_arrivals(look: Look, plan: KnownPlan, day: Day) -> Sequence[tuple[float, float]]:
    """When all of a day was there, by quarters of an hour, as shares of all that are due.

    It is looked up again when the day is counted otherwise than before.
    """
    tenant = look.caller.tenant
    return look.remembered(
        ("arrivals", tenant, plan.number), (plan.changed_s, day), lambda: _arrivals(look, plan, day)
    )


def _arrivals(look: Look, plan: KnownPlan, day: Day) -> Sequence[tuple[float, float]]:
    number = (day.day - _EPOCH).days
    quarters = Counter(
        done_s // _EACH_S for done_s in arrivals(look.connection, look.caller.tenant, plan, number)
    )
    found, total = [], 0
    for quarter in sorted(quarters):
        total += quarters[quarter]
        found.append(((quarter + 1) * float(_EACH_S), min(1.0, total / max(day.due, 1))))
    return found
