"""Validation: each rule looks over whole columns and marks what it finds. Needs `data`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferraris.headend.vee.columns import Flags, Intervals, Numbers, Truths
from ferraris.headend.vee.quality import Verdict
from ferraris.headend.vee.rules import (
    Clock,
    Duplicates,
    Gaps,
    High,
    Low,
    Negative,
    Overlap,
    Rollover,
    Rule,
    RuleSet,
    Spike,
    Status,
    SumCheck,
    ZeroRun,
)

__all__ = ["Validated", "register_difference", "validate"]

_AT_ONCE = 1 << 15  # values whose columns stay in the processor's cache, more or less


@dataclass(frozen=True, slots=True)
class Validated:
    """What the rules found: `findings` as `Finding`; which values are doubted, which not usable.

    `values` are the raw ones, except where a counter rolled over.
    """

    values: Numbers
    findings: Flags
    doubted: Truths
    rejected: Truths


def validate(intervals: Intervals, rules: RuleSet) -> Validated:
    """Carry out the rules in the order of `RULES`. What is not there is rejected in any case.

    Values that a rule rejected are not looked at by the rules after it.
    """
    shape = intervals.values.shape
    out = Validated(
        np.empty(shape, np.int64), np.empty(shape, np.int32), np.empty(shape, bool),
        np.empty(shape, bool),
    )  # fmt: skip
    step = max(1, _AT_ONCE // shape[1])
    ordered = rules.ordered
    for start in range(0, shape[0], step):
        stop = start + step
        work = _Work(intervals.part(start, stop), rules.rollover)
        for rule in ordered:
            _CHECKS[type(rule)](work, rule)
        out.values[start:stop] = work.values
        out.findings[start:stop] = work.findings
        out.doubted[start:stop] = work.doubted & ~work.rejected
        out.rejected[start:stop] = work.rejected
    return out


def register_difference(intervals: Intervals, rollover: Rollover | None) -> tuple[Numbers, Truths]:
    """What the register counted over the axis, of shape (rows,), and where that is known.

    A register that ends below its beginning rolled over, if a rule says how and the intervals can
    hold as much. Else it is unknown: the meter was exchanged, perhaps.
    """
    difference = intervals.closing - intervals.opening
    if rollover is not None:
        rolled = difference + rollover.modulus
        believed = (difference < 0) & (rolled <= rollover.largest * intervals.axis.count)
        difference = np.where(believed, rolled, difference)
    known = intervals.registers_known & (difference >= 0)
    return np.where(known, difference, 0), known


class _Work:
    """Some rows while the rules go over them."""

    def __init__(self, intervals: Intervals, rollover: Rollover | None) -> None:
        self.intervals = intervals
        self.rollover = rollover
        self.values = intervals.values
        self.findings = intervals.noted.copy()
        self.doubted = np.zeros(self.values.shape, bool)
        self.rejected = ~intervals.present

    def mark(self, rule: Rule, found: Truths) -> None:
        """Keep what a rule found, and what that means."""
        if not found.any():
            return
        self.findings[found] |= int(rule.finding)
        if rule.verdict is Verdict.REJECT:
            self.rejected |= found
        elif rule.verdict is Verdict.SUSPECT:
            self.doubted |= found

    def judge(self, rule: Rule, found: Truths) -> None:
        """`mark` what is found among the values that stand."""
        self.mark(rule, found & ~self.rejected)


def _noted(work: _Work, rule: Rule) -> None:
    """What was found when rows were placed."""
    noted = work.intervals.noted
    if noted.any():
        work.judge(rule, noted & int(rule.finding) != 0)


def _status(work: _Work, rule: Clock | Status) -> None:
    status = work.intervals.status
    if status.any():
        work.judge(rule, status & rule.mask != 0)


def _rollover(work: _Work, rule: Rollover) -> None:
    if work.values.min(initial=0) >= 0:
        return
    below = (work.values < 0) & (work.values >= -rule.modulus)
    found = below & (work.values + rule.modulus <= rule.largest) & ~work.rejected
    work.values = np.where(found, work.values + rule.modulus, work.values)
    work.mark(rule, found)


def _negative(work: _Work, rule: Negative) -> None:
    if work.values.min(initial=0) < 0:
        work.judge(rule, work.values < 0)


def _high(work: _Work, rule: High) -> None:
    if work.values.max(initial=0) > rule.limit:
        work.judge(rule, work.values > rule.limit)


def _low(work: _Work, rule: Low) -> None:
    work.judge(rule, (work.values >= 0) & (work.values < rule.limit))


def _spike(work: _Work, rule: Spike) -> None:
    if work.values.shape[1] < 3:
        return
    sound = np.where(work.rejected, 0, work.values)
    peaks = sound.max(axis=1)
    # Only rows with a peak that could count are worth ordering.
    among = np.flatnonzero(peaks > rule.least)
    third = np.partition(sound[among], -3, axis=1)[:, -3]
    # Exact without leaving 64 bits: the peak less the third, against whole hundredths of it.
    hundreds, rest = np.divmod(third, 100)
    allowed = hundreds * rule.ratio_percent + rest * rule.ratio_percent // 100
    out = among[peaks[among] - third > allowed]
    if not out.size:
        return
    found = np.zeros(work.values.shape, bool)
    highest = sound[out] == peaks[out, None]
    found[out] = highest & (highest.sum(axis=1) == 1)[:, None]
    work.judge(rule, found)


def _zero_run(work: _Work, rule: ZeroRun) -> None:
    width = work.values.shape[1]
    if rule.intervals > width:
        return
    zero = (work.values == 0) & ~work.rejected & (work.intervals.status & rule.excused == 0)
    rows = np.flatnonzero(zero.sum(axis=1) >= rule.intervals)
    if not rows.size:
        return
    zeros_before = np.zeros((rows.size, width + 1), np.int32)
    np.cumsum(zero[rows], axis=1, out=zeros_before[:, 1:])
    begins = zeros_before[:, rule.intervals :] - zeros_before[:, : -rule.intervals]
    begins = begins == rule.intervals
    edges = np.zeros((rows.size, width + 1), np.int32)
    edges[:, : begins.shape[1]] += begins
    edges[:, rule.intervals :] -= begins
    found = np.zeros(work.values.shape, bool)
    found[rows] = np.cumsum(edges[:, :-1], axis=1) > 0
    work.mark(rule, found)


def _sum(work: _Work, rule: SumCheck) -> None:
    difference, known = register_difference(work.intervals, work.rollover)
    if not known.any():
        return
    sound = ~work.rejected
    total = np.where(sound, work.values, 0).sum(axis=1)
    hundreds, rest = np.divmod(difference, 1000)
    allowed = rule.tolerance + hundreds * rule.tolerance_permille
    allowed += rest * rule.tolerance_permille // 1000
    off = total - difference > allowed
    off |= sound.all(axis=1) & (difference - total > allowed)
    work.mark(rule, (off & known)[:, None] & sound)


_CHECKS: dict[type[Rule], Callable[[_Work, Any], None]] = {
    Gaps: _noted,
    Duplicates: _noted,
    Overlap: _noted,
    Clock: _status,
    Status: _status,
    Rollover: _rollover,
    Negative: _negative,
    High: _high,
    Low: _low,
    Spike: _spike,
    ZeroRun: _zero_run,
    SumCheck: _sum,
}
