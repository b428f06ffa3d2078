"""The valve of a gas device on M-Bus: the same table as a supply switch, moved through the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag, enum
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import life
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.disconnector import is_welded
from ferraris.meter.behaviour.mbus_client import MBusClient
from ferraris.meter.behaviour.states import Trigger, next_state
from ferraris.meter.mbus_devices import Device, DeviceMemory
from ferraris.meter.state import Interruption
from ferraris.model.time_control import ControlState, DisconnectControl
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["VALVE_LOG", "MBusValve", "turn_valve"]

VALVE_LOG = 16
"""The log of channel n has this number + n among those of the meter."""

_METHODS = {1: Trigger.REMOTE_DISCONNECT, 2: Trigger.REMOTE_RECONNECT}
_CODES = {
    Trigger.MANUAL_DISCONNECT: 160,
    Trigger.MANUAL_RECONNECT: 161,
    Trigger.REMOTE_DISCONNECT: 162,
    Trigger.REMOTE_RECONNECT: 163,
}
_CODES_APART = 10  # codes of a channel [memory]
_LAST_MODE = 6
_GOALS = {
    Trigger.REMOTE_DISCONNECT: (ControlState.DISCONNECTED,),
    Trigger.REMOTE_RECONNECT: (ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION),
}


class MBusValve(Behaviour):
    """Disconnect control of the device on a channel; other devices than gas have no valve."""

    declares = DisconnectControl

    def __init__(self, client: MBusClient, mode: int = 4) -> None:
        self.channel = client.channel
        super().__init__(f"0-{client.channel.number}:24.4.0*255", {4: enum(mode)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 3."""
        device = self._device(meter, now)
        if device is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
        state = device.memory(meter).valve
        if attribute == 2:
            return bytes((Tag.BOOLEAN, state == ControlState.CONNECTED))
        return encoded(Tag.ENUM, state)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 4, a mode from 1: a valve is never held open by force."""
        if attribute != 4:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, mode = decoded(data)
        if tag != Tag.ENUM:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if not 1 <= mode <= _LAST_MODE:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Remote disconnect and reconnect; temporary-failure while the device cannot be told."""
        trigger = _METHODS.get(method)
        if trigger is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        device = self._device(meter, now)
        if device is None:
            raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
        if not self.channel.can_read(meter, now):
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "the device cannot be told")
        if trigger is Trigger.REMOTE_DISCONNECT and _is_stuck(device.memory(meter)):
            raise ActionRefused(ActionResult.HARDWARE_FAULT)
        if not self.turn(meter, trigger, now) and device.memory(meter).valve not in _GOALS[trigger]:
            raise ActionRefused(ActionResult.OTHER_REASON)
        return None

    def turn(self, meter: SimulatedMeter, trigger: Trigger, now: int) -> bool:
        """Try to move the valve; tell whether it moved."""
        device = self._device(meter, now)
        if device is None:
            return False
        before = device.memory(meter).valve
        after = next_state(self.get(meter, 4, None, now)[1], before, trigger)
        if after is None or _is_stuck(device.memory(meter)):
            return False
        memory = device.change(meter)
        memory.valve = int(after)
        spans = memory.interruptions
        if before == ControlState.CONNECTED:
            memory.interruptions = (*spans, Interruption(now, None))
        elif after == ControlState.CONNECTED:
            memory.interruptions = (*spans[:-1], spans[-1]._replace(stop=now))
        number = self.channel.number
        meter.log(VALVE_LOG + number, _CODES[trigger] + _CODES_APART * (number - 1), now)
        return True

    def _device(self, meter: SimulatedMeter, now: int) -> Device | None:
        device = self.channel.device(meter, now)
        return device if device is not None and device.kind.has_valve else None


def _is_stuck(memory: DeviceMemory) -> bool:
    """Whether an open valve was closed so often that it stays open."""
    return memory.valve == ControlState.CONNECTED and is_welded(memory.interruptions)


def turn_valve(meter: SimulatedMeter, valve: MBusValve, at: int, *, is_open: bool) -> bool:
    """Somebody turns the valve of a device by hand at UTC second `at`; tells whether it moved."""
    with life.intervening(meter, at):
        trigger = Trigger.MANUAL_RECONNECT if is_open else Trigger.MANUAL_DISCONNECT
        return valve.turn(meter, trigger, at)
