"""Profiles that capture by the clock: the load profile, and daily and monthly billing values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ferraris.data.obis import Obis
from ferraris.meter.behaviour.capture import Daily, Monthly, Quarterly, Run, runs
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import Energy, stamp
from ferraris.meter.consumption import TOTAL_OCTETS
from ferraris.meter.patterns import CHANNELS, QUARTER, QUARTERS
from ferraris.meter.zone import Zone

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["STATUS_ADJUSTED", "STATUS_SUMMER", "BillingProfile", "LoadProfile", "Periodic"]

STATUS_SUMMER = 0x08  # AMR profile status, daylight saving [facts-g]
STATUS_ADJUSTED = 0x20  # AMR profile status, clock adjusted [facts-g]
_COUNTER_OCTETS = 5


class Periodic(Profile):
    """A profile whose rows are the instants of a grid, as far as the meter's clock met them."""

    grid: Quarterly | Daily | Monthly

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Sum over all runs."""
        return sum(run.stop - run.first for run in self._runs(meter, now))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Rows of every run whose stamps lie in the range."""
        number, zone = self.grid.number, meter.zone
        count, parts = 0, []
        for run in self._runs(meter, now):
            first, stop = run.first, run.stop
            if since is not None:
                # The first instant at or after `since` is one after the last before it.
                first = max(first, number(since - 1, zone) + 1)
            if until is not None:
                stop = min(stop, number(until, zone) + 1)
            if first < stop:
                count += stop - first
                parts.append(self._part(meter, run, first, stop))
        return count, b"".join(parts)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """Rows by number, over as many runs as they touch."""
        parts, before = [], 0
        for run in self._runs(meter, now):
            length = run.stop - run.first
            low, high = max(0, first - before), min(length, stop - before)
            if low < high:
                parts.append(self._part(meter, run, run.first + low, run.first + high))
            before += length
        return b"".join(parts)

    def _runs(self, meter: SimulatedMeter, now: int) -> list[Run]:
        since = (meter.state.since or {}).get(self.key)
        return runs(self.grid, meter.zone, meter.state, now, entries=self.entries, since=since)

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        raise NotImplementedError


class LoadProfile(Periodic):
    """The totals of four channels every 15 minutes, with a status octet.

    The rows of a day are stamped once for all meters; a meter fills in its own totals.
    """

    grid = Quarterly()

    def __init__(self, name: str, status: Column, channels: Sequence[Column], entries: int) -> None:
        super().__init__(name, (CLOCK_COLUMN, status, *channels), QUARTER, entries)

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        rows = bytearray(_stamped(first, stop, meter.zone))
        # A clock that is ahead reaches the quarter early.
        quarters, shift = divmod(-run.offset, QUARTER)
        columns = meter.quarters(first + quarters, stop + quarters, shift)
        width = self.row_octets
        start = width - CHANNELS * _COUNTER_OCTETS + 1
        for column in columns:
            for place in range(4):
                rows[start + place :: width] = column[place::TOTAL_OCTETS]
            start += _COUNTER_OCTETS
        if run.after_step and first == run.first:
            rows[2 + CLOCK_COLUMN.octets + 1] |= STATUS_ADJUSTED
        return bytes(rows)


@lru_cache(maxsize=16)
def _stamped(first: int, stop: int, zone: Zone) -> bytes:
    """Rows of quarters with clock, status and counters of zero; a fleet is asked for the same."""
    day, begin = divmod(first, QUARTERS)
    count = stop - first
    width = len(_stamped_day(day, zone)) // QUARTERS
    parts = []
    while count > 0:
        end = min(QUARTERS, begin + count)
        parts.append(_stamped_day(day, zone)[begin * width : end * width])
        count -= end - begin
        day, begin = day + 1, 0
    return b"".join(parts)


@lru_cache(maxsize=256)
def _stamped_day(day: int, zone: Zone) -> bytes:
    head = bytes((2, 2 + CHANNELS))
    tail = (b"\x06" + bytes(4)) * CHANNELS
    rows = []
    for instant in range(day * QUARTERS * QUARTER, (day + 1) * QUARTERS * QUARTER, QUARTER):
        status = STATUS_SUMMER if zone.is_summer(instant) else 0
        rows.append(head + stamp(zone.stamp(instant)) + bytes((17, status)) + tail)
    return b"".join(rows)


class BillingProfile(Periodic):
    """Readings of some energy registers at every local midnight or month's beginning."""

    def __init__(
        self, name: str, grid: Daily | Monthly, registers: Sequence[Energy], entries: int
    ) -> None:
        self.grid = grid
        self._registers = tuple(registers)
        columns = [Column(3, str(Obis(r.logical_name)), 2, _COUNTER_OCTETS) for r in registers]
        super().__init__(name, (CLOCK_COLUMN, *columns), grid.period, entries)

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        head = bytes((2, len(self.columns)))
        rows = []
        channels = {register.channel for register in self._registers}
        for number in range(first, stop):
            instant = self.grid.instant(number, meter.zone)
            counted = {c: meter.energy(c, instant - run.offset) for c in channels}
            rows.append(head + stamp(meter.zone.stamp(instant)))
            rows += [
                b"\x06" + register.of(counted[register.channel]).to_bytes(4, "big")
                for register in self._registers
            ]
        return b"".join(rows)
