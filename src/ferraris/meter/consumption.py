"""Synthetic consumption: the energy of a household at any instant, from its seed alone.

The energy counted since `FIRST_DAY` is an integer of watt-hours (or var-hours) that never falls,
counted for each channel and rate. Day boundaries come from shared tables plus the household's own
noise, quarters share the day out by weights with a noise of their own, and within a quarter the
power is even. So registers, rates and profiles agree to the last unit, whatever is asked first.

A column of totals is octets: eight for each total, four of whole units and four of the fraction.
That way one long multiplication scales a whole day, and the whole units stand ready for the wire.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, shake_128
from itertools import accumulate
from operator import mul
from struct import Struct, pack, unpack

from ferraris.meter.patterns import (
    CHANNELS,
    FIRST_DAY,
    KINDS,
    MEAN_DAY,
    QUARTER,
    QUARTERS,
    Pattern,
    Shape,
)
from ferraris.meter.tariff import Tariff
from ferraris.meter.zone import DAY, Zone

__all__ = [
    "MOST_RATES",
    "TOTAL_OCTETS",
    "Consumption",
    "Household",
    "chance",
    "pack_totals",
    "unpack_totals",
]

TOTAL_OCTETS = 8
"""Octets of one total in a column; the first four are the whole units, as a counter sends them."""

MOST_RATES = 4
"""Rates that a household counts."""

_NOISE = Struct(f">{CHANNELS * MOST_RATES}H")
_KEY = Struct(">QI")
_ROOFS = 0.32  # about a third of the roofs carry panels
_FRACTION = 32  # bits
_QUARTERS_KEPT, _DAYS_KEPT = 4096, 256
_TICKS = Struct(f">{QUARTERS + 1}Q")
# A one in each of n totals: a number times it stands in all of them.
_ONES = tuple(accumulate(range(QUARTERS), lambda ones, _: ones << 64 | 1, initial=0))


def pack_totals(totals: Sequence[int]) -> bytes:
    """A column of whole units, each 0 to 2^32 - 1."""
    return pack(f">{len(totals)}Q", *[total << _FRACTION for total in totals])


def unpack_totals(column: bytes) -> list[int]:
    """The whole units of a column."""
    return list(unpack(f">{len(column) // 4}I", column)[::2])


class Consumption:
    """What the households of one region share: zone, tariff, weather and daily patterns.

    `roofs` is the share of them that carry solar panels, 0 to 1.
    """

    def __init__(
        self, zone: Zone, tariff: Tariff, region: int = 0, *, roofs: float = _ROOFS
    ) -> None:
        self._solar_of_256 = round(256 * roofs)
        self.zone = zone
        self.tariff = tariff
        self.region = region
        self._patterns: dict[tuple[int, bool], Pattern] = {}
        self.household = lru_cache(maxsize=2048)(self._household)

    def _household(self, seed: int) -> Household:
        """Draw the household with this 64-bit seed."""
        kind, solar, scales = self.drawn(seed)
        return Household(seed, self.pattern(kind, solar), scales)

    def drawn(self, seed: int) -> tuple[int, bool, tuple[int, int, int, int]]:
        """Kind, whether there are solar panels, and the mean day of each channel, by a seed."""
        draw = blake2b(seed.to_bytes(8, "big"), digest_size=8, person=b"household").digest()
        solar = draw[1] < self._solar_of_256
        wide = 1 + draw[3] / 64 * (draw[4] / 255)
        load = int((3200 + 22 * draw[2]) * wide)  # Wh a day
        roof = int((3 + 9 * draw[5] / 255) * 2700) if solar else 0
        reactive = load * (12 + draw[6] % 30) // 100
        return draw[0] % KINDS, solar, (load, roof, reactive, 150 + 4 * draw[7])

    def pattern(self, kind: int, solar: bool) -> Pattern:
        """What households of a kind share."""
        pattern = self._patterns.get((kind, solar))
        if pattern is None:
            pattern = Pattern(kind, solar, self.zone, self.tariff, self.region)
            self._patterns[kind, solar] = pattern
        return pattern


def chance(seed: int, day: int, octets: int) -> bytes:
    """Chance of one household and day; a short stretch is the beginning of the long one.

    First come 16 bits for each channel and rate, then an octet for each channel and quarter.
    """
    return shake_128(_KEY.pack(seed, day)).digest(octets)


class Household:
    """The energy that one household has used and fed in; channels are those of `patterns`."""

    __slots__ = ("_counters", "_pattern", "_seed", "_slices")

    def __init__(self, seed: int, pattern: Pattern, scales: tuple[int, ...]) -> None:
        self._seed = seed
        self._pattern = pattern
        # One counter for each channel and rate: the pattern's sums and swings, and our scale.
        self._counters: list[tuple[array[int], array[int], int]] = []
        self._slices: list[slice] = []
        for totals, swings, scale in zip(pattern.totals, pattern.swing, scales, strict=True):
            first = len(self._counters)
            self._counters += [(t, s, scale) for t, s in zip(totals, swings, strict=True)]
            self._slices.append(slice(first, len(self._counters)))

    def energy(self, channel: int, utc: int) -> tuple[int, ...]:
        """Energy by rate from `FIRST_DAY` until `utc`; their sum is the total."""
        if not utc % DAY:
            return self._midnight(channel, utc // DAY - FIRST_DAY)
        quarter, second = divmod(utc, QUARTER)
        energies, active, flowing = _quarter(self, channel, quarter)
        if not second or not flowing:
            return energies
        grown = energies[active] + flowing * second // QUARTER
        return (*energies[:active], grown, *energies[active + 1 :])

    def _midnight(self, channel: int, day: int) -> tuple[int, ...]:
        """Energy by rate at the beginning of a day, which counts from `FIRST_DAY`."""
        if day < 0:
            return (0,) * len(self._pattern.totals[channel])
        return tuple(self._bounds(day, self._noise(day, _NOISE.size))[self._slices[channel]])

    def quarter(self, channel: int, quarter: int) -> tuple[tuple[int, ...], int, int]:
        """Energy by rate at the start of a quarter; place of the rate that counts, and how much.

        Quarters count from 1970.
        """
        day, quarter = divmod(quarter - FIRST_DAY * QUARTERS, QUARTERS)
        if day < 0:
            return (0,) * len(self._pattern.totals[channel]), 0, 0
        begin, shared = _day(self, channel, day)
        if shared is None:
            return begin, 0, 0
        shape, weights, factors = shared
        parts, active = [0] * len(begin), 0
        for start, stop, rate in shape.segments:
            if start <= quarter:
                parts[rate] += weights[min(stop, quarter)] - weights[start]
                active = rate
        energies = tuple(
            first + (part * factor >> _FRACTION)
            for first, part, factor in zip(begin, parts, factors, strict=True)
        )
        part = parts[active] + weights[quarter + 1] - weights[quarter]
        following = begin[active] + (part * factors[active] >> _FRACTION)
        return energies, active, following - energies[active]

    def shares(
        self, channel: int, day: int
    ) -> tuple[tuple[int, ...], tuple[Shape, list[int], list[int]] | None]:
        """Energy by rate at the beginning of a day, and how what follows is shared out.

        That is the shape of the day, its running weights and the energy for a unit of weight by
        rate; None where nothing flows. Days count from `FIRST_DAY`.
        """
        rates = self._slices[channel]
        noise, after = self._noise(day), self._noise(day + 1, _NOISE.size)
        begin, end = self._bounds(day, noise)[rates], self._bounds(day + 1, after)[rates]
        if begin == end:
            return tuple(begin), None
        shape, weights = self._spread(channel, day, noise)
        return tuple(begin), (shape, weights, _factors(shape, weights, begin, end))

    def total(self, channel: int, utc: int) -> int:
        """Energy of all rates from `FIRST_DAY` until `utc`."""
        return sum(self.energy(channel, utc))

    def day(self, day: int, first: int = 0, stop: int = QUARTERS) -> list[bytes]:
        """Totals of every channel at the starts of the quarters `first` to `stop` - 1 of a UTC day.

        `day` counts from 1970. Quarter n starts n x 15 minutes after midnight UTC, so that quarter
        96 is the end of the day. Each channel is a column, see `unpack_totals`.
        """
        day -= FIRST_DAY
        if day < 0:
            return [bytes(TOTAL_OCTETS * (stop - first))] * CHANNELS
        if stop == 1:
            bounds = self._bounds(day, self._noise(day, _NOISE.size))
            return [pack_totals([sum(bounds[rates])]) for rates in self._slices]
        noise, after = self._noise(day), self._noise(day + 1, _NOISE.size)
        begins, ends = self._bounds(day, noise), self._bounds(day + 1, after)
        columns = []
        for channel, rates in enumerate(self._slices):
            begin, end = begins[rates], ends[rates]
            if begin == end:
                columns.append(pack_totals([sum(begin)]) * (stop - first))
            else:
                shape, weights = self._spread(channel, day, noise)
                shared = _share_out(shape, weights, (begin, end), first, stop)
                columns.append(shared + pack_totals([sum(end)]) if stop > QUARTERS else shared)
        return columns

    def _noise(self, day: int, count: int = _NOISE.size + CHANNELS * QUARTERS) -> bytes:
        return chance(self._seed, day, count)

    def _bounds(self, day: int, noise: bytes) -> list[int]:
        """All counters at the beginning of a day, which draws on that day's noise."""
        if day >= len(self._pattern.days):
            self._pattern.extend(day)
        draws: tuple[int, ...] = _NOISE.unpack_from(noise)
        return [
            scale * (totals[day] + (swings[day] * draw >> 16)) // MEAN_DAY
            for (totals, swings, scale), draw in zip(self._counters, draws, strict=False)
        ]

    def _spread(self, channel: int, day: int, noise: bytes) -> tuple[Shape, list[int]]:
        """Shape of the day and the running sum of the noisy weights, 97 values from 0."""
        shape = self._pattern.days[day][channel]
        start = _NOISE.size + channel * QUARTERS
        factors = noise[start : start + QUARTERS].translate(shape.noise)
        return shape, list(accumulate(map(mul, shape.weights, factors), initial=0))


@lru_cache(maxsize=_QUARTERS_KEPT)
def _quarter(household: Household, channel: int, quarter: int) -> tuple[tuple[int, ...], int, int]:
    """The quarter that registers are in: whoever asks for one asks for others, and again."""
    return household.quarter(channel, quarter)


@lru_cache(maxsize=_DAYS_KEPT)
def _day(
    household: Household, channel: int, day: int
) -> tuple[tuple[int, ...], tuple[Shape, list[int], list[int]] | None]:
    """The day of a quarter: profiles ask for one quarter after the other."""
    return household.shares(channel, day)


def _factors(
    shape: Shape, weights: list[int], begin: Sequence[int], end: Sequence[int]
) -> list[int]:
    """Energy for each unit of weight by rate, in fractions, rounded up: a whole day is exact.

    The weights of a day stay below 2^25, so the rounding never makes a unit.
    """
    sums = [0] * len(begin)
    for start, stop, rate in shape.segments:
        sums[rate] += weights[stop] - weights[start]
    return [
        -((first - last << _FRACTION) // (whole or 1))
        for first, last, whole in zip(begin, end, sums, strict=True)
    ]


def _share_out(
    shape: Shape, weights: list[int], bounds: tuple[list[int], list[int]], first: int, stop: int
) -> bytes:
    """Totals of one channel at the starts of quarters, from its rates at both ends of the day."""
    begin, end = bounds
    factors = _factors(shape, weights, begin, end)
    ticks = _TICKS.pack(*weights)
    total, done = sum(begin), [0] * len(begin)
    columns = []
    for start, last, rate in shape.segments:
        factor, before = factors[rate], done[rate]
        # Everything but this rate stands still in the segment.
        still = total - (before * factor >> _FRACTION)
        low, high = max(start, first), min(last, stop)
        if low < high:
            octets = ticks[TOTAL_OCTETS * low : TOTAL_OCTETS * high]
            # still + (before + weight - weights[start]) * factor, of all quarters at once.
            constant = (still << _FRACTION) + (before - weights[start]) * factor
            scaled = int.from_bytes(octets, "big") * factor + _ONES[high - low] * constant
            columns.append(scaled.to_bytes(len(octets), "big"))
        done[rate] = before + weights[last] - weights[start]
        total = still + (done[rate] * factor >> _FRACTION)
    return b"".join(columns)
