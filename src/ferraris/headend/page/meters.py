"""The list of meters, and what the page of one meter shows beside its curve."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ferraris.core.errors import Error
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Event, Reading
from ferraris.headend.access.rights import Right
from ferraris.headend.operations import ForbiddenError, NotFoundError
from ferraris.headend.operations.collecting import CommandView
from ferraris.headend.operations.inventory import show_life, show_meter
from ferraris.headend.operations.registration import KeyView, show_registration
from ferraris.headend.page import asking_meter as asking
from ferraris.headend.page.asking_attention import alarms as asked_alarms
from ferraris.headend.page.attention import TONES
from ferraris.headend.page.curves import curve_part
from ferraris.headend.page.formats import Formats, zone_of
from ferraris.headend.page.look import Look
from ferraris.model.obis_names import name as obis_name

__all__ = [
    "STATES",
    "alarms",
    "curve",
    "events",
    "facts",
    "frame",
    "life",
    "list_frame",
    "listing",
    "now",
    "registers",
    "registration",
    "sessions",
]

STATES: Final = ("known", "installed", "active", "suspended", "retired")
_STATE_TONES: Final[Mapping[str, str]] = {
    "active": "good",
    "suspended": "warn",
    "retired": "",
    "known": "",
    "installed": "busy",
}
_STEP_TONES: Final[Mapping[str, str]] = {"active": "good", "held": "warn", "quarantined": "bad"}
_PAGE: Final = 50
_EVENTS: Final = 25
_ALARMS: Final = 20
_SESSIONS: Final = 8
_COMMANDS: Final = 3
_READINGS: Final = 40
_BEHIND: Final = 50
_SETTLED: Final = "settled"
_KEY_TONES: Final[Mapping[str, str]] = {"there": "good", "absent": "", "prepared": "busy"}
_CLOCK: Final = "0-0:1.0.0"
_CLOCK_OCTETS: Final = 12


def list_frame(look: Look) -> Mapping[str, Any]:
    """The form above the list."""
    state = look.query.get("state", "")
    return {
        "search": look.query.get("q", ""),
        "state": state if state in STATES else "",
        "states": STATES,
    }


def listing(look: Look) -> Mapping[str, Any]:
    """A page of the meters that fit."""
    given = list_frame(look)
    after = look.query.get("after", "")
    count, rows, more = asking.found(look, given["search"].strip(), given["state"], after, _PAGE)
    return {
        "listing": {
            "count": count,
            "rows": rows,
            "tones": _STATE_TONES,
            "after": after,
            "more": more,
            "address": lambda place: look.address(after=place),
        }
    }


def _meter(look: Look) -> Any:
    return look.once("meter", lambda at: at.desk.meter(at.subject, Right.SEE_METERS))


def _formats(look: Look) -> Formats:
    """In the zone of the service point, or else of the meter."""
    name = look.once("zone", lambda at: asking.zone(at, _meter(at)))
    return look.formats.at(zone_of(name))


def frame(look: Look) -> Mapping[str, Any]:
    """The head of the page; `NotFoundError` for a meter that is not there for this caller."""
    meter = _meter(look)
    return {
        "meter": meter.external_id,
        "state": meter.state,
        "tone": _STATE_TONES.get(meter.state, ""),
        "heard_s": meter.heard_s,
        "zone_name": str(_formats(look).zone),
        "f": _formats(look),
    }


def facts(look: Look) -> Mapping[str, Any]:
    """Who the meter is, what is around it, and where and for whom it measures."""
    meter = look.ask(show_meter, meter=_meter(look).external_id)
    point = asking.point(look, meter.meter)
    return {
        "f": _formats(look),
        "facts": {
            "meter": meter,
            "point": point,
            "customer": point.customer if point else None,
            "behind_it": asking.behind(look, _meter(look), _BEHIND),
        },
        "tones": _STATE_TONES,
    }


def curve(look: Look) -> Mapping[str, Any]:
    """Its load profile."""
    return curve_part(look, _readable(look), _formats(look))


def registers(look: Look) -> Mapping[str, Any]:
    """The last value of every register."""
    formats = _formats(look)
    found = asking.registers(look, _readable(look))
    return {"f": formats, "registers": [_register(formats, *each) for each in found]}


def _readable(look: Look) -> Any:
    """The meter, for who may see its readings."""
    try:
        return look.desk.meter(look.subject, Right.SEE_READINGS)
    except NotFoundError:  # the right is for other meters than this one
        raise ForbiddenError(f"{look.caller.name} lacks the right to see readings") from None


def _register(formats: Formats, reading: Reading, read_s: int) -> dict[str, Any]:
    unit = reading.unit.symbol if reading.unit else ""
    value = reading.value
    return {
        "code": str(reading.name).partition("*")[0],
        "name": obis_name(reading.name) if isinstance(reading.name, Obis) else "",
        "value": _octets(formats, value)
        if isinstance(value, bytes)
        else _shown(formats, value, unit),
        "of_s": reading.time.timestamp() if reading.time else None,
        "read_s": read_s,
    }


def _shown(formats: Formats, value: Any, unit: str) -> str:
    return formats.words("none") if value is None else formats.quantity(value, unit)


def _octets(formats: Formats, value: bytes) -> str:
    """A moment where it is one, text where it is text, else hexadecimal digits."""
    if len(value) == _CLOCK_OCTETS:
        try:
            return formats.exact(DateTime(value).to_datetime(formats.zone).timestamp())
        except Error:
            pass
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return value.hex(" ")
    return text if text.isprintable() else value.hex(" ")


def events(look: Look) -> Mapping[str, Any]:
    """What its logs tell."""
    formats = _formats(look)
    found = asking.events(look, _meter(look), _EVENTS)
    return {"f": formats, "events": [_event(each) for each in found]}


def _event(event: Event) -> dict[str, Any]:
    return {
        "at_s": event.time.timestamp() if event.time else None,
        "log": str(event.log).partition("*")[0],
        "code": event.code,
        "text": event.text,
    }


def alarms(look: Look) -> Mapping[str, Any]:
    """What it wanted to be noticed, also what somebody has seen."""
    name = _meter(look).external_id
    found = asked_alarms(look, meter=name, limit=_ALARMS)
    return {
        "f": _formats(look),
        "alarms": {
            "open": None,
            "rows": found.items,
            "may": look.may(Right.COMMAND),
            "address": None,
            "meter": name,
        },
    }


def sessions(look: Look) -> Mapping[str, Any]:
    """How the last conversations went."""
    return {"f": _formats(look), "sessions": asking.sessions(look, _meter(look), _SESSIONS)}


def life(look: Look) -> Mapping[str, Any]:
    """Its steps from the shipment on, the newest first."""
    steps = look.ask(show_life, meter=_meter(look).external_id)
    return {"f": _formats(look), "life": steps[::-1], "tones": _STATE_TONES}


def registration(look: Look) -> Mapping[str, Any]:
    """How far it is on its way to being active, and how its keys stand; never the keys."""
    name = _meter(look).external_id
    try:
        found = look.ask(show_registration, meter=name)
    except NotFoundError:
        found = None
    return {
        "f": _formats(look),
        "registration": found,
        "tone": _STEP_TONES.get(found.step, "busy") if found else "",
        "keys": [_key(each) for each in asking.keys(look, name)],
    }


def _key(key: KeyView) -> dict[str, Any]:
    settled = key.renewal == _SETTLED
    state = "there" if key.there and settled else "absent" if settled else key.renewal
    return {"kind": key.kind, "state": state, "tone": _KEY_TONES.get(state, "warn"), "of": key}


def now(look: Look) -> Mapping[str, Any]:
    """What keeps it from being read, the button that reads it now, and the last commands."""
    meter = _meter(look)
    found = asking.commands(look, meter, _COMMANDS)
    formats = _formats(look)
    return {
        "f": formats,
        "order": {
            "may": look.may(Right.COMMAND),
            "ready": meter.state == "active",
            "trouble": asking.trouble(look, meter.external_id),
            "commands": [_command(formats, each) for each in found],
        },
    }


def _command(formats: Formats, command: CommandView) -> dict[str, Any]:
    result = command.result if isinstance(command.result, Mapping) else {}
    began = command.started or command.requested
    return {
        "number": command.number,
        "kind": command.kind,
        "state": command.state,
        "tone": TONES.get(command.state, ""),
        "by": command.requested_by,
        "at_s": command.requested.timestamp(),
        "until_s": command.not_after.timestamp() if command.not_after else None,
        "began_s": began.timestamp(),
        "took_s": (command.ended - began).total_seconds() if command.ended else None,
        "message": command.message,
        "readings": [_plain(formats, each) for each in result.get("readings", ())[:_READINGS]],
        "missing": [name.partition("*")[0] for name in result.get("missing", ())],
    }


def _plain(formats: Formats, reading: Mapping[str, Any]) -> dict[str, str]:
    """A reading as a command brings it: numbers are texts, so that they are exact."""
    code, value, unit = str(reading["name"]).partition("*")[0], reading["value"], reading["unit"]
    if code == _CLOCK and isinstance(value, str) and len(value) == 2 * _CLOCK_OCTETS:
        return {"code": code, "value": _octets(formats, bytes.fromhex(value))}
    if isinstance(value, str) and unit:
        try:
            value = Decimal(value)
        except InvalidOperation:
            unit = ""
    return {"code": code, "value": _shown(formats, value, unit or "")}
