"""Estimation: values for what is missing or rejected, scaled to the registers. Needs `data`.

The registers say how much is missing, the methods say how it is spread. So the estimated
intervals sum exactly to what the register's difference leaves for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferraris.core.errors import UsageError
from ferraris.headend.vee.columns import MOST_VALUE, Numbers, Truths
from ferraris.headend.vee.quality import Made
from ferraris.headend.vee.rules import Estimation, Rollover, counted_between
from ferraris.headend.vee.sharing import share

__all__ = ["Estimated", "Support", "estimate"]

_PARTS = 1000  # estimates are weighed in thousandths, so that small values keep their proportions


@dataclass(frozen=True, slots=True)
class Support:
    """What serves the estimate beside the day itself.

    `history` holds similar days, of shape (days, rows, intervals), `history_good` where they may
    be used: see `Edited.usable`. `class_profile` is what a customer of the class uses in each
    interval, of shape (intervals,) or (rows, intervals), in the unit of the column.

    Raises `UsageError` for a shape that is none of these, or a negative class profile.
    """

    history: Numbers | None = None
    history_good: Truths | None = None
    class_profile: Numbers | None = None

    def __post_init__(self) -> None:
        if self.history is not None and (
            self.history.ndim != 3
            or self.history_good is None
            or self.history.shape != self.history_good.shape
        ):
            raise UsageError("history and history_good: days x rows x intervals expected")
        profile = self.class_profile
        if profile is not None and (
            profile.ndim not in (1, 2)
            or (profile.size and not 0 <= profile.min() <= profile.max() < MOST_VALUE)
        ):
            raise UsageError("class_profile: values of zero or more for the intervals expected")

    def check(self, rows: int, intervals: int) -> None:
        """Raise `UsageError` when this does not fit to columns of such a shape."""
        if self.history is not None and self.history.shape[1:] != (rows, intervals):
            raise UsageError(f"history: days x {rows} x {intervals} expected")
        profile = self.class_profile
        if profile is not None and profile.shape not in ((intervals,), (rows, intervals)):
            raise UsageError(f"class_profile: {intervals} intervals expected, not {profile.shape}")


@dataclass(frozen=True, slots=True)
class Estimated:
    """Columns with the estimates in them: the values, what made each, and where there is none."""

    values: Numbers
    made: NDArray[np.uint8]
    missing: Truths


def estimate(
    values: Numbers,
    fixed: Truths,
    register: tuple[Numbers, Truths],
    support: Support,
    limits: Estimation,
    *,
    rollover: Rollover | None = None,
) -> Estimated:
    """Estimate where not `fixed`; `register` is its readings, and where they are known.

    The methods serve in the order of `METHODS`; `made` tells for fixed values MEASURED. Between
    two known readings the estimates sum exactly to what the fixed values leave; when these alone
    are more than the register counted, estimates are zero. None is negative.
    """
    support.check(*values.shape)
    readings, known = register
    out, made = values.copy(), np.zeros(values.shape, np.uint8)
    missing = np.zeros(values.shape, bool)
    for row in np.flatnonzero(~fixed.all(axis=1)):
        spans = list(_spans(readings[row], known[row], rollover))
        one = _Row(values[row], fixed[row], spans, limits)
        one.run(support, int(row))
        out[row], made[row] = one.final, one.made
        missing[row] = one.made == Made.NOTHING
    return Estimated(out, made, missing)


def _spans(
    readings: Numbers, known: Truths, rollover: Rollover | None
) -> Iterator[tuple[int, int, int]]:
    """Begin and end of what lies between known readings, and what the register counted there."""
    for begin, end in pairwise(np.flatnonzero(known).tolist()):
        counted = counted_between(int(readings[begin]), int(readings[end]), end - begin, rollover)
        if counted is not None:
            yield begin, end, counted


class _Row:
    """One meter's column while its gaps are filled.

    `spans` tell where the register counted how much; only those with something open matter.
    """

    def __init__(
        self,
        values: Numbers,
        fixed: Truths,
        spans: list[tuple[int, int, int]],
        limits: Estimation,
    ) -> None:
        self.values = values
        self.fixed = fixed
        self.limits = limits
        self.guess = np.zeros(len(values), np.float64)
        self.made = np.where(fixed, Made.MEASURED, Made.NOTHING).astype(np.uint8)
        self.final = np.where(fixed, values, 0)
        self.left: list[tuple[NDArray[np.intp], int]] = []
        for begin, end, counted in spans:
            here = slice(begin, end)
            open_places = begin + np.flatnonzero(~fixed[here])
            if len(open_places):
                left = counted - int(values[here][fixed[here]].sum())
                self.left.append((open_places, max(0, left)))

    def run(self, support: Support, row: int) -> None:
        by_register = "register_difference" in self.limits.methods
        if by_register:
            for open_places, left in self.left:
                if len(open_places) == 1 or not left:
                    self._spread(open_places, left)
        if (self.made == Made.NOTHING).any():
            self._shapes(support, row)
        if by_register:
            for open_places, left in self.left:  # nothing tells how it is spread: evenly
                self._spread(open_places, left)
        self._scale()

    def _spread(self, open_places: NDArray[np.intp], left: int) -> None:
        guess = np.zeros(len(self.values), np.float64)
        good = np.zeros(len(self.values), bool)
        guess[open_places], good[open_places] = left / len(open_places), True
        self._offer(good, guess, Made.REGISTER_DIFFERENCE)

    def _shapes(self, support: Support, row: int) -> None:
        methods = self.limits.methods
        if "interpolation" in methods:
            self._interpolate()
        if "similar_days" in methods and support.history is not None:
            assert support.history_good is not None
            self._similar(support.history[:, row], support.history_good[:, row])
        if "class_profile" in methods and support.class_profile is not None:
            profile = support.class_profile
            self._class_profile(profile if profile.ndim == 1 else profile[row])

    def _interpolate(self) -> None:
        """A straight line over short gaps with a fixed value on either side."""
        guess = np.zeros(len(self.values), np.float64)
        good = np.zeros(len(self.values), bool)
        for begin, end in _runs(~self.fixed):
            if (
                end - begin > self.limits.longest_interpolated
                or not begin
                or end == len(self.fixed)
            ):
                continue
            line = np.linspace(self.values[begin - 1], self.values[end], end - begin + 2)
            guess[begin:end], good[begin:end] = line[1:-1], True
        self._offer(good, guess, Made.INTERPOLATION)

    def _similar(self, days: Numbers, good: Truths) -> None:
        """The mean of what was good on similar days."""
        many = good.sum(axis=0)
        mean = np.where(good, days, 0).sum(axis=0) / np.maximum(many, 1)
        self._offer(many >= self.limits.least_days, mean, Made.SIMILAR_DAYS)

    def _class_profile(self, profile: Numbers) -> None:
        """The class's curve, as high as this customer's fixed values are against it.

        Where they cover less than a quarter of the curve they tell too little: then as it is.
        """
        typical = int(profile[self.fixed].sum())
        factor = 1.0
        if typical and 4 * typical >= int(profile.sum()):
            factor = max(0, int(self.values[self.fixed].sum())) / typical
        self._offer(np.ones(len(profile), bool), profile * factor, Made.CLASS_PROFILE)

    def _offer(self, good: Truths, guess: NDArray[Any], made: Made) -> None:
        """Take guesses for what nothing has been found for."""
        take = good & (self.made == Made.NOTHING)
        self.guess[take] = np.clip(guess[take], 0, MOST_VALUE - 1)
        self.made[take] = made

    def _scale(self) -> None:
        open_places = ~self.fixed
        self.final[open_places] = np.rint(self.guess[open_places]).astype(np.int64)
        for places, left in self.left:
            if (self.made[places] == Made.NOTHING).any():
                # What is left is for all of them, so a part of them cannot have it.
                self.made[places], self.final[places] = Made.NOTHING, 0
            else:
                weights = [round(float(each) * _PARTS) for each in self.guess[places]]
                self.final[places] = share(left, weights)


def _runs(truths: Truths) -> list[tuple[int, int]]:
    """Begin and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], truths, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
