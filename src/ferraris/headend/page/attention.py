"""What needs somebody: missing meters and why, alarms, strangers, commands, doubtful values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from ferraris.headend.page import asking_attention as asking
from ferraris.headend.page.look import Look

__all__ = [
    "TONES",
    "alarms",
    "commands",
    "exceptions",
    "missing",
    "missing_page",
    "reasons",
    "strangers",
]

_FEW: Final = 8
_PAGE: Final = 100
_DOUBTS: Final = ("suspect", "estimated", "missing")

TONES: Final[Mapping[str, str]] = {
    "queued": "busy",
    "running": "busy",
    "done": "good",
    "failed": "bad",
    "unknown": "warn",
    "cancelled": "",
}
"""How the state of a command is marked."""


def reasons(look: Look) -> Mapping[str, Any]:
    """Why meters are missing."""
    return {"reasons": asking.reasons(look)}


def missing(look: Look) -> Mapping[str, Any]:
    """The meters that are silent longest."""
    rows, more = asking.silent(look, "", "", _FEW)
    return {"missing": {"rows": rows, "more": more, "all_address": "/missing", "address": None}}


def missing_page(look: Look) -> Mapping[str, Any]:
    """All of them, in pages, also those of one reason alone."""
    after, reason = look.query.get("after", ""), look.query.get("reason", "")
    rows, more = asking.silent(look, reason, after, _PAGE)
    return {
        "missing": {
            "rows": rows,
            "more": more,
            "after": after,
            "all_address": "",
            "address": lambda place: look.address(after=place),
        }
    }


def alarms(look: Look) -> Mapping[str, Any]:
    """The newest alarms that nobody has acknowledged."""
    more, found = asking.alarms(look)
    rows = [
        {"meter": each.meter, "name": each.name, "times": each.times, "at_s": each.last.timestamp()}
        for each in found[:_FEW]
    ]
    return {"alarms": {"open": len(found), "more": more, "rows": rows}}


def strangers(look: Look) -> Mapping[str, Any]:
    """Who waits for a decision."""
    more, found = asking.strangers(look)
    rows = [
        {
            "identity": each.identity,
            "reason": each.reason,
            "peer": each.peer,
            "times": each.times,
            "at_s": each.last.timestamp(),
        }
        for each in found[:_FEW]
    ]
    return {"strangers": {"open": len(found), "more": more, "rows": rows}}


def commands(look: Look) -> Mapping[str, Any]:
    """The newest commands."""
    running, rows = asking.commands(look, _FEW)
    return {
        "commands": {
            "running": running,
            "rows": [
                {
                    "meter": row.external_id,
                    "kind": row.kind,
                    "state": row.state,
                    "tone": TONES.get(row.state, ""),
                    "by": row.requested_by,
                    "at_s": row.requested_s,
                }
                for row in rows
            ],
        }
    }


def exceptions(look: Look) -> Mapping[str, Any]:
    """Days that validation doubts, each with its worst channel."""
    more, found = asking.doubts(look)
    days: dict[tuple[str, str], dict[str, Any]] = {}
    for each in found:
        row = days.setdefault(
            (each.meter, each.date),
            {"meter": each.meter, "day": date.fromisoformat(each.date)} | dict.fromkeys(_DOUBTS, 0),
        )
        for name in _DOUBTS:
            row[name] = max(row[name], getattr(each, name))
    meters = len({each.meter for each in found})
    rows = list(days.values())[:_FEW]
    return {"exceptions": {"meters": meters, "more": more, "rows": rows}}
