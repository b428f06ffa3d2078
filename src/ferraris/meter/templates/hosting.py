"""What brings the M-Bus objects of a companion specification to life: channels and devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ferraris.data.obis import Obis
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.event_log import EventCode, EventLog
from ferraris.meter.behaviour.mbus_client import MBusClient, MBusClientV0
from ferraris.meter.behaviour.mbus_values import (
    MBusDiagnostic,
    MBusEquipment,
    MBusStatus,
    MBusValue,
)
from ferraris.meter.behaviour.mbus_valve import VALVE_LOG, MBusValve
from ferraris.meter.mbus_devices import DEVICES, DeviceKind
from ferraris.model.companion import CompanionObject

if TYPE_CHECKING:
    from ferraris.meter.templates.makers import Setting

__all__ = [
    "client",
    "clients_of",
    "devices_for",
    "diagnostic",
    "mbus_equipment",
    "mbus_status",
    "mbus_value",
    "valve",
    "valve_code",
    "valve_log",
]

Rows = Mapping[tuple[int, Obis], CompanionObject]

_CLIENT = MBusClient.declares.class_id
_PORT = "0-0:24.6.0*255"
_VALVE_ENTRIES = 64
_FIVE_MINUTES, _HOUR, _DAY = 300, 3600, 86400
_PERIODS = {3: _HOUR, 5: _DAY, 7: 31 * _DAY}
"""How long a row of a profile is, by E of the status that goes with it [gxf-profiles]."""


def clients_of(rows: Rows) -> dict[int, MBusClient]:
    """The channels of a meter by number, from 1.

    A device with two readings is read every five minutes, and the second reading is that of the
    hour.
    """
    found = {}
    for (class_id, name), row in rows.items():
        if class_id == _CLIENT:
            port = row.values.get(2, _PORT)
            made = MBusClient if 1 in row.versions else MBusClientV0
            is_read_often = (4, Obis.of(0, name.b, 24, 2, 2)) in rows
            period_s = _FIVE_MINUTES if is_read_often else _HOUR
            found[name.b] = made(name.b, str(port), period_s)
    return found


def devices_for(clients: Mapping[int, MBusClient], rows: Rows) -> tuple[DeviceKind, ...]:
    """A device for each channel, of those that measure in the unit that is asked for."""
    devices = []
    for number in range(1, max(clients, default=0) + 1):
        reading = rows.get((4, Obis.of(0, number, 24, 2, 1)))
        units = () if reading is None else reading.units
        fitting = [kind for kind in DEVICES if not units or kind.unit in units]
        devices.append(fitting[(number - 1) % len(fitting)])
    return tuple(devices)


def _on_channel(
    make: Callable[[MBusClient], Behaviour],
) -> Callable[[CompanionObject, Setting], Behaviour | None]:
    """What needs its channel alone."""

    def maker(row: CompanionObject, setting: Setting) -> Behaviour | None:
        client = setting.clients.get(row.logical_name.b)
        return None if client is None else make(client)

    return maker


def mbus_value(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """A reading of the device on a channel."""
    client = setting.clients.get(row.logical_name.b)
    is_hourly = row.logical_name.e > 1
    return None if client is None else MBusValue(client, row.pattern, _HOUR if is_hourly else 1)


def mbus_status(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """The status of the rows of a profile of a channel."""
    client = setting.clients.get(row.logical_name.b)
    period_s = _PERIODS.get(row.logical_name.e)
    if client is None or period_s is None:
        return None
    return MBusStatus(client, row.pattern, period_s)


def mbus_equipment(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """The number on the plate of the device on a channel."""
    client = setting.clients.get(row.logical_name.b)
    return None if client is None else MBusEquipment(client, row.pattern)


def valve_log(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """The log of the valve of a channel, beside the code of its latest event."""
    client = setting.clients.get(row.logical_name.b)
    return None if client is None else EventLog(row.pattern, _valve_code(client), _VALVE_ENTRIES)


def _valve_code(client: MBusClient) -> EventCode:
    number = client.channel.number
    return EventCode(f"0-{number}:96.11.4*255", VALVE_LOG + number)


client = _on_channel(lambda channel: channel)
diagnostic = _on_channel(MBusDiagnostic)
valve = _on_channel(MBusValve)
valve_code = _on_channel(_valve_code)
