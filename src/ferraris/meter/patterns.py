"""Daily patterns of households: how much a day counts, and how it spreads over its quarters.

Everything here is shared by all meters of a template. A `Pattern` knows, for each channel and rate,
the sum of all days since `FIRST_DAY` in thousandths of a mean day; that makes the energy at any
instant a look-up. Days are UTC days; people live by local time, so the shapes follow the zone.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, pairwise
from math import cos, pi, radians, sin

from ferraris.meter.tariff import Tariff
from ferraris.meter.zone import DAY, Zone

__all__ = [
    "ACTIVE_EXPORT",
    "ACTIVE_IMPORT",
    "CHANNELS",
    "FIRST_DAY",
    "KINDS",
    "MEAN_DAY",
    "QUARTER",
    "QUARTERS",
    "REACTIVE_EXPORT",
    "REACTIVE_IMPORT",
    "Pattern",
    "Shape",
]

ACTIVE_IMPORT, ACTIVE_EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT = range(4)
CHANNELS = 4
QUARTER = 900
QUARTERS = 96
FIRST_DAY = (date(2024, 1, 1) - date(1970, 1, 1)).days
MEAN_DAY = 1_000_000

_LATITUDE = radians(50)
# Relative load by local hour on working days and on weekends, and the amplitude of the seasons.
_HOURS: tuple[tuple[str, str, float], ...] = (
    # a family that is out during the day
    ("4333345986544555679cdb97", "544333468aaba98779acca86", 0.22),
    # people who are at home
    ("33333357998accb98889ba85", "33333346899accb98889ba85", 0.18),
    # a heat pump and a car that charges at night
    ("fedcba98776555567789aabc", "dcba99888876666778899aab", 0.55),
    # a small shop
    ("2222223579ccccccccca6332", "222222345677776544433222", 0.10),
)
KINDS = len(_HOURS)
# What one octet of noise makes of the weight of a quarter: few high peaks, many low values.
_PEAKY = bytes(16 + round(239 * (n / 255) ** 5) for n in range(256))
_MILD = bytes(90 + round(165 * (n / 255) ** 2) for n in range(256))
_CLEAR = bytes(225 + round(30 * n / 255) for n in range(256))
_BROKEN = bytes(30 + round(225 * n / 255) for n in range(256))


@dataclass(frozen=True, slots=True)
class Shape:
    """How one channel spreads a day over its quarters.

    `segments` are (first quarter, quarter after the last, index of the rate), `shares` the parts
    of the rates in a mean day, and `noise` makes the factor of a quarter from an octet of chance.
    """

    weights: tuple[int, ...]
    segments: tuple[tuple[int, int, int], ...]
    noise: bytes
    shares: tuple[float, ...]


class Pattern:
    """The days of one kind of household, with or without a roof of solar panels."""

    __slots__ = ("_hours", "_region", "_solar", "_tariff", "_zone", "days", "swing", "totals")

    def __init__(self, kind: int, solar: bool, zone: Zone, tariff: Tariff, region: int) -> None:
        self._hours = _HOURS[kind]
        self._solar = solar
        self._zone = zone
        self._tariff = tariff
        self._region = region
        rates = [tariff.rates, tariff.rates, 1, 1]
        self.days: list[tuple[Shape, ...]] = []
        # Sum of all days before, and how far noise may move that sum, by channel, rate and day.
        self.totals = [[array("q", [0]) for _ in range(count)] for count in rates]
        self.swing = [[array("q", [0]) for _ in range(count)] for count in rates]

    def extend(self, day: int) -> None:
        """Make sure that day number `day` (counted from `FIRST_DAY`) and its end are known."""
        # The swing at the end of a day needs the day after it, so one more is built.
        while len(self.days) <= day + 1:
            self._append(len(self.days))

    def _append(self, index: int) -> None:
        shapes = self._shapes(index + FIRST_DAY)
        factors = self._factors(index + FIRST_DAY)
        for channel, shape in enumerate(shapes):
            for rate, totals in enumerate(self.totals[channel]):
                amount = int(MEAN_DAY * factors[channel] * shape.shares[rate])
                swing = self.swing[channel][rate]
                before = totals[-1] - totals[-2] if index else 0
                # Never more than the smaller neighbour can give: sums must not fall.
                swing[index] = int(_SWING[channel] * min(before, amount))
                swing.append(0)
                totals.append(totals[-1] + amount)
        self.days.append(shapes)

    def _factors(self, day: int) -> tuple[float, float, float, float]:
        moment = date.fromordinal(day + _ORDINAL_1970)
        turn = 2 * pi * (moment.timetuple().tm_yday - 15) / 365.25
        chance = _weather(self._region, day)
        season = 1 + self._hours[2] * cos(turn)
        weekend = 1.12 if moment.weekday() >= 5 else 0.95
        load = season * weekend * (1.08 - 0.16 * chance)
        sun = _sunshine(_week(day))[1] * (0.1 + 1.5 * chance) if self._solar else 0.0
        return load, sun, 0.4 + 0.6 * load, 1.3 - 0.3 * load

    def _shapes(self, day: int) -> tuple[Shape, ...]:
        moment = date.fromordinal(day + _ORDINAL_1970)
        midnight = day * DAY
        offsets = tuple(
            self._zone.offset(midnight + hour * 3600) // QUARTER for hour in (0, 2, 12, 23)
        )
        clear = _weather(self._region, day) > 0.7
        weekend = moment.weekday() >= 5
        key = (weekend, offsets, _week(day) if self._solar else 0, clear)
        return _shapes(self._hours[:2], self._solar, self._tariff, key)


_SWING = (0.5, 0.15, 0.3, 0.3)
_ORDINAL_1970 = date(1970, 1, 1).toordinal()
_Key = tuple[bool, tuple[int, ...], int, bool]


@lru_cache(maxsize=4096)
def _shapes(hours: tuple[str, str], solar: bool, tariff: Tariff, key: _Key) -> tuple[Shape, ...]:
    weekend, offsets, week, clear = key
    # Changes of the offset happen at 01:00 UTC; the offsets are those of 00, 02, 12 and 23 o'clock.
    local = [(q + (offsets[0] if q < 4 else offsets[1])) % QUARTERS for q in range(QUARTERS)]
    demand = _by_quarter(hours[weekend])
    sunshine = _sunshine(week)[0] if solar else (0,) * QUARTERS
    load = tuple(
        max(4, demand[local[q]] - min(demand[local[q]] * 2 // 3, sunshine[q] // 6))
        for q in range(QUARTERS)
    )
    segments = _segments([tariff.rate(quarter) - 1 for quarter in local])
    whole = ((0, QUARTERS, 0),)
    return (
        _shape(load, segments, _PEAKY, tariff.rates),
        _shape(sunshine, segments, _CLEAR if clear else _BROKEN, tariff.rates),
        _shape(tuple(20 + demand[quarter] // 2 for quarter in local), whole, _MILD, 1),
        _shape(tuple(130 - demand[quarter] // 2 for quarter in local), whole, _MILD, 1),
    )


def _shape(
    weights: tuple[int, ...], segments: tuple[tuple[int, int, int], ...], noise: bytes, rates: int
) -> Shape:
    sums = [0] * rates
    for start, stop, rate in segments:
        sums[rate] += sum(weights[start:stop])
    whole = sum(sums) or 1
    return Shape(weights, segments, noise, tuple(part / whole for part in sums))


def _segments(rates: list[int]) -> tuple[tuple[int, int, int], ...]:
    edges = [0, *(q for q in range(1, QUARTERS) if rates[q] != rates[q - 1]), QUARTERS]
    return tuple((start, stop, rates[start]) for start, stop in pairwise(edges))


def _by_quarter(hours: str) -> list[int]:
    """Hexadecimal hours to 96 quarters, straight lines between them, 15 units a digit."""
    values = [int(digit, 16) for digit in hours]
    return [
        (values[q // 4] * (4 - q % 4) + values[(q // 4 + 1) % 24] * (q % 4)) * 15 // 4
        for q in range(QUARTERS)
    ]


def _week(day: int) -> int:
    return (date.fromordinal(day + _ORDINAL_1970).timetuple().tm_yday - 1) // 7


@lru_cache(maxsize=64)
def _sunshine(week: int) -> tuple[tuple[int, ...], float]:
    """Weights of the UTC quarters in week 0..52, and the day's sum relative to the year's mean."""
    return _sun_weights(week), sum(_sun_weights(week)) / _mean_sun()


@lru_cache(maxsize=64)
def _sun_weights(week: int) -> tuple[int, ...]:
    tilt = radians(-23.44) * cos(2 * pi * (week * 7 + 13) / 365.25)
    heights = (
        sin(_LATITUDE) * sin(tilt)
        # Noon of the region is at about 11:20 UTC, ten degrees east of Greenwich.
        + cos(_LATITUDE) * cos(tilt) * cos(2 * pi * (quarter + 0.5 - 45.3) / QUARTERS)
        for quarter in range(QUARTERS)
    )
    return tuple(round(900 * max(0.0, height - 0.04) ** 1.2) for height in heights)


@lru_cache(maxsize=1)
def _mean_sun() -> float:
    return list(accumulate(sum(_sun_weights(week)) for week in range(52)))[-1] / 52


@lru_cache(maxsize=16384)
def _weather(region: int, day: int) -> float:
    """How bright a day is in the region, 0..1: the same for all neighbours."""
    chance = blake2b(b"weather %d %d" % (region, day), digest_size=2).digest()
    return int.from_bytes(chance, "big") / 0xFFFF
