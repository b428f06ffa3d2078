"""Which rules hold for a channel of a meter: the sets of a tenant, in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection

from ferraris.headend.store.records import ChannelKey
from ferraris.headend.vee.applies import Counting
from ferraris.headend.vee.rules import RuleSet

__all__ = ["Book", "Members", "Ruled"]

Members = Callable[[Connection, int, str], Collection[int]]
"""The numbers of the meters of a tenant's group, by its name."""


class Ruled(NamedTuple):
    """A set of rules in force, by its digest."""

    digest: str
    rules: RuleSet

    def counting(self, channel: ChannelKey) -> Counting:
        """What the values of a channel are."""
        return self.rules.applies.counts(channel)


class Book:
    """The sets of rules of a tenant; the first that applies counts."""

    def __init__(
        self, sets: Sequence[Ruled], groups: Mapping[str, Collection[int]] | None = None
    ) -> None:
        self.sets = sorted(sets, key=lambda each: (each.rules.applies.order, each.rules.name))
        self._groups = {name: frozenset(meters) for name, meters in (groups or {}).items()}
        self.measured = lru_cache(maxsize=1024)(self._measured)

    @property
    def groups_named(self) -> set[str]:
        """The groups that any set names."""
        return {name for each in self.sets for name in each.rules.applies.groups}

    def candidates(self, channel: ChannelKey) -> list[Ruled]:
        """The sets that apply to a channel, of some meters."""
        return [each for each in self.sets if each.rules.applies.to_channel(channel)]

    def assigned(
        self, channel: ChannelKey, meters: Sequence[tuple[int, str]]
    ) -> list[tuple[Ruled, list[int]]]:
        """The rules for each of some meters (number and medium), as places among them."""
        candidates = self.candidates(channel)
        found: defaultdict[int, list[int]] = defaultdict(list)
        if candidates and not (
            candidates[0].rules.applies.media or candidates[0].rules.applies.groups
        ):
            return [(candidates[0], list(range(len(meters))))]
        for place, (meter, medium) in enumerate(meters):
            groups = [name for name, among in self._groups.items() if meter in among]
            for number, each in enumerate(candidates):
                if each.rules.applies.to_meter(medium, groups):
                    found[number].append(place)
                    break
        return [(candidates[number], places) for number, places in sorted(found.items())]

    @staticmethod
    def _measured(ruled: Ruled, scaler: int, period_s: int) -> RuleSet:
        return ruled.rules.measured_in(scaler, period_s)
