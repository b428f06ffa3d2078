"""A modem's connection as a state table. Every state change happens in `step`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import SequenceError

__all__ = ["MODEM", "Happening", "State", "step"]


class State(Enum):
    """Where a connection stands."""

    DOWN = "on hook"
    INITIALISING = "waiting for OK to an initialisation"
    DIALLING = "waiting for the connection"
    CONNECTED = "connected, in data state"
    GUARDING = "silent before the escape sequence"
    ESCAPING = "waiting for OK to the escape sequence"
    HANGING_UP = "waiting for OK to the hang-up"


class Happening(Enum):
    """What can happen to a connection."""

    CONNECT = "connect request"
    OK = "OK"
    DIAL = "every initialisation is done"
    CONNECTED = "CONNECT"
    FAILED = "a result code that says no"
    REPEAT = "no answer to a command"
    RECOVER = "no answer: it may still be in data state"
    RECOVERED = "hung up what was left of another call"
    SILENCE = "no answer to any command"
    CARRIER_LOST = "carrier lost"
    HANG_UP = "disconnect request"
    GUARDED = "guard time is over"
    DROP = "hang up by closing the port"
    LOST = "line lost"


Table = Mapping[State, Mapping[Happening, State]]

_S, _H = State, Happening
_ENDED = {
    _H.FAILED: _S.DOWN,
    _H.SILENCE: _S.DOWN,
    _H.CARRIER_LOST: _S.DOWN,
    _H.DROP: _S.DOWN,
    _H.LOST: _S.DOWN,
}

MODEM: Table = {
    _S.DOWN: {_H.CONNECT: _S.INITIALISING, _H.DROP: _S.DOWN, _H.LOST: _S.DOWN},
    _S.INITIALISING: {
        _H.OK: _S.INITIALISING,
        _H.REPEAT: _S.INITIALISING,
        _H.RECOVER: _S.ESCAPING,
        _H.DIAL: _S.DIALLING,
        **_ENDED,
    },
    _S.DIALLING: {_H.CONNECTED: _S.CONNECTED, **_ENDED},
    _S.CONNECTED: {_H.HANG_UP: _S.GUARDING, **_ENDED},
    _S.GUARDING: {_H.GUARDED: _S.ESCAPING, **_ENDED},
    _S.ESCAPING: {
        _H.OK: _S.HANGING_UP,
        _H.REPEAT: _S.HANGING_UP,
        _H.RECOVERED: _S.INITIALISING,
        **_ENDED,
    },
    _S.HANGING_UP: {_H.OK: _S.DOWN, _H.RECOVERED: _S.INITIALISING, **_ENDED},
}


def step(table: Table, state: State, happening: Happening) -> State:
    """The state after `happening`; `SequenceError` when the table knows no such step."""
    following = table.get(state, {}).get(happening)
    if following is None:
        raise SequenceError(f"{happening.value} in {state.value}", where="modem")
    return following
