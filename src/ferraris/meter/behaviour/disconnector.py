"""The supply switch: its states, what moves it, and that nothing flows while it is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ferraris.data.kinds import Tag, enum
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import life
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.states import Trigger, next_state
from ferraris.meter.happenings import Happening
from ferraris.meter.state import Interruption
from ferraris.model.time_control import ControlState, DisconnectControl, DisconnectControlV1
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "DISCONNECTOR",
    "Disconnector",
    "DisconnectorV1",
    "is_welded",
    "jam",
    "operate",
    "push_button",
]

DISCONNECTOR = (DisconnectControl.class_id, bytes(Obis.of(0, 0, 96, 3, 10)))
"""The supply switch of a meter that has one."""

_REMOTE = {1: Trigger.REMOTE_DISCONNECT, 2: Trigger.REMOTE_RECONNECT}
_LOCAL = {1: Trigger.LOCAL_DISCONNECT, 2: Trigger.LOCAL_RECONNECT}
_MOST_INTERRUPTIONS = 1000
_MOST_OPENINGS = 10_000
_OPEN = (ControlState.DISCONNECTED, ControlState.READY_FOR_RECONNECTION)
_GOALS = {
    Trigger.REMOTE_DISCONNECT: (ControlState.DISCONNECTED,),
    Trigger.REMOTE_RECONNECT: (ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION),
    Trigger.LOCAL_DISCONNECT: _OPEN,
    Trigger.LOCAL_RECONNECT: (ControlState.CONNECTED,),
}
_HAPPENINGS = {
    Trigger.REMOTE_DISCONNECT: Happening.REMOTE_DISCONNECTION,
    Trigger.REMOTE_RECONNECT: Happening.REMOTE_CONNECTION,
    Trigger.MANUAL_DISCONNECT: Happening.MANUAL_DISCONNECTION,
    Trigger.MANUAL_RECONNECT: Happening.MANUAL_CONNECTION,
    Trigger.LOCAL_DISCONNECT: Happening.LOCAL_DISCONNECTION,
    Trigger.LOCAL_RECONNECT: Happening.LOCAL_CONNECTION,
}


@dataclass(slots=True)
class SwitchState:
    """Whether the contacts no longer follow their drive."""

    is_jammed: bool = False


class Disconnector(Behaviour):
    """Disconnect control in one of the modes 0 to 6.

    A method that leads where the switch is already is answered with success and changes nothing.
    One that the mode does not know in this state is refused with other-reason, and one that a
    jammed switch cannot follow with hardware-fault [memory]. After 1000 interruptions the meter
    does not close the switch by itself any more, as if it were jammed; people and clients do. After
    10000 its contacts are welded: nobody opens them.
    """

    declares: ClassVar[type[DisconnectControl]] = DisconnectControl
    _LAST_MODE: ClassVar[int] = 6

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
        if attribute != 4:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, mode = decoded(data)
        if tag != Tag.ENUM:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if not 0 <= mode <= self._LAST_MODE:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        if mode == 0 and meter.connection != ControlState.CONNECTED:
            self._move(meter, ControlState.CONNECTED, now)
            meter.note(Happening.REMOTE_CONNECTION, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Remote disconnect and reconnect."""
        self._act(meter, _REMOTE.get(method), now)
        return None

    def act_locally(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> None:
        """The same methods by a script of the meter: local disconnect and reconnect."""
        self._act(meter, _LOCAL.get(method), now)

    def operate(self, meter: SimulatedMeter, trigger: Trigger, now: int) -> bool:
        """Try to move the switch at `now`, UTC seconds; tell whether it moved."""
        after = next_state(self.mode(meter), meter.connection, trigger)
        if after is None:
            return False
        is_worn = trigger is Trigger.LOCAL_RECONNECT and self._is_worn(meter)
        if is_worn or self._is_stuck(meter, after):
            meter.note(Happening.SWITCH_FAILED, now)
            return False
        self._move(meter, after, now)
        armed = trigger is Trigger.REMOTE_RECONNECT and after != ControlState.CONNECTED
        meter.note(Happening.READY_FOR_CONNECTION if armed else _HAPPENINGS[trigger], now)
        return True

    def mode(self, meter: SimulatedMeter) -> int:
        """The control mode in force."""
        return self.get(meter, 4, None, 0)[1]

    def _act(self, meter: SimulatedMeter, trigger: Trigger | None, now: int) -> None:
        if trigger is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        after = next_state(self.mode(meter), meter.connection, trigger)
        if after is None:
            if self.mode(meter) != 0 and meter.connection in _GOALS[trigger]:
                return
            raise ActionRefused(ActionResult.OTHER_REASON)
        if not self.operate(meter, trigger, now):
            raise ActionRefused(ActionResult.HARDWARE_FAULT)

    @staticmethod
    def _is_worn(meter: SimulatedMeter) -> bool:
        """Whether the contacts have opened so often that the meter closes them no more by itself.

        A limiter that always trips would otherwise go on so for years, and every reading would have
        to look at every interruption.
        """
        return len(meter.state.interruptions) >= _MOST_INTERRUPTIONS

    def _is_stuck(self, meter: SimulatedMeter, after: ControlState) -> bool:
        """Whether the contacts would have to move and cannot."""
        if meter.connection == ControlState.CONNECTED and is_welded(meter.state.interruptions):
            return True
        switch = meter.state.found(SwitchState)
        if switch is None or not switch.is_jammed:
            return False
        return ControlState.CONNECTED in (meter.connection, after)

    def _move(self, meter: SimulatedMeter, after: ControlState, now: int) -> None:
        before, state = meter.connection, meter.change()
        state.connection = int(after)
        if before == ControlState.CONNECTED:
            state.open_supply(now)
        elif after == ControlState.CONNECTED:
            state.close_supply(now)


class DisconnectorV1(Disconnector):
    """Disconnect control, version 1: mode 7 closes at a distance also what was armed."""

    declares = DisconnectControlV1
    _LAST_MODE = 7


def is_welded(interruptions: Sequence[Interruption]) -> bool:
    """Whether a switch or a valve has opened so often that it stays as it is.

    Every reading looks at every interruption, so that their number has an end.
    """
    return len(interruptions) >= _MOST_OPENINGS


def operate(meter: SimulatedMeter, trigger: Trigger, now: int) -> bool:
    """Move the supply switch of a meter at UTC second `now`; tell whether it moved.

    This is how everything inside the meter does it that runs no script, such as prepayment.
    """
    switch = meter.fleet.template.behaviours.get(DISCONNECTOR)
    return isinstance(switch, Disconnector) and switch.operate(meter, trigger, now)


def push_button(meter: SimulatedMeter, at: int) -> bool:
    """Somebody pushes the button of the switch: it opens a closed one and closes one that is ready.

    Tells whether the switch moved; without power nothing does.
    """
    with life.intervening(meter, at):
        trigger = Trigger.MANUAL_RECONNECT if meter.is_disconnected else Trigger.MANUAL_DISCONNECT
        return meter.state.off_since is None and operate(meter, trigger, at)


def jam(meter: SimulatedMeter, at: int, *, jammed: bool = True) -> None:
    """The contacts of the switch stick from UTC second `at` on, or are repaired."""
    with life.intervening(meter, at):
        meter.change().part(SwitchState).is_jammed = jammed
