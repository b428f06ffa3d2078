"""What a set of rules is for: channels by OBIS code and unit, media, groups of meters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from ferraris.core.errors import UsageError
from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.headend.store.records import ChannelKey

__all__ = ["EVERYTHING", "LAST", "Applies", "Counting"]

LAST = 9
"""The last in the order of sets of rules; those that come with Ferraris are there."""

_VALUE = 2  # attribute of data, registers, extended registers and demands [facts-g]
_ELECTRICITY = 1
_COUNTED = 8
_REGISTERS, _INTERVALS = frozenset((8, 9)), frozenset((29, 30))  # value group D [facts-g]


class Counting(StrEnum):
    """What the values of a channel are."""

    BY_NAME = "by name"
    """Of electricity the OBIS code tells: time integrals 1 and 2 count on, 5 and 6 do not."""
    REGISTER = "register"
    """What a register has counted since it began; the intervals are the differences."""
    INTERVAL = "interval"
    """What each interval brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """Which channels of which meters; nothing said means all of them.

    `channels` are patterns of canonical OBIS codes, in which `*` stands for anything. Where several
    sets of rules apply, the one with the least `order` does, of equals the first by name.
    """

    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    order: int = 4
    counting: Counting = Counting.BY_NAME

    def __post_init__(self) -> None:
        if not 0 <= self.order <= LAST:
            raise UsageError(f"order: 0..{LAST} expected, not {self.order}")
        for each in self.units:
            units.find(each)

    def to_channel(self, channel: ChannelKey) -> bool:
        """Whether a channel is meant, of some meter."""
        return (
            (channel.attribute == _VALUE or not channel.class_id)
            and (not self.units or units.unit(channel.unit).symbol in self.units)
            and (not self.channels or any(fnmatchcase(channel.name, p) for p in self.channels))
            and self.counts(channel) is not Counting.BY_NAME
        )

    def to_meter(self, medium: str, groups: Collection[str]) -> bool:
        """Whether the meters of a medium, in these groups, are meant."""
        return (not self.media or medium in self.media) and (
            not self.groups or any(each in groups for each in self.groups)
        )

    def counts(self, channel: ChannelKey) -> Counting:
        """What the values are; `BY_NAME` when nothing tells."""
        if self.counting is not Counting.BY_NAME or not channel.is_obis:
            return self.counting
        name = Obis.parse(channel.name)
        if name.a != _ELECTRICITY:
            return Counting.BY_NAME
        if name.d in _REGISTERS:
            return Counting.REGISTER
        return Counting.INTERVAL if name.d in _INTERVALS else Counting.BY_NAME


EVERYTHING = Applies()
