"""Amounts of days as bars: what was measured is solid, what was estimated hatched on top of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ferraris.headend.page.charts.axes import Frame, nice
from ferraris.headend.page.charts.drawing import cross, drawing, hatch
from ferraris.headend.page.charts.svg import element, number

__all__ = ["Amount", "daily"]


@dataclass(frozen=True, slots=True)
class Amount:
    """One day: its text below the axis, how much was measured and estimated, what is missing."""

    text: str
    measured: float
    estimated: float = 0.0
    missing: int = 0


def daily(
    amounts: Sequence[Amount],
    name: str,
    unit: str,
    text: Callable[[float], str],
    *,
    width: int = 720,
    height: int = 240,
    key: str = "d",
) -> str:
    """Draw a bar for each day; a cross above it says that intervals are missing."""
    most = max((each.measured + each.estimated for each in amounts), default=0.0)
    frame = Frame.of(width, height, nice(0.0, most or 1.0), text, unit)
    room = (frame.right - frame.left) / max(len(amounts), 1)
    solid, hatched, crosses, places = "", "", "", []
    for place, each in enumerate(amounts):
        left, wide = frame.left + (place + 0.12) * room, room * 0.76
        middle = left + wide / 2
        low, high = frame.y(each.measured), frame.y(each.measured + each.estimated)
        if each.measured > 0:
            solid += _box(left, wide, frame.floor, low)
        if each.estimated > 0:
            hatched += _box(left, wide, low, high)
        if each.missing:
            crosses += cross(middle, max(high - 8, 6))
        places.append((middle, each.text))
    parts = [
        element("defs", hatch(f"{key}-e", "hatch-e")),
        frame.grid(text),
        frame.along(places, marks=False),
        element("path", d=solid, class_="bar") if solid else "",
        element("path", d=hatched, class_="estimated", fill=f"url(#{key}-e)") if hatched else "",
        element("path", d=crosses, class_="absent") if crosses else "",
    ]
    return drawing(width, height, name, *parts, kind="daily", reach=frame.reach(0, len(amounts)))


def _box(left: float, wide: float, floor: float, top: float) -> str:
    return f"M{number(left)} {number(floor)}V{number(top)}h{number(wide)}V{number(floor)}z"
