"""What serves the estimates of a day: its similar days, and the curve of its class.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from ferraris.headend.vee.axis import Axis, same_wall_time
from ferraris.headend.vee.class_profile import KindOfDay
from ferraris.headend.vee.columns import MOST_VALUE, Numbers, Truths
from ferraris.headend.vee.columns_estimation import Support
from ferraris.headend.vee.columns_grid import LONG_S, Grid
from ferraris.headend.vee.columns_versions import unpack_versions
from ferraris.headend.vee.dependence import similar_days
from ferraris.headend.vee.gathering import Version
from ferraris.headend.vee.local_days import DAY_S, date_of, day_bounds, number_of
from ferraris.headend.vee.rules import RuleSet

__all__ = ["SimilarDays", "class_curve", "days_like", "support_of"]


def days_like(day: int, rules: RuleSet) -> list[int]:
    """The similar days of a local day, latest first."""
    limits = rules.estimation
    return [
        number_of(each)
        for each in similar_days(date_of(day), limits.weeks, limits.holidays)
    ]  # fmt: skip


class SimilarDays:
    """Final days of before, unpacked once, and laid over another day by the local time."""

    def __init__(self, versions: Iterable[Version], zone: str) -> None:
        self._zone = zone
        self._days: dict[tuple[int, int, int], tuple[Axis, Numbers, Truths]] = {}
        alike: defaultdict[int, list[Version]] = defaultdict(list)
        for each in versions:
            if each.body is not None and each.intervals:
                alike[each.intervals].append(each)
        for intervals, several in alike.items():
            columns = unpack_versions([each.body or b"" for each in several], intervals)
            usable = columns.usable
            for row, each in enumerate(several):
                self._days[each.meter, each.channel, each.day] = (
                    Axis(each.start_s, each.period_s, intervals),
                    columns.final[row],
                    usable[row],
                )

    def lay(
        self, over: Axis, meters: Sequence[int], channel: int, day: int
    ) -> tuple[Numbers, Truths]:
        """The values of one day on the axis of another, and where they may be used."""
        values = np.zeros((len(meters), over.count), np.int64)
        good = np.zeros(values.shape, bool)
        for row, meter in enumerate(meters):
            found = self._days.get((meter, channel, day))
            if found is None:
                continue
            axis, final, usable = found
            if (axis.period_s >= LONG_S) != (over.period_s >= LONG_S):
                continue
            places = _laid(over, axis, self._zone)
            there = places >= 0
            values[row, there] = final[places[there]]
            good[row, there] = usable[places[there]]
        return values, good


@lru_cache(maxsize=4096)
def _laid(over: Axis, axis: Axis, zone: str) -> Numbers:
    if over.period_s >= LONG_S:
        return np.zeros(1, np.int64)
    if over.period_s != axis.period_s:
        return np.full(over.count, -1, np.int64)
    return np.array(same_wall_time(over, axis, zone), np.int64)


def support_of(
    similar: SimilarDays | None,
    meters: Sequence[int],
    channel: int,
    days: Sequence[tuple[int, Grid]],
    rules: RuleSet,
    *,
    zone: str,
    hour: int,
    scaler: int,
) -> Support:
    """What serves days in a row, each with its own part of the grid."""
    curve = class_curve(days, rules, zone, hour, scaler)
    if similar is None:
        return Support(class_profile=curve)
    alike = [days_like(day, rules) for day, _ in days]
    most = max(map(len, alike), default=0)
    count = sum(grid.count for _, grid in days)
    history = np.zeros((most, len(meters), count), np.int64)
    good = np.zeros(history.shape, bool)
    at = 0
    for (_, grid), before in zip(days, alike, strict=True):
        axis = grid.axis
        for place, earlier in enumerate(before):
            values, usable = similar.lay(axis, meters, channel, earlier)
            history[place, :, at : at + axis.count] = values
            good[place, :, at : at + axis.count] = usable
        at += axis.count
    return Support(history, good, curve)


def class_curve(
    days: Sequence[tuple[int, Grid]], rules: RuleSet, zone: str, hour: int, scaler: int
) -> Numbers | None:
    """The curve of the class for days in a row; None when the rules have none for one of them."""
    curves = {each.kind: each for each in rules.class_profiles}
    parts = []
    for day, grid in days:
        kind = KindOfDay.of(date_of(day), rules.estimation.holidays)
        curve = curves.get(kind) or curves.get(KindOfDay.ANY)
        if curve is None:
            return None
        start, _ = day_bounds(day, zone, hour)
        for begin, end in zip(grid.points[:-1].tolist(), grid.points[1:].tolist(), strict=True):
            second = (begin - start + hour * 3600) % DAY_S
            amount = curve.at(second, end - begin) * 10.0**-scaler
            parts.append(min(round(amount), MOST_VALUE - 1))
    return np.array(parts, np.int64)
