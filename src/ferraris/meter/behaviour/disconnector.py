"""The supply switch: its states, what moves it, and that nothing flows while it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag, enum
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.states import MODES, Trigger, next_state
from ferraris.meter.happenings import Happening
from ferraris.model.time_control import ControlState, DisconnectControl
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Disconnector"]

_METHODS = {1: Trigger.REMOTE_DISCONNECT, 2: Trigger.REMOTE_RECONNECT}
_GOALS = {
    Trigger.REMOTE_DISCONNECT: (ControlState.DISCONNECTED,),
    Trigger.REMOTE_RECONNECT: (ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION),
}
_HAPPENINGS = {
    Trigger.REMOTE_DISCONNECT: Happening.REMOTE_DISCONNECTION,
    Trigger.REMOTE_RECONNECT: Happening.REMOTE_CONNECTION,
    Trigger.MANUAL_DISCONNECT: Happening.MANUAL_DISCONNECTION,
    Trigger.MANUAL_RECONNECT: Happening.MANUAL_CONNECTION,
    Trigger.LOCAL_DISCONNECT: Happening.LOCAL_DISCONNECTION,
    Trigger.LOCAL_RECONNECT: Happening.LOCAL_CONNECTION,
}


class Disconnector(Behaviour):
    """Disconnect control in one of the modes 0 to 6."""

    declares = DisconnectControl

    def __init__(self, name: str, mode: int = 4) -> None:
        super().__init__(name, {4: enum(mode)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 3."""
        state = meter.connection
        if attribute == 2:
            return bytes((Tag.BOOLEAN, state == ControlState.CONNECTED))
        return encoded(Tag.ENUM, state)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 4, the mode; mode 0 means always connected and closes the switch."""
        tag, mode = decoded(data)
        if attribute != 4 or tag != Tag.ENUM:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if not 0 <= mode < len(MODES):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        if mode == 0 and meter.connection != ControlState.CONNECTED:
            self._move(meter, ControlState.CONNECTED, now)
            meter.note(Happening.REMOTE_CONNECTION, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Remote disconnect and reconnect; where the switch already is there, nothing happens."""
        trigger = _METHODS.get(method)
        if trigger is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        if self.operate(meter, trigger, now):
            return None
        if self._mode(meter) != 0 and meter.connection in _GOALS[trigger]:
            return None
        raise ActionRefused(ActionResult.OTHER_REASON)

    def operate(self, meter: SimulatedMeter, trigger: Trigger, now: int) -> bool:
        """Try to move the switch at `now`, UTC seconds; tell whether it moved."""
        after = next_state(self._mode(meter), meter.connection, trigger)
        if after is None:
            return False
        self._move(meter, after, now)
        armed = trigger is Trigger.REMOTE_RECONNECT and after != ControlState.CONNECTED
        meter.note(Happening.READY_FOR_CONNECTION if armed else _HAPPENINGS[trigger], now)
        return True

    def _mode(self, meter: SimulatedMeter) -> int:
        return self.get(meter, 4, None, 0)[1]

    def _move(self, meter: SimulatedMeter, after: ControlState, now: int) -> None:
        before, state = meter.connection, meter.change()
        state.connection = int(after)
        if before == ControlState.CONNECTED:
            state.open_supply(now)
        elif after == ControlState.CONNECTED:
            state.close_supply(now)
