"""Read success: of the day that is due now, of thirty days, and by segment, model or firmware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from ferraris.headend.operations import ForbiddenError
from ferraris.headend.operations.collecting import SuccessPart
from ferraris.headend.page.asking_success import (
    DAYS,
    Day,
    success_arrivals,
    success_days,
    success_groups,
)
from ferraris.headend.page.asking_success import chosen as asked
from ferraris.headend.page.attention import missing_address
from ferraris.headend.page.charts import Arrivals, DayShare, arrivals, days, share_bar
from ferraris.headend.page.formats import Formats, zone_of
from ferraris.headend.page.look import Look
from ferraris.headend.page.lost import lost_address
from ferraris.headend.page.rendering import Pair, picture

__all__ = ["frame", "groups", "month", "today"]

_WIDE, _SLENDER = 560, 340
_MOST_GROUPS: Final = 12
_BYS: Final = ("segment", "model", "firmware")


def frame(look: Look) -> Mapping[str, Any]:
    """What stands around the parts: which plan is shown, and the others."""
    try:
        chosen = asked(look)
    except ForbiddenError:  # the parts say so
        chosen = None
    return {
        "plan": chosen.plan.plan.name if chosen else "",
        "plans": [(each.plan.name, each.plan.name) for each in chosen.plans] if chosen else [],
        "plan_address": lambda name: look.address(plan=name),
    }


def today(look: Look) -> Mapping[str, Any]:
    """The newest day of the plan: how much of it is there, and when it came."""
    chosen = asked(look)
    if chosen is None or not chosen.days:
        return {"today": None}
    day = chosen.days[-1]
    formats = look.formats.at(zone_of(chosen.plan.plan.zone))
    share = day.share
    verdict = "open"
    if look.now >= day.deadline_s or (share or 0) >= look.target:
        verdict = "met" if (share or 0) >= look.target else "missed"
    moments = success_arrivals(look, chosen.plan, day)
    return {
        "f": formats,
        "today": {
            "day": day.day,
            "due": day.due,
            "late": day.late,
            "missing": day.missing,
            "lost": day.lost,
            "lost_address": lost_address(chosen.plan.plan.name, day.day),
            "share": share,
            "target": look.target,
            "deadline_s": day.deadline_s,
            "verdict": verdict,
            "moments": moments,
            "until_s": max(look.now, moments[-1][0]) if moments else look.now,
            "chart": _arrivals_chart(look, formats, day, moments),
        },
    }


def _arrivals_chart(
    look: Look, formats: Formats, day: Day, moments: Sequence[tuple[float, float]]
) -> Pair:
    words = look.words
    local = formats.local(day.deadline_s).date()
    start, end = (
        int(datetime.combine(each, time(), formats.zone).timestamp())
        for each in (local, local + timedelta(days=1))
    )
    of = Arrivals(
        start, end, formats.zone, moments, day.deadline_s, min(look.now, end), look.target
    )
    name = words(
        "today.chart", share=formats.percent(day.share), clock=formats.clock(day.deadline_s)
    )
    deadline = words("today.deadline_at", clock=formats.clock(day.deadline_s))

    def drawn(width: int) -> str:
        return arrivals(of, name, formats.percent_tick, deadline, width=width)

    return Pair.of(drawn(_WIDE), drawn(_SLENDER))


def month(look: Look) -> Mapping[str, Any]:
    """The last thirty days against the target: of all meters, or of a part of the network."""
    chosen = asked(look)
    if chosen is None:
        return {"month": None}
    by, part = _by(look), look.query.get("part", "")
    of = success_days(look, chosen.plan, DAYS, by=by, part=part) if part else chosen.days
    known = [day for day in of if day.due]
    head = {"part": part, "all_address": look.address(part="")}
    if not known:
        return {"month": head if part else None}
    words, formats = look.words, look.formats.at(zone_of(chosen.plan.plan.zone))
    past = [day for day in known if day.deadline_s <= look.now] or known
    due, last = sum(day.due for day in past), chosen.days[-1].day
    mean = sum(day.in_time for day in past) / due
    met = sum(1 for day in past if (day.share or 0) >= look.target)
    name = words("days.chart", mean=formats.percent(mean, 2), met=met, all=len(past))

    def drawn(width: int) -> str:
        return _month_chart(formats, _filled(of, last), look.target, name, width)

    return {
        "f": formats,
        "month": {
            **head,
            "days": [(day, DAYS - 1 - (last - day.day).days) for day in known],
            "mean": mean,
            "target": look.target,
            "met": met,
            "known": len(past),
            "lost": sum(day.lost for day in known),
            "lost_address": lambda day: lost_address(chosen.plan.plan.name, day.day),
            "so_far": sum(day.in_time + day.late for day in past) / due,
            "deadline_s": known[-1].deadline_s,
            "chart": Pair.of(drawn(_WIDE), drawn(_SLENDER)),
        },
    }


def _month_chart(
    formats: Formats,
    each_day: Sequence[tuple[date, Day | None]],
    target: float,
    name: str,
    width: int,
) -> str:
    every = 5 if width > _SLENDER else 7
    shares = [
        DayShare(
            formats.short_date(day) if (len(each_day) - 1 - place) % every == 0 else "",
            found.share if found else None,
            found.so_far if found else None,
        )
        for place, (day, found) in enumerate(each_day)
    ]
    return days(shares, target, name, formats.percent_tick, width=width)


def _filled(found: Sequence[Day], last: date) -> list[tuple[date, Day | None]]:
    """Every day up to the last, also those on which nothing was due."""
    by_day = {day.day: day for day in found if day.due}
    every = [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return [(day, by_day.get(day)) for day in every]


def _by(look: Look) -> str:
    by = look.query.get("by", "")
    return by if by in _BYS else _BYS[0]


def groups(look: Look) -> Mapping[str, Any]:
    """The newest day by segment, model or firmware, the worst first, beside the thirty days."""
    chosen = asked(look)
    by = _by(look)
    found: Sequence[SuccessPart] = ()
    of_month: Mapping[str, SuccessPart] = {}
    if chosen and chosen.days:
        plan, day = chosen.plan, chosen.days[-1]
        found = success_groups(look, plan, day, by)
        of_month = {each.name: each for each in success_groups(look, plan, day, by, days=DAYS)}
    ordered = sorted(found, key=lambda each: (_share(each), -each.due, each.name))
    return {
        "groups": {
            "by": by,
            "part": look.query.get("part", ""),
            "options": [(each, look.words(f"groups.{each}")) for each in _BYS],
            "address": lambda value: look.address(by=value, part=""),
            "rows": [
                {
                    **_row(look, each, f"g{place}"),
                    "of_month": _share(of_month.get(each.name, each)),
                    "address": look.address(by=by, part=each.name) if each.name else "",
                    "missing_address": missing_address(**{by: each.name}) if each.name else "",
                    "lost_address": lost_address(plan.plan.name, day.day, **{by: each.name}),
                }
                for place, each in enumerate(ordered[:_MOST_GROUPS])
            ],
            "more": max(0, len(ordered) - _MOST_GROUPS),
        }
    }


def _row(look: Look, each: SuccessPart, key: str) -> dict[str, Any]:
    late = each.late / each.due if each.due else 0.0
    return {
        "name": each.name,
        "due": each.due,
        "share": _share(each),
        "late": each.late,
        "missing": each.due - each.in_time - each.late - each.lost,
        "lost": each.lost,
        "bar": picture(share_bar(_share(each), late, look.target, key=key)),
    }


def _share(of: SuccessPart) -> float:
    return of.in_time / of.due if of.due else 0.0
