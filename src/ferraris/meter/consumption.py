"""Synthetic consumption: the energy of a household at any instant, from its seed alone.

The energy counted since `FIRST_DAY` is an integer of watt-hours (or var-hours) that never falls,
counted for each channel and rate. Day boundaries come from shared tables plus the household's own
noise, quarters share the day out by weights with a noise of their own, and within a quarter the
power is even. So registers, rates and profiles agree to the last unit, whatever is asked first.
"""

from __future__ import annotations

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

    __slots__ = ("_pattern", "_scales", "_seed")

    def __init__(self, seed: int, pattern: Pattern, scales: tuple[int, ...]) -> None:
        self._seed = seed
        self._pattern = pattern
        self._scales = scales

    def energy(self, channel: int, utc: int) -> tuple[int, ...]:
        """Energy by rate from `FIRST_DAY` until `utc`; their sum is the total."""
        day, second = divmod(utc - FIRST_DAY * DAY, DAY)
        if day < 0:
            return (0,) * len(self._pattern.totals[channel])
        if not second:
            return tuple(self._bound(channel, day, self._noise(day, _NOISE.size)))
        quarter, second = divmod(second, QUARTER)
        noise = self._noise(day)
        begin = self._bound(channel, day, noise)
        end = self._bound(channel, day + 1, self._noise(day + 1, _NOISE.size))
        shape, weights = self._spread(channel, day, noise)
        sums, parts = [0] * len(begin), [0] * len(begin)
        active = 0
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
            next_quarter = begin[active] + difference * part // (sums[active] or 1)
            energies[active] += (next_quarter - energies[active]) * second // QUARTER
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
            noise = self._noise(day, _NOISE.size)
            return [[sum(self._bound(channel, day, noise))] for channel in range(CHANNELS)]
        noise, after = self._noise(day), self._noise(day + 1, _NOISE.size)
        return [
            self._quarters(channel, day, (noise, after), slice(first, stop))
            for channel in range(CHANNELS)
        ]

    def _quarters(
        self, channel: int, day: int, noises: tuple[bytes, bytes], wanted: slice
    ) -> list[int]:
        noise = noises[0]
        first, stop = wanted.start, wanted.stop
        begin = self._bound(channel, day, noise)
        end = self._bound(channel, day + 1, noises[1])
        total = sum(begin)
        if begin == end:
            return [total] * (stop - first)
        shape, weights = self._spread(channel, day, noise)
        sums = [0] * len(begin)
        for start, last, rate in shape.segments:
            sums[rate] += weights[last] - weights[start]
        done = [0] * len(begin)
        totals: list[int] = []
        for start, last, rate in shape.segments:
            whole = sums[rate] or 1
            difference = end[rate] - begin[rate]
            before = done[rate] * difference // whole
            # Everything but this rate stands still in the segment.
            base = total - before
            offset = weights[start] - done[rate]
            low, high = max(start, first), min(last, stop)
            if low < high:
                totals += [
                    base + (weight - offset) * difference // whole for weight in weights[low:high]
                ]
            done[rate] += weights[last] - weights[start]
            total = base + done[rate] * difference // whole
        return totals

    def _noise(self, day: int, count: int = _NOISE.size + CHANNELS * QUARTERS) -> bytes:
        """Noise of a day; a short stretch is the beginning of the long one."""
        return shake_128(_KEY.pack(self._seed, day)).digest(count)

    def _bound(self, channel: int, day: int, noise: bytes) -> list[int]:
        """Energy by rate at the beginning of a day, which draws on that day's noise."""
        pattern = self._pattern
        if day >= len(pattern.days):
            pattern.extend(day)
        draws = _NOISE.unpack_from(noise)[channel * _MOST_RATES :]
        scale = self._scales[channel]
        return [
            scale * (totals[day] + (swing[day] * draw >> 16)) // MEAN_DAY
            for totals, swing, draw in zip(
                pattern.totals[channel], pattern.swing[channel], draws, strict=False
            )
        ]

    def _spread(self, channel: int, day: int, noise: bytes) -> tuple[Shape, list[int]]:
        """Shape of the day and the running sum of the noisy weights, 97 values from 0."""
        shape = self._pattern.days[day][channel]
        start = _NOISE.size + channel * QUARTERS
        factors = noise[start : start + QUARTERS].translate(shape.noise)
        return shape, list(accumulate(map(mul, shape.weights, factors), initial=0))
