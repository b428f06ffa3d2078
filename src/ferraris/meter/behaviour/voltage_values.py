"""Values of the voltage: means, harmonics, angles, unbalance, and the profile of the means.

Codes D and E are [facts-g]; unbalance has none, so that its object is a maker's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag
from ferraris.meter import voltage
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.capture import Grid, Periodically, Run
from ferraris.meter.behaviour.periodic import Periodic
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column
from ferraris.meter.behaviour.registers import scaler_unit, stamp
from ferraris.meter.network import Network, feeder, group_of, imposed, volts
from ferraris.meter.voltage import PERIOD_S, PHASES
from ferraris.model.data_storage import Register

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Angle", "AverageVoltage", "Harmonic", "Unbalance", "VoltageProfile", "unbalance"]

_VOLT, _PERCENT, _DEGREE = 35, 56, 8  # units [facts-g]
_TEN_MINUTES = Periodically(PERIOD_S)


def unbalance(phases: list[int]) -> int:
    """Thousandths by which the worst phase differs from the mean."""
    middle = sum(phases) / len(phases)
    return round(1000 * max(abs(each - middle) for each in phases) / middle) if middle else 0


class AverageVoltage(Behaviour):
    """The mean voltage of a phase over the last ten minutes that are complete."""

    declares = Register

    def __init__(self, phase: int) -> None:
        super().__init__(f"1-0:{group_of(phase)}.24.0*255", {3: scaler_unit(-1, _VOLT)})
        self._phase = phase

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        start = meter.local(now) // PERIOD_S * PERIOD_S - meter.offset(now) - PERIOD_S
        return encoded(Tag.LONG_UNSIGNED, _mean(meter, self._phase, start))


class Harmonic(Behaviour):
    """The voltage of a harmonic of a phase, or with `THD` the total distortion in percent."""

    declares = Register
    THD = 124

    def __init__(self, phase: int, order: int) -> None:
        unit = (-1, _PERCENT) if order == self.THD else (-2, _VOLT)
        super().__init__(f"1-0:{group_of(phase)}.7.{order}*255", {3: scaler_unit(*unit)})
        self._phase = phase
        self._order = order

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        known = (feeder(meter), meter.system_title, self._phase)
        if self._order == self.THD:
            return encoded(Tag.LONG_UNSIGNED, voltage.distortion(*known, now))
        return encoded(Tag.LONG_UNSIGNED, voltage.harmonic(*known, self._order, now))


class Angle(Behaviour):
    """The angle of the voltage of phase 2 or 3 against phase 1, by which their order is known."""

    declares = Register

    def __init__(self, phase: int) -> None:
        super().__init__(f"1-0:81.7.{phase - 1}*255", {3: scaler_unit(0, _DEGREE)})
        self._phase = phase

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        network = meter.state.found(Network)
        is_reversed = network is not None and network.is_reversed
        return encoded(Tag.LONG_UNSIGNED, 120 if (self._phase == 2) != is_reversed else 240)


class Unbalance(Behaviour):
    """How far the worst phase is from the mean of all, in tenths of a percent; a maker's own."""

    declares = Register

    def __init__(self, name: str = "1-0:128.7.0*255") -> None:
        super().__init__(name, {3: scaler_unit(-1, _PERCENT)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, unbalance([volts(meter, p, now) for p in PHASES]))


class VoltageProfile(Periodic):
    """The mean voltages of the three phases, every ten minutes."""

    def __init__(self, name: str = "1-0:99.14.0*255", entries: int = 31 * 144) -> None:
        columns = [Column(3, f"1-0:{group_of(phase)}.24.0*255", 2, 3) for phase in PHASES]
        super().__init__(name, (CLOCK_COLUMN, *columns), PERIOD_S, entries)

    def grid(self, meter: SimulatedMeter) -> Grid:
        """Every ten minutes."""
        return _TEN_MINUTES

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        parts = []
        for number in range(first, stop):
            instant = _TEN_MINUTES.instant(number, run.zone)
            octets = run.zone.stamp(instant)
            shown = octets[:11] + bytes((octets[11] | run.law.status,))
            start = run.law.utc(instant) - PERIOD_S
            parts.append(bytes((2, 1 + len(PHASES))) + stamp(shown))
            parts += [b"\x12" + _mean(meter, phase, start).to_bytes(2, "big") for phase in PHASES]
        return b"".join(parts)


def _mean(meter: SimulatedMeter, phase: int, start: int) -> int:
    return voltage.mean(feeder(meter), phase, start, imposed(meter))
