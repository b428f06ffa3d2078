"""Axes: nice values between two bounds, moments of local days, and the frame that shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from ferraris.headend.page.charts.svg import element, label

__all__ = ["Frame", "Scale", "hours", "midnights", "nice"]

_STEPS = (1, 2, 5, 10)
_FINEST = 1e-6  # differences below that are none
_CHARACTER = 6.4  # width of a digit of a tick, in units of the drawing


def nice(low: float, high: float, most: int = 5) -> list[float]:
    """Values at 1, 2 or 5 times a power of ten, at most `most` steps, that enclose both bounds.

    Bounds that are the same get room above them.
    """
    if not high - low > max(abs(low), abs(high), 1.0) * _FINEST:
        high = low + max(abs(low), abs(high), 1.0)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    while True:
        for step in _STEPS:
            first, last = math.floor(low / (step * power)), math.ceil(high / (step * power))
            if last - first <= most:
                return [round(at * step * power, 9) + 0.0 for at in range(first, last + 1)]
        power *= 10


def hours(start_s: int, end_s: int, zone: tzinfo, every: int) -> list[tuple[int, str]]:
    """Full local hours of a day that are multiples of `every`, as UTC seconds and their text.

    A hour that the clocks skip is left out, one that they repeat is told once.
    """
    day = datetime.fromtimestamp(start_s, zone).date()
    found = []
    for hour in range(0, 24, every):
        local = datetime.combine(day, time(hour), zone)
        at = int(local.timestamp())
        if datetime.fromtimestamp(at, zone).hour == hour and start_s <= at < end_s:
            found.append((at, f"{hour:02d}:00"))
    return found


def midnights(start_s: int, end_s: int, zone: tzinfo) -> list[int]:
    """The local midnights from the first bound up to and with the last, as UTC seconds."""
    day = datetime.fromtimestamp(start_s, zone).date()
    found = []
    while (at := int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp())) <= end_s:
        if at >= start_s:
            found.append(at)
        day += timedelta(days=1)
    return found


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places."""

    low: float
    high: float
    at_low: float
    at_high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.at_low + share * (self.at_high - self.at_low)


@dataclass(frozen=True, slots=True)
class Frame:
    """The room of a chart, with a value axis on the left and room below for what is along it."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    y: Scale
    ticks: Sequence[float]
    unit: str

    @classmethod
    def of(
        cls,
        width: int,
        height: int,
        ticks: Sequence[float],
        text: Callable[[float], str],
        unit: str,
    ) -> Frame:
        """A frame with as much room on the left as the longest tick needs."""
        longest = max(len(text(tick)) for tick in ticks)
        top, bottom = 20.0 if unit else 8.0, height - 20.0
        left = 10 + longest * _CHARACTER
        scale = Scale(ticks[0], ticks[-1], bottom, top)
        return cls(width, height, left, width - 8.0, top, bottom, scale, ticks, unit)

    def x(self, low: float, high: float) -> Scale:
        """A scale along the frame."""
        return Scale(low, high, self.left, self.right)

    def reach(self, start: float, end: float) -> dict[str, float]:
        """What a script needs to find the value at a place: the frame, and what runs along it."""
        return {
            "data_left": self.left,
            "data_right": self.right,
            "data_top": self.top,
            "data_bottom": self.bottom,
            "data_start": start,
            "data_end": end,
        }

    def grid(self, text: Callable[[float], str]) -> str:
        """Lines and texts of the value axis, and its unit above."""
        lines = "".join(
            f"M{self.left:.1f} {self.y(tick):.1f}H{self.right:.1f}"
            for tick in self.ticks
            if tick != self.base
        )
        parts = [element("path", d=lines, class_="grid")] if lines else []
        parts.append(
            element("path", d=f"M{self.left:.1f} {self.floor:.1f}H{self.right:.1f}", class_="axis")
        )
        parts += [
            label(self.left - 5, self.y(tick) + 4, text(tick), "tick", "end") for tick in self.ticks
        ]
        if self.unit:
            parts.append(label(2, 11, self.unit, "unit"))
        return "".join(parts)

    @property
    def base(self) -> float:
        """The value on which areas stand: zero, or the least of the axis above it."""
        return min(max(0.0, self.ticks[0]), self.ticks[-1])

    @property
    def floor(self) -> float:
        """The place of `base`."""
        return self.y(self.base)

    def along(self, places: Sequence[tuple[float, str]], *, marks: bool = True) -> str:
        """Texts below the frame, with a small mark each; what would not fit is left out."""
        parts, path, free = [], "", 0.0
        for x, text in places:
            half = len(text) * _CHARACTER / 2
            if marks:
                path += f"M{x:.1f} {self.bottom:.1f}v4"
            centre = min(x, self.width - half)
            if centre - half >= free:
                parts.append(label(centre, self.height - 4, text, "tick", "middle"))
                free = centre + half + 6
        if path:
            parts.append(element("path", d=path, class_="axis"))
        return "".join(parts)
