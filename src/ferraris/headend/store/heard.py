"""Registers that were read by themselves, of an instant at which an interval may begin or end."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis

__all__ = ["READ_WITHIN_DAYS", "Heard", "heard_at", "register_of"]

READ_WITHIN_DAYS: Final = 1
"""How many days after the instant that a register is of it may be read, and still be heard."""

_MICROSECONDS: Final = 1_000_000
_GRAIN_S: Final = 60
_DAY_S: Final = 86_400
_ELECTRICITY, _COUNTED, _INTERVALS = 1, 8, frozenset((29, 30))  # value groups A and D [facts-g]


class Heard(NamedTuple):
    """A register that was read: its name, the code of its unit, and the second that it is of."""

    name: str
    unit: int
    at_s: int


def heard_at(day: int, read_s: int, micros: int | None) -> int | None:
    """The instant that a register is of, for which a read of `day` tells it; None if for none.

    `micros` is how long after `read_s` it is of, None if the meter does not say. Intervals begin
    and end at whole minutes.
    """
    seconds, rest = divmod(micros or 0, _MICROSECONDS)
    at_s = read_s + seconds
    if rest or at_s % _GRAIN_S:
        return None
    return at_s if 0 <= day - (at_s - 1) // _DAY_S <= READ_WITHIN_DAYS else None


@lru_cache(maxsize=4096)
def register_of(name: str) -> str:
    """The OBIS code of the register that counts what a channel tells interval by interval.

    The name itself where that is a register already, or nobody knows.
    """
    try:
        code = Obis.parse(name)
    except UsageError:
        return name
    if code.a != _ELECTRICITY or code.d not in _INTERVALS:
        return name
    return str(code.with_groups(d=_COUNTED))
