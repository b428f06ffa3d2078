"""Estimation: values for what is missing or rejected, scaled to the registers. Needs `data`.

The registers say how much is missing, the methods say how it is spread. So the estimated
intervals sum exactly to what the register's difference leaves for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferraris.core.errors import UsageError
from ferraris.headend.vee.columns import MOST_VALUE, Numbers, Truths
from ferraris.headend.vee.quality import Made
from ferraris.headend.vee.rules import Estimation
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
) -> Estimated:
    """Estimate where not `fixed`; `register` is each row's difference, and where it is known.

    The methods serve in the order of `METHODS`; `made` tells for fixed values MEASURED. When the
    fixed values alone are more than the register counted, estimates are zero: none is negative.
    """
    support.check(*values.shape)
    difference, known = register
    out, made = values.copy(), np.zeros(values.shape, np.uint8)
    missing = np.zeros(values.shape, bool)
    for row in np.flatnonzero(~fixed.all(axis=1)):
        left = None
        if known[row]:
            left = int(difference[row]) - int(values[row][fixed[row]].sum())
        one = _Row(values[row], fixed[row], left, limits)
        one.run(support, int(row))
        out[row], made[row] = one.final, one.made
        missing[row] = one.made == Made.NOTHING
    return Estimated(out, made, missing)


class _Row:
    """One meter's column while its gaps are filled; `left` is what the registers leave for them."""

    def __init__(
        self, values: Numbers, fixed: Truths, left: int | None, limits: Estimation
    ) -> None:
        self.values = values
        self.fixed = fixed
        self.left = left if left is None else max(0, left)
        self.limits = limits
        self.guess = np.zeros(len(values), np.float64)
        self.made = np.where(fixed, Made.MEASURED, Made.NOTHING).astype(np.uint8)
        self.final = np.where(fixed, values, 0)

    def run(self, support: Support, row: int) -> None:
        by_register = "register_difference" in self.limits.methods and self.left is not None
        open_places = np.flatnonzero(~self.fixed)
        if by_register and (len(open_places) == 1 or not self.left):
            self._offer(~self.fixed, self.values, Made.REGISTER_DIFFERENCE)
        else:
            self._shapes(support, row)
            if by_register:  # nothing tells how it is spread: evenly
                evenly = np.float64(self.left or 0) / len(open_places)
                self._offer(
                    ~self.fixed, np.full(len(self.values), evenly), Made.REGISTER_DIFFERENCE
                )
        self._scale(open_places)

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

    def _scale(self, open_places: NDArray[np.intp]) -> None:
        guess = self.guess[open_places]
        if self.left is None:
            self.final[open_places] = np.rint(guess).astype(np.int64)
            return
        found = self.made[open_places] != Made.NOTHING
        if not found.all():  # what is left is for all of them, so a part of them cannot have it
            self.made[open_places], self.final[open_places] = Made.NOTHING, 0
            return
        shares: Sequence[int] = share(self.left, [round(float(each) * _PARTS) for each in guess])
        self.final[open_places] = shares


def _runs(truths: Truths) -> list[tuple[int, int]]:
    """Begin and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], truths, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
