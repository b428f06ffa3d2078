"""A small bar for a row of a table: in time, late, and the target."""

from __future__ import annotations

from ferraris.headend.page.charts.drawing import hatch
from ferraris.headend.page.charts.svg import element

__all__ = ["share_bar"]


def share_bar(
    in_time: float,
    late: float,
    target: float,
    *,
    width: int = 120,
    height: int = 14,
    key: str = "s",
) -> str:
    """Shares from 0 to 1 of what is due; it only repeats the numbers beside it, so it is silent."""
    inner = width - 2
    first, second = inner * min(in_time, 1.0), inner * min(in_time + late, 1.0)
    parts = [
        element("rect", x=0.5, y=2.5, width=width - 1, height=height - 5, class_="hollow"),
        element("rect", x=1, y=3, width=first, height=height - 6, class_="bar") if first else "",
    ]
    if second > first:
        parts += [
            element("defs", hatch(f"{key}-l", "hatch-l")),
            element(
                "rect",
                x=1 + first,
                y=3,
                width=second - first,
                height=height - 6,
                class_="late",
                fill=f"url(#{key}-l)",
            ),
        ]
    parts.append(element("path", d=f"M{1 + inner * target:.1f} 0v{height}", class_="target"))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        class_="chart share",
        aria_hidden="true",
        xmlns="http://www.w3.org/2000/svg",
    )
