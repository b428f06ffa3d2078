"""The link as state tables, for both ends.

NDM and NRM are the standard's modes. NRM is split by the turn: a primary that has polled waits for
a final bit, a polled secondary may send. A secondary that has rejected a frame waits for SNRM or
DISC and answers every poll with its FRMR [memory]. Every state change happens in `step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import SequenceError

__all__ = ["PRIMARY", "SECONDARY", "Happening", "State", "step"]


class State(Enum):
    """Where a link stands."""

    NDM = "normal disconnected mode"
    SETTING_MODE = "waiting for UA to SNRM"
    NRM = "normal response mode"
    NRM_POLLED = "normal response mode, polled"
    DISCONNECTING = "waiting for UA to DISC"
    FRAME_REJECTED = "frame rejected"


class Happening(Enum):
    """What can happen to a link."""

    CONNECT = "connect request"
    SNRM = "SNRM"
    UA = "UA"
    DM = "DM"
    FRMR = "FRMR"
    POLL = "poll"
    FINAL = "final"
    REPEAT = "response time-out"
    SILENCE = "no answer to any repetition"
    DISCONNECT = "disconnect request"
    DISC = "DISC"
    INACTIVITY = "inactivity time-out"
    LOST = "line lost"


Table = Mapping[State, Mapping[Happening, State]]

_S, _H = State, Happening
_ENDED = {_H.DM: _S.NDM, _H.FRMR: _S.NDM, _H.SILENCE: _S.NDM, _H.LOST: _S.NDM}

PRIMARY: Table = {
    _S.NDM: {_H.CONNECT: _S.SETTING_MODE, _H.LOST: _S.NDM},
    _S.SETTING_MODE: {
        _H.UA: _S.NRM,
        _H.REPEAT: _S.SETTING_MODE,
        **_ENDED,
    },
    _S.NRM: {_H.POLL: _S.NRM_POLLED, _H.DISCONNECT: _S.DISCONNECTING, **_ENDED},
    _S.NRM_POLLED: {
        _H.FINAL: _S.NRM,
        _H.REPEAT: _S.NRM,
        _H.DISCONNECT: _S.DISCONNECTING,
        **_ENDED,
    },
    _S.DISCONNECTING: {_H.UA: _S.NDM, _H.REPEAT: _S.DISCONNECTING, **_ENDED},
}

_OVER = {
    _H.SNRM: _S.NRM,
    _H.DISC: _S.NDM,
    _H.DISCONNECT: _S.NDM,
    _H.INACTIVITY: _S.NDM,
    _H.LOST: _S.NDM,
}

SECONDARY: Table = {
    _S.NDM: {_H.SNRM: _S.NRM, _H.DISCONNECT: _S.NDM, _H.LOST: _S.NDM},
    _S.NRM: {_H.POLL: _S.NRM_POLLED, _H.FRMR: _S.FRAME_REJECTED, **_OVER},
    _S.NRM_POLLED: {
        _H.POLL: _S.NRM_POLLED,
        _H.FINAL: _S.NRM,
        _H.FRMR: _S.FRAME_REJECTED,
        **_OVER,
    },
    _S.FRAME_REJECTED: {_H.POLL: _S.FRAME_REJECTED, **_OVER},
}


def step(table: Table, state: State, happening: Happening) -> State:
    """The state after `happening`; `SequenceError` when the table knows no such step."""
    following = table.get(state, {}).get(happening)
    if following is None:
        raise SequenceError(f"{happening.value} in {state.value}", where="hdlc")
    return following
