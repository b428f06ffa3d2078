"""Where the meters of a fleet keep what they remember: nowhere, unless somebody gives them a place.

`ferraris.meter.persistence` is such a place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter
    from ferraris.meter.state import State

__all__ = ["FORGETFUL", "Memory"]


class Memory(Protocol):
    """Keeps the states of meters."""

    def knows(self, index: int) -> bool:
        """Whether there is anything to recall of the meter with this place in the fleet."""

    def recall(self, meter: SimulatedMeter) -> State | None:
        """What a meter remembered when it was seen last; None for nothing."""

    def changed(self, meter: SimulatedMeter) -> None:
        """The state of a meter is about to change; it is kept within a second or so."""

    def secure(self, meter: SimulatedMeter, *, on_disk: bool = False) -> None:
        """Return when counters, floors and whatever else has changed outlive this process.

        With `on_disk` they outlive the machine as well.
        """


class _Forgetful:
    def knows(self, index: int) -> bool:
        return False

    def recall(self, meter: SimulatedMeter) -> State | None:
        return None

    def changed(self, meter: SimulatedMeter) -> None:
        pass

    def secure(self, meter: SimulatedMeter, *, on_disk: bool = False) -> None:
        pass


FORGETFUL: Memory = _Forgetful()
"""Keeps nothing."""
