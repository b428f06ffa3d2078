"""SVG as text: elements with escaped attributes and short numbers."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["element", "label", "number", "steps"]


def number(value: float) -> str:
    """A coordinate with one decimal, as short as it goes."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def element(name: str, *children: str, **attributes: str | float | None) -> str:
    """An element; an underscore of an attribute's name is a hyphen, a trailing one nothing.

    Children are SVG already; `label` makes text safe. Attributes that are None are left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return f"<{name}{written}/>"
    return f"<{name}{written}>{''.join(children)}</{name}>"


def label(x: float, y: float, text: str, kind: str, anchor: str | None = None) -> str:
    """Text at a place; `anchor` is start (None), middle or end."""
    return element("text", escape(text), x=x, y=y, class_=kind, text_anchor=anchor)


def steps(points: Iterable[tuple[float, float, float]], floor: float | None = None) -> str:
    """A path of steps (left, right, height); what touches is joined, what does not is a gap.

    With `floor` every joined part is closed down to it, so that it can be filled.
    """
    parts: list[str] = []
    start = end = height = None
    for left, right, y in points:
        if end is None or abs(left - end) > 0.05:
            parts += _close(start, floor)
            parts.append(f"M{number(left)} {number(y if floor is None else floor)}")
            if floor is not None:
                parts.append(f"V{number(y)}")
            start = left
        elif y != height:
            parts.append(f"V{number(y)}")
        if parts[-1][0] == "H" and y == height:
            parts.pop()
        parts.append(f"H{number(right)}")
        end, height = right, y
    parts += _close(start, floor)
    return "".join(parts)


def _close(start: float | None, floor: float | None) -> list[str]:
    return [] if start is None or floor is None else [f"V{number(floor)}Z"]


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else number(value)
