"""The life of one key of a meter as a table: from prepared to proven, and back.

A new key is in use when the meter has proved it: with an answer that verifies under it. Until then
the old one is kept, and both are tried. A transfer that left without an answer is *unknown*; it is
not sent again before an answer under either key says which one the meter has.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ferraris.core.errors import UsageError

__all__ = ["RENEWAL", "TRIED", "Happening", "Stage", "State", "step"]


class Stage(Enum):
    """Which value of a key; its kind in the store begins so."""

    CURRENT = ""
    NEXT = "next_"
    PREVIOUS = "previous_"


class State(Enum):
    """Where the renewal of a key stands."""

    SETTLED = "settled"
    PREPARED = "prepared"  # the next key is there, the meter has not heard of it
    ASKED = "agreement asked for"  # outcome unknown: only the meter's answer makes the key
    SENT = "sent"  # outcome unknown
    ACCEPTED = "accepted"  # the meter said yes, and proved nothing yet


class Happening(Enum):
    """What can happen to a key."""

    PREPARE = "prepare"
    DISCARD = "discard"
    ASK = "ask for an agreement"
    AGREE = "agreed"
    SEND = "send"
    ACCEPT = "accepted by the meter"
    REFUSE = "refused by the meter"
    PROVE_NEW = "an answer verified under the next key"
    PROVE_OLD = "an answer verified under the current key, and none under the next"
    PROVE_PREVIOUS = "an answer verified under the previous key"


_S, _H = State, Happening

RENEWAL: Mapping[State, Mapping[Happening, State]] = {
    _S.SETTLED: {
        _H.PREPARE: _S.PREPARED,
        _H.ASK: _S.ASKED,
        _H.PROVE_PREVIOUS: _S.PREPARED,  # the meter went back: the abandoned key is the next again
    },
    _S.PREPARED: {
        _H.PREPARE: _S.PREPARED,
        _H.DISCARD: _S.SETTLED,
        _H.SEND: _S.SENT,
        _H.PROVE_OLD: _S.PREPARED,
    },
    _S.ASKED: {
        _H.AGREE: _S.ACCEPTED,
        _H.REFUSE: _S.SETTLED,
        _H.PROVE_OLD: _S.SETTLED,
    },
    _S.SENT: {
        _H.ACCEPT: _S.ACCEPTED,
        _H.REFUSE: _S.PREPARED,
        _H.PROVE_NEW: _S.SETTLED,
        _H.PROVE_OLD: _S.PREPARED,
    },
    _S.ACCEPTED: {
        _H.PROVE_NEW: _S.SETTLED,
        _H.PROVE_OLD: _S.PREPARED,
    },
}

TRIED: Mapping[State, tuple[Stage, ...]] = {
    _S.SETTLED: (Stage.CURRENT, Stage.PREVIOUS),
    _S.PREPARED: (Stage.CURRENT, Stage.PREVIOUS),
    _S.ASKED: (Stage.CURRENT,),
    _S.SENT: (Stage.CURRENT, Stage.NEXT),
    _S.ACCEPTED: (Stage.NEXT, Stage.CURRENT),
}
"""Which values are tried towards the meter, in this order."""


def step(state: State, happening: Happening, what: str) -> State:
    """The state after `happening`; `UsageError` about `what` when the table knows no such step."""
    following = RENEWAL[state].get(happening)
    if following is None:
        raise UsageError(f"{what} is {state.value}: {happening.value!r} is impossible now")
    return following
