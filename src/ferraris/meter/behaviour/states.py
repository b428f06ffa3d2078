"""The supply switch as a table: state, transition by letter, next state; and what each mode allows.

Letters and modes 0 to 6 agree in two public implementations; the transitions, and mode 7 of
version 1 of the class with its letter i, rest on [memory].
"""

from __future__ import annotations

from enum import StrEnum

from ferraris.model.time_control import ControlState

__all__ = ["MODES", "TRANSITIONS", "Trigger", "next_state"]

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
