"""What lies on the instants of a day or several: the rows of many blocks, put in their places.

Needs the `data` extra.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ferraris.data.readings import Quality as Doubt
from ferraris.headend.store.columns_arrays import Sheet
from ferraris.headend.vee.axis import MOST_INTERVALS, Axis
from ferraris.headend.vee.columns import MOST_VALUE, Flags, Intervals, Numbers, Truths
from ferraris.headend.vee.quality import Finding

__all__ = ["LONG_S", "Grid", "Placed", "grid_of"]

LONG_S = 82_800
"""From this period on, a profile has one row for each local day, however long that is."""

_CLOCK_INVALID, _NOT_VALID, _CLOCK_ADJUSTED, _POWER_DOWN = 0x02, 0x04, 0x20, 0x80  # [facts-g]
_MOST_READING = 1 << 61
_DENIED = 0x01 | _NOT_VALID
_AS_STATUS = (
    (Doubt.INVALID, _NOT_VALID),
    (Doubt.INVALID_TIME | Doubt.AMBIGUOUS_TIME, _CLOCK_INVALID),
    (Doubt.CLOCK_ADJUSTED, _CLOCK_ADJUSTED),
    (Doubt.POWER_DOWN, _POWER_DOWN),
)
_GAP, _DUPLICATE = int(Finding.GAP), int(Finding.DUPLICATE)
_CONFLICT, _OVERLAP = int(Finding.CONFLICT), int(Finding.OVERLAP)


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants at which rows belong: the begin of the first interval, then every end."""

    points: Numbers
    period_s: int

    @property
    def count(self) -> int:
        """How many intervals there are."""
        return len(self.points) - 1

    @property
    def axis(self) -> Axis:
        """The same for the rules, which ask only how many there are."""
        return Axis(int(self.points[0]), self.period_s, self.count)

    def part(self, first: int, last: int) -> Grid:
        """The intervals from the point `first` to the point `last`."""
        return Grid(self.points[first : last + 1], self.period_s)


def grid_of(days: Sequence[tuple[int, int]], period_s: int) -> Grid | None:
    """The grid of adjacent days; None when the period does not divide one, or there are too many.

    `MOST_INTERVALS` bounds how many.
    """
    if (days[-1][1] - days[0][0]) // period_s > MOST_INTERVALS:
        return None
    if period_s >= LONG_S:
        return Grid(np.array([days[0][0], *(end for _, end in days)], np.int64), period_s)
    if any((end - start) % period_s for start, end in days):
        return None
    return Grid(np.arange(days[0][0], days[-1][1] + 1, period_s, dtype=np.int64), period_s)


@dataclass(slots=True)
class Placed:
    """The rows of many meters on one grid, for each channel: arrays of shape (meters, points).

    `noted` has what was found about the row of a point; `there` is where a meter has any row.
    `has` are the meters with a channel in any of their blocks. `told` are readings of the register
    of a channel that other profiles and reads tell.
    """

    grid: Grid
    meters: int
    status: NDArray[np.uint8] = field(init=False)
    there: Truths = field(init=False)
    astray: Truths = field(init=False)
    values: dict[int, Numbers] = field(default_factory=dict)
    known: dict[int, Truths] = field(default_factory=dict)
    noted: dict[int, Flags] = field(default_factory=dict)
    has: dict[int, Truths] = field(default_factory=dict)
    told: dict[int, tuple[Numbers, Truths]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.meters, len(self.grid.points))
        self.status = np.zeros(shape, np.uint8)
        self.there = np.zeros(shape, bool)
        self.astray = np.zeros((self.meters, self.grid.count), bool)

    def channel(self, channel: int) -> None:
        """Make room for a channel, if there is none yet."""
        if channel not in self.values:
            shape = self.there.shape
            self.values[channel] = np.zeros(shape, np.int64)
            self.known[channel] = np.zeros(shape, bool)
            self.noted[channel] = np.zeros(shape, np.int32)
            self.has[channel] = np.zeros(self.meters, bool)

    def put(self, sheet: Sheet, rows: Sequence[int], channels: Iterable[tuple[int, int]]) -> None:
        """Put a sheet in its places: `rows` are the places of its members here, -1 for none.

        `channels` are places of columns with the channels they hold. What is on a point first
        stays; another value for it is a conflict.
        """
        points = self.grid.points
        place = np.searchsorted(points, sheet.ends)
        beyond = place >= len(points)
        place[beyond] = 0
        on_point = ~beyond & (points[place] == sheet.ends)
        members = np.flatnonzero(np.array(rows) >= 0)
        meters = np.array(rows, np.intp)[members]
        between = ~on_point & ~beyond & (place > 0)
        if between.any():
            self.astray[np.ix_(meters, place[between] - 1)] = True
        if not on_point.any():
            self._belongs(meters, channels)
            return
        columns, taken = np.flatnonzero(on_point), place[on_point]
        _, first = np.unique(taken, return_index=True)
        again = np.ones(len(taken), bool)
        again[first] = False
        for some in (~again, again):
            if some.any():
                self._fill(sheet, members, meters, columns[some], taken[some], channels)

    def _belongs(self, meters: NDArray[np.intp], channels: Iterable[tuple[int, int]]) -> None:
        for _, channel in channels:
            self.channel(channel)
            self.has[channel][meters] = True

    def _fill(  # noqa: PLR0917 - two ends of one assignment
        self,
        sheet: Sheet,
        members: NDArray[np.intp],
        meters: NDArray[np.intp],
        columns: NDArray[np.intp],
        points: NDArray[np.intp],
        channels: Iterable[tuple[int, int]],
    ) -> None:
        here, source = np.ix_(meters, points), np.ix_(members, columns)
        self.status[here] |= _status_of(sheet, source)
        self.there[here] = True
        for column, channel in channels:
            self.channel(channel)
            self.has[channel][meters] = True
            values = sheet.values[:, column][source]
            known = sheet.known[:, column][source]
            old = self.known[channel][here]
            twice = old & known
            if twice.any():
                differs = twice & (self.values[channel][here] != values)
                found = np.where(differs, _CONFLICT, np.where(twice, _DUPLICATE, 0))
                self.noted[channel][here] |= found.astype(np.int32)
                values = np.where(old, self.values[channel][here], values)
            self.values[channel][here] = np.where(known | old, values, 0)
            self.known[channel][here] = known | old

    def hear(
        self, sheet: Sheet, rows: Sequence[int], channels: Iterable[tuple[int, int]]
    ) -> None:  # fmt: skip
        """Take what another profile tells of registers at the points; the first one stays."""
        points = self.grid.points
        place = np.minimum(np.searchsorted(points, sheet.ends), len(points) - 1)
        columns = np.flatnonzero(points[place] == sheet.ends)
        members = np.flatnonzero(np.array(rows) >= 0)
        if not len(columns) or not len(members):
            return
        here = np.ix_(np.array(rows, np.intp)[members], place[columns])
        source = np.ix_(members, columns)
        for column, channel in channels:
            values, known = self.told.setdefault(channel, self._nothing_told())
            new = sheet.known[:, column][source] & ~known[here]
            values[here] = np.where(new, sheet.values[:, column][source], values[here])
            known[here] |= new

    def tell(self, row: int, instant: int, channel: int, reading: int) -> None:
        """Take one reading of a register, if it is of a point."""
        at = int(np.searchsorted(self.grid.points, instant))
        if at < len(self.grid.points) and self.grid.points[at] == instant:
            values, known = self.told.setdefault(channel, self._nothing_told())
            if not known[row, at]:
                values[row, at], known[row, at] = reading, True

    def reading_known(self, channel: int) -> Truths:
        """Where the register of a channel is known, from wherever."""
        told = self.told.get(channel)
        return self.known[channel] if told is None else self.known[channel] | told[1]

    def _nothing_told(self) -> tuple[Numbers, Truths]:
        return np.zeros(self.there.shape, np.int64), np.zeros(self.there.shape, bool)

    def _with_told(
        self, channel: int, rows: NDArray[np.intp], readings: Numbers, good: Truths
    ) -> tuple[Numbers, Truths]:
        if channel not in self.told:
            return np.where(good, readings, 0), good
        values, known = (column[rows] for column in self.told[channel])
        sound = known & (np.abs(values) < _MOST_READING)
        return np.where(good, readings, np.where(sound, values, 0)), np.array(good | sound, bool)

    def of_registers(self, channel: int, rows: NDArray[np.intp]) -> Intervals:
        """The intervals between what a register had counted at the points."""
        readings, known = self.values[channel][rows], self.known[channel][rows]
        status, noted = self.status[rows], self.noted[channel][rows]
        values = np.diff(readings, axis=1)
        # More than can be is no reading, whatever the rules would say to it.
        present = known[:, 1:] & known[:, :-1] & (np.abs(values) < MOST_VALUE)
        conflict = noted & _CONFLICT
        found = noted[:, 1:] | conflict[:, :-1]
        denied = status & _DENIED
        good = known & (denied == 0) & (conflict == 0) & (np.abs(readings) < _MOST_READING)
        readings, good = self._with_told(channel, rows, readings, good)
        return Intervals(
            self.grid.axis,
            np.where(present, values, 0),
            present,
            (status[:, 1:] | denied[:, :-1]).astype(np.uint8),
            np.where(present, found, _GAP).astype(np.int32),
            readings,
            good,
        )

    def of_intervals(self, channel: int, rows: NDArray[np.intp]) -> Intervals:
        """The intervals as the meters told them, with the register that counts them, as told."""
        values, known = self.values[channel][rows, 1:], self.known[channel][rows, 1:]
        present = known & (np.abs(values) < MOST_VALUE)
        noted = np.where(present, self.noted[channel][rows, 1:], _GAP)
        noted |= np.where(self.astray[rows], _OVERLAP, 0)
        shape = len(rows), self.grid.count + 1
        readings, good = np.zeros(shape, np.int64), np.zeros(shape, bool)
        readings, good = self._with_told(channel, rows, readings, good)
        return Intervals(
            self.grid.axis,
            np.where(present, values, 0),
            present,
            self.status[rows, 1:],
            noted.astype(np.int32),
            readings,
            good,
        )


def _status_of(sheet: Sheet, source: tuple[NDArray[np.intp], ...]) -> NDArray[np.uint8]:
    """The AMR profile status of rows, and what their stamps say, in the same bits."""
    status, doubts = sheet.status[source], sheet.quality[source]
    status = np.where((status >= 0) & (status <= 0xFF), status, 0)
    if doubts.any():
        for doubt, bit in _AS_STATUS:
            status = status | np.where(doubts & int(doubt), bit, 0)
    return status.astype(np.uint8)
