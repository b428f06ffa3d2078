"""The way of a meter to being active, as a table: every step is on the disk before the next one.

A process that dies between two steps goes on at the last one written; each step may be taken again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ferraris.core.errors import UsageError

__all__ = ["ENDS", "ORDER", "WAY", "Happening", "Step", "step"]


class Step(StrEnum):
    """How far a meter has come."""

    ASKED = "asked for"
    """It announced itself, called in, or an operator wants it: nothing is proved yet."""
    PROVED = "identity proved"
    CHECKED = "checked"
    """Against its companion specification, if it has one; the differences are tolerable."""
    TIMED = "time right"
    KEYED = "keys renewed"
    RECORDED = "recorded"
    """Firmware and configuration are known."""
    ACTIVE = "active"
    HELD = "held"
    """A human has to look at it."""
    QUARANTINED = "quarantined"
    """It is not what it says it is."""


class Happening(StrEnum):
    """What can happen on the way."""

    ASK = "ask"
    RENEW = "ask for new keys"
    PROVE = "prove identity"
    CHECK = "check"
    TIME = "set time"
    KEY = "renew keys"
    RECORD = "record"
    ACTIVATE = "activate"
    HOLD = "hold"
    EXPOSE = "quarantine"


_S, _H = Step, Happening
_STOPS = {_H.HOLD: _S.HELD, _H.EXPOSE: _S.QUARANTINED, _H.ASK: _S.ASKED}

WAY: Mapping[Step, Mapping[Happening, Step]] = MappingProxyType(
    {
        _S.ASKED: {_H.PROVE: _S.PROVED, **_STOPS},
        _S.PROVED: {_H.CHECK: _S.CHECKED, **_STOPS},
        _S.CHECKED: {_H.TIME: _S.TIMED, **_STOPS},
        _S.TIMED: {_H.KEY: _S.KEYED, **_STOPS},
        _S.KEYED: {_H.RECORD: _S.RECORDED, **_STOPS},
        _S.RECORDED: {_H.ACTIVATE: _S.ACTIVE, **_STOPS},
        _S.ACTIVE: {_H.ASK: _S.ASKED, _H.RENEW: _S.TIMED},
        _S.HELD: {_H.ASK: _S.ASKED, _H.RENEW: _S.TIMED, _H.EXPOSE: _S.QUARANTINED},
        _S.QUARANTINED: {_H.ASK: _S.ASKED, _H.EXPOSE: _S.QUARANTINED},
    }
)

ENDS = frozenset((_S.ACTIVE, _S.HELD, _S.QUARANTINED))
"""Where nothing goes on by itself."""

ORDER: Mapping[Step, Happening] = MappingProxyType(
    {
        here: next(iter(ways))
        for here, ways in WAY.items()
        if here not in ENDS
    }
)  # fmt: skip
"""What has to happen next at each step."""


def step(here: Step, happening: Happening) -> Step:
    """The step after `happening`; `UsageError` when the table knows no such way."""
    following = WAY[here].get(happening)
    if following is None:
        raise UsageError(f"a registration that is {here} cannot {happening}", where="registration")
    return following
