"""The curve of a meter: a local day, week or month, as a chart, a legend and a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from ferraris.headend.access.rights import Right
from ferraris.headend.page.asking_curve import Choice, Values, choices, last_day, values
from ferraris.headend.page.charts import Amount, Curve, Mark, curve, daily
from ferraris.headend.page.charts.axes import midnights
from ferraris.headend.page.formats import Formats
from ferraris.headend.page.look import Look
from ferraris.headend.page.rendering import Pair

__all__ = ["SPANS", "curve_part"]

SPANS: Final = ("day", "week", "month")
_WIDE, _SLENDER = 1160, 340
_HOUR_S: Final = 3600
_EPOCH: Final = date(1970, 1, 1)
# What is a power when divided by hours, and is told in thousands of it.
_POWERS: Final[Mapping[str, str]] = {"Wh": "kW", "varh": "kvar", "VAh": "kVA"}
_KILO: Final = 1000.0
_WORST: Final = (Mark.MISSING, Mark.EDITED, Mark.ESTIMATED, Mark.SUSPECT, Mark.VALID)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is looked at: local days from `first` up to, without, `after`."""

    choice: Choice
    span: str
    first: date
    after: date
    start_s: int
    end_s: int
    formats: Formats
    now_s: int

    @property
    def last_s(self) -> int:
        """The end of what can be there by now."""
        return min(self.end_s, self.now_s)


def curve_part(look: Look, meter: Any, formats: Formats) -> Mapping[str, Any]:
    """All that the template of the curve needs; without rows it says so."""
    look.desk.demand(Right.SEE_READINGS)
    newest = last_day(look, meter)
    known = choices(look, meter, newest) if newest is not None else []
    if newest is None or not known:
        return {"curve": None}
    chosen = _chosen(look, known, newest, formats)
    found = values(look, meter, chosen.choice, chosen.start_s, chosen.end_s)
    shown = _by_day(chosen, found) if chosen.span == "month" else _by_interval(chosen, found)
    return {
        "f": formats,
        "curve": {
            **shown,
            "name": _period_name(chosen),
            "span": chosen.span,
            "spans": [(span, look.words(f"curve.{span}")) for span in SPANS],
            "span_address": lambda value: look.address(span=value),
            "channel": _key(chosen.choice),
            "channels": [(_key(each), each.channel, each.unit) for each in known],
            "day": chosen.first.isoformat(),
            "before": look.address(day=(chosen.first - timedelta(days=1)).isoformat()),
            "after": look.address(day=chosen.after.isoformat()),
            "validated": found is None or found.validated,
            "erased": found.erased if found else 0,
        },
    }


def _key(choice: Choice) -> str:
    return f"{choice.profile} {choice.channel}"


def _chosen(look: Look, known: Sequence[Choice], newest: int, formats: Formats) -> Chosen:
    wanted = look.query.get("channel", "")
    choice = next((each for each in known if _key(each) == wanted), known[0])
    span = look.query.get("span", "")
    span = span if span in SPANS else SPANS[0]
    day = _day(look.query.get("day", ""), _EPOCH + timedelta(days=newest))
    first, after = day, day + timedelta(days=1)
    if span == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    elif span == "month":
        first = day.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    start, end = (
        int(datetime.combine(each, time(), formats.zone).timestamp()) for each in (first, after)
    )
    return Chosen(choice, span, first, after, start, end, formats, int(look.now))


def _day(text: str, otherwise: date) -> date:
    """A day that calendars and clocks can reckon with."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return otherwise
    return day if 1971 <= day.year <= 2999 else otherwise


def _period_name(chosen: Chosen) -> str:
    formats, last = chosen.formats, chosen.after - timedelta(days=1)
    if chosen.span == "day":
        weekday = formats.words(f"weekday.{chosen.first.isoweekday()}")
        return f"{weekday} {formats.full_date(chosen.first)}"
    if chosen.span == "month":
        return formats.month_of_year(chosen.first)
    return f"{formats.short_date(chosen.first)} – {formats.full_date(last)}"


def _scaled(unit: str, period_s: int) -> tuple[float, str]:
    """Factor and unit for the amount of an interval: of energy its mean power."""
    if unit in _POWERS:
        return _HOUR_S / period_s / _KILO, _POWERS[unit]
    return 1.0, unit


def _by_interval(chosen: Chosen, found: Values | None) -> dict[str, Any]:
    words, formats = chosen.formats.words, chosen.formats
    if found is None:
        found = Values(900, chosen.choice.unit, (), (), (), (), validated=False)
    if chosen.span == "week":
        found = _hourly(found)
    factor, unit = _scaled(found.unit, found.period_s)
    final = [None if value is None else value * factor for value in found.final]
    raw = [None if value is None else value * factor for value in found.raw]
    drawn = Curve(
        chosen.start_s,
        chosen.end_s,
        formats.zone,
        found.period_s,
        found.ends,
        final,
        raw,
        found.marks,
        unit,
        chosen.now_s,
    )
    highest = max((value for value in final if value is not None), default=None)
    counts = _counts(chosen, found)
    name = words(
        "curve.chart",
        period=_period_name(chosen),
        highest=words("none") if highest is None else f"{formats.number(highest, 2)} {unit}",
        missing=counts[Mark.MISSING],
        estimated=counts[Mark.ESTIMATED],
    )
    return {
        "chart": _pair(
            lambda width: curve(
                drawn,
                name,
                formats.tick,
                formats.week_day,
                width=width,
                height=250,
                key=f"c{width}",
            )
        ),
        "unit": unit,
        "rows": _interval_rows(chosen, drawn),
        "counts": counts,
        "raw_apart": any(a != b for a, b in zip(raw, final, strict=True) if a is not None),
    }


def _pair(drawn: Callable[[int], str]) -> Pair:
    return Pair.of(drawn(_WIDE), drawn(_SLENDER))


def _counts(chosen: Chosen, found: Values) -> dict[Mark, int]:
    """How many intervals have each quality; what has no row at all is missing."""
    expected = max(0, (chosen.last_s - chosen.start_s) // found.period_s)
    counts = dict.fromkeys(Mark, 0)
    there = 0
    for mark, value in zip(found.marks, found.final, strict=True):
        if value is not None:
            counts[mark] += 1
            there += 1
    counts[Mark.MISSING] = max(0, expected - there)
    return counts


def _interval_rows(chosen: Chosen, drawn: Curve) -> list[dict[str, Any]]:
    formats = chosen.formats
    there = {end: at for at, end in enumerate(drawn.ends)}
    rows = []
    for end in range(chosen.start_s + drawn.period_s, chosen.last_s + 1, drawn.period_s):
        at = there.get(end)
        final = None if at is None else drawn.final[at]
        mark = Mark.MISSING if at is None or final is None else drawn.marks[at]
        begin = end - drawn.period_s
        day = "" if chosen.span == "day" else f"{formats.week_day(formats.local(begin))}, "
        rows.append(
            {
                "from_s": begin,
                "until_s": end,
                "time": f"{day}{formats.clock(begin)}–{formats.clock(end)}",
                "final": None if final is None else formats.number(final, 3),
                "raw": _number(formats, None if at is None else drawn.raw[at]),
                "mark": mark.name.lower(),
            }
        )
    return rows


def _number(formats: Formats, value: float | None) -> str | None:
    return None if value is None else formats.number(value, 3)


def _hourly(found: Values) -> Values:
    """Sums of hours; one is there when all of its intervals are, and as good as the worst."""
    each = max(1, _HOUR_S // found.period_s)
    if each == 1:
        return found
    hours: dict[int, list[int]] = {}
    for at, end in enumerate(found.ends):
        hours.setdefault(-(-end // _HOUR_S) * _HOUR_S, []).append(at)
    ends = sorted(hours)

    def summed(column: Sequence[float | None]) -> list[float | None]:
        found_: list[float | None] = []
        for end in ends:
            parts = [column[at] for at in hours[end]]
            known = [part for part in parts if part is not None]
            found_.append(sum(known) if len(known) == each else None)
        return found_

    marks = [
        next(mark for mark in _WORST if any(found.marks[at] == mark for at in hours[end]))
        for end in ends
    ]
    return Values(
        _HOUR_S,
        found.unit,
        ends,
        summed(found.raw),
        summed(found.final),
        marks,
        found.validated,
    )


def _by_day(chosen: Chosen, found: Values | None) -> dict[str, Any]:
    words, formats = chosen.formats.words, chosen.formats
    unit, factor = chosen.choice.unit, 1.0
    if unit in _POWERS:
        unit, factor = f"k{unit}", 1 / _KILO
    bounds = midnights(chosen.start_s, chosen.end_s, formats.zone)
    amounts, rows = [], []
    for begin, end in itertools.pairwise(bounds):
        amount = _amount(found, begin, end, factor, chosen)
        amounts.append(amount)
        rows.append(
            {
                "time": formats.week_day(formats.local(begin)),
                "measured": formats.number(amount.measured, 3),
                "estimated": formats.number(amount.estimated, 3),
                "missing": formats.number(amount.missing),
            }
        )
    whole = sum(each.measured + each.estimated for each in amounts)
    name = words(
        "curve.month_chart",
        period=_period_name(chosen),
        sum=f"{formats.number(whole, 1)} {unit}",
        days=sum(1 for each in amounts if each.missing),
    )
    return {
        "chart": _pair(
            lambda width: daily(
                amounts, name, unit, formats.tick, width=width, height=250, key=f"d{width}"
            )
        ),
        "unit": unit,
        "rows": rows,
        "counts": {},
        "raw_apart": False,
    }


def _amount(found: Values | None, begin: int, end: int, factor: float, chosen: Chosen) -> Amount:
    measured = estimated = 0.0
    there, expected = 0, 0
    if found is not None:
        expected = max(0, min(end, chosen.now_s) - begin) // found.period_s
        for at, value in enumerate(found.final):
            if begin < found.ends[at] <= end and value is not None:
                there += 1
                if found.marks[at] in (Mark.ESTIMATED, Mark.EDITED):
                    estimated += value * factor
                else:
                    measured += value * factor
    text = str(chosen.formats.local(begin).day)
    return Amount(text, measured, estimated, max(0, expected - there))
