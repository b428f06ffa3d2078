"""What can be done to a meter, by name: acts of people, of the network and of chance.

An act says which parameters it takes, how it begins and, where it lasts, how it ends. It acts on
the meter itself or, as a technician would, through the objects of its management client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.association.server import Incident
from ferraris.meter import life
from ferraris.meter.behaviour import clock, tamper
from ferraris.meter.behaviour.disconnector import push_button
from ferraris.meter.scenario.document import Node
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.device import AccessRefused, ActionRefused, ObjectEntry, RequestContext

__all__ = ["ACTS", "Act", "Parameter", "RefusedActError"]

_MANAGEMENT = 1
_CLOCK = (8, bytes(Obis.of(0, 0, 1, 0, 0)))


class RefusedActError(Exception):
    """The meter is not in a state, or not of a kind, in which this can be done to it."""


class Parameter(NamedTuple):
    """How a parameter is read from the document, and what it is when it is not given."""

    read: Callable[[Node], Any]
    needed: bool = False
    default: Any = None


Given = Mapping[str, Any]
Do = Callable[[SimulatedMeter, int, Given], None]


class Act(NamedTuple):
    """`begin`, and for what lasts `end`, get the meter, the UTC second and the parameters.

    Both raise `RefusedActError`.
    """

    name: str
    begin: Do
    end: Do | None = None
    takes: Mapping[str, Parameter] = {}


# -- the power ------------------------------------------------------------------------------


def _power_down(meter: SimulatedMeter, at: int, given: Given) -> None:
    life.switch_off(meter, at)


def _power_up(meter: SimulatedMeter, at: int, given: Given) -> None:
    life.switch_on(meter, at)


# -- people ---------------------------------------------------------------------------------


def _push_button(meter: SimulatedMeter, at: int, given: Given) -> None:
    if not push_button(meter, at):
        raise RefusedActError("the meter has no switch, or its mode does not allow it now")


def _tries(incident: Incident) -> Do:
    """Somebody comes over the line who should not."""

    def try_(meter: SimulatedMeter, at: int, given: Given) -> None:
        with life.intervening(meter, at):
            for _ in range(given["times"]):
                meter.incident(incident, _MANAGEMENT, at)

    return try_


def _by_hand(do: Callable[[SimulatedMeter, int], None]) -> Do:
    """What needs nothing but the meter and the time."""
    return lambda meter, at, given: do(meter, at)


def _move_clock(meter: SimulatedMeter, at: int, given: Given) -> None:
    stamp = meter.zone.stamp(meter.local(at) + given["by"])
    _set(meter, _entry(meter, *_CLOCK), 2, b"\x09\x0c" + stamp, at)


def _lose_time(meter: SimulatedMeter, at: int, given: Given) -> None:
    with life.intervening(meter, at):
        clock.lose_time(meter, at, meter.local(at) - given["by"])


def _drift(meter: SimulatedMeter, at: int, given: Given) -> None:
    with life.intervening(meter, at):
        clock.set_drift(meter, at, given["ppm"])


# -- a technician with the management client -----------------------------------------------


def _write(meter: SimulatedMeter, at: int, given: Given) -> None:
    class_id, name, attribute = given["attribute"]
    _set(meter, _entry(meter, class_id, name), attribute, given["data"], at)


def _invoke(meter: SimulatedMeter, at: int, given: Given) -> None:
    class_id, name, method = given["method"]
    entry = _entry(meter, class_id, name)
    try:
        meter.act(entry, method, given["data"], RequestContext(_MANAGEMENT, now=at))
    except (ActionRefused, AccessRefused) as error:
        raise RefusedActError(str(error) or "refused") from None


def _entry(meter: SimulatedMeter, class_id: int, name: bytes) -> ObjectEntry:
    entry = meter.objects.get((class_id, name))
    if entry is None:
        raise RefusedActError(f"the meter has no {class_id}/{Obis(name)}")
    return entry


def _set(meter: SimulatedMeter, entry: ObjectEntry, attribute: int, data: bytes, at: int) -> None:
    try:
        meter.set(entry, attribute, data, None, RequestContext(_MANAGEMENT, now=at))
    except AccessRefused as error:
        raise RefusedActError(str(error) or error.result.name.lower()) from None


# -- parameters -----------------------------------------------------------------------------


def _member(node: Node) -> tuple[int, bytes, int]:
    """An attribute or method as CLASS/OBIS/INDEX."""
    parts = node.text().split("/")
    try:
        if len(parts) == 3:
            return int(parts[0]), bytes(Obis.parse(parts[1])), int(parts[2])
    except (ValueError, UsageError):
        pass
    raise node.error("CLASS/OBIS/INDEX was expected, as 3/1-0:1.8.0*255/2")


def _data(node: Node) -> bytes:
    """Encoded COSEM data in hexadecimal."""
    try:
        octets = bytes.fromhex(str(node.value))
        axdr.decode(octets)
    except (ValueError, DecodeError):
        raise node.error(
            "encoded data in hexadecimal was expected, as '1105' for an unsigned 5"
        ) from None
    return octets


_TIMES = {"times": Parameter(lambda node: node.whole(1, 1000), default=1)}

ACTS: dict[str, Act] = {
    act.name: act
    for act in (
        Act("outage", _power_down, _power_up),
        Act("push button", _push_button),
        Act(
            "open meter cover",
            _by_hand(tamper.open_cover),
            _by_hand(tamper.close_cover),
        ),
        Act(
            "open terminal cover",
            _by_hand(tamper.open_terminal_cover),
            _by_hand(tamper.close_terminal_cover),
        ),
        Act("magnet", _by_hand(tamper.apply_magnet), _by_hand(tamper.remove_magnet)),
        Act("try wrong key", _tries(Incident.DECIPHERING_FAILED), takes=_TIMES),
        Act("try wrong password", _tries(Incident.WRONG_PASSWORD), takes=_TIMES),
        Act("replay", _tries(Incident.REPLAY), takes=_TIMES),
        Act(
            "clock failure",
            _lose_time,
            takes={"by": Parameter(lambda node: node.whole(0, 10**8), default=0)},
        ),
        Act(
            "drift",
            _drift,
            takes={"ppm": Parameter(lambda node: node.whole(-1000, 1000), needed=True)},
        ),
        Act(
            "move clock",
            _move_clock,
            takes={"by": Parameter(lambda node: node.whole(-(10**8), 10**8), needed=True)},
        ),
        Act(
            "write",
            _write,
            takes={
                "attribute": Parameter(_member, needed=True),
                "data": Parameter(_data, needed=True),
            },
        ),
        Act(
            "invoke",
            _invoke,
            takes={"method": Parameter(_member, needed=True), "data": Parameter(_data)},
        ),
    )
}
"""Every act by its name."""
