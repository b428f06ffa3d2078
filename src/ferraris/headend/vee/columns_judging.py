"""Judges the placed rows of one or several days of many meters, channel by channel.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferraris.headend.store.records import ChannelKey
from ferraris.headend.vee.applies import Counting
from ferraris.headend.vee.columns import Intervals
from ferraris.headend.vee.columns_days import FinalDay, Key, decided, final_days, versions_from
from ferraris.headend.vee.columns_editing import Decisions, Judged, judge
from ferraris.headend.vee.columns_grid import LONG_S, Grid, Placed
from ferraris.headend.vee.columns_support import SimilarDays, days_like, support_of
from ferraris.headend.vee.columns_validation import Validated, validate
from ferraris.headend.vee.gathering import Decided, MeterFacts, Version
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rule_book import Book
from ferraris.headend.vee.rules import RuleSet
from ferraris.headend.vee.tasks import Lot

__all__ = ["Judging", "Limits"]

Fetch = Callable[[Collection[int], Sequence[int]], list[Version]]
Limits = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class _Part:
    """Meters with one channel, one set of rules and one grid."""

    channel: int
    key: ChannelKey
    digest: str
    rules: RuleSet
    meters: list[int]
    days: list[tuple[int, Grid]]
    grid: Grid
    intervals: Intervals
    found: Validated

    @property
    def lacking(self) -> NDArray[np.intp]:
        """The rows in which something has to be estimated."""
        return np.flatnonzero(self.found.rejected.any(axis=1))


@dataclass(frozen=True, slots=True)
class Judging:
    """Days in a row of meters of a lot.

    `wanted` are channels that are there even if no row of these days has them, `sure` those of
    them that have values in any case, and `limits` from
    when to when they are, in seconds UTC: from their first row, to their last one. `judged` tells
    afterwards what was looked at.
    """

    lot: Lot
    days: Sequence[tuple[int, Grid]]
    meters: Sequence[int]
    placed: Placed
    facts: Mapping[int, MeterFacts]
    wanted: Collection[int]
    sure: Collection[int]
    limits: Mapping[int, Limits]
    before: Mapping[Key, Version]
    decisions: Sequence[Decided]
    book: Book
    fetch: Fetch
    judged: set[Key] = field(default_factory=set)

    def run(self, channels: Mapping[int, ChannelKey]) -> list[FinalDay]:
        """The new versions of all channels."""
        parts = [part for item in sorted(channels.items()) for part in self._parts(*item)]
        similar = self._similar(parts)
        return [day for part in parts for day in self._judged(part, similar)]

    # What belongs together.

    def _parts(self, channel: int, key: ChannelKey) -> Iterator[_Part]:
        self.placed.channel(channel)
        media = [(meter, self.facts[meter].medium) for meter in self.meters]
        for ruled, places in self.book.assigned(key, media):
            by_register = ruled.counting(key) is Counting.REGISTER
            rows = self._existing(channel, places, by_register)
            if not rows:
                continue
            period_s = min(self.placed.grid.period_s, DAY_S)
            if period_s >= LONG_S:
                period_s = DAY_S
            rules = self.book.measured(ruled, key.scaler, period_s)
            for days, span, some in self._spans(channel, rows, by_register):
                picked = np.array(some, np.intp)
                whole = (
                    self.placed.of_registers(channel, picked)
                    if by_register
                    else self.placed.of_intervals(channel, picked)
                )
                grid = self.placed.grid.part(*span)
                intervals = _cut(whole, span, grid)
                yield _Part(
                    channel,
                    key,
                    ruled.digest,
                    rules,
                    [self.meters[row] for row in some],
                    days,
                    grid,
                    intervals,
                    validate(intervals, rules),
                )

    def _existing(self, channel: int, rows: Sequence[int], by_register: bool) -> list[int]:
        """The meters with a final day at all: for readings, or for somebody who wants it.

        One reading of a register alone says nothing about any interval.
        """
        wanted = self.placed.has[channel] | (channel in self.wanted)
        if len(self.days) == 1:
            day = self.days[0][0]
            wanted &= np.array([self.lot.demanded.get(meter, False) for meter in self.meters])
            told = self.placed.known[channel]
            enough = told.sum(axis=1) > 1 if by_register else told[:, 1:].any(axis=1)
            wanted |= enough & told[:, 1:].any(axis=1)
            wanted |= channel in self.sure
            known = {
                key[0]
                for key, old in self.before.items()
                if key[2] == channel and key[3] == day and old.intervals
            }
            known |= {one.meter for one in self.decisions if one.channel == channel}
            for row, meter in enumerate(self.meters):
                wanted[row] |= meter in known
        return [row for row in rows if wanted[row]]

    def _spans(
        self, channel: int, rows: list[int], by_register: bool
    ) -> Iterator[tuple[list[tuple[int, Grid]], tuple[int, int], list[int]]]:
        """Which rows share a part of the grid: days, first and last point, rows."""
        if len(self.days) > 1 and by_register:  # of one meter
            span = self._limited(channel, rows[0], (0, self.placed.grid.count), by_register)
            if span is not None:
                yield self._days_within(span), span, rows
            return
        at = 0
        for day, grid in self.days:
            spans: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
            end = at + grid.count
            for row in rows:
                span = self._limited(channel, row, (at, end), by_register)
                if span is not None:
                    spans[span].append(row)
            for span, some in sorted(spans.items()):
                yield [(day, self.placed.grid.part(*span))], span, some
            at = end

    def _days_within(self, span: tuple[int, int]) -> list[tuple[int, Grid]]:
        """The days, or what lies of them between two points."""
        found, at = [], 0
        for day, grid in self.days:
            first, last = max(span[0], at), min(span[1], at + grid.count)
            if first < last:
                found.append((day, grid.part(first - at, last - at)))
            at += grid.count
        return found

    def _limited(
        self, channel: int, row: int, whole: tuple[int, int], by_register: bool
    ) -> tuple[int, int] | None:
        """The points between which a channel is there; None for none of it."""
        first, last = self._mounted(channel, row, whole, by_register)
        if len(self.days) > 1 and by_register:
            last = whole[1]
        since, until = self.limits.get(channel, (None, None))
        points = self.placed.grid.points
        if since is not None:
            first = max(first, int(np.searchsorted(points, since)) - (not by_register))
        if until is not None:
            last = min(last, int(np.searchsorted(points, until, side="right")) - 1)
        return (first, last) if first < last else None

    def _mounted(
        self, channel: int, row: int, whole: tuple[int, int], by_register: bool
    ) -> tuple[int, int]:
        """The points between which a meter is mounted that day, and whatever it told beyond."""
        points = self.placed.grid.points
        start, end = int(points[whole[0]]), int(points[whole[1]])
        mounts = [
            (mount.since_s, end if mount.until_s is None else mount.until_s)
            for mount in self.facts[self.meters[row]].mounts
            if mount.since_s < end and (mount.until_s is None or mount.until_s > start)
        ]
        if not mounts:
            return whole
        since, until = min(each[0] for each in mounts), max(each[1] for each in mounts)
        if since <= start and until >= end:
            return whole
        first = max(whole[0], int(np.searchsorted(points, since, side="right")) - 1)
        last = min(whole[1], int(np.searchsorted(points, until)))
        known = np.flatnonzero(self.placed.known[channel][row, whole[0] : whole[1] + 1])
        if not by_register:
            known = known[known > 0]
        if len(known):
            told = whole[0] + int(known[0]) - (not by_register)
            first, last = min(first, told), max(last, whole[0] + int(known[-1]))
        return (first, last) if first < last else whole

    # What is made of it.

    def _similar(self, parts: Sequence[_Part]) -> SimilarDays | None:
        meters: set[int] = set()
        days: set[int] = set()
        for part in parts:
            lacking = part.lacking
            if len(lacking) and "similar_days" in part.rules.estimation.methods:
                meters.update(part.meters[row] for row in lacking.tolist())
                days.update(like for day, _ in part.days for like in days_like(day, part.rules))
        if not meters or not days:
            return None
        return SimilarDays(self.fetch(meters, sorted(days)), self.lot.zone)

    def _judged(self, part: _Part, similar: SimilarDays | None) -> list[FinalDay]:
        mine = [one for one in self.decisions if one.channel == part.channel]
        decisions = decided(part.grid, part.meters, part.intervals, mine)
        lacking = part.lacking
        if len(lacking):
            judged = self._estimated(part, decisions, lacking, similar)
        else:
            judged = judge(part.intervals, part.rules, decisions=decisions, found=part.found)
        columns = versions_from(part.intervals, judged)
        found, begin = [], 0
        for day, grid in part.days:
            end = begin + grid.count
            keys = [(meter, self.lot.profile, part.channel, day) for meter in part.meters]
            self.judged.update(keys)
            one = columns if len(part.days) == 1 else columns.between(begin, end)
            found += final_days(
                one, keys, grid, self.before, zone=self.lot.zone, rules=part.digest
            )  # fmt: skip
            begin = end
        return found

    def _estimated(
        self,
        part: _Part,
        decisions: Decisions | None,
        lacking: NDArray[np.intp],
        similar: SimilarDays | None,
    ) -> Judged:
        """Complete rows at once, those that lack something with what serves their estimates."""
        others = np.setdiff1d(np.arange(len(part.meters)), lacking)
        support = support_of(
            similar,
            [part.meters[row] for row in lacking.tolist()],
            part.channel,
            part.days,
            part.rules,
            zone=self.lot.zone,
            hour=self.lot.hour,
            scaler=part.key.scaler,
        )
        made = []
        for rows, serves in ((lacking, support), (others, None)):
            if not len(rows):
                continue
            some = _rows(part.intervals, rows)
            theirs = None if decisions is None else _rows(decisions, rows)
            found = _rows(part.found, rows)
            given: dict[str, Any] = {} if serves is None else {"support": serves}
            made.append(
                (rows, judge(some, part.rules, decisions=theirs, found=found, **given))
            )  # fmt: skip
        if len(made) == 1:
            return made[0][1]
        whole = {
            each.name: np.empty(part.intervals.values.shape, getattr(made[0][1], each.name).dtype)
            for each in fields(Judged)
        }
        for rows, judged in made:
            for name, column in whole.items():
                column[rows] = getattr(judged, name)
        return Judged(**whole)


def _rows(columns: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows of a dataclass of columns."""
    picked = {
        each.name: value[rows]
        if isinstance(value := getattr(columns, each.name), np.ndarray)
        else value
        for each in fields(columns)
    }
    return type(columns)(**picked)


def _cut(intervals: Intervals, span: tuple[int, int], grid: Grid) -> Intervals:
    """The intervals between two points."""
    first, last = span
    if last - first == intervals.axis.count:
        return intervals
    columns: dict[str, Any] = {
        name: getattr(intervals, name)[:, first:last]
        for name in ("values", "present", "status", "noted")
    }
    for name in ("readings", "readings_known"):
        columns[name] = getattr(intervals, name)[:, first : last + 1]
    return Intervals(grid.axis, **columns)
