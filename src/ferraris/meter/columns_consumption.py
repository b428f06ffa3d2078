"""The consumption of a whole fleet on one day as columns: the same integers, meters side by side.

What `consumption` computes for one household with Python's integers is computed here for all that
share a pattern at once; tests hold both to the same values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferraris.meter.consumption import MOST_RATES, Consumption, chance, unpack_totals
from ferraris.meter.patterns import CHANNELS, FIRST_DAY, MEAN_DAY, QUARTERS, Pattern
from ferraris.meter.state import UNTOUCHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ferraris.meter.fleet import Fleet

__all__ = ["day_of", "day_of_fleet"]

_DRAWS = CHANNELS * MOST_RATES
_DRAW_OCTETS = 2 * _DRAWS
_NOISE_OCTETS = _DRAW_OCTETS + CHANNELS * QUARTERS
_FRACTION = np.uint64(32)
_AT_ONCE = 8192  # households whose columns fit into the processor's cache, more or less


def day_of_fleet(fleet: Fleet, day: int) -> NDArray[np.uint32]:
    """Totals of every meter of a fleet at the beginning of each quarter of a UTC day.

    `day` counts from 1970. The shape is (meters, channels of `patterns`, 96), whole units. Meters
    to which something has happened count what they really counted.
    """
    seeds = [fleet.meter_seed(index) for index in range(len(fleet))]
    totals = day_of(fleet.template.consumption, seeds, day)
    first = day * QUARTERS
    for index, meter in fleet.touched():
        if meter.state is not UNTOUCHED:
            columns = meter.quarters(first, first + QUARTERS)
            totals[index] = [unpack_totals(column) for column in columns]
    return totals


def day_of(consumption: Consumption, seeds: Sequence[int], day: int) -> NDArray[np.uint32]:
    """The same for households by their seeds, to which nothing has happened."""
    found = np.zeros((len(seeds), CHANNELS, QUARTERS), np.uint32)
    if day < FIRST_DAY:
        return found
    kinds: defaultdict[tuple[int, bool], list[tuple[int, tuple[int, ...]]]] = defaultdict(list)
    for place, seed in enumerate(seeds):
        kind, solar, scales = consumption.drawn(seed)
        kinds[kind, solar].append((place, scales))
    for (kind, solar), members in kinds.items():
        pattern = consumption.pattern(kind, solar)
        pattern.extend(day - FIRST_DAY)
        for begin in range(0, len(members), _AT_ONCE):
            some = members[begin : begin + _AT_ONCE]
            places = np.array([place for place, _ in some])
            chosen = [seeds[place] for place in places.tolist()]
            means = np.array([scales for _, scales in some], np.int64)
            found[places] = _alike(pattern, chosen, means, day - FIRST_DAY)
    return found


def _alike(
    pattern: Pattern, seeds: Sequence[int], scales: NDArray[np.int64], day: int
) -> NDArray[np.uint32]:
    """Households of one pattern."""
    today = _chance(seeds, day, _NOISE_OCTETS)
    begins = _bounds(pattern, scales, today[:, :_DRAW_OCTETS], day)
    ends = _bounds(pattern, scales, _chance(seeds, day + 1, _DRAW_OCTETS), day + 1)
    found = np.empty((len(seeds), CHANNELS, QUARTERS), np.uint32)
    for channel, shape in enumerate(pattern.days[day]):
        start = _DRAW_OCTETS + channel * QUARTERS
        factors = np.frombuffer(shape.noise, np.uint8)[today[:, start : start + QUARTERS]]
        weights = np.zeros((len(seeds), QUARTERS + 1), np.uint64)
        np.cumsum(factors * np.array(shape.weights, np.uint64), axis=1, out=weights[:, 1:])
        found[:, channel] = _shared(shape.segments, weights, begins[channel], ends[channel])
    return found


def _chance(seeds: Sequence[int], day: int, octets: int) -> NDArray[np.uint8]:
    drawn = b"".join([chance(seed, day, octets) for seed in seeds])
    return np.frombuffer(drawn, np.uint8).reshape(len(seeds), octets)


def _bounds(
    pattern: Pattern, scales: NDArray[np.int64], drawn: NDArray[np.uint8], day: int
) -> list[NDArray[np.int64]]:
    """The counters of each channel by household and rate at the beginning of a day."""
    draws = np.ascontiguousarray(drawn).view(">u2").astype(np.int64)
    place, found = 0, []
    for channel in range(CHANNELS):
        rates = len(pattern.totals[channel])
        totals = np.array([each[day] for each in pattern.totals[channel]], np.int64)
        swings = np.array([each[day] for each in pattern.swing[channel]], np.int64)
        swung = totals + (swings * draws[:, place : place + rates] >> 16)
        found.append(scales[:, channel : channel + 1] * swung // MEAN_DAY)
        place += rates
    return found


def _shared(
    segments: Sequence[tuple[int, int, int]],
    weights: NDArray[np.uint64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
) -> NDArray[np.uint32]:
    """Totals at the beginning of each quarter, by what the rates are at both ends of the day."""
    sums = np.zeros(begin.shape, np.int64)
    spans = weights.astype(np.int64)
    for start, stop, rate in segments:
        sums[:, rate] += spans[:, stop] - spans[:, start]
    # Rounded up, as a whole day is exact.
    factors = (-(-((end - begin) << 32) // np.maximum(sums, 1))).astype(np.uint64)
    totals = begin.sum(axis=1).astype(np.uint64)
    done = np.zeros(begin.shape, np.uint64)
    found = np.empty((len(begin), QUARTERS), np.uint32)
    for start, stop, rate in segments:
        factor, before = factors[:, rate], done[:, rate].copy()
        still = totals - (before * factor >> _FRACTION)
        gone = before[:, None] + weights[:, start:stop] - weights[:, start : start + 1]
        found[:, start:stop] = still[:, None] + (gone * factor[:, None] >> _FRACTION)
        done[:, rate] = before + weights[:, stop] - weights[:, start]
        totals = still + (done[:, rate] * factor >> _FRACTION)
    return found
