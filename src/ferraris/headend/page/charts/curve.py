"""The curve of a load profile: steps over a local day or week, with what is wrong with it marked.

Final values are a filled curve, raw ones a thin line where they differ. Estimated intervals are
hatched, edited ones marked by squares, suspect ones by triangles, missing ones are gaps with a
hatched band on the ground.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import IntEnum

from ferraris.headend.page.charts.axes import Frame, Scale, hours, midnights, nice
from ferraris.headend.page.charts.drawing import drawing, hatch, square, triangle
from ferraris.headend.page.charts.svg import element, steps

__all__ = ["Curve", "Mark", "curve"]

_DAY_S = 86_400
_LONGEST_DAY_S = 27 * 3600
_BAND = 7


class Mark(IntEnum):
    """How good a value is."""

    VALID = 0
    SUSPECT = 1
    ESTIMATED = 2
    EDITED = 3
    MISSING = 4


@dataclass(frozen=True, slots=True)
class Curve:
    """Intervals that end at `ends` (UTC seconds) and last `period_s`, between two local midnights.

    None in `raw` is an interval nobody measured; in `final` one that has no value at all. An end
    that is not in `ends` is a gap, up to `until_s`: what lies after it cannot be there yet.
    """

    start_s: int
    end_s: int
    zone: tzinfo
    period_s: int
    ends: Sequence[int]
    final: Sequence[float | None]
    raw: Sequence[float | None]
    marks: Sequence[Mark]
    unit: str
    until_s: float | None = None


def curve(
    of: Curve,
    name: str,
    text: Callable[[float], str],
    day_text: Callable[[datetime], str],
    *,
    width: int = 720,
    height: int = 240,
    key: str = "c",
) -> str:
    """Draw a day, or some days; `text` writes values, `day_text` local days below the axis.

    `key` keeps the hatches of several charts on one page apart.
    """
    known = [value for value in (*of.final, *of.raw) if value is not None]
    ticks = nice(min(0.0, *known, 0.0), max(known, default=0.0) or 1.0, 4 if height < 200 else 5)
    frame = Frame.of(width, height, ticks, text, of.unit)
    x = frame.x(of.start_s, of.end_s)
    parts = [
        element("defs", hatch(f"{key}-e", "hatch-e"), hatch(f"{key}-m", "hatch-m", rising=False)),
        frame.grid(text),
        _time_axis(of, frame, x, day_text),
        _band(of, frame, x, f"url(#{key}-m)"),
        *_areas(of, frame, x, f"url(#{key}-e)"),
        *_lines(of, frame, x),
        *_marks(of, frame, x),
    ]
    return drawing(
        width, height, name, *parts, kind="curve", reach=frame.reach(of.start_s, of.end_s)
    )


def _time_axis(of: Curve, frame: Frame, x: Scale, day_text: Callable[[datetime], str]) -> str:
    if of.end_s - of.start_s <= _LONGEST_DAY_S:
        every = 3 if frame.width >= 560 else 6
        found = hours(of.start_s, of.end_s, of.zone, every)
        return frame.along([(x(at), text) for at, text in found])
    bounds = midnights(of.start_s, of.end_s, of.zone)
    lines = "".join(f"M{x(at):.1f} {frame.top:.1f}V{frame.bottom:.1f}" for at in bounds[1:-1])
    noon = timedelta(hours=12)
    names = [
        (x((at + after) / 2), day_text(datetime.fromtimestamp(at, of.zone) + noon))
        for at, after in itertools.pairwise(bounds)
    ]
    return element("path", d=lines, class_="grid") + frame.along(names, marks=False)


def _band(of: Curve, frame: Frame, x: Scale, fill: str) -> str:
    """What has no final value, as a hatched band on the ground."""
    there = {end for end, value in zip(of.ends, of.final, strict=True) if value is not None}
    last = of.end_s if of.until_s is None else min(of.end_s, of.until_s)
    gaps = _runs(
        end
        for end in range(of.start_s + of.period_s, int(last) + 1, of.period_s)
        if end not in there
    )
    path = "".join(
        f"M{x(first - of.period_s):.1f} {frame.floor - _BAND:.1f}H{x(last):.1f}v{_BAND}"
        f"H{x(first - of.period_s):.1f}z"
        for first, last in gaps(of.period_s)
    )
    return element("path", d=path, class_="missing", fill=fill) if path else ""


def _runs(ends: Iterable[int]) -> Callable[[int], list[tuple[int, int]]]:
    """First and last end of every unbroken run."""

    def of(period_s: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for end in ends:
            if found and end == found[-1][1] + period_s:
                found[-1] = (found[-1][0], end)
            else:
                found.append((end, end))
        return found

    return of


def _stretch(
    of: Curve, frame: Frame, x: Scale, values: Sequence[float | None], wanted: Callable[[int], bool]
) -> list[tuple[float, float, float]]:
    return [
        (x(end - of.period_s), x(end), frame.y(value))
        for place, (end, value) in enumerate(zip(of.ends, values, strict=True))
        if value is not None and wanted(place)
    ]


def _areas(of: Curve, frame: Frame, x: Scale, fill: str) -> Iterable[str]:
    made = {Mark.ESTIMATED, Mark.EDITED}
    measured = _stretch(of, frame, x, of.final, lambda at: of.marks[at] not in made)
    if measured:
        yield element("path", d=steps(measured, frame.floor), class_="area")
    estimated = _stretch(of, frame, x, of.final, lambda at: of.marks[at] in made)
    if estimated:
        yield element("path", d=steps(estimated, frame.floor), class_="estimated", fill=fill)


def _lines(of: Curve, frame: Frame, x: Scale) -> Iterable[str]:
    apart = _stretch(of, frame, x, of.raw, lambda at: of.raw[at] != of.final[at])
    if apart:
        yield element("path", d=steps(apart), class_="raw")
    final = _stretch(of, frame, x, of.final, lambda _: True)
    if final:
        yield element("path", d=steps(final), class_="final")


def _marks(of: Curve, frame: Frame, x: Scale) -> Iterable[str]:
    for mark, shape, kind in ((Mark.SUSPECT, triangle, "suspect"), (Mark.EDITED, square, "edited")):
        found = _stretch(of, frame, x, of.final, lambda at, mark=mark: of.marks[at] == mark)  # type: ignore[misc]
        path = "".join(shape((left + right) / 2, max(y - 7, 5)) for left, right, y in found)
        if path:
            yield element("path", d=path, class_=kind)
