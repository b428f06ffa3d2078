"""Which faults a meter has, and which of its exchanges they strike: drawn by lot, always the same.

The lot of an exchange follows from the meter's seed, the number of the exchange and the name of the
fault, so that the same clients see the same faults in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.meter.faults.table import FAULTS
from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Fault", "Faults", "begin", "end", "is_dead", "struck"]

_ALL = 1 << 64


class Fault(NamedTuple):
    """A fault that a meter has since UTC second `since`.

    It strikes a `share` of the exchanges, 0 to 1. `delay_s` is for what comes late, `rate` are the
    octets a second of a slow link.
    """

    since: int
    share: float = 1.0
    delay_s: float = 5.0
    rate: float = 120.0


@dataclass(slots=True)
class Faults:
    """The faults of a meter by name, and how many requests came to it while it had any."""

    active: dict[str, Fault] = field(default_factory=dict)
    exchanges: int = 0


def begin(
    meter: SimulatedMeter,
    name: str,
    at: int,
    *,
    share: float = 1.0,
    delay_s: float = 5.0,
    rate: float = 120.0,
) -> None:
    """Let a meter have a fault from UTC second `at` on; one that it has is changed.

    Only connections that begin after the first fault of a fleet are struck, unless the fleet was
    told that it `may_fail`. Raises `UsageError` for an unknown name, and for a share, delay or rate
    that is none.
    """
    if name not in FAULTS:
        raise UsageError(f"no fault is called {name!r}: there are {', '.join(FAULTS)}")
    if not 0 <= share <= 1 or delay_s < 0 or rate <= 0:
        raise UsageError("a share is 0 to 1, a delay is not negative, and a rate is above 0")
    meter.fleet.may_fail = True
    meter.change().part(Faults).active[name] = Fault(at, share, delay_s, rate)


def end(meter: SimulatedMeter, name: str, at: int) -> None:
    """Let a meter be without a fault again, whether or not it had it."""
    part = meter.state.found(Faults)
    if part is not None and part.active.pop(name, None) is not None:
        meter.change()


def is_dead(meter: SimulatedMeter) -> bool:
    """Whether a meter is dead to everybody, and not for a share of the exchanges alone."""
    part = meter.state.found(Faults)
    return part is not None and "dead meter" in part.active and part.active["dead meter"].share >= 1


def struck(meter: SimulatedMeter) -> dict[str, Fault]:
    """The faults that strike the exchange that begins now; it is counted."""
    part = meter.state.found(Faults)
    if part is None or not part.active:
        return {}
    meter.change()
    part.exchanges += 1
    return dict(_drawn(meter.fleet.meter_seed(meter.index), part))


def _drawn(seed: int, part: Faults) -> Iterator[tuple[str, Fault]]:
    for name, fault in part.active.items():
        lot = blake2b(b"%d %d %s" % (seed, part.exchanges, name.encode()), digest_size=8).digest()
        if int.from_bytes(lot, "big") < fault.share * _ALL:
            yield name, fault
