"""Whose turn it is in a general block transfer, as a table for both ends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import SequenceError

__all__ = ["TRANSFER", "Happening", "State", "step"]


class State(Enum):
    """Where a transfer stands, seen from one end."""

    IDLE = "no transfer"
    SPEAKING = "our turn"
    LISTENING = "the peer's turn"
    SERVED = "everything was said, the peer may ask for it again"


class Happening(Enum):
    """What can happen to a transfer."""

    BEGIN = "an APDU to send in blocks"
    HEARD = "a block"
    STREAM_ENDED = "the last block of the peer's stream"
    STREAM_SENT = "the last block of our stream"
    ALL_SENT = "the last block of all we had to say"
    SILENCE = "time-out"
    OVER = "the exchange is over"


_S, _H = State, Happening

TRANSFER: Mapping[State, Mapping[Happening, State]] = {
    _S.IDLE: {_H.BEGIN: _S.SPEAKING, _H.HEARD: _S.LISTENING, _H.OVER: _S.IDLE},
    _S.SPEAKING: {
        _H.BEGIN: _S.SPEAKING,
        _H.HEARD: _S.SPEAKING,
        _H.STREAM_ENDED: _S.SPEAKING,
        _H.STREAM_SENT: _S.LISTENING,
        _H.ALL_SENT: _S.SERVED,
        _H.OVER: _S.IDLE,
    },
    _S.LISTENING: {
        _H.BEGIN: _S.SPEAKING,
        _H.HEARD: _S.LISTENING,
        _H.STREAM_ENDED: _S.SPEAKING,
        _H.SILENCE: _S.SPEAKING,
        _H.OVER: _S.IDLE,
    },
    _S.SERVED: {
        _H.BEGIN: _S.SPEAKING,
        _H.HEARD: _S.SERVED,
        _H.STREAM_ENDED: _S.SPEAKING,
        _H.OVER: _S.IDLE,
    },
}


def step(state: State, happening: Happening) -> State:
    """The state after `happening`; `SequenceError` when the table knows no such step."""
    following = TRANSFER[state].get(happening)
    if following is None:
        raise SequenceError(f"{happening.value} in {state.value}", where="block transfer")
    return following
