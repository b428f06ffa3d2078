"""What a household's meter measures at an instant, as whole numbers in a natural scale.

Phases share the power: L1 half of it, L2 three tenths, L3 the rest, so that they sum to the total.
A single-phase meter shows the total.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data.obis import Obis
from ferraris.meter.network import volts
from ferraris.meter.patterns import (
    ACTIVE_EXPORT,
    ACTIVE_IMPORT,
    QUARTER,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
from ferraris.meter.state import COMMISSIONED

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Measure", "gas_volume", "measure_of"]

_HOUR = 3600
_WATT, _VOLT_AMPERE, _VAR, _WATT_HOUR, _VOLT_AMPERE_HOUR, _VAR_HOUR = 27, 28, 29, 30, 31, 32
_AMPERE, _VOLT, _HERTZ, _UNITLESS, _CUBIC_METRE = 33, 35, 44, 255, 13
_VOLTAGE = 12  # C of the voltage of no phase in particular [facts-g]
_SHARES = {1: 5, 2: 3, 3: 2}  # tenths of the total, by phase
_INSTANTANEOUS = frozenset((7, 4, 5, 14, 15, 24, 25, 27, 28, 56))  # D: now, and averages [facts-g]
_TIME_INTEGRAL, _BLOCK = 8, 29  # D [facts-g]
_AVERAGES = _INSTANTANEOUS - {7}


class Measure(NamedTuple):
    """A quantity: how it follows from a meter and UTC seconds, and its scaler and unit."""

    at: Callable[[SimulatedMeter, int], int]
    scaler: int
    unit: int


def measure_of(name: Obis, *, three_phase: bool) -> Measure | None:
    """What a name of electricity (A = 1) or a volume of gas (A = 7) stands for; None if neither.

    C, D and E are those of the OBIS tables [facts-g].
    """
    if name.a == 7:
        return _gas(name)
    if name.a != 1:
        return None
    if name.d in _INSTANTANEOUS and name.e == 0:
        return _power(name, three_phase)
    if name.d in (_TIME_INTEGRAL, _BLOCK):
        return _energy(name)
    return None


def gas_volume(meter: SimulatedMeter, channel: int, now: int) -> int:
    """Litres through the gas meter on a channel since commissioning, more in the evening."""
    pace = 2500 + _chance(meter.system_title + bytes((channel,)), 0) % 2500  # litres a day
    days, second = divmod(max(0, now - COMMISSIONED), 24 * _HOUR)
    return days * pace + pace * second * second // (24 * _HOUR) ** 2


# -- powers, voltages, currents ---------------------------------------------------------------


def _power(name: Obis, three_phase: bool) -> Measure | None:
    phase, quantity = _phase(name.c)
    made = _QUANTITIES.get(quantity)
    if made is None:
        return None
    at, scaler, unit = made
    # A voltage is always that of a phase; what flows is told of one only where there are three.
    share = phase if three_phase or quantity == _VOLTAGE else 0

    def of_phase(meter: SimulatedMeter, now: int) -> int:
        return at(meter, now, share)

    if name.d in _AVERAGES:
        return Measure(lambda meter, now: of_phase(meter, now // QUARTER * QUARTER), scaler, unit)
    return Measure(of_phase, scaler, unit)


def _phase(c: int) -> tuple[int, int]:
    """Phase 0 to 3, and the quantity without the phase: C = quantity + 20 n [facts-g]."""
    return ((c - 1) // 20, (c - 1) % 20 + 1) if 1 <= c <= 80 else (0, c)


def _channel_power(channel: int) -> Callable[[SimulatedMeter, int, int], int]:
    def power(meter: SimulatedMeter, now: int, phase: int) -> int:
        if meter.is_disconnected:
            return 0
        start = now // QUARTER * QUARTER
        total = meter.household.total
        used = total(channel, start + QUARTER) - total(channel, start)
        flicker = 950 + _chance(meter.system_title, now // 2) % 101
        return _shared(used * _HOUR // QUARTER * flicker // 1000, phase)

    return power


def _shared(total: int, phase: int) -> int:
    if not phase:
        return total
    if phase == 3:
        return total - _shared(total, 1) - _shared(total, 2)
    return total * _SHARES[phase] // 10


_import, _export = _channel_power(ACTIVE_IMPORT), _channel_power(ACTIVE_EXPORT)
_q_import, _q_export = _channel_power(REACTIVE_IMPORT), _channel_power(REACTIVE_EXPORT)


def _apparent(meter: SimulatedMeter, now: int, phase: int) -> int:
    active = _import(meter, now, phase)
    reactive = _q_import(meter, now, phase)
    return isqrt(active * active + reactive * reactive)


def _through(meter: SimulatedMeter, now: int, phase: int) -> int:
    return _import(meter, now, phase) + _export(meter, now, phase)


def _voltage(meter: SimulatedMeter, now: int, phase: int) -> int:
    """Tenths of a volt; there is voltage on the meter's inlet whatever the switch does."""
    return volts(meter, phase or 1, now)


def _current(meter: SimulatedMeter, now: int, phase: int) -> int:
    """Hundredths of an ampere; none flows where there is no voltage."""
    pressure = _voltage(meter, now, phase)
    return _through(meter, now, phase) * 1000 // pressure if pressure else 0


def _power_factor(meter: SimulatedMeter, now: int, phase: int) -> int:
    """Thousandths."""
    apparent = _apparent(meter, now, phase)
    return min(1000, 1000 * _import(meter, now, phase) // apparent) if apparent else 1000


def _frequency(meter: SimulatedMeter, now: int, phase: int) -> int:
    """Hundredths of a hertz, the same for all who are on the network."""
    return 5000 + _chance(b"network", now // 5) % 7 - 3


def _nothing(meter: SimulatedMeter, now: int, phase: int) -> int:
    return 0


_QUANTITIES: dict[int, tuple[Callable[[SimulatedMeter, int, int], int], int, int]] = {
    1: (_import, 0, _WATT),
    2: (_export, 0, _WATT),
    3: (_q_import, 0, _VAR),
    4: (_q_export, 0, _VAR),
    9: (_apparent, 0, _VOLT_AMPERE),
    10: (_nothing, 0, _VOLT_AMPERE),
    11: (_current, -2, _AMPERE),
    12: (_voltage, -1, _VOLT),
    13: (_power_factor, -3, _UNITLESS),
    14: (_frequency, -2, _HERTZ),
    15: (_through, 0, _WATT),
    90: (_current, -2, _AMPERE),
    91: (_nothing, -2, _AMPERE),
}
"""Quantities by C of the sum of all phases [facts-g]."""


# -- energies ---------------------------------------------------------------------------------


def _energy(name: Obis) -> Measure | None:
    counted = _COUNTED.get(name.c)
    if counted is None:
        return None
    channels, unit = counted
    rate = name.e

    def total(meter: SimulatedMeter, now: int) -> int:
        values = []
        for channel in channels:
            rates = meter.energy(channel, now)
            values.append(sum(rates) if not rate else rates[rate - 1] if rate <= len(rates) else 0)
        return values[0] if len(values) == 1 else isqrt(sum(value * value for value in values))

    def block(meter: SimulatedMeter, now: int) -> int:
        end = now // QUARTER * QUARTER
        return total(meter, end) - total(meter, end - QUARTER)

    return Measure(block if name.d == _BLOCK else total, 0, unit)


_COUNTED: dict[int, tuple[tuple[int, ...], int]] = {
    1: ((ACTIVE_IMPORT,), _WATT_HOUR),
    2: ((ACTIVE_EXPORT,), _WATT_HOUR),
    3: ((REACTIVE_IMPORT,), _VAR_HOUR),
    4: ((REACTIVE_EXPORT,), _VAR_HOUR),
    5: ((REACTIVE_IMPORT,), _VAR_HOUR),  # households draw and return power inductively
    8: ((REACTIVE_EXPORT,), _VAR_HOUR),
    6: ((), _VAR_HOUR),
    7: ((), _VAR_HOUR),
    9: ((ACTIVE_IMPORT, REACTIVE_IMPORT), _VOLT_AMPERE_HOUR),
    10: ((ACTIVE_EXPORT, REACTIVE_EXPORT), _VOLT_AMPERE_HOUR),
}
"""Channels that a time integral counts, by C [facts-g]; several are sides of a triangle."""


def _gas(name: Obis) -> Measure | None:
    # Converted volume: C 13, of which C 12 is that under alarm [facts-g].
    if name.c == 13 and name.d == 2 and name.e == 0 and name.f == 255:
        return Measure(lambda meter, now: gas_volume(meter, 0, now), -3, _CUBIC_METRE)
    return None


def _chance(what: bytes, when: int) -> int:
    return int.from_bytes(blake2b(b"%b %d" % (what, when), digest_size=4).digest(), "big")
