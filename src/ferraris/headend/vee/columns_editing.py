"""Editing: versions of columns in which every value keeps raw, final, quality, rule and version.

A version never changes; what is new makes the next one. Needs the `data` extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferraris.core.errors import UsageError
from ferraris.headend.vee.axis import Axis
from ferraris.headend.vee.columns import MOST_VALUE, Flags, Intervals, Numbers, Truths
from ferraris.headend.vee.columns_estimation import Support, estimate
from ferraris.headend.vee.columns_validation import Validated, validate
from ferraris.headend.vee.quality import Finding, Made, Quality
from ferraris.headend.vee.rules import RuleSet

__all__ = ["Decisions", "Edited", "Edits", "Judged", "judge", "revise"]

Edits = Mapping[tuple[int, int], int | None]
"""What a human sets, by row and interval; None takes an earlier edit back."""

_CAME = ("values", "present", "status", "noted")
_REGISTERS = ("readings", "readings_known")
_MADE = ("final", "quality", "rule", "findings")
_NOTHING_NEW = Support()
_CONTRADICTED = np.int32(Finding.CONTRADICTED)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What humans decided: where `fixed`, the value is theirs; where `accepted`, what came counts.

    `contradicted` is where the meter has since said something else.
    """

    fixed: Truths
    values: Numbers
    accepted: Truths
    contradicted: Truths

    @classmethod
    def none(cls, rows: int, intervals: int) -> Decisions:
        """Nobody decided anything; the arrays may be written to."""
        truths = [np.zeros((rows, intervals), bool) for _ in range(3)]
        return cls(truths[0], np.zeros((rows, intervals), np.int64), truths[1], truths[2])


@dataclass(frozen=True, slots=True)
class Judged:
    """The columns that rules, estimates and humans made of intervals: see `Edited`."""

    final: Numbers
    quality: NDArray[np.uint8]
    rule: NDArray[np.uint8]
    findings: Flags


@dataclass(frozen=True, slots=True)
class Edited:
    """One version of the columns of an axis, which cannot be written to.

    `came` is what the meters said, and their registers: all that another run needs
    again. `final` is what counts unless `quality` is MISSING; `rule` is the `Made` that made it,
    `findings` what the rules found. `version` is the number of the version in which this value
    last differed; `number`, of shape (rows,), that of the row.
    """

    came: Intervals
    final: Numbers
    quality: NDArray[np.uint8]
    rule: NDArray[np.uint8]
    findings: Flags
    version: NDArray[np.int32]
    number: NDArray[np.int32]

    def __post_init__(self) -> None:
        for name in (*_CAME, *_REGISTERS):
            getattr(self.came, name).flags.writeable = False
        for name in (*_MADE, "version", "number"):
            getattr(self, name).flags.writeable = False

    @property
    def axis(self) -> Axis:
        """The axis of all columns."""
        return self.came.axis

    @property
    def raw(self) -> Numbers:
        """What the meters said, where `present`."""
        return self.came.values

    @property
    def present(self) -> Truths:
        """Where the meters said something."""
        return self.came.present

    @property
    def usable(self) -> Truths:
        """Which final values may serve as similar days: valid ones and those of a human."""
        good: Truths = (self.quality == Quality.VALID) | (self.quality == Quality.EDITED)
        return good

    def total(self) -> Numbers:
        """The sum of each row's final values, of shape (rows,)."""
        sums: Numbers = np.where(self.quality == Quality.MISSING, 0, self.final).sum(axis=1)
        return sums


def revise(
    intervals: Intervals,
    rules: RuleSet,
    support: Support = _NOTHING_NEW,
    *,
    before: Edited | None = None,
    edits: Edits | None = None,
) -> Edited:
    """Validate, estimate and edit: the first version, or the next one after `before`.

    What `before` has and `intervals` lacks stays; where both have it, the new reading is raw.
    Edits of humans stay until they are taken back, and estimates make room for them. Rows in
    which nothing differs keep their number; when none differs, the result is `before` itself.

    Raises:
        UsageError: another axis or number of rows than before, or an edit beyond them.
    """
    if before is not None:
        intervals = _with_what_was(intervals, before)
    found = validate(intervals, rules)
    made = judge(
        intervals,
        rules,
        support,
        decisions=_edited(found.values, before, edits or {}),
        found=found,
    )
    return _numbered(
        Edited(
            _own(intervals),
            made.final,
            made.quality,
            made.rule,
            made.findings,
            np.ones(made.final.shape, np.int32),
            np.ones(len(made.final), np.int32),
        ),
        before,
    )


def judge(
    intervals: Intervals,
    rules: RuleSet,
    support: Support = _NOTHING_NEW,
    *,
    decisions: Decisions | None = None,
    found: Validated | None = None,
) -> Judged:
    """Validate, estimate and edit, and nothing about versions; `found` spares the validation."""
    if found is None:
        found = validate(intervals, rules)
    if decisions is None:
        decisions = Decisions.none(*found.values.shape)
    human = decisions.fixed | decisions.accepted & intervals.present
    values = np.where(decisions.fixed, decisions.values, found.values)
    settled = human | ~found.rejected
    register = (intervals.readings, intervals.readings_known)
    made = estimate(values, settled, register, support, rules.estimation, rollover=rules.rollover)
    rule = np.where(decisions.fixed, np.uint8(Made.HUMAN), made.made)
    rolled = settled & ~decisions.fixed & (found.findings & int(Finding.ROLLOVER) != 0)
    findings = found.findings
    if decisions.contradicted.any():
        findings = findings | np.where(decisions.contradicted, _CONTRADICTED, np.int32(0))
    return Judged(
        np.where(made.missing, 0, made.values),
        _quality(found, human, made.missing),
        np.where(rolled, np.uint8(Made.ROLLOVER), rule),
        findings,
    )


def _own(intervals: Intervals) -> Intervals:
    """A copy that nobody else can write to."""
    copies: dict[str, Any] = {n: getattr(intervals, n).copy() for n in (*_CAME, *_REGISTERS)}
    return Intervals(intervals.axis, **copies)


def _with_what_was(intervals: Intervals, before: Edited) -> Intervals:
    """What came, and from the version before what is not among it."""
    was = before.came
    if was.axis != intervals.axis or was.values.shape != intervals.values.shape:
        raise UsageError("the version before has another axis or other rows")
    lost = was.present & ~intervals.present
    unknown = was.registers_known & ~intervals.registers_known
    if not lost.any() and not unknown.any():
        return intervals
    kept: dict[str, Any] = {
        name: np.where(where, getattr(was, name), getattr(intervals, name))
        for names, where in ((_CAME, lost), (_REGISTERS, unknown))
        for name in names
    }
    return Intervals(intervals.axis, **kept)


def _edited(values: Numbers, before: Edited | None, edits: Edits) -> Decisions:
    """Which values are a human's, and the values with them."""
    measured = values
    if before is None:
        human = np.zeros(values.shape, bool)
    else:
        human = before.quality == Quality.EDITED
        values = np.where(human, before.final, values)
    rows, intervals = values.shape
    for (row, place), value in edits.items():
        if not (0 <= row < rows and 0 <= place < intervals):
            raise UsageError(f"edit of row {row}, interval {place}: beyond {rows} x {intervals}")
        if value is not None and not 0 <= value < MOST_VALUE:
            raise UsageError(
                f"edit of row {row}, interval {place}: 0..{MOST_VALUE - 1} expected, not {value}"
            )
    if edits:
        places = tuple(np.array(list(edits), np.intp).T)
        given = [measured[at] if value is None else value for at, value in edits.items()]
        human[places] = [value is not None for value in edits.values()]
        values = values.copy()
        values[places] = given
    nowhere = np.zeros(values.shape, bool)
    return Decisions(human, values, nowhere, nowhere)


def _quality(found: Validated, human: Truths, missing: Truths) -> NDArray[np.uint8]:
    quality = np.where(found.rejected, np.uint8(Quality.ESTIMATED), np.uint8(Quality.VALID))
    quality[found.doubted] = Quality.SUSPECT
    quality[missing] = Quality.MISSING
    quality[human] = Quality.EDITED
    return quality


def _numbered(now: Edited, before: Edited | None) -> Edited:
    """Count the version up where something differs."""
    if before is None:
        return now
    differs = np.zeros(now.final.shape, bool)
    for name in _CAME:
        differs |= getattr(now.came, name) != getattr(before.came, name)
    for name in _MADE:
        differs |= getattr(now, name) != getattr(before, name)
    changed = differs.any(axis=1)
    for name in _REGISTERS:
        changed |= (getattr(now.came, name) != getattr(before.came, name)).any(axis=1)
    if not changed.any():
        return before
    number = before.number + changed
    columns: dict[str, Any] = {
        "version": np.where(differs, number[:, None], before.version).astype(np.int32),
        "number": number.astype(np.int32),
    }
    return replace(now, **columns)
