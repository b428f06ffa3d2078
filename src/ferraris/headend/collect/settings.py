"""How a collection works: limits, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ferraris.headend.collect.policy import Policy
from ferraris.headend.collect.session import SessionLimits

__all__ = ["CollectionSettings", "Progress", "Summary"]


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """How much is done at once, and how often something is looked for."""

    concurrency: int = 200
    """Most sessions of this process at a time; the segment tree may allow less."""
    batch: int = 256
    """Most meters of one transaction and of one claim."""
    linger_s: float = 0.1
    """How long a finished meter may wait for others to share its transaction."""
    lease_s: float = 60.0
    """A killed worker's claims return after so long."""
    round_s: float = 30.0
    """How often the gap list is gone through while a window is open."""
    members_s: float = 300.0
    """How often plans look for meters that came or went, and the segment tree for new limits."""
    poll_s: float = 0.5
    """How often commands are looked for."""
    attend_s: float = 1.0
    """How often it is looked whether somebody changed a plan or a meter."""
    count_s: float = 10.0
    """How often read success is counted again, where something came in."""
    recount_s: float = 900.0
    """How often it is counted for all days that can still change."""
    pending: int = 4096
    """Most meters that wait in memory for their claim."""
    tries: int = 3
    """Tries of a meter in `run_once`, before it is left to the next run."""
    policy: Policy = field(default_factory=Policy)
    session: SessionLimits = field(default_factory=SessionLimits)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: `read` and `failed` meters of `meters`, and what they brought."""

    meters: int
    read: int
    failed: int
    registers: int
    intervals: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: `read` meters have no gap left, `failed` ones have, `failures` says why.

    `registers` and `intervals` (profile rows) count what this run added to the store.
    """

    meters: int
    read: int
    failed: int
    registers: int
    intervals: int
    duration_s: float
    failures: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int | float]:
        """The figures of the summary line, in its order."""
        names = ("meters", "read", "failed", "registers", "intervals", "duration_s")
        return {name: getattr(self, name) for name in names}
