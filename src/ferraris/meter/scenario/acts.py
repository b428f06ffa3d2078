"""What can be done to a meter, by name: acts of people, of the network and of chance."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.association.server import Incident
from ferraris.meter import life
from ferraris.meter.behaviour import clock, tamper
from ferraris.meter.behaviour.disconnector import jam, push_button
from ferraris.meter.disturbing import disturb, restore, reverse_phases
from ferraris.meter.scenario.act import Act, Do, Given, Parameter, RefusedActError
from ferraris.meter.scenario.devices import DEVICES
from ferraris.meter.scenario.fault_acts import FAULT_ACTS
from ferraris.meter.scenario.technician import TECHNICIAN
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.voltage import PHASES

__all__ = ["ACTS"]

_MANAGEMENT = 1


# -- the power ------------------------------------------------------------------------------


def _power_down(meter: SimulatedMeter, at: int, given: Given) -> None:
    try:
        life.switch_off(meter, at)
    except UsageError as error:
        raise RefusedActError(str(error)) from error


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


def _disturb(meter: SimulatedMeter, at: int, given: Given) -> None:
    """Another voltage, on one phase or on all."""
    phases = PHASES if given["phase"] is None else (given["phase"],)
    try:
        disturb(meter, at, given["percent"], phases=phases)
    except UsageError as error:
        raise RefusedActError(str(error)) from None


def _jam(meter: SimulatedMeter, at: int, given: Given) -> None:
    jam(meter, at)


def _repair(meter: SimulatedMeter, at: int, given: Given) -> None:
    jam(meter, at, jammed=False)


def _reverse(meter: SimulatedMeter, at: int, given: Given) -> None:
    reverse_phases(meter, at)


def _put_right(meter: SimulatedMeter, at: int, given: Given) -> None:
    reverse_phases(meter, at, are_reversed=False)


def _lose_time(meter: SimulatedMeter, at: int, given: Given) -> None:
    with life.intervening(meter, at):
        clock.lose_time(meter, at, meter.local(at) - given["by"])


def _drift(meter: SimulatedMeter, at: int, given: Given) -> None:
    with life.intervening(meter, at):
        clock.set_drift(meter, at, given["ppm"])


_TIMES = {"times": Parameter(lambda node: node.whole(1, 1000), default=1)}

ACTS: dict[str, Act] = {
    act.name: act
    for act in (
        Act("outage", _power_down, _power_up),
        Act("push button", _push_button),
        Act("jam switch", _jam, _repair),
        Act(
            "voltage",
            _disturb,
            _by_hand(restore),
            takes={
                "percent": Parameter(lambda node: node.whole(0, 200), needed=True),
                "phase": Parameter(lambda node: node.whole(1, 3)),
            },
        ),
        Act("reverse phases", _reverse, _put_right),
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
        *DEVICES,
        *TECHNICIAN,
        *FAULT_ACTS,
    )
}
"""Every act by its name."""
