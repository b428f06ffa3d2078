"""Power of a meter for scenarios: it goes, it comes back, and what the meter makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.meter import life
from ferraris.meter.outages import is_off

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["is_off", "outage"]


def outage(meter: SimulatedMeter, since: int, until: int | None = None) -> None:
    """Let the power of a meter be off from UTC second `since` until `until`, None for open end.

    Outages come in the order of time. Raises `UsageError` when `until` is not after `since` or the
    meter has lived beyond `since`.
    """
    if until is not None and until <= since:
        raise UsageError("an outage ends after it begins")
    if meter.state.lived is not None and since < meter.state.lived:
        raise UsageError("what a meter has lived through is not changed: give a later begin")
    life.switch_off(meter, since)
    if until is not None:
        life.switch_on(meter, until)
