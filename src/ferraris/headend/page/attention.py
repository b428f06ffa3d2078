"""What needs somebody: missing meters and why, alarms, strangers, commands, doubtful values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.troubles import ORDERS
from ferraris.headend.inventory import Contact
from ferraris.headend.inventory.records import FIRST_WAYS, SUITES, Authentication, Ciphering
from ferraris.headend.operations.strangers import StrangerView
from ferraris.headend.operations.troubles import BY
from ferraris.headend.page import asking_attention as asking
from ferraris.headend.page.acting import CERTIFICATES, SECRETS
from ferraris.headend.page.look import Look
from ferraris.headend.page.lost import lately

__all__ = [
    "SHOWN",
    "TONES",
    "alarms",
    "alarms_frame",
    "alarms_page",
    "commands",
    "exceptions",
    "missing",
    "missing_address",
    "missing_frame",
    "missing_page",
    "reasons",
    "stranger_frame",
    "strangers",
    "strangers_page",
]

SHOWN: Final = ("open", "lasting", "all")
"""Which alarms can be listed."""

_FEW: Final = 8
_MANY: Final = 100
_PAGE: Final = 100
_MOST_CHOICES: Final = 300
_STATE_TONES: Final[Mapping[str, str]] = {"waiting": "", "held": "warn", "trying": "busy"}
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
    found = look.once("counts", asking.counts)["reason"]
    rows = [
        {"reason": each.name, "meters": each.meters, "address": missing_address(reason=each.name)}
        for each in found
    ]
    return {"reasons": rows, "lost": lately(look)}


def missing_address(**wanted: str) -> str:
    """Where the missing meters of a reason, segment, model or firmware are listed."""
    return f"/missing?{urlencode(wanted)}"


def missing(look: Look) -> Mapping[str, Any]:
    """The meters that are silent longest."""
    rows, more = asking.silent(look, _FEW)
    return {
        "missing": {"rows": rows, "more": more, "all_address": "/missing", "address": None},
        "tones": _STATE_TONES,
    }


def missing_frame(look: Look) -> Mapping[str, Any]:
    """The form above the list: what narrows it, and its order."""
    counts = look.once("counts", asking.counts)
    wanted = _wanted(look)
    filters = []
    for name in BY:
        known = [(each.name, each.meters) for each in counts[name] if each.name][:_MOST_CHOICES]
        if wanted.get(name) and wanted[name] not in dict(known):
            known.insert(0, (wanted[name], 0))
        filters.append({"name": name, "chosen": wanted.get(name, ""), "known": known})
    return {
        "filters": filters,
        "order": wanted["order"],
        "orders": ORDERS,
        "narrowed": any(wanted.get(name) for name in BY),
        "reason": wanted.get("reason", ""),
    }


def _wanted(look: Look) -> dict[str, str]:
    found = {name: look.query[name] for name in BY if look.query.get(name)}
    order = look.query.get("sort", "")
    return found | {"order": order if order in ORDERS else ORDERS[0]}


def missing_page(look: Look) -> Mapping[str, Any]:
    """All of them, in pages, or those that the form asks for."""
    after, wanted = look.query.get("after", ""), _wanted(look)
    rows, more = asking.silent(look, _PAGE, after=after, **wanted)
    return {
        "missing": {
            "rows": rows,
            "more": more,
            "after": after,
            "all_address": "",
            "address": lambda place: look.address(after=place),
            "order": wanted["order"],
            "sorted": lambda order: look.address(sort=order, after=""),
        },
        "tones": _STATE_TONES,
    }


def alarms(look: Look) -> Mapping[str, Any]:
    """The newest alarms that nobody has acknowledged."""
    found = asking.alarms(look, unseen=True, limit=_MANY)
    return {
        "alarms": {
            "open": len(found.items),
            "many": bool(found.next),
            "rows": found.items[:_FEW],
            "more": len(found.items) > _FEW,
            "may": look.may(Right.COMMAND),
            "address": None,
            "meter": "",
        }
    }


def alarms_frame(look: Look) -> Mapping[str, Any]:
    """Which alarms are shown, and the others."""
    return {
        "shown": _shown(look),
        "shown_address": lambda value: look.address(shown=value, after=""),
    }


def _shown(look: Look) -> str:
    shown = look.query.get("shown", "")
    return shown if shown in SHOWN else SHOWN[0]


def alarms_page(look: Look) -> Mapping[str, Any]:
    """Alarms in pages: those that nobody has acknowledged, those that last, or all."""
    after, shown = look.query.get("after", ""), _shown(look)
    wanted = {"unseen": shown == "open", "lasting": shown == "lasting"}
    found = asking.alarms(look, **wanted, after=after, limit=_PAGE)
    return {
        "alarms": {
            "open": None,
            "rows": found.items,
            "may": look.may(Right.COMMAND),
            "after": after,
            "more": found.next,
            "address": lambda place: look.address(after=place),
            "meter": "",
        }
    }


def strangers(look: Look) -> Mapping[str, Any]:
    """Who waits for a decision."""
    more, found = asking.strangers(look)
    return {"strangers": _strangers(look, len(found), more, found[:_FEW])}


def strangers_page(look: Look) -> Mapping[str, Any]:
    """All who wait for a decision."""
    more, found = asking.strangers(look)
    return {"strangers": _strangers(look, len(found), more, found)}


def _strangers(look: Look, number: int, many: bool, rows: Sequence[StrangerView]) -> dict[str, Any]:
    return {"open": number, "many": many, "rows": rows, "may": may_decide(look)}


def may_decide(look: Look) -> bool:
    """Whether the caller may admit strangers: that is for who manages all meters."""
    return look.caller.rights.get(Right.MANAGE_METERS, look) is None


def stranger_frame(look: Look) -> Mapping[str, Any]:
    """The stranger of this page; `NotFoundError` for one that is decided, or was never there."""
    found = asking.stranger(look, int(look.subject))
    host = urlsplit(f"//{found.peer.rpartition('://')[2]}").hostname or ""
    return {
        "stranger": found,
        "may": may_decide(look),
        "contacts": list(Contact),
        "secrets": SECRETS,
        "certificates": CERTIFICATES,
        "suites": SUITES,
        "ways": list(Authentication),
        "cipherings": list(Ciphering),
        "first_ways": FIRST_WAYS,
        "guess": {
            "external_id": _readable(found.identity),
            "address": f"tcp://[{host}]:4059"
            if ":" in host
            else f"tcp://{host}:4059"
            if host
            else "",
            "zone": str(look.zone),
        },
    }


def _readable(identity: str) -> str:
    """What a system title says in letters and digits, where it does; else as it is."""
    try:
        text = bytes.fromhex(identity).decode("ascii")
    except ValueError:
        return identity
    return text if text.isalnum() else identity


def commands(look: Look) -> Mapping[str, Any]:
    """The newest commands."""
    more, running = asking.under_way(look)
    rows = [
        {
            "meter": row.meter,
            "kind": row.kind,
            "state": row.state,
            "tone": TONES.get(row.state, ""),
            "by": row.requested_by,
            "at_s": row.requested.timestamp(),
        }
        for row in asking.commands(look, _FEW)
    ]
    return {"commands": {"running": running, "more": more, "rows": rows}}


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
