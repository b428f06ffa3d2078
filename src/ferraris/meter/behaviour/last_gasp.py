"""Last gasp: what a meter still sends when its power goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.meter.behaviour.behaviour import Living
from ferraris.meter.behaviour.push_setup import PushList, course_of
from ferraris.meter.happenings import Happening

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["LastGasp"]


class LastGasp(PushList, Living):
    """The push of a meter that loses its power: sent at once, and once, before it is silent."""

    dying = True

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """Nothing is known beforehand."""
        return None

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Nothing is ever due."""

    def power_down(self, meter: SimulatedMeter, at: int) -> None:
        """Push while the capacitor lasts."""
        meter.note(Happening.LAST_GASP, at)
        course_of(meter, self).invoke(at)
        meter.fleet.happened(meter, self.key, at)
