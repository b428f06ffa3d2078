"""Registers of energy, demand and the state of the network."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from ferraris.data.kinds import Data, Tag
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.network import volts
from ferraris.meter.outages import is_off
from ferraris.meter.patterns import ACTIVE_EXPORT, ACTIVE_IMPORT, QUARTER, REACTIVE_IMPORT
from ferraris.model.data_storage import Register
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Billed", "Energy", "Instantaneous", "scaler_unit", "stamp"]

_HOUR = 3600
_VOLTAGES = {"voltage": 1, "voltage L2": 2, "voltage L3": 3}


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

    def of(self, counted: tuple[int, tuple[int, ...]]) -> int:
        """What the register shows when its channel has counted a total, and these by rate."""
        total, rates = counted
        if not self.rate:
            return total
        return rates[self.rate - 1] if self.rate <= len(rates) else 0

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self.of(meter.counted(self.channel, now)))

    def billed(self, meter: SimulatedMeter, attribute: int, begin: int, end: int) -> bytes:
        """Attribute 2."""
        return self.value(meter, attribute, end)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Energy registers are never reset."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)


class Instantaneous(Behaviour):
    """A value of the moment; `quantity` is one of the methods of this class without underscore."""

    declares = Register
    _TAGS = {True: Tag.DOUBLE_LONG_UNSIGNED, False: Tag.LONG_UNSIGNED}  # noqa: RUF012

    def __init__(self, name: str, quantity: str, scaler: int, unit: int) -> None:
        super().__init__(name, {3: scaler_unit(scaler, unit)})
        self.quantity = quantity

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2; nothing is measured without power."""
        if is_off(meter, now):
            return encoded(self._TAGS[self.quantity in ("power in", "power out")], 0)
        if self.quantity == "power in":
            return encoded(Tag.DOUBLE_LONG_UNSIGNED, _power(meter, ACTIVE_IMPORT, now))
        if self.quantity == "power out":
            return encoded(Tag.DOUBLE_LONG_UNSIGNED, _power(meter, ACTIVE_EXPORT, now))
        if self.quantity in _VOLTAGES:
            return encoded(Tag.LONG_UNSIGNED, volts(meter, _VOLTAGES[self.quantity], now))
        if self.quantity == "current":
            through = _power(meter, ACTIVE_IMPORT, now) + _power(meter, ACTIVE_EXPORT, now)
            voltage = volts(meter, 1, now)
            current = min(0xFFFF, through * 1000 // voltage) if voltage else 0
            return encoded(Tag.LONG_UNSIGNED, current)
        if self.quantity == "power factor":
            return encoded(Tag.LONG_UNSIGNED, _power_factor(meter, now))
        if self.quantity == "frequency":
            return encoded(Tag.LONG_UNSIGNED, 5000 + _chance(b"network", now // 5) % 7 - 3)
        raise AccessRefused(DataAccessResult.HARDWARE_FAULT)


def _power(meter: SimulatedMeter, channel: int, now: int) -> int:
    """Watts: the mean of the running quarter, fluctuating by a tenth."""
    if meter.is_disconnected:
        return 0
    start = now // QUARTER * QUARTER
    used = meter.household.total(channel, start + QUARTER) - meter.household.total(channel, start)
    flicker = 950 + _chance(meter.system_title, now // 2) % 101
    return used * _HOUR // QUARTER * flicker // 1000


def _power_factor(meter: SimulatedMeter, now: int) -> int:
    """Thousandths."""
    active, reactive = (
        meter.household.total(channel, now) - meter.household.total(channel, now - QUARTER)
        for channel in (ACTIVE_IMPORT, REACTIVE_IMPORT)
    )
    apparent = (active * active + reactive * reactive) ** 0.5
    return round(1000 * active / apparent) if apparent and not meter.is_disconnected else 1000


def _chance(what: bytes, when: int) -> int:
    return int.from_bytes(blake2b(b"%b %d" % (what, when), digest_size=4).digest(), "big")
