"""Gas, water, heat and what a plain electricity meter counts: how much until any instant.

As with the energy of households everything follows from a seed: the amounts of days come from one
table for all that use the same thing in the same region, moved a little by chance; hours share a
day out. What is counted is a whole number that never falls and is the sum of its intervals.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import date
from enum import Enum, unique
from functools import cache, lru_cache
from hashlib import blake2b, shake_128
from itertools import accumulate
from math import cos, pi

from ferraris.meter.patterns import FIRST_DAY
from ferraris.meter.state import Interruption
from ferraris.meter.zone import DAY, Zone

__all__ = ["GAS_PRESSURE", "Fluid", "Use", "conversion", "counted", "gas_temperature", "use_of"]

_HOUR = 3600
_HOURS = 24
_MEAN_DAY = 1_000_000
_ORDINAL_1970 = date(1970, 1, 1).toordinal()
GAS_PRESSURE = 1035
"""Absolute, in millibar: a regulator keeps it."""

_BASE_PRESSURE, _BASE_TEMPERATURE = 101_325, 2881  # pascals, tenths of a kelvin
_PARTS = 10_000
_SWING = 0.3  # of the smaller neighbour: what was counted must not fall


@unique
class Fluid(Enum):
    """What is used, and how: counted in litres, or in watt-hours."""

    GAS = "gas"
    WATER = "water"
    HEAT = "heat"
    ELECTRICITY = "electricity"


@dataclass(frozen=True, slots=True)
class _Habits:
    """Amount by local hour, share of the seasons, and the bounds of a mean day."""

    hours: str
    season: float
    least: int
    most: int


_HABITS = {
    # Heating in the morning and in the evening, five times as much in winter.
    Fluid.GAS: _Habits("1111249975444455679a8632", 0.85, 2_000, 8_000),
    Fluid.WATER: _Habits("100014a9743454334689a752", -0.05, 120, 700),
    Fluid.HEAT: _Habits("3333458876555555668a9764", 0.8, 15_000, 70_000),
    Fluid.ELECTRICITY: _Habits("33333346798789976689ba85", 0.15, 3_000, 12_000),
}


class Use:
    """What one connection has used of a fluid since the first day; `seed` has 64 bits."""

    __slots__ = ("_days", "_hours", "_scale", "_seed", "_zone", "fluid")

    def __init__(self, fluid: Fluid, seed: int, zone: Zone, region: int = 0) -> None:
        self.fluid = fluid
        self._seed = seed
        self._zone = zone
        habits = _HABITS[fluid]
        draw = blake2b(seed.to_bytes(8, "big"), digest_size=4, person=b"fluid").digest()
        share = int.from_bytes(draw, "big") / 0xFFFFFFFF
        self._scale = habits.least + int((habits.most - habits.least) * share * (1 + share) / 2)
        self._days = _days(fluid, region)
        self._hours = tuple(int(digit, 16) for digit in habits.hours)

    def total(self, utc: int) -> int:
        """Litres, or watt-hours, counted until `utc`."""
        day, second = divmod(utc - FIRST_DAY * DAY, DAY)
        if day < 0:
            return 0
        begin = self._bound(day)
        if not second:
            return begin
        shares = _shares(self, day)
        hour, rest = divmod(second, _HOUR)
        part = shares[hour] * _HOUR + (shares[hour + 1] - shares[hour]) * rest
        return begin + (self._bound(day + 1) - begin) * part // (shares[-1] * _HOUR)

    def converted(self, utc: int) -> int:
        """Litres at base conditions counted until `utc`: what the temperature of gas makes of them.

        The share of an hour follows the volume, the sum of a day its conversion.
        """
        day, second = divmod(utc - FIRST_DAY * DAY, DAY)
        if day < 0:
            return 0
        begin = self._bound(day, converted=True)
        if not second:
            return begin
        shares = _shares(self, day)
        hour, rest = divmod(second, _HOUR)
        part = shares[hour] * _HOUR + (shares[hour + 1] - shares[hour]) * rest
        span = self._bound(day + 1, converted=True) - begin
        return begin + span * part // (shares[-1] * _HOUR)

    def rate(self, utc: int) -> int:
        """Litres, or watt-hours, in the hour that runs."""
        start = utc // _HOUR * _HOUR
        return self.total(start + _HOUR) - self.total(start)

    def _bound(self, day: int, *, converted: bool = False) -> int:
        """What was counted at the beginning of a day."""
        totals, swings = self._days.until(day, converted=converted)
        draw = int.from_bytes(_chance(self._seed, day)[:2], "big")
        return self._scale * (totals + (swings * draw >> 16)) // _MEAN_DAY

    def hours(self, day: int) -> tuple[int, ...]:
        """Running sum of the weights of the UTC hours of a day, 25 values from 0."""
        chance = _chance(self._seed, day)
        shift = self._zone.offset((FIRST_DAY + day) * DAY) // _HOUR
        weights = (
            1 + self._hours[(hour + shift) % _HOURS] * (64 + chance[2 + hour])
            for hour in range(_HOURS)
        )
        return tuple(accumulate(weights, initial=0))


def counted(
    use: Use, utc: int, interruptions: tuple[Interruption, ...] = (), *, converted: bool = False
) -> int:
    """What a meter shows at `utc` when nothing flowed during the interruptions."""
    total = use.converted if converted else use.total
    shown = total(utc)
    for start, stop in interruptions:
        if utc > start:
            shown -= total(utc if stop is None else min(stop, utc)) - total(start)
    return shown


def gas_temperature(utc: int) -> int:
    """Tenths of a kelvin in the pipe: warm in summer, cold in winter, the same for a day."""
    return _temperature(utc // DAY)


def conversion(utc: int) -> int:
    """Ten-thousandths: volume at base conditions, 15 °C and 1.01325 bar, for one as metered."""
    return (
        GAS_PRESSURE * _BASE_TEMPERATURE * _PARTS * 100 // (_BASE_PRESSURE * gas_temperature(utc))
    )


@lru_cache(maxsize=8192)
def use_of(fluid: Fluid, seed: int, zone: Zone, region: int) -> Use:
    """The connection with this seed."""
    return Use(fluid, seed, zone, region)


@lru_cache(maxsize=4096)
def _shares(use: Use, day: int) -> tuple[int, ...]:
    return use.hours(day)


@lru_cache(maxsize=16384)
def _chance(seed: int, day: int) -> bytes:
    octets = seed.to_bytes(8, "big") + day.to_bytes(4, "big")
    return shake_128(octets).digest(2 + _HOURS)


class _Days:
    """Sum of all days before, in millionths of a mean day, and how far chance may move it.

    Converted ones are those of gas at base conditions.
    """

    def __init__(self, fluid: Fluid, region: int) -> None:
        self._season = _HABITS[fluid].season
        self._region = region
        self._sums = {False: array("q", [0]), True: array("q", [0])}
        self._swings = {False: array("q", [0]), True: array("q", [0])}

    def until(self, day: int, *, converted: bool) -> tuple[int, int]:
        """Sum and swing at the beginning of a day."""
        sums, swings = self._sums[converted], self._swings[converted]
        while len(swings) <= day:
            index = len(swings)
            amount = self._amount(index - 1, converted)
            sums.append(sums[-1] + amount)
            swings.append(int(_SWING * min(amount, self._amount(index, converted))))
        return sums[day], swings[day]

    def _amount(self, day: int, converted: bool) -> int:
        moment = date.fromordinal(day + FIRST_DAY + _ORDINAL_1970)
        turn = 2 * pi * (moment.timetuple().tm_yday - 15) / 365.25
        chance = blake2b(b"day %d %d" % (self._region, day), digest_size=2).digest()
        weather = 0.8 + 0.4 * int.from_bytes(chance, "big") / 0xFFFF
        amount = int(_MEAN_DAY * max(0.05, 1 + self._season * cos(turn)) * weather)
        return amount * conversion((FIRST_DAY + day) * DAY) // _PARTS if converted else amount


@lru_cache(maxsize=4096)
def _temperature(day: int) -> int:
    moment = date.fromordinal(day + _ORDINAL_1970)
    turn = 2 * pi * (moment.timetuple().tm_yday - 25) / 365.25
    return 2851 - round(70 * cos(turn))


@cache
def _days(fluid: Fluid, region: int) -> _Days:
    return _Days(fluid, region)
