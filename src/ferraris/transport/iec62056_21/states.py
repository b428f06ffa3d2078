"""The opening of mode E as state tables, for both ends. Every state change happens in `step`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import SequenceError

__all__ = ["METER", "READER", "Happening", "State", "step"]


class State(Enum):
    """Where an opening stands."""

    CLOSED = "closed"
    SIGNING_ON = "waiting for the identification"
    CONFIRMING = "waiting for the confirmation"
    LISTENING = "waiting for a request"
    IDENTIFYING = "about to identify itself"
    SELECTING = "waiting for the option select"
    ACKNOWLEDGING = "about to confirm"
    SWITCHING = "changing the speed"
    CARRYING = "carrying HDLC"


class Happening(Enum):
    """What can happen to an opening."""

    CONNECT = "connect request"
    LISTEN = "listen request"
    REQUEST = "request"
    IDENTIFICATION = "identification"
    IDENTIFIED = "the identification has left"
    OPTION_SELECT = "option select"
    CONFIRMATION = "confirmation"
    CONFIRMED = "the confirmation has left"
    SWITCHED = "the speed has changed"
    REPEAT = "reaction time is over"
    SILENCE = "no usable answer"
    REFUSED = "the other end does something else"
    DISCONNECT = "disconnect request"
    INACTIVITY = "inactivity time-out"
    LOST = "line lost"


Table = Mapping[State, Mapping[Happening, State]]

_S, _H = State, Happening
_ENDED = {
    _H.SILENCE: _S.CLOSED,
    _H.REFUSED: _S.CLOSED,
    _H.DISCONNECT: _S.CLOSED,
    _H.LOST: _S.CLOSED,
}

READER: Table = {
    _S.CLOSED: {_H.CONNECT: _S.SIGNING_ON, _H.DISCONNECT: _S.CLOSED, _H.LOST: _S.CLOSED},
    _S.SIGNING_ON: {
        _H.CONNECT: _S.SIGNING_ON,
        _H.IDENTIFICATION: _S.CONFIRMING,
        _H.REPEAT: _S.SIGNING_ON,
        **_ENDED,
    },
    _S.CONFIRMING: {
        _H.CONNECT: _S.SIGNING_ON,
        _H.CONFIRMATION: _S.SWITCHING,
        _H.REPEAT: _S.SWITCHING,  # the confirmation is optional
        **_ENDED,
    },
    _S.SWITCHING: {_H.CONNECT: _S.SIGNING_ON, _H.SWITCHED: _S.CLOSED, **_ENDED},
}

_AGAIN = {
    _H.LISTEN: _S.LISTENING,
    _H.REPEAT: _S.LISTENING,
    _H.REFUSED: _S.LISTENING,
    _H.DISCONNECT: _S.CLOSED,
    _H.LOST: _S.CLOSED,
}

METER: Table = {
    _S.CLOSED: {_H.LISTEN: _S.LISTENING, _H.DISCONNECT: _S.CLOSED, _H.LOST: _S.CLOSED},
    _S.LISTENING: {_H.REQUEST: _S.IDENTIFYING, **_AGAIN},
    _S.IDENTIFYING: {
        _H.REQUEST: _S.IDENTIFYING,
        _H.IDENTIFIED: _S.SELECTING,
        _H.OPTION_SELECT: _S.ACKNOWLEDGING,
        **_AGAIN,
    },
    _S.SELECTING: {
        _H.REQUEST: _S.IDENTIFYING,
        _H.OPTION_SELECT: _S.ACKNOWLEDGING,
        **_AGAIN,
    },
    _S.ACKNOWLEDGING: {_H.CONFIRMED: _S.SWITCHING, **_AGAIN},
    _S.SWITCHING: {_H.SWITCHED: _S.CARRYING, **_AGAIN},
    _S.CARRYING: {**_AGAIN, _H.INACTIVITY: _S.CLOSED},
}


def step(table: Table, state: State, happening: Happening) -> State:
    """The state after `happening`; `SequenceError` when the table knows no such step."""
    following = table.get(state, {}).get(happening)
    if following is None:
        raise SequenceError(f"{happening.value} in {state.value}", where="iec62056-21")
    return following
