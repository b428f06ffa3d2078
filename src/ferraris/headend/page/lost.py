"""Days that are lost: registers that nobody read in time, of which meters, and of one meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from ferraris.core.errors import UsageError
from ferraris.headend.operations import ForbiddenError
from ferraris.headend.operations.collecting import (
    PlanView,
    list_plans,
    list_success,
    list_success_parts,
)
from ferraris.headend.operations.lost import list_lost, show_lost
from ferraris.headend.page.asking_success import DAYS, chosen
from ferraris.headend.page.formats import zone_of
from ferraris.headend.page.look import Look

__all__ = ["frame", "lately", "listing", "lost_address", "of_meter"]

_PAGE: Final = 100
_BYS: Final = ("segment", "model", "firmware")


def lost_address(plan: str, day: date, **wanted: str) -> str:
    """Where the meters that lost a day of a plan are listed, of a segment, model or firmware."""
    given = {"plan": plan, "day": day.isoformat(), **wanted}
    return f"/lost?{urlencode({name: value for name, value in given.items() if value})}"


def lately(look: Look) -> Mapping[str, Any] | None:
    """How many days of meters the plan lost in the last thirty days; None for none at all.

    That is told to who may see all meters.
    """
    try:
        found = chosen(look)
    except ForbiddenError:
        return None
    days = [each for each in found.days if each.lost] if found else []
    if not found or not days:
        return None
    last = days[-1].day
    return {
        "count": sum(each.lost for each in days),
        "day": last,
        "address": lost_address(found.plan.plan.name, last),
    }


def frame(look: Look) -> Mapping[str, Any]:
    """The form above the list: which plan, which day, and what narrows it."""
    plans = look.once("plans", _plans)
    if not plans:
        return {"plans": (), "plan": "", "days": (), "day": None, "filters": ()}
    plan, days, day = look.once("lost", _wanted)
    return {
        "plans": [each.name for each in plans],
        "plan": plan.name,
        "days": days if day in dict(days) else [(day, None), *days],
        "day": day,
        "filters": [
            {"name": by, "chosen": look.query.get(by, ""), "known": _parts(look, plan, day, by)}
            for by in _BYS
        ],
    }


def listing(look: Look) -> Mapping[str, Any]:
    """The meters that lost the day, in pages."""
    if not look.once("plans", _plans):
        return {"lost": {"rows": (), "more": "", "after": "", "address": None}}
    plan, _, day = look.once("lost", _wanted)
    wanted = {by: look.query[by] for by in _BYS if look.query.get(by)}
    after = look.query.get("after", "")
    found = look.ask(list_lost, plan=plan.name, day=day, after=after, limit=_PAGE, **wanted)
    return {
        "lost": {
            "rows": found.items,
            "more": found.next,
            "after": after,
            "address": lambda place: look.address(after=place),
        }
    }


def of_meter(look: Look) -> Mapping[str, Any]:
    """The days that one meter lost."""
    found = look.ask(show_lost, meter=look.subject, days=DAYS)
    return {
        "lost": [{"of": each, "address": lost_address(each.plan, each.day)} for each in found],
        "plans": len({each.plan for each in found}),
    }


def _plans(look: Look) -> Sequence[PlanView]:
    found = [each for each in look.ask(list_plans) if each.plan.active]
    return sorted(found, key=lambda each: (each.plan.priority, each.name))


def _wanted(look: Look) -> tuple[PlanView, Sequence[tuple[date, int | None]], date]:
    """The plan, the days of it on which something was lost, and the day that is shown."""
    plans = look.once("plans", _plans)
    name = look.query.get("plan", "")
    plan = next((each for each in plans if each.name == name), plans[0])
    yesterday = _today(look, plan) - timedelta(days=1)
    days: list[tuple[date, int | None]]
    try:
        found = look.ask(list_success, plan=plan.name, days=DAYS)
        days = [(each.day, each.lost) for each in reversed(found) if each.lost]
    except ForbiddenError:  # how many there are is for who may see all meters
        days = [(yesterday - timedelta(days=back), None) for back in range(DAYS)]
    text = look.query.get("day", "")
    try:
        day = date.fromisoformat(text) if text else days[0][0] if days else yesterday
    except ValueError:
        raise UsageError(f"day: {text[:40]!r} is no day as in 2026-03-01") from None
    return plan, days, day


def _today(look: Look, plan: PlanView) -> date:
    return look.formats.at(zone_of(plan.plan.zone)).local(look.now).date()


def _parts(look: Look, plan: PlanView, day: date, by: str) -> Sequence[tuple[str, int]]:
    """The segments, models or firmwares that lost something of the day, the most first."""
    try:
        found = look.ask(list_success_parts, plan=plan.name, day=day, by=by)
    except ForbiddenError:
        found = []
    parts = [(each.name, each.lost) for each in found if each.lost and each.name]
    wanted = look.query.get(by, "")
    if wanted and wanted not in dict(parts):
        parts.append((wanted, 0))
    return sorted(parts, key=lambda each: (-each[1], each[0]))
