"""The supply switch of a meter, and the valve of a sub-meter: off and on, and what became of it.

Whether a switch closes at once, or waits for somebody at the meter, is a matter of its control mode
[facts-g]; so what it says afterwards is the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ferraris.core.errors import Error
from ferraris.headend.collect.channels import at_channel
from ferraris.headend.collect.command_kinds import (
    Answer,
    Checked,
    CommandKind,
    Order,
    takes_nothing,
)
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.target import Target
from ferraris.model.interface_class import Method
from ferraris.model.time_control import ControlState, DisconnectControl

__all__ = ["DISCONNECT", "RECONNECT"]

_SWITCH: Final = "0-0:96.3.10*255"
_VALVE: Final = "0-0:24.4.0*255"
_OFF: Final = frozenset({ControlState.DISCONNECTED})
_ON: Final = frozenset({ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION})


async def _switch(method: Method[int, None], face: MeterFace, order: Order) -> Answer:
    name = _object_of(order.target)
    before = await _state(face, name)
    await face.meter.act(method, name, 0)
    try:
        after = await _state(face, name)
    except Error as error:  # it was done; what the switch says now is another question
        return Answer({"before": _word(before), "after": None, "message": str(error)})
    return Answer({"before": _word(before), "after": _word(after)})


async def _is_switched(goal: frozenset[int], face: MeterFace, order: Order) -> Answer:
    after = await _state(face, _object_of(order.target))
    return Answer({"before": None, "after": _word(after)}, done=after in goal)


async def _state(face: MeterFace, name: str) -> int:
    return int(await face.meter.get(DisconnectControl.control_state, name))


def _object_of(target: Target) -> str:
    return at_channel(_VALVE, target.channel) if target.host else _SWITCH


def _word(state: int) -> str:
    known = {int(each): each.name.lower().replace("_", " ") for each in ControlState}
    return known.get(state, str(state))


def _valve(target: Target, given: Mapping[str, Any]) -> Checked:
    """Whether there is a valve is known to the device alone."""
    return dict(given)


DISCONNECT: Final = CommandKind(
    "disconnect", True, takes_nothing, partial(_switch, DisconnectControl.remote_disconnect),
    partial(_is_switched, _OFF), _valve,
)  # fmt: skip
"""Opens the switch, or closes the valve."""

RECONNECT: Final = CommandKind(
    "reconnect", True, takes_nothing, partial(_switch, DisconnectControl.remote_reconnect),
    partial(_is_switched, _ON), _valve,
)  # fmt: skip
"""Closes the switch or opens the valve, or lets somebody at the meter do so."""
