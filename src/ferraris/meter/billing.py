"""Billing periods: when each one closed, by the calendar or because something closed it.

In a meter that has always kept its time and power a period closes at the beginning of each local
month and nothing is remembered. From the first disturbance on, every close is kept. Values of a
period follow from the instants of its ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferraris.meter.freezing import not_kept
from ferraris.meter.state import COMMISSIONED

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "Billing",
    "close",
    "closings",
    "count",
    "depart",
    "has_departed",
    "in_due_time",
    "is_due",
    "period_begin",
]

_MOST_CLOSINGS = 40


@dataclass(slots=True)
class Billing:
    """What one meter remembers of its periods.

    Until UTC second `since` they close by the calendar, None: they still do. `closings` are the
    others, `forgotten` of which are no longer known. `is_due` while the meter's own schedule closes
    one, which no lock-out prevents.
    """

    since: int | None = None
    closings: list[int] = field(default_factory=list)
    forgotten: int = 0
    is_due: bool = field(default=False, metadata=not_kept)


def closings(meter: SimulatedMeter, now: int, most: int) -> list[int]:
    """UTC seconds of the last `most` closes until `now`, oldest first."""
    part, zone = meter.state.found(Billing), meter.fleet.template.zone
    until = now if part is None or part.since is None else min(part.since, now)
    found = [] if part is None else [at for at in part.closings if at <= now]
    last, first = zone.month(until), zone.month(COMMISSIONED)
    months = range(max(first + 1, last - most + 1), last + 1)
    found += [at for number in months if (at := zone.month_begin(number)) > COMMISSIONED]
    return sorted(found)[-most:] if most else []


def count(meter: SimulatedMeter, now: int) -> int:
    """How many periods have closed until `now`."""
    part, zone = meter.state.found(Billing), meter.fleet.template.zone
    until = now if part is None or part.since is None else min(part.since, now)
    months = max(0, zone.month(until) - zone.month(COMMISSIONED))
    if part is None:
        return months
    return months + part.forgotten + sum(at <= now for at in part.closings)


def period_begin(meter: SimulatedMeter, now: int) -> int:
    """UTC second at which the period that runs at `now` began."""
    last = closings(meter, now, 1)
    return last[0] if last else COMMISSIONED


@contextmanager
def in_due_time(meter: SimulatedMeter) -> Iterator[None]:
    """What closes a period in here is the meter's own schedule, not a client."""
    part = meter.change().part(Billing)
    part.is_due = True
    try:
        yield
    finally:
        part.is_due = False


def is_due(meter: SimulatedMeter) -> bool:
    """Whether the meter's own schedule is closing a period."""
    part = meter.state.found(Billing)
    return part is not None and part.is_due


def close(meter: SimulatedMeter, at: int) -> None:
    """Close the period that runs; the oldest of more than 40 closes is forgotten."""
    part = meter.change().part(Billing)
    part.closings.append(at)
    if len(part.closings) > _MOST_CLOSINGS:
        del part.closings[0]
        part.forgotten += 1


def has_departed(meter: SimulatedMeter) -> bool:
    """Whether periods no longer close by themselves."""
    part = meter.state.found(Billing)
    return part is not None and part.since is not None


def depart(meter: SimulatedMeter, at: int) -> None:
    """From UTC second `at` on only what is done closes a period."""
    if not has_departed(meter):
        meter.change().part(Billing).since = at
