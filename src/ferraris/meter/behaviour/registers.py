"""Registers of energy, demand and the state of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.core.errors import UsageError
from ferraris.data.kinds import RANGES, Data, Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.measures import measure_of
from ferraris.meter.outages import is_off
from ferraris.meter.rates import counted
from ferraris.model.data_storage import Register
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Billed", "Energy", "Instantaneous", "scaler_unit", "stamp"]


_ENERGY = int(Tag.DOUBLE_LONG_UNSIGNED)


def stamp(octets: bytes) -> bytes:
    """A date-time as octet-string, encoded."""
    return b"\x09\x0c" + octets


def scaler_unit(scaler: int, unit: int) -> Data:
    """The attribute with this name."""
    return (int(Tag.STRUCTURE), [(int(Tag.INTEGER), scaler), (int(Tag.ENUM), unit)])


class Billed(Behaviour):
    """A register whose value at the end of a billing period can be told afterwards.

    `rate` is the number of the rate that it counts, 0 for all.
    """

    rate = 0

    def billed(self, meter: SimulatedMeter, attribute: int, begin: int, end: int) -> bytes:
        """Encoded attribute as it was when the period from `begin` until `end` closed.

        Both are UTC seconds; raises `AccessRefused`.
        """
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)


class Energy(Billed):
    """Energy of one channel since the meter was commissioned; `rate` 0 is the total of all."""

    declares = Register

    def __init__(self, name: str, channel: int, rate: int = 0, unit: int = 30) -> None:
        super().__init__(name, {3: scaler_unit(0, unit)})
        self.channel = channel
        self.rate = rate

    def of(self, known: tuple[int, tuple[int, ...]]) -> int:
        """What the register shows when its channel has counted a total, and these by rate."""
        total, rates = known
        if not self.rate:
            return total
        return rates[self.rate - 1] if self.rate <= len(rates) else 0

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        known = counted(meter, self.channel, now)
        return encoded(_ENERGY, self.of(known) if self.rate else known[0])

    def billed(self, meter: SimulatedMeter, attribute: int, begin: int, end: int) -> bytes:
        """Attribute 2."""
        return self.value(meter, attribute, end)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Energy registers are never reset."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)


class Instantaneous(Behaviour):
    """A value of the moment, which its name stands for; nothing is measured without power.

    Where the meter has `three_phase`, what flows through a phase is told of that phase. Raises
    `UsageError` for a name under which nothing is measured.
    """

    declares = Register

    def __init__(self, name: str, *, three_phase: bool = False) -> None:
        measure = measure_of(Obis.parse(name), three_phase=three_phase)
        if measure is None:
            raise UsageError(f"nothing is measured under {name}")
        super().__init__(name, {3: scaler_unit(measure.scaler, measure.unit)})
        self._at = measure.at
        self._kind = int(Tag.DOUBLE_LONG_UNSIGNED if measure.scaler == 0 else Tag.LONG_UNSIGNED)
        self._most = RANGES[self._kind][1]

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        is_dark = meter.state.parts is not None and is_off(meter, now)
        measured = 0 if is_dark else self._at(meter, now)
        return encoded(self._kind, min(measured, self._most))
