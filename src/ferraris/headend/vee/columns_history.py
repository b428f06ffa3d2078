"""What one meter told in one profile around a day, channel by channel, and which days that decides.

Each channel stands for itself: its days run together where its register is not known between them,
it begins with its first row and ends with its last one where the profile goes on without it.
Everything follows from the rows alone, whichever of the days is asked about. Needs `data`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ferraris.headend.vee.columns import Numbers, Truths
from ferraris.headend.vee.columns_days import Unpacked
from ferraris.headend.vee.columns_grid import LONG_S, Placed
from ferraris.headend.vee.local_days import DAY_S

__all__ = [
    "REACH_DAYS",
    "Calendar",
    "History",
    "Stretch",
    "alone_at",
    "midnights_of",
    "usual_step",
    "whole_days",
]

REACH_DAYS = 32
"""How far apart two readings of a register may be, for the days between to run together."""

_REACH_S = (REACH_DAYS + 1) * DAY_S
_RARE = 10  # a step that is not one in as many is an accident: a clock that was set, a lost row


class Stretch(NamedTuple):
    """Days in a row of one channel, by their places: what is its own of them, in seconds UTC.

    `since_s` and `until_s` are those of its first and last row where it came or went, else None.
    Where it is not `there`, the days have no values of it; where it is `sure`, they have values
    even if nothing came of them, as readings on both sides tell what they brought.
    """

    first: int
    last: int
    since_s: int | None = None
    until_s: int | None = None
    there: bool = True
    sure: bool = False


def midnights_of(days: Sequence[tuple[int, int]]) -> Numbers:
    """The begins of adjacent days, and the end of the last."""
    return np.array([days[0][0], *(end for _, end in days)], np.int64)


def whole_days(placed: Placed, registers: Collection[int]) -> list[bool]:
    """Whether a day of each meter has no say in others, nor they in it.

    It has a row where it begins, and all channels of the blocks around it begin and end with it.
    """
    whole = placed.there[:, 0].copy()
    for channel, has in placed.has.items():
        known = placed.known[channel]
        begins = known[:, 0 if channel in registers else min(1, known.shape[1] - 1)]
        whole &= begins & known[:, -1] | ~has
    return [bool(each) for each in whole]


def alone_at(rows: Sequence[Numbers], start_s: int, end_s: int) -> int:
    """The end of a day at which one row stands, of all that there are: -1, 1, or 0 for none."""
    ends = np.unique(np.concatenate([*rows, np.zeros(0, np.int64)]))
    if len(ends) and ends[-1] == start_s:
        return -1
    return 1 if len(ends) and ends[0] == end_s else 0


def usual_step(rows: Sequence[Numbers], start_s: int, end_s: int) -> int:
    """The period of a day by its rows, 0 when they do not tell.

    Of the steps that are no rare ones and divide the day the shortest; else the most frequent that
    divides it. From `LONG_S` on a step is a day, whatever its length.
    """
    ends = np.unique(np.concatenate([*rows, np.zeros(0, np.int64)]))
    inside = ends[np.searchsorted(ends, start_s) : np.searchsorted(ends, end_s, side="right")]
    steps, counts = np.unique(np.diff(inside), return_counts=True)
    good = ((end_s - start_s) % np.maximum(steps, 1) == 0) | (steps >= LONG_S)
    steps, frequent = steps[good], counts[good]
    if not len(steps):
        return 0
    often = frequent * _RARE >= counts.sum()
    return int(steps[often][0] if often.any() else steps[np.argmax(frequent)])


@dataclass(frozen=True, slots=True)
class Calendar:
    """The UTC days on which a meter has blocks of a profile: for each layout its channels."""

    days: Mapping[int, Sequence[frozenset[int]]]

    def channels(self, first: int, last: int) -> set[int]:
        """The channels of some days, both included."""
        return {
            channel
            for day, layouts in self.days.items()
            if first <= day <= last
            for layout in layouts
            for channel in layout
        }

    def with_channel(self, channel: int) -> list[int]:
        """The days with a channel."""
        return [
            day
            for day, layouts in sorted(self.days.items())
            if any(channel in one for one in layouts)
        ]

    def without(self, channel: int, first: int, last: int) -> bool:
        """Whether on any of some days there are rows that lack a channel."""
        return any(
            channel not in one
            for day, layouts in self.days.items()
            if first <= day <= last
            for one in layouts
        )

    def around(self, first: int, last: int) -> list[int]:
        """The days with blocks within reach of some: those before, backwards, then the others."""
        before = [day for day in self.days if first - REACH_DAYS <= day < first]
        after = [day for day in self.days if last < day <= last + REACH_DAYS]
        return sorted(before, reverse=True) + sorted(after)


@dataclass(slots=True)
class History:
    """The rows of a window of local days; `midnights` are their begins, and the last one's end.

    `told` is where registers are known at midnights, from wherever, by channel.
    """

    calendar: Calendar
    window: tuple[int, int]
    midnights: Numbers
    ends: Numbers = field(init=False)
    listed: dict[int, Numbers] = field(default_factory=dict)
    known: dict[int, Numbers] = field(default_factory=dict)
    told: dict[int, Truths] = field(default_factory=dict)

    def take(self, unpacked: Iterable[Unpacked], channels: Collection[int]) -> None:
        """Take the rows of blocks of the one meter."""
        ends: list[Numbers] = [np.zeros(0, np.int64)]
        listed: defaultdict[int, list[Numbers]] = defaultdict(list)
        known: defaultdict[int, list[Numbers]] = defaultdict(list)
        for each in unpacked:
            ends.append(each.sheet.ends)
            for column, channel in enumerate(each.channels):
                if channel in channels:
                    listed[channel].append(each.sheet.ends)
                    known[channel].append(each.sheet.ends[each.sheet.known[0, column]])
        self.ends = np.unique(np.concatenate(ends))
        nothing = np.zeros(0, np.int64)
        for channel in channels:
            self.listed[channel] = np.unique(np.concatenate([nothing, *listed[channel]]))
            self.known[channel] = np.unique(np.concatenate([nothing, *known[channel]]))

    def step(self, first: int, last: int) -> int:
        """The period of days in a row by their own rows, of several the least; 0 if none tells."""
        bounds = zip(self.midnights[first : last + 1], self.midnights[first + 1 :], strict=False)
        found = [usual_step([self.ends], int(start), int(end)) for start, end in bounds]
        return min(filter(None, found), default=0)

    def long_step(self) -> int:
        """The least time between two rows, 0 if that is less than a day."""
        apart = np.diff(self.ends)
        return int(apart.min()) if len(apart) and apart.min() >= LONG_S else 0

    # Registers.

    def readings(self, channel: int) -> list[int]:
        """When the rows themselves tell the register of a channel, in the window."""
        within = self.known[channel]
        found = within[(within >= self.midnights[0]) & (within <= self.midnights[-1])]
        return [int(each) for each in found]

    def reaches(self, channel: int, place: int) -> tuple[int, int]:
        """The places of the days with the nearest readings around a day; its own where it has them.

        Where there are none, the place itself.
        """
        readings = self.readings(channel)
        start, end = int(self.midnights[place]), int(self.midnights[place + 1])
        earlier, later = bisect_right(readings, start), bisect_left(readings, end)
        first = self._day_after(readings[earlier - 1]) if earlier else place
        last = self._day_before(readings[later]) if later < len(readings) else place
        return first, last

    def unsettled(self, channel: int, place: int) -> tuple[int | None, int | None]:
        """UTC days with the channel, before and after the window, that its runs may reach to."""
        told, readings = np.flatnonzero(self.told[channel]), self.readings(channel)
        first, last = self.reaches(channel, place)
        start, end = int(self.midnights[first]), int(self.midnights[last + 1])
        before = after = None
        if not (told <= first).any() or not readings or readings[0] > start:
            before = self._earlier(channel, min([start, *readings]))
        if not (told > last).any() or not readings or readings[-1] < end:
            after = self._later(channel, max([end, *readings]))
        return before, after

    def _earlier(self, channel: int, since_s: int) -> int | None:
        """The last UTC day with rows of a channel before the window, within reach of an instant."""
        first, after = (since_s - _REACH_S) // DAY_S, int(self.midnights[0])
        days = self.calendar.with_channel(channel)
        return max([day for day in days if first <= day and day * DAY_S < after], default=None)

    def _later(self, channel: int, until_s: int) -> int | None:
        last, before = (until_s + _REACH_S) // DAY_S, int(self.midnights[-1])
        days = self.calendar.with_channel(channel)
        later = [day for day in days if before < (day + 1) * DAY_S and day <= last]
        return min(later, default=None)

    def runs(
        self, channel: int, place: int, until: int, *, mounted: bool
    ) -> Iterator[Stretch]:  # fmt: skip
        """The runs of a register that the rows of the day at a place can have a say in.

        `until` is the last day that has values although nothing came of it.
        """
        first, last = self.reaches(channel, place)
        last = max(last, until) if last == place else last
        readings = self.readings(channel)
        for one in self._all_runs(channel, readings, mounted=mounted):
            if one.first <= last and first <= one.last:
                yield one

    def _all_runs(
        self, channel: int, readings: Sequence[int], *, mounted: bool
    ) -> Iterator[Stretch]:  # fmt: skip
        """The whole window, cut where the register is known at midnight."""
        done = -1
        begin = 0
        for at in range(1, len(readings) + 1):
            if at < len(readings) and readings[at] - readings[at - 1] <= _REACH_S:
                continue
            some = readings[begin:at]
            begin = at
            first, last = self._day_after(some[0]), self._day_before(some[-1])
            yield from self._days_alone(channel, done + 1, min(first, last + 1) - 1, some[0])
            yield from self._cut(channel, first, last, some, mounted=mounted)
            done = max(last, first - 1)
        after = readings[-1] if readings else None
        yield from self._days_alone(channel, done + 1, len(self.midnights) - 2, after)

    def _cut(
        self, channel: int, first: int, last: int, readings: Sequence[int], *, mounted: bool
    ) -> Iterator[Stretch]:
        told = self.told[channel]
        cuts = [day for day in range(first + 1, last + 1) if told[day]]
        for begin, after in zip([first, *cuts], [*cuts, last + 1], strict=True):
            since = until = None
            if begin == first and readings[0] > self.midnights[first]:
                own = self._rows(channel, int(self.midnights[first]), readings[0])
                since = min([readings[0], *own])
                if mounted and not self._lacked(channel, since - _REACH_S, since):
                    since = None
            if after == last + 1 and readings[-1] < self.midnights[after]:
                own = self._rows(channel, readings[-1], int(self.midnights[after]))
                until = max([readings[-1], *own])
                if not self._lacked(channel, until, until + _REACH_S):
                    until = None
            yield Stretch(begin, after - 1, since, until, sure=len(readings) > 1)

    def _days_alone(
        self, channel: int, first: int, last: int, reading: int | None
    ) -> Iterator[Stretch]:  # fmt: skip
        """Days beyond the readings: there unless the channel has gone, or not come yet."""
        for day in range(first, last + 1):
            start, end = int(self.midnights[day]), int(self.midnights[day + 1])
            there = True
            if reading is not None and reading <= start:
                since = max([reading, *self._rows(channel, reading, end)])
                there = not self._lacked(channel, since, since + _REACH_S)
            elif reading is not None:
                there = not self._lacked(channel, reading - _REACH_S, reading)
            else:
                there = not self._lacked(channel, start - _REACH_S, end + _REACH_S) or bool(
                    self._rows(channel, start, end)
                )
            yield Stretch(day, day, there=there)

    # Intervals.

    def unsettled_days(self, channel: int, place: int) -> tuple[int | None, int | None]:
        """The same for a channel of intervals: a row before and one after whatever is decided."""
        rows = self.listed[channel]
        first, last = self._with_rows(channel, place)
        before = after = None
        if not (rows <= self.midnights[first]).any():
            before = self._earlier(channel, int(self.midnights[first]))
        if not (rows > self.midnights[last + 1]).any():
            after = self._later(channel, int(self.midnights[last + 1]))
        return before, after

    def days(
        self, channel: int, place: int, until: int, *, mounted: bool
    ) -> Iterator[Stretch]:  # fmt: skip
        """The days of a channel of intervals that the rows of the day at a place have a say in."""
        rows = [int(each) for each in self.listed[channel]]
        first, last = self._with_rows(channel, place)
        last = max(last, until) if last == place else last
        for day in range(first, last + 1):
            one = self._day_of_intervals(channel, day, rows)
            at = bisect_right(rows, int(self.midnights[day]))
            if not at and not mounted and rows and rows[0] <= self.midnights[day + 1]:
                one = one._replace(since_s=rows[0])  # its history begins here
            yield one

    def _with_rows(self, channel: int, place: int) -> tuple[int, int]:
        """The places of the days with the nearest rows of a channel before a day and after it."""
        rows = self.listed[channel]
        rows = rows[(rows > self.midnights[0]) & (rows <= self.midnights[-1])]
        before, after = rows[rows <= self.midnights[place]], rows[rows > self.midnights[place + 1]]
        first = self._day_before(int(before[-1])) if len(before) else place
        last = self._day_before(int(after[0])) if len(after) else place
        return first, last

    def _day_of_intervals(self, channel: int, day: int, rows: Sequence[int]) -> Stretch:
        start, end = int(self.midnights[day]), int(self.midnights[day + 1])
        at, after = bisect_right(rows, start), bisect_right(rows, end)
        before_s = rows[at - 1] if at else start - _REACH_S
        after_s = rows[after] if after < len(rows) else end + _REACH_S
        if at == after:  # nothing came: is it away, or is everything?
            return Stretch(day, day, there=not self._lacked(channel, before_s, after_s))
        since, until = rows[at], rows[after - 1]
        return Stretch(
            day,
            day,
            since if self._lacked(channel, before_s, since) else None,
            until if self._lacked(channel, until, after_s) else None,
        )

    # What there is around.

    def _rows(self, channel: int, first_s: int, last_s: int) -> list[int]:
        """The rows that list a channel, from one instant to another, both included."""
        rows = self.listed[channel]
        return [int(each) for each in rows[(rows >= first_s) & (rows <= last_s)]]

    def _lacked(self, channel: int, after_s: int, before_s: int) -> bool:
        """Whether there are rows without a channel between two instants."""
        lacking = np.setdiff1d(self.ends, self.listed[channel])
        if ((lacking > after_s) & (lacking < before_s)).any():
            return True
        first, last = after_s // DAY_S, (before_s - 1) // DAY_S
        return self.calendar.without(channel, first, min(last, self.window[0] - 1)) or (
            self.calendar.without(channel, max(first, self.window[1] + 1), last)
        )

    def _day_after(self, instant: int) -> int:
        """The place of the day that contains what follows an instant."""
        return int(np.searchsorted(self.midnights, instant, side="right")) - 1

    def _day_before(self, instant: int) -> int:
        """The place of the day that contains what leads to an instant."""
        return int(np.searchsorted(self.midnights, instant)) - 1
