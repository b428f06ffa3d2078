"""How many pushes are taken at once, and what became of those that came."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counts", "PushSettings"]


@dataclass(frozen=True, slots=True)
class PushSettings:
    """How much is taken at once."""

    batch: int = 512
    """Most pushes of one transaction."""
    linger_s: float = 0.05
    """How long a push may wait for others to share its transaction."""
    waiting: int = 4096
    """Pushes in memory, for each listener and for looking up senders."""
    pause_s: float = 2.0
    """Before a store that is away is tried again."""
    second_look_s: float = 1.0
    """How often the keys of one sender are looked up again at most, whatever it sends."""
    confirm: bool = True
    """Whether pushes that ask for it are confirmed: when they are on the disk, never before."""


@dataclass(slots=True)
class Counts:
    """What became of what came, in this process."""

    taken: int = 0
    stored: int = 0
    duplicates: int = 0
    """The same push again: dropped."""
    turned_away: Counter[str] = field(default_factory=Counter)
    announced: int = 0
    """By meters that are known and not active yet."""
    undecodable: int = 0
    """Proven, and not what its list says, or not what the store takes."""
    channels: Counter[str] = field(default_factory=Counter)
    """What hosts told of meters on their channels: stored, or why not."""
    lost: int = 0
    """Taken, and not written before the process had to end: the store was away."""
