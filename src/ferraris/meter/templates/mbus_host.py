"""The template `mbus-host`: a household meter that reads gas, water, heat and a second meter."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.data.kinds import enum
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.event_log import EventCode, EventLog
from ferraris.meter.behaviour.mbus_client import MBusClient
from ferraris.meter.behaviour.mbus_values import (
    MBusDiagnostic,
    MBusEquipment,
    MBusProfile,
    MBusValue,
)
from ferraris.meter.behaviour.mbus_valve import VALVE_LOG, MBusValve
from ferraris.meter.consumption import Consumption
from ferraris.meter.mbus_devices import DEVICES
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    OPERATOR,
    READING,
    associations,
    residential_objects,
)
from ferraris.meter.zone import Zone
from ferraris.model import mbus
from ferraris.model.local_ports import BaudRate

__all__ = ["mbus_host"]

_KNOWN = frozenset((MANAGEMENT, READING))
_MANAGEMENT = frozenset((MANAGEMENT,))
_PORT = "0-0:24.6.0*255"
_HOURS, _DAYS = 10 * 24, 40


def mbus_host(
    zone: Zone | None = None,
    tariff: Tariff | None = None,
    region: int = 0,
    *,
    suite: int = 0,
    mechanism: int | None = None,
    weak: bool = False,
) -> Template:
    """Build the template; arguments as for `residential`."""
    consumption = Consumption(zone or Zone(), tariff or Tariff(), region)
    placed = [*residential_objects(consumption, suite), Placed(MBusPort(_PORT), _KNOWN)]
    for number in range(1, len(DEVICES) + 1):
        placed += _channel(number)
    by = proving(mechanism, suite, weak=weak)
    return Template(
        "mbus-host",
        consumption,
        placed,
        associations(placed, suite, by),
        suite=suite,
        counts_as={OPERATOR: MANAGEMENT},
        mbus_devices=DEVICES,
    )


class MBusPort(Behaviour):
    """The port with the devices, at 2400 bits a second."""

    declares = mbus.MBusMasterPortSetup

    def __init__(self, name: str) -> None:
        super().__init__(name, {2: enum(BaudRate.BAUD_2400)})


def _channel(number: int) -> Iterator[Placed]:
    client = MBusClient(number, _PORT)
    writes = dict.fromkeys(range(4, 10), _MANAGEMENT)
    yield Placed(client, _KNOWN, writes, dict.fromkeys(client.offered, _MANAGEMENT))
    yield Placed(MBusEquipment(client), _KNOWN)
    yield Placed(MBusValue(client), _KNOWN)
    for daily, entries in ((False, _HOURS), (True, _DAYS)):
        profile = MBusProfile(client, daily=daily, entries=entries)
        yield Placed(profile, _KNOWN, methods={1: _MANAGEMENT})
    valve = MBusValve(client)
    yield Placed(valve, _KNOWN, {4: _MANAGEMENT}, {1: _MANAGEMENT, 2: _MANAGEMENT})
    code = EventCode(f"0-{number}:96.11.4*255", VALVE_LOG + number)
    yield Placed(code, _KNOWN)
    yield Placed(EventLog(f"0-{number}:24.5.0*255", code, 64), _KNOWN, methods={1: _MANAGEMENT})
    yield Placed(MBusDiagnostic(client), _KNOWN, methods={1: _MANAGEMENT})
