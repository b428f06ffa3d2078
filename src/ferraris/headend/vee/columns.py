"""What comes in, as columns on one regular axis: a row a meter, a place an interval.

Needs the `data` extra. Arrays are of shape (rows, intervals), so a fleet's day goes through at
once; those of registers are of shape (rows,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferraris.core.errors import UsageError
from ferraris.headend.vee.axis import Axis
from ferraris.headend.vee.quality import Finding

__all__ = ["MOST_VALUE", "Flags", "Intervals", "Numbers", "Truths", "between", "placed", "together"]

Numbers: TypeAlias = NDArray[np.int64]
Truths: TypeAlias = NDArray[np.bool_]
Flags: TypeAlias = NDArray[np.int32]

MOST_VALUE = 1 << 46
"""Bound of an interval's value in the register's unit; an axis of them still sums in 64 bits."""

_MOST_REGISTER = 1 << 62
_GAP, _DUPLICATE = int(Finding.GAP), int(Finding.DUPLICATE)
_CONFLICT, _OVERLAP = int(Finding.CONFLICT), int(Finding.OVERLAP)


@dataclass(frozen=True, slots=True)
class Intervals:
    """What the meters said about the intervals of an axis.

    `values` count in the unit of the register and mean something where `present`; `status` is the
    AMR profile status; `noted` holds what was found when rows were placed, as `Finding`.
    `readings` are those of the register at the start of the axis and at every interval's end, of
    shape (rows, intervals + 1), where `readings_known`: often at both ends of the axis only.

    Raises `UsageError` for arrays that do not fit together, or values of `MOST_VALUE` and above.
    """

    axis: Axis
    values: Numbers
    present: Truths
    status: NDArray[np.uint8]
    noted: Flags
    readings: Numbers
    readings_known: Truths

    def __post_init__(self) -> None:
        rows = len(self.values)
        for name in ("values", "present", "status", "noted"):
            if (shape := getattr(self, name).shape) != (rows, self.axis.count):
                raise UsageError(f"{name}: {rows} x {self.axis.count} expected, not {shape}")
        for name in ("readings", "readings_known"):
            if (shape := getattr(self, name).shape) != (rows, self.axis.count + 1):
                raise UsageError(f"{name}: {rows} x {self.axis.count + 1} expected, not {shape}")
        bounds = {"values": MOST_VALUE, "readings": _MOST_REGISTER}
        for name, bound in bounds.items():
            column = getattr(self, name)
            if column.size and not -bound < column.min() <= column.max() < bound:
                raise UsageError(f"{name}: between -{bound} and {bound} expected")

    @classmethod
    def of(
        cls,
        axis: Axis,
        values: ArrayLike,
        *,
        present: ArrayLike | None = None,
        status: ArrayLike | None = None,
        registers: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Intervals:
        """Columns that are on the axis already; `registers` are opening and closing readings.

        One row may come without its outer dimension. Nothing said means present, status zero,
        registers unknown.
        """
        column = np.atleast_2d(_whole(values, "values"))
        rows = len(column)
        there = np.ones(column.shape, bool) if present is None else np.array(present, bool)
        there = np.atleast_2d(there)
        bits = np.zeros(column.shape, np.uint8) if status is None else _octets(status)
        readings = np.zeros((rows, axis.count + 1), np.int64)
        known = np.zeros(readings.shape, bool)
        for end, given in zip((0, -1), registers or (), strict=False):
            readings[:, end], known[:, end] = _one_a_row(given, rows), True
        return cls(
            axis,
            np.where(there, column, 0) if there.shape == column.shape else column,
            there,
            np.atleast_2d(bits),
            np.where(there, 0, _GAP).astype(np.int32),
            readings,
            known,
        )

    def part(self, start: int, stop: int) -> Intervals:
        """Some of the rows, without a copy."""
        return Intervals(
            self.axis,
            self.values[start:stop],
            self.present[start:stop],
            self.status[start:stop],
            self.noted[start:stop],
            self.readings[start:stop],
            self.readings_known[start:stop],
        )

    @property
    def opening(self) -> Numbers:
        """The register at the start of the axis, of shape (rows,)."""
        return self.readings[:, 0]

    @property
    def closing(self) -> Numbers:
        """The register at the end of the axis, of shape (rows,)."""
        return self.readings[:, -1]

    @property
    def registers_known(self) -> Truths:
        """Where both are known."""
        return self.readings_known[:, 0] & self.readings_known[:, -1]


def placed(
    axis: Axis,
    ends: Sequence[int] | Numbers,
    values: Sequence[int] | Numbers,
    status: Sequence[int] | NDArray[np.uint8] | None = None,
    registers: tuple[int, int] | None = None,
) -> Intervals:
    """Put the rows of one meter, in any order, on the axis; the result has one row.

    A row belongs to the interval that ends with it, and lasts one period. Of several rows with
    one end the first is taken: DUPLICATE when they agree, CONFLICT when they differ. A row that
    ends between two places is not taken: the intervals that it touches are an OVERLAP. Rows
    beyond the axis are not looked at. Places without a row are a GAP.

    Raises:
        UsageError: columns of different lengths, or values that are too large.
    """
    at, column = _whole(ends, "ends"), _whole(values, "values")
    bits = np.zeros(len(at), np.uint8) if status is None else _octets(status)
    if not at.shape == column.shape == bits.shape or at.ndim != 1:
        raise UsageError("ends, values and status: columns of one length expected")
    inside = (at > axis.start) & (at < axis.end + axis.period_s)
    at, column, bits = at[inside], column[inside], bits[inside]
    place, rest = np.divmod(at - axis.start, axis.period_s)
    noted = np.zeros(axis.count, np.int32)
    astray = place[rest != 0]
    noted[astray[astray < axis.count]] |= _OVERLAP
    noted[astray[astray > 0] - 1] |= _OVERLAP
    on_grid = rest == 0
    place, column, bits = place[on_grid] - 1, column[on_grid], bits[on_grid]
    taken, first = np.unique(place, return_index=True)
    found, seen = np.zeros(axis.count, np.int64), np.zeros(axis.count, np.uint8)
    found[taken], seen[taken] = column[first], bits[first]
    again = np.ones(len(place), bool)
    again[first] = False
    noted[place[again]] |= _DUPLICATE
    differs = again & ((column != found[place]) | (bits != seen[place]))
    noted[place[differs]] = noted[place[differs]] & ~_DUPLICATE | _CONFLICT
    present = np.zeros(axis.count, bool)
    present[taken] = True
    noted[~present] |= _GAP
    readings = np.zeros((1, axis.count + 1), np.int64)
    readings[0, [0, -1]] = registers or (0, 0)
    known = np.zeros(readings.shape, bool)
    known[0, [0, -1]] = registers is not None
    return Intervals(
        axis,
        found[None],
        present[None],
        seen[None],
        noted[None],
        readings,
        known,
    )


def between(
    axis: Axis, readings: ArrayLike, known: ArrayLike, status: ArrayLike | None = None
) -> Intervals:
    """Intervals out of a cumulative register, read at the start of the axis and at every end.

    `readings` and `known` are of shape (rows, intervals + 1). An interval is there when the
    register is known at both of its ends. A counter that began again gives a negative value here,
    which the rules `rollover` and `negative` judge.
    """
    column, there = (
        np.atleast_2d(_whole(readings, "readings")),
        np.atleast_2d(np.array(known, bool)),
    )
    if column.shape != there.shape or column.shape[1] != axis.count + 1:
        raise UsageError(f"{axis.count + 1} readings a row expected, not {column.shape}")
    made = Intervals.of(
        axis, np.diff(column, axis=1), present=there[:, 1:] & there[:, :-1], status=status
    )
    return replace(made, readings=np.where(there, column, 0), readings_known=there)


def together(parts: Sequence[Intervals]) -> Intervals:
    """The rows of several meters on one axis, one below the other.

    Raises:
        UsageError: none, or another axis.
    """
    if not parts or any(each.axis != parts[0].axis for each in parts):
        raise UsageError("meters on one axis expected, and at least one")
    return Intervals(
        parts[0].axis,
        np.concatenate([each.values for each in parts]),
        np.concatenate([each.present for each in parts]),
        np.concatenate([each.status for each in parts]),
        np.concatenate([each.noted for each in parts]),
        np.concatenate([each.readings for each in parts]),
        np.concatenate([each.readings_known for each in parts]),
    )


def _whole(values: ArrayLike, name: str) -> Numbers:
    """A column of its own; what is no whole number of 64 bits is not cut to one."""
    column = np.array(values)
    if column.size and (
        column.dtype.kind not in "iu"
        or (column.dtype.kind == "u" and column.max() >= _MOST_REGISTER)
    ):
        raise UsageError(f"{name}: whole numbers below {_MOST_REGISTER} expected")
    return column.astype(np.int64)


def _one_a_row(register: ArrayLike, rows: int) -> Numbers:
    column = np.atleast_1d(_whole(register, "registers"))
    if column.shape != (rows,):
        raise UsageError(f"registers: one for each of {rows} rows expected, not {column.shape}")
    return column


def _octets(status: ArrayLike) -> NDArray[np.uint8]:
    column = _whole(status, "status")
    if column.size and not 0 <= column.min() <= column.max() <= 0xFF:
        raise UsageError("status: one octet expected")
    return column.astype(np.uint8)
