"""What all charts share: the outer element with its name, hatches, and small marks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Final

from ferraris.headend.page.charts.svg import element, number

__all__ = ["SAMPLES", "cross", "dot", "drawing", "hatch", "sample", "square", "triangle"]


def drawing(
    width: int,
    height: int,
    name: str,
    *children: str,
    kind: str = "",
    reach: Mapping[str, float] | None = None,
) -> str:
    """The whole chart, named for those who do not see it; `reach` is that of `Frame.reach`."""
    return element(
        "svg",
        element("title", escape(name)),
        *children,
        viewBox=f"0 0 {width} {height}",
        class_=f"chart {kind}".strip(),
        role="img",
        width=width,
        height=height,
        xmlns="http://www.w3.org/2000/svg",
        **(reach or {}),
    )


def hatch(name: str, kind: str, *, rising: bool = True, gap: int = 5) -> str:
    """A pattern of slanting lines, to be filled with by `url(#name)`."""
    line = f"M0 {gap}L{gap} 0" if rising else f"M0 0L{gap} {gap}"
    corners = f"M-1 1L1 -1M{gap - 1} {gap + 1}L{gap + 1} {gap - 1}"
    if not rising:
        corners = f"M-1 {gap - 1}L1 {gap + 1}M{gap - 1} -1L{gap + 1} 1"
    return element(
        "pattern",
        element("path", d=line + corners, class_=kind),
        id=name,
        width=gap,
        height=gap,
        patternUnits="userSpaceOnUse",
    )


def dot(x: float, y: float) -> str:
    """Path of a round mark."""
    return f"M{number(x - 3)} {number(y)}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z"


def triangle(x: float, y: float) -> str:
    """Path of a triangle that stands on its base, centred."""
    return f"M{number(x - 4)} {number(y + 3.5)}h8l-4 -7z"


def square(x: float, y: float) -> str:
    """Path of a square."""
    return f"M{number(x - 3)} {number(y - 3)}h6v6h-6z"


def cross(x: float, y: float) -> str:
    """Path of a cross, to be stroked."""
    return f"M{number(x - 3)} {number(y - 3)}l6 6m0 -6l-6 6"


_WIDE, _HIGH = 22, 12
_MIDDLE, _LINE = _WIDE / 2, _HIGH / 2

SAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "final": f"M1 {_LINE}H{_WIDE - 1}",
        "raw": f"M1 {_LINE}H{_WIDE - 1}",
        "target": f"M1 {_LINE}H{_WIDE - 1}",
        "deadline": f"M{_MIDDLE} 0V{_HIGH}",
        "stem": f"M{_MIDDLE} {_HIGH}V2M{_MIDDLE - 3.5} 2h7",
        "bar": f"M4 {_HIGH}V1h14v{_HIGH - 1}z",
        "estimated": f"M1 1H{_WIDE - 1}V{_HIGH - 1}H1z",
        "missing": f"M1 3H{_WIDE - 1}V{_HIGH - 3}H1z",
        "good": dot(_MIDDLE, _LINE),
        "bad": triangle(_MIDDLE, _LINE),
        "suspect": triangle(_MIDDLE, _LINE),
        "edited": square(_MIDDLE, _LINE),
        "absent": cross(_MIDDLE, _LINE),
    }
)
"""The marks that charts use, each as a path of a small drawing."""

_HATCHES: Final = MappingProxyType({"estimated": ("hatch-e", True), "missing": ("hatch-m", False)})


def sample(kind: str) -> str:
    """A mark as a legend shows it, silent because its text stands beside it."""
    defs, fill = "", None
    if kind in _HATCHES:
        line, rising = _HATCHES[kind]
        defs = element("defs", hatch(f"l-{kind}", line, rising=rising))
        fill = f"url(#l-{kind})"
    return element(
        "svg",
        defs,
        element("path", d=SAMPLES[kind], class_=kind, fill=fill),
        viewBox=f"0 0 {_WIDE} {_HIGH}",
        width=_WIDE,
        height=_HIGH,
        class_="chart sample",
        aria_hidden="true",
        xmlns="http://www.w3.org/2000/svg",
    )
