"""What a meter remembers of the times without power, and whether it has power at an instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.meter.state import Interruption, State

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["MOST_OUTAGES", "Outages", "begin", "check", "end", "held_back", "is_off", "outages"]

MOST_OUTAGES = 10_000
"""How many a meter lives through: every reading looks at every one of them."""


@dataclass(slots=True)
class Outages:
    """The times without power, oldest first, the last one without `stop` while it lasts."""

    spans: tuple[Interruption, ...] = ()


def outages(state: State) -> tuple[Interruption, ...]:
    """All times without power."""
    if state.parts is None:
        return ()
    found = state.found(Outages)
    return () if found is None else found.spans


def is_off(meter: SimulatedMeter, now: int) -> bool:
    """Whether the meter is without power at UTC second `now`."""
    return any(
        start <= now and (stop is None or now < stop) for start, stop in outages(meter.state)
    )


def check(state: State) -> None:
    """Raise `UsageError` when the power of a meter has gone too often to go again."""
    if len(outages(state)) >= MOST_OUTAGES:
        raise UsageError(f"a meter lives through {MOST_OUTAGES} outages: begin with a new one")


def begin(meter: SimulatedMeter, at: int) -> None:
    """The power goes."""
    part = meter.change().part(Outages)
    part.spans = (*part.spans, Interruption(at, None))


def end(meter: SimulatedMeter, at: int) -> None:
    """The power is back."""
    part = meter.change().part(Outages)
    part.spans = (*part.spans[:-1], part.spans[-1]._replace(stop=at))


def held_back(state: State) -> tuple[Interruption, ...]:
    """When nothing flowed: the switch was open or the power was off, overlaps counted once."""
    without = outages(state)
    if not without:
        return state.interruptions
    merged: list[Interruption] = []
    for start, stop in sorted((*state.interruptions, *without), key=lambda span: span.start):
        last = merged[-1] if merged else None
        if last is None or (last.stop is not None and last.stop < start):
            merged.append(Interruption(start, stop))
        elif last.stop is not None and (stop is None or stop > last.stop):
            merged[-1] = last._replace(stop=stop)
    return tuple(merged)
