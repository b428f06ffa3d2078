"""How often somebody may ask: a bucket of tokens for each principal and each address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

__all__ = ["Buckets"]

_MOST: Final = 50_000


class Buckets:
    """Buckets that fill at a rate up to a size; each request takes some, or hears how long to wait.

    Who has not asked for longest is forgotten when there are too many: such a bucket is full again
    anyway, unless more than fifty thousand ask at once.
    """

    __slots__ = ("_buckets", "_clock", "_rate", "_size")

    def __init__(self, rate: float, size: float, clock: Callable[[], float]) -> None:
        """`rate` a second; `clock` is monotonic."""
        self._rate = rate
        self._size = size
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, who: Hashable, cost: float = 1.0) -> float:
        """Take from a bucket: 0 when there was enough, else the seconds until there is."""
        now = self._clock()
        level, at = self._buckets.get(who, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate)
        wait = 0.0
        if level >= cost:
            level -= cost
        else:
            wait = (cost - level) / self._rate
        self._buckets[who] = level, now
        self._buckets.move_to_end(who)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return wait

    def charge(self, who: Hashable, cost: float) -> None:
        """Take more than there may be: a guess at a secret costs much."""
        now = self._clock()
        level, at = self._buckets.get(who, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate) - cost
        self._buckets[who] = max(level, -self._size), now
