"""Profiles that capture by the clock: the load profile, and daily and monthly billing values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.capture import (
    Daily,
    Grid,
    Monthly,
    Periodically,
    Run,
    captures,
    pending_mark,
    runs,
    totals_of,
)
from ferraris.meter.behaviour.clock import is_invalid
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import Energy, stamp
from ferraris.meter.consumption import TOTAL_OCTETS
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.state import Step
from ferraris.meter.zone import DAY, Zone
from ferraris.model.data_storage import DataObject
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "STATUS_CLOCK_INVALID",
    "STATUS_SUMMER",
    "BillingProfile",
    "LoadProfile",
    "Periodic",
    "ProfileStatus",
]

STATUS_SUMMER = 0x08  # AMR profile status, daylight saving [facts-g]
STATUS_CLOCK_INVALID = 0x02  # AMR profile status [facts-g]
_CAPTURE_PERIOD = 4
_QUARTERLY = Periodically(QUARTER)
_COUNTER_OCTETS = 5
_CLOCK_STATUS = 2 + CLOCK_COLUMN.octets - 1
_STATUS = 2 + CLOCK_COLUMN.octets + 1
_SHORTEST_S = 60


class Periodic(Profile):
    """A profile whose rows are the instants of a grid, as far as the meter's clock met them."""

    def grid(self, meter: SimulatedMeter) -> Grid:
        """When the rows of a meter are captured."""
        raise NotImplementedError

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Sum over all runs."""
        return sum(run.stop - run.first for run in self._runs(meter, now))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Rows of every run whose stamps lie in the range."""
        kept = (meter.state.since or {}).get(self.key)
        span, entries = (since, until), self.entries
        found = captures(self.grid(meter), meter, now, span, entries=entries, since=kept)
        parts = [self._part(meter, run, first, stop) for run, first, stop in found]
        return sum(stop - first for _, first, stop in found), b"".join(parts)

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

    def _runs(self, meter: SimulatedMeter, now: int) -> Sequence[Run]:
        since = (meter.state.since or {}).get(self.key)
        return runs(self.grid(meter), meter, now, entries=self.entries, since=since)

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        raise NotImplementedError


class LoadProfile(Periodic):
    """The totals of four channels every 15 minutes, with a status octet.

    The rows of a day are stamped once for all meters; a meter fills in its own totals. A client may
    write another capture period, which empties the buffer.
    """

    def __init__(self, name: str, status: Column, channels: Sequence[Column], entries: int) -> None:
        super().__init__(name, (CLOCK_COLUMN, status, *channels), QUARTER, entries)

    def grid(self, meter: SimulatedMeter) -> Periodically:
        """As the capture period says."""
        written = meter.state.written
        period = None if written is None else written.get((self.key, _CAPTURE_PERIOD))
        return _QUARTERLY if period is None else Periodically(int.from_bytes(period[1:], "big"))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 4, the capture period: a whole part of a day, from a minute on."""
        if attribute != _CAPTURE_PERIOD:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, period = decoded(data)
        if tag != Tag.DOUBLE_LONG_UNSIGNED:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if period < _SHORTEST_S or DAY % period:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        meter.change().restart(self.key, now)

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        grid = self.grid(meter)
        rows = bytearray(_stamped(first, stop, run.zone, grid.period))
        width = self.row_octets
        start = width - CHANNELS * _COUNTER_OCTETS + 1
        for column in totals_of(meter, run, grid, first, stop):
            for place in range(4):
                rows[start + place :: width] = column[place::TOTAL_OCTETS]
            start += _COUNTER_OCTETS
        if run.law.status:
            for row in range(0, len(rows), width):
                rows[row + _CLOCK_STATUS] |= run.law.status
                rows[row + _STATUS] |= _invalid(run.law)
        if run.mark and first == run.first:
            rows[_STATUS] |= run.mark
        return bytes(rows)


class ProfileStatus(Behaviour):
    """The status octet that a load profile of 15 minutes would capture now."""

    declares = DataObject

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        law = meter.clock(now)
        status = _invalid(law) | pending_mark(_QUARTERLY, meter, now)
        if meter.zone.is_summer(law.local(now)):
            status |= STATUS_SUMMER
        return encoded(Tag.UNSIGNED, status)


def _invalid(law: Step) -> int:
    return STATUS_CLOCK_INVALID if is_invalid(law) else 0


@lru_cache(maxsize=16)
def _stamped(first: int, stop: int, zone: Zone, period: int) -> bytes:
    """Rows of a grid with clock, status and counters of zero; a fleet is asked for the same."""
    a_day = DAY // period
    day, begin = divmod(first, a_day)
    count = stop - first
    width = len(_stamped_day(day, zone, period)) // a_day
    parts = []
    while count > 0:
        end = min(a_day, begin + count)
        parts.append(_stamped_day(day, zone, period)[begin * width : end * width])
        count -= end - begin
        day, begin = day + 1, 0
    return b"".join(parts)


@lru_cache(maxsize=256)
def _stamped_day(day: int, zone: Zone, period: int) -> bytes:
    head = bytes((2, 2 + CHANNELS))
    tail = (b"\x06" + bytes(4)) * CHANNELS
    grid, a_day = Periodically(period), DAY // period
    rows = []
    for number in range(day * a_day, (day + 1) * a_day):
        instant = grid.instant(number, zone)
        status = STATUS_SUMMER if zone.is_summer(instant) else 0
        rows.append(head + stamp(zone.stamp(instant)) + bytes((17, status)) + tail)
    return b"".join(rows)


class BillingProfile(Periodic):
    """Readings of some energy registers at every local midnight or month's beginning."""

    def __init__(
        self, name: str, grid: Daily | Monthly, registers: Sequence[Energy], entries: int
    ) -> None:
        self._grid = grid
        self._registers = tuple(registers)
        columns = [Column(3, str(Obis(r.logical_name)), 2, _COUNTER_OCTETS) for r in registers]
        super().__init__(name, (CLOCK_COLUMN, *columns), grid.period, entries)

    def grid(self, meter: SimulatedMeter) -> Daily | Monthly:
        """The same for all meters."""
        return self._grid

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        rows = []
        for number in range(first, stop):
            instant = self._grid.instant(number, run.zone)
            octets = run.zone.stamp(instant)
            shown = octets[:11] + bytes((octets[11] | run.law.status,))
            rows.append(self.row(meter, shown, run.law.utc(instant)))
        return b"".join(rows)

    def row(self, meter: SimulatedMeter, shown: bytes, utc: int) -> bytes:
        """The readings at UTC second `utc`, when the clock showed 12 octets."""
        channels = {register.channel for register in self._registers}
        counted = {channel: meter.counted(channel, utc) for channel in channels}
        values = [
            b"\x06" + register.of(counted[register.channel]).to_bytes(4, "big")
            for register in self._registers
        ]
        return b"".join((bytes((2, len(self.columns))), stamp(shown), *values))
