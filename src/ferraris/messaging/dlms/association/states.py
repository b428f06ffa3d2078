"""The association as state tables, for both ends.

State names are those of the control function: the standard's *associated* state is split by what
an HLS association still owes, its passes three and four [gb-vectors]. Every state change of an
association happens in `step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import SequenceError

__all__ = ["CLIENT", "SERVER", "Happening", "State", "step"]


class State(Enum):
    """Where an association stands."""

    INACTIVE = "inactive"  # no lower layer
    IDLE = "idle"
    ASSOCIATION_PENDING = "association pending"
    AUTHENTICATION_PENDING = "authentication pending"  # HLS: AARE seen, passes 3 and 4 are not
    ASSOCIATED = "associated"
    RELEASE_PENDING = "association release pending"


class Happening(Enum):
    """What can happen to an association."""

    CONNECTED = "lower layer connected"
    PRESUMED = "association established beforehand"
    REQUESTED = "association requested"
    ACCEPTED = "association accepted"
    CHALLENGED = "association accepted, authentication required"
    AUTHENTICATED = "peer authenticated"
    REFUSED = "association refused"
    RELEASE = "release requested"
    RELEASED = "released"
    ABORTED = "aborted"
    DISCONNECTED = "lower layer disconnected"


Table = Mapping[State, Mapping[Happening, State]]

_S, _H = State, Happening
_DOWN = {_H.DISCONNECTED: _S.INACTIVE}

CLIENT: Table = {
    _S.INACTIVE: {_H.CONNECTED: _S.IDLE, **_DOWN},
    _S.IDLE: {
        _H.PRESUMED: _S.ASSOCIATED,
        _H.REQUESTED: _S.ASSOCIATION_PENDING,
        _H.ABORTED: _S.IDLE,
        **_DOWN,
    },
    _S.ASSOCIATION_PENDING: {
        _H.ACCEPTED: _S.ASSOCIATED,
        _H.CHALLENGED: _S.AUTHENTICATION_PENDING,
        _H.REFUSED: _S.IDLE,
        _H.ABORTED: _S.IDLE,
        **_DOWN,
    },
    _S.AUTHENTICATION_PENDING: {
        _H.AUTHENTICATED: _S.ASSOCIATED,
        _H.REFUSED: _S.IDLE,
        _H.ABORTED: _S.IDLE,
        **_DOWN,
    },
    _S.ASSOCIATED: {_H.RELEASE: _S.RELEASE_PENDING, _H.ABORTED: _S.IDLE, **_DOWN},
    _S.RELEASE_PENDING: {_H.RELEASED: _S.IDLE, _H.ABORTED: _S.IDLE, **_DOWN},
}

SERVER: Table = {
    _S.INACTIVE: {_H.CONNECTED: _S.IDLE, **_DOWN},
    _S.IDLE: {_H.PRESUMED: _S.ASSOCIATED, _H.REQUESTED: _S.ASSOCIATION_PENDING, **_DOWN},
    _S.ASSOCIATION_PENDING: {
        _H.ACCEPTED: _S.ASSOCIATED,
        _H.CHALLENGED: _S.AUTHENTICATION_PENDING,
        _H.REFUSED: _S.IDLE,
        **_DOWN,
    },
    _S.AUTHENTICATION_PENDING: {
        _H.AUTHENTICATED: _S.ASSOCIATED,
        _H.REFUSED: _S.IDLE,
        _H.RELEASED: _S.IDLE,
        _H.REQUESTED: _S.ASSOCIATION_PENDING,
        **_DOWN,
    },
    _S.ASSOCIATED: {
        _H.RELEASED: _S.IDLE,
        _H.REQUESTED: _S.ASSOCIATION_PENDING,  # a new AARQ replaces the association
        **_DOWN,
    },
}


def step(table: Table, state: State, happening: Happening) -> State:
    """The state after `happening`; `SequenceError` when the table knows no such step."""
    following = table.get(state, {}).get(happening)
    if following is None:
        raise SequenceError(f"{happening.value} while {state.value}", where="association")
    return following
