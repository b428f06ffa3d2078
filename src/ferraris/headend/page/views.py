"""The pages there are, and the parts that each is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ferraris.headend.page import attention, lost, meters, success
from ferraris.headend.page.look import Part, View

__all__ = ["ALARMS", "LOST", "METER", "METERS", "MISSING", "OVERVIEW", "STRANGER", "STRANGERS"]


def _named(parts: Iterable[Part]) -> Mapping[str, Part]:
    return {part.name: part for part in parts}


OVERVIEW: Final = View(
    "overview.html",
    "overview",
    _named(
        (
            Part("today", ("success",), success.today, every_s=60),
            Part("month", ("success",), success.month),
            Part("groups", ("success",), success.groups),
            Part("reasons", ("session", "success"), attention.reasons),
            Part("missing", ("session", "success"), attention.missing),
            Part("alarms", ("alarm",), attention.alarms),
            Part("commands", ("command",), attention.commands),
            Part("strangers", ("stranger",), attention.strangers),
            Part("exceptions", ("vee",), attention.exceptions),
        )
    ),
    success.frame,
)

MISSING: Final = View(
    "missing.html",
    "missing",
    _named(
        (
            Part("reasons", ("session", "success"), attention.reasons),
            Part("missing", ("session", "success"), attention.missing_page),
        )
    ),
    attention.missing_frame,
)

LOST: Final = View(
    "lost.html",
    "missing",
    _named((Part("lost", ("success",), lost.listing),)),
    lost.frame,
)

METERS: Final = View(
    "meters.html",
    "meters",
    _named((Part("listing", ("meter",), meters.listing),)),
    meters.list_frame,
)

METER: Final = View(
    "meter.html",
    "meters",
    _named(
        (
            Part("now", ("command", "meter", "session"), meters.now),
            Part("facts", ("meter",), meters.facts),
            Part("curve", ("session", "readings", "vee"), meters.curve),
            Part("registers", ("session", "readings"), meters.registers),
            Part("sessions", ("session",), meters.sessions),
            Part("lost_days", ("success",), lost.of_meter),
            Part("alarms", ("alarm",), meters.alarms),
            Part("events", ("session", "readings"), meters.events),
            Part("registration", ("meter",), meters.registration),
            Part("life", ("meter",), meters.life),
        )
    ),
    meters.frame,
)

ALARMS: Final = View(
    "alarms.html",
    "alarms",
    _named((Part("alarms", ("alarm",), attention.alarms_page),)),
    attention.alarms_frame,
)

STRANGERS: Final = View(
    "strangers.html",
    "strangers",
    _named((Part("strangers", ("stranger",), attention.strangers_page),)),
    lambda look: {},
)

STRANGER: Final = View("stranger.html", "strangers", {}, attention.stranger_frame)
