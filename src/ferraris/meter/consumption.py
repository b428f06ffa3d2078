"""Synthetic consumption: the energy of a household at any instant, from its seed alone.

The energy counted since `FIRST_DAY` is an integer of watt-hours (or var-hours) that never falls,
counted for each channel and rate. Day boundaries come from shared tables plus the household's own
noise, quarters share the day out by weights with a noise of their own, and within a quarter the
power is even. So registers, rates and profiles agree to the last unit, whatever is asked first.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from hashlib import blake2b, shake_128
from itertools import accumulate
from operator import mul
from struct import Struct

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

__all__ = ["Consumption", "Household"]

_MOST_RATES = 4
_NOISE = Struct(f">{CHANNELS * _MOST_RATES}H")
_KEY = Struct(">QI")
_SOLAR_OF_256 = 82  # about a third of the roofs carry panels


class Consumption:
    """What the households of one region share: zone, tariff, weather and daily patterns."""

    def __init__(self, zone: Zone, tariff: Tariff, region: int = 0) -> None:
        self.zone = zone
        self.tariff = tariff
        self._region = region
        self._patterns: dict[tuple[int, bool], Pattern] = {}
        self.household = lru_cache(maxsize=2048)(self._household)

    def _household(self, seed: int) -> Household:
        """Draw the household with this 64-bit seed."""
        draw = blake2b(seed.to_bytes(8, "big"), digest_size=8, person=b"household").digest()
        solar = draw[1] < _SOLAR_OF_256
        pattern = self._pattern(draw[0] % KINDS, solar)
        wide = 1 + draw[3] / 64 * (draw[4] / 255)
        load = int((3200 + 22 * draw[2]) * wide)  # Wh a day
        roof = int((3 + 9 * draw[5] / 255) * 2700) if solar else 0
        reactive = load * (12 + draw[6] % 30) // 100
        return Household(seed, pattern, (load, roof, reactive, 150 + 4 * draw[7]))

    def _pattern(self, kind: int, solar: bool) -> Pattern:
        pattern = self._patterns.get((kind, solar))
        if pattern is None:
            pattern = Pattern(kind, solar, self.zone, self.tariff, self._region)
            self._patterns[kind, solar] = pattern
        return pattern


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
        rates = self._slices[channel]
        day, second = divmod(utc - FIRST_DAY * DAY, DAY)
        if day < 0:
            return (0,) * len(self._pattern.totals[channel])
        if not second:
            return tuple(self._bounds(day, self._noise(day, _NOISE.size))[rates])
        noise, after = self._noise(day), self._noise(day + 1, _NOISE.size)
        begin, end = self._bounds(day, noise)[rates], self._bounds(day + 1, after)[rates]
        if begin == end:
            return tuple(begin)
        quarter, second = divmod(second, QUARTER)
        shape, weights = self._spread(channel, day, noise)
        sums, parts, active = [0] * len(begin), [0] * len(begin), 0
        for start, stop, rate in shape.segments:
            sums[rate] += weights[stop] - weights[start]
            if start <= quarter:
                parts[rate] += weights[min(stop, quarter)] - weights[start]
                active = rate
        energies = [
            first + (last - first) * part // (whole or 1)
            for first, last, part, whole in zip(begin, end, parts, sums, strict=True)
        ]
        if second:
            part = parts[active] + weights[quarter + 1] - weights[quarter]
            difference = end[active] - begin[active]
            following = begin[active] + difference * part // (sums[active] or 1)
            energies[active] += (following - energies[active]) * second // QUARTER
        return tuple(energies)

    def total(self, channel: int, utc: int) -> int:
        """Energy of all rates from `FIRST_DAY` until `utc`."""
        return sum(self.energy(channel, utc))

    def day(self, day: int, first: int = 0, stop: int = QUARTERS) -> list[list[int]]:
        """Totals of every channel at the starts of the quarters `first` to `stop` - 1 of a UTC day.

        `day` counts from 1970. Quarter n starts n x 15 minutes after midnight UTC.
        """
        day -= FIRST_DAY
        if day < 0:
            return [[0] * (stop - first)] * CHANNELS
        if stop == 1:
            bounds = self._bounds(day, self._noise(day, _NOISE.size))
            return [[sum(bounds[rates])] for rates in self._slices]
        noise, after = self._noise(day), self._noise(day + 1, _NOISE.size)
        begins, ends = self._bounds(day, noise), self._bounds(day + 1, after)
        columns = []
        for channel, rates in enumerate(self._slices):
            begin, end = begins[rates], ends[rates]
            if begin == end:
                columns.append([sum(begin)] * (stop - first))
            else:
                shape, weights = self._spread(channel, day, noise)
                columns.append(_share_out(shape, weights, (begin, end), first, stop))
        return columns

    def _noise(self, day: int, count: int = _NOISE.size + CHANNELS * QUARTERS) -> bytes:
        """Noise of a day; a short stretch is the beginning of the long one."""
        return shake_128(_KEY.pack(self._seed, day)).digest(count)

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


def _share_out(
    shape: Shape, weights: list[int], bounds: tuple[list[int], list[int]], first: int, stop: int
) -> list[int]:
    """Totals of one channel at the starts of quarters, from its rates at both ends of the day."""
    begin, end = bounds
    total = sum(begin)
    sums, done = [0] * len(begin), [0] * len(begin)
    for start, last, rate in shape.segments:
        sums[rate] += weights[last] - weights[start]
    totals: list[int] = []
    for start, last, rate in shape.segments:
        whole, difference = sums[rate] or 1, end[rate] - begin[rate]
        # Everything but this rate stands still in the segment.
        still = total - done[rate] * difference // whole
        low, high = max(start, first), min(last, stop)
        if low < high:
            # still + (weight - weights[start] + done) * difference // whole, in fewer steps.
            constant = still * whole + (done[rate] - weights[start]) * difference
            totals += [(weight * difference + constant) // whole for weight in weights[low:high]]
        done[rate] += weights[last] - weights[start]
        total = still + done[rate] * difference // whole
    return totals
