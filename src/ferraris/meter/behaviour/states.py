"""The supply switch and the limiter as tables: state, what happens, next state.

The switch has its transitions by letter; each mode allows some of them.

Letters and modes 0 to 6 agree in two public implementations; the transitions, and mode 7 of
version 1 of the class with its letter i, rest on [memory].
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from ferraris.model.time_control import ControlState

__all__ = [
    "LIMITER",
    "MODES",
    "TRANSITIONS",
    "Crossing",
    "LimiterPhase",
    "Trigger",
    "next_state",
]

_DISCONNECTED = ControlState.DISCONNECTED
_CONNECTED = ControlState.CONNECTED
_READY = ControlState.READY_FOR_RECONNECTION


class Trigger(StrEnum):
    """Who moves the switch, and which way."""

    REMOTE_DISCONNECT = "remote disconnect"
    REMOTE_RECONNECT = "remote reconnect"
    MANUAL_DISCONNECT = "manual disconnect"
    MANUAL_RECONNECT = "manual reconnect"
    LOCAL_DISCONNECT = "local disconnect"
    LOCAL_RECONNECT = "local reconnect"


TRANSITIONS: dict[str, tuple[ControlState, Trigger, ControlState]] = {
    "a": (_DISCONNECTED, Trigger.REMOTE_RECONNECT, _CONNECTED),
    "b": (_CONNECTED, Trigger.REMOTE_DISCONNECT, _DISCONNECTED),
    "c": (_READY, Trigger.REMOTE_DISCONNECT, _DISCONNECTED),
    "d": (_DISCONNECTED, Trigger.REMOTE_RECONNECT, _READY),
    "e": (_READY, Trigger.MANUAL_RECONNECT, _CONNECTED),
    "f": (_CONNECTED, Trigger.MANUAL_DISCONNECT, _READY),
    "g": (_CONNECTED, Trigger.LOCAL_DISCONNECT, _READY),
    "h": (_READY, Trigger.LOCAL_RECONNECT, _CONNECTED),
    "i": (_READY, Trigger.REMOTE_RECONNECT, _CONNECTED),
}
"""Transitions by their letters."""

MODES = ("", "bcfgde", "bcfgae", "bcgde", "bcgae", "bcfgdeh", "bcgdeh", "bcgaieh")
"""Letters that control modes 0 to 7 allow."""


def next_state(mode: int, state: int, trigger: Trigger) -> ControlState | None:
    """The state after `trigger`, None when the mode knows no such transition."""
    for letter in MODES[mode]:
        before, cause, after = TRANSITIONS[letter]
        if before == state and cause is trigger:
            return after
    return None


class LimiterPhase(IntEnum):
    """How a limiter sees its value; our own words, the standard names no states."""

    WITHIN = 0
    EXCEEDING = 1
    OVER = 2
    RETURNING = 3


class Crossing(StrEnum):
    """What the value does, and the time."""

    ABOVE = "above the threshold"
    NOT_ABOVE = "no longer above"
    BELOW = "below the threshold"
    NOT_BELOW = "no longer below"
    LONG_ENOUGH = "long enough"


LIMITER: dict[tuple[LimiterPhase, Crossing], LimiterPhase] = {
    (LimiterPhase.WITHIN, Crossing.ABOVE): LimiterPhase.EXCEEDING,
    (LimiterPhase.EXCEEDING, Crossing.NOT_ABOVE): LimiterPhase.WITHIN,
    (LimiterPhase.EXCEEDING, Crossing.LONG_ENOUGH): LimiterPhase.OVER,
    (LimiterPhase.OVER, Crossing.BELOW): LimiterPhase.RETURNING,
    (LimiterPhase.RETURNING, Crossing.NOT_BELOW): LimiterPhase.OVER,
    (LimiterPhase.RETURNING, Crossing.LONG_ENOUGH): LimiterPhase.WITHIN,
}
"""A value equal to the threshold is neither above nor below [memory]."""
