"""The clock of a meter for scenarios: somebody sets it, it runs fast or slow, it loses its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.meter.behaviour import clock
from ferraris.meter.behaviour.clock import DOUBTFUL, INVALID
from ferraris.meter.life import intervening

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["DOUBTFUL", "INVALID", "drift", "lose_time", "set_time"]

_MOST_DRIFT = 100_000


def set_time(meter: SimulatedMeter, at: int, shown: int) -> None:
    """Let the clock show `shown` at UTC second `at`, both UTC, as if a client had set it."""
    with intervening(meter, at):
        clock.set_clock(meter, at, shown)


def drift(meter: SimulatedMeter, at: int, seconds: int) -> None:
    """Let the clock gain `seconds` in a million, or lose them, from UTC second `at` on.

    Raises `UsageError` for more than a tenth.
    """
    if abs(seconds) > _MOST_DRIFT:
        raise UsageError(f"no clock gains more than {_MOST_DRIFT} seconds in a million")
    with intervening(meter, at):
        clock.set_drift(meter, at, seconds)


def lose_time(meter: SimulatedMeter, at: int, shown: int, status: int = INVALID) -> None:
    """Let the clock show a wrong time from UTC second `at` on, and know it.

    `status` is `INVALID` or `DOUBTFUL`; a client that sets the clock makes it valid again.
    """
    with intervening(meter, at):
        clock.lose_time(meter, at, shown, status)
