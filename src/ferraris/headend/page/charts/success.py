"""Read success: how reads of a day arrive until its deadline, and how the last days went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from ferraris.headend.page.charts.axes import Frame, hours, nice
from ferraris.headend.page.charts.drawing import dot, drawing, triangle
from ferraris.headend.page.charts.svg import element, label, number

__all__ = ["Arrivals", "DayShare", "arrivals", "days"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A local day: at each moment (UTC seconds) the share of the due reads that was there."""

    start_s: int
    end_s: int
    zone: tzinfo
    moments: Sequence[tuple[float, float]]
    deadline_s: float
    now_s: float
    target: float


def arrivals(
    of: Arrivals,
    name: str,
    text: Callable[[float], str],
    deadline_text: str,
    *,
    width: int = 560,
    height: int = 170,
) -> str:
    """Draw the share that has arrived over the day, with deadline and target."""
    frame = Frame.of(width, height, [0.0, 0.25, 0.5, 0.75, 1.0], text, "")
    x = frame.x(of.start_s, of.end_s)
    until = min(max(of.now_s, of.start_s), of.end_s)
    path, share = f"M{number(x(of.start_s))} {number(frame.floor)}", 0.0
    for at, share in of.moments:
        place = x(min(max(at, of.start_s), until))
        path += f"H{number(place)}V{number(frame.y(share))}"
    path += f"H{number(x(until))}"
    area = f"{path}V{number(frame.floor)}Z"
    every = 3 if width >= 480 else 6
    parts = [
        frame.grid(text),
        frame.along([(x(at), when) for at, when in hours(of.start_s, of.end_s, of.zone, every)]),
        element("path", d=area, class_="area"),
        element("path", d=path, class_="final"),
        _target(frame, of.target),
    ]
    if of.start_s <= of.deadline_s <= of.end_s:
        parts.append(_deadline(frame, x(of.deadline_s), deadline_text))
    return drawing(
        width, height, name, *parts, kind="arrivals", reach=frame.reach(of.start_s, of.end_s)
    )


@dataclass(frozen=True, slots=True)
class DayShare:
    """One day: its text below the axis ("" for none), the share in time, and that until now."""

    text: str
    in_time: float | None
    so_far: float | None


def days(
    shares: Sequence[DayShare],
    target: float,
    name: str,
    text: Callable[[float], str],
    *,
    width: int = 560,
    height: int = 170,
) -> str:
    """Draw a mark for each day: a dot in time at target or above, a triangle below it.

    A stem leads from it up to what late reads made of the day. The axis begins where it is needed.
    """
    known = [each.in_time for each in shares if each.in_time is not None]
    least = min([*known, target])
    low = next(bound for bound in (0.95, 0.9, 0.8, 0.5, 0.0) if bound < least or bound == 0.0)
    frame = Frame.of(width, height, nice(low, 1.0, 5), text, "")
    room = (frame.right - frame.left) / max(len(shares), 1)
    stems, caps, good, bad, places = "", "", "", "", []
    for place, each in enumerate(shares):
        middle = frame.left + (place + 0.5) * room
        if each.text:
            places.append((middle, each.text))
        if each.in_time is None:
            continue
        y = frame.y(each.in_time)
        if each.so_far is not None and each.so_far > each.in_time:
            top = frame.y(each.so_far)
            stems += f"M{number(middle)} {number(y)}V{number(top)}"
            caps += f"M{number(middle - 3.5)} {number(top)}h7"
        if each.in_time >= target:
            good += dot(middle, y)
        else:
            bad += triangle(middle, y)
    parts = [
        frame.grid(text),
        frame.along(places),
        _target(frame, target),
        element("path", d=stems + caps, class_="stem") if stems else "",
        element("path", d=good, class_="good") if good else "",
        element("path", d=bad, class_="bad") if bad else "",
    ]
    return drawing(width, height, name, *parts, kind="days", reach=frame.reach(0, len(shares)))


def _target(frame: Frame, target: float) -> str:
    y = frame.y(target)
    return element(
        "path", d=f"M{number(frame.left)} {number(y)}H{number(frame.right)}", class_="target"
    )


def _deadline(frame: Frame, x: float, text: str) -> str:
    line = f"M{number(x)} {number(frame.top)}V{number(frame.bottom)}"
    at_right = x < (frame.left + frame.right) / 2
    place = label(x + 5, frame.bottom - 6, text, "note")
    if not at_right:
        place = label(x - 5, frame.bottom - 6, text, "note", "end")
    return element("path", d=line, class_="deadline") + place
