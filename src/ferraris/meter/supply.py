"""The energy a meter has counted: the household's consumption less what interruptions held back."""

from __future__ import annotations

import itertools
from functools import lru_cache

from ferraris.meter.consumption import TOTAL_OCTETS, Household, pack_totals, unpack_totals
from ferraris.meter.patterns import CHANNELS, QUARTER, QUARTERS
from ferraris.meter.state import Interruption

__all__ = ["energy", "evenly", "quarters"]

_Interruptions = tuple[Interruption, ...]


def energy(
    household: Household, channel: int, utc: int, interruptions: _Interruptions = ()
) -> tuple[int, ...]:
    """Energy by rate counted from the meter's commissioning until `utc`."""
    values = counted = household.energy(channel, utc)
    for start, stop in interruptions:
        if utc > start:
            begin = _at(household, channel, start)
            end = counted if stop is None or stop > utc else _at(household, channel, stop)
            values = tuple(value - (b - a) for value, a, b in zip(values, begin, end, strict=True))
    return values


def quarters(
    household: Household,
    first: int,
    stop: int,
    shift: int = 0,
    interruptions: _Interruptions = (),
) -> list[bytes]:
    """Totals of all channels at the quarters `first` to `stop` - 1, counted from 1970.

    `shift` seconds, less than a quarter, are added to every instant. Each channel is a column of
    `consumption`.
    """
    columns = _columns(household, first, stop + 1 if shift else stop)
    if not shift and not interruptions:
        return columns
    totals = [unpack_totals(column) for column in columns]
    if shift:
        totals = [
            [a + (b - a) * shift // QUARTER for a, b in itertools.pairwise(column)]
            for column in totals
        ]
    if interruptions:
        for channel, column in enumerate(totals):
            totals[channel] = _without(household, channel, column, interruptions)
    return [pack_totals(column) for column in totals]


def evenly(
    household: Household,
    start: int,
    period: int,
    count: int,
    interruptions: _Interruptions = (),
) -> list[bytes]:
    """Totals of all channels at `count` UTC seconds from `start` on, `period` seconds apart."""
    if not period % QUARTER:
        first, shift = divmod(start, QUARTER)
        stride = period // QUARTER
        stop = first + (count - 1) * stride + 1
        columns = quarters(household, first, stop, shift, interruptions)
        if stride == 1:
            return columns
        return [_every(column, stride) for column in columns]
    if not QUARTER % period:
        rows = QUARTER // period
        parts = [
            evenly(household, start + place * period, QUARTER, -(-(count - place) // rows), ())
            for place in range(min(rows, count))
        ]
        totals = [_interleaved([part[channel] for part in parts]) for channel in range(CHANNELS)]
    else:
        instants = range(start, start + count * period, period)
        totals = [
            [household.total(channel, instant) for instant in instants]
            for channel in range(CHANNELS)
        ]
    if interruptions:
        totals = [
            _without(household, channel, column, interruptions)
            for channel, column in enumerate(totals)
        ]
    return [pack_totals(column) for column in totals]


def _every(column: bytes, stride: int) -> bytes:
    step = TOTAL_OCTETS * stride
    return b"".join(column[at : at + TOTAL_OCTETS] for at in range(0, len(column), step))


def _interleaved(parts: list[bytes]) -> list[int]:
    columns = [unpack_totals(part) for part in parts]
    rows = itertools.zip_longest(*columns)
    return [total for row in rows for total in row if total is not None]


@lru_cache(maxsize=1 << 15)
def _at(household: Household, channel: int, utc: int) -> tuple[int, ...]:
    """Energy at an end of an interruption, which every reading afterwards asks for."""
    return household.energy(channel, utc)


def _columns(household: Household, first: int, stop: int) -> list[bytes]:
    day, begin = divmod(first, QUARTERS)
    count = stop - first
    if begin + count <= QUARTERS + 1:
        return household.day(day, begin, begin + count)
    days = []
    while count > 0:
        end = min(QUARTERS, begin + count)
        days.append(household.day(day, begin, end))
        count -= end - begin
        day, begin = day + 1, 0
    return [b"".join(parts) for parts in zip(*days, strict=True)]


def _without(
    household: Household, channel: int, column: list[int], interruptions: _Interruptions
) -> list[int]:
    """Take away what interruptions held back.

    Totals never fall, so a total between those at the two ends of an interruption belongs to an
    instant within it: the comparison of totals replaces that of times.
    """
    held = [0] * len(column)
    for start, stop in interruptions:
        low = sum(_at(household, channel, start))
        high = column[-1] if stop is None else sum(_at(household, channel, stop))
        if column[-1] <= low:
            continue
        held = [
            lost + min(max(value, low), high) - low
            for lost, value in zip(held, column, strict=True)
        ]
    return [value - lost for value, lost in zip(column, held, strict=True)]
