"""The columns of a portion as NumPy arrays: what was read, and what was made of it.

Needs the `data` extra. Blocks become arrays column by column; the rare ones that are no whole
numbers go row by row.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ferraris.data.kinds import BitString
from ferraris.headend.export.exact import KINDS, plain_number, spelled
from ferraris.headend.export.gathering import Part
from ferraris.headend.store.finals import FinalDay

__all__ = ["Column", "FinalColumns", "RawColumns"]

Array: TypeAlias = NDArray[Any]
_NONE: Final = KINDS.index("none")
_NOTHING: Final = np.empty(0, np.int64)


class Column:
    """Numbers in pieces, and which of them are not there."""

    def __init__(self) -> None:
        self._pieces: list[Array] = []
        self._absent: list[Array | None] = []

    def add(self, numbers: Array, absent: Array | None = None) -> None:
        """The next piece; `absent` is true where there is no number."""
        self._pieces.append(numbers)
        self._absent.append(absent)

    def whole(self) -> tuple[Array, Array | None]:
        """All pieces; no mask when every number is there."""
        numbers = _joined(self._pieces)
        if not any(mask is not None for mask in self._absent):
            return numbers, None
        masks = [
            np.zeros(len(piece), bool) if mask is None else mask
            for piece, mask in zip(self._pieces, self._absent, strict=True)
        ]
        return numbers, np.concatenate(masks)


class RawColumns:
    """One row a value of blocks and register reads, in the order of the parts.

    `meters`, `profiles`, `channels`, `versions` and `stored` have one element for each of `counts`
    rows. `covered` says for (meter, profile, channel) in which spans final values stand instead.
    """

    def __init__(
        self, parts: Iterable[Part], covered: dict[tuple[int, int, int], list[tuple[int, int]]]
    ) -> None:
        self.meters: list[int] = []
        self.profiles: list[int] = []
        self.channels: list[int] = []
        self.versions: list[int] = []
        self.stored: list[int] = []
        self.counts: list[int] = []
        self.odd: list[tuple[int, Sequence[Any]]] = []
        self.value = Column()
        self.status = Column()
        self._ends: list[Array] = []
        self._quality: list[Array] = []
        self._row = 0
        for part in parts:
            axis = np.frombuffer(part.rows.axis, np.int64)
            marks = _quality(part.rows.quality, len(axis))
            status = _numbers(part.rows.status, len(axis))
            for channel, column in zip(part.channels, part.rows.columns, strict=True):
                spans = covered.get((part.meter, part.profile, channel))
                self._add(part, channel, column, (axis, marks, status), spans)

    @property
    def rows(self) -> int:
        """How many values there are."""
        return self._row

    @property
    def ends(self) -> Array:
        """Interval ends, or the moments of register reads."""
        return _joined(self._ends)

    @property
    def quality(self) -> Array:
        """Bits of `Quality`."""
        return _joined(self._quality)

    def kinds(self) -> tuple[Array, list[str | None] | None]:
        """Places among `KINDS`, and texts where any value needs one."""
        kinds = np.zeros(self._row, np.int32)
        if not self.odd:
            return kinds, None
        texts: list[str | None] = [None] * self._row
        for begin, column in self.odd:
            for row, value in enumerate(column, begin):
                kinds[row], texts[row] = spelled(value)
        return kinds, texts

    def _add(
        self,
        part: Part,
        channel: int,
        column: Sequence[Any],
        rows: tuple[Array, Array, tuple[Array, Array | None]],
        spans: list[tuple[int, int]] | None,
    ) -> None:
        axis, marks, (status, no_status) = rows
        if spans is not None:
            kept = ~_within(axis, spans)
            if not kept.any():
                return
            column = [value for value, keep in zip(column, kept.tolist(), strict=True) if keep]
            axis, marks, status = axis[kept], marks[kept], status[kept]
            no_status = None if no_status is None else no_status[kept]
        numbers, absent = _numbers(column, len(axis))
        if absent is not None:
            self.odd.append((self._row, column))
        self.value.add(numbers, absent)
        self.status.add(status, no_status)
        self._ends.append(axis)
        self._quality.append(marks)
        self.meters.append(part.meter)
        self.profiles.append(part.profile)
        self.channels.append(channel)
        self.versions.append(part.version)
        self.stored.append(part.stored_s)
        self.counts.append(len(axis))
        self._row += len(axis)


class FinalColumns:
    """One row a final value with `since < end <= until`, in the order of the days."""

    def __init__(self, days: Iterable[FinalDay], since: int, until: int) -> None:
        self.meters: list[int] = []
        self.profiles: list[int] = []
        self.channels: list[int] = []
        self.counts: list[int] = []
        self.value = Column()
        self.raw = Column()
        self.covered: defaultdict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        pieces: dict[str, list[Array]] = {name: [] for name in _FINAL}
        for day in days:
            count = len(day.final)
            end = day.start_s + day.period_s * count
            self.covered[day.meter, day.profile, day.channel].append((day.start_s, end))
            first = max(0, (since - day.start_s) // day.period_s)
            last = min(count, (until - day.start_s) // day.period_s)
            if first >= last:
                continue
            ends = np.arange(first + 1, last + 1, dtype=np.int64) * day.period_s + day.start_s
            pieces["ends"].append(ends)
            for name in _FINAL[1:]:
                pieces[name].append(np.asarray(getattr(day, name)[first:last], np.int64))
            self.value.add(*_numbers(day.final[first:last], last - first))
            self.raw.add(*_numbers(day.raw[first:last], last - first))
            self.meters.append(day.meter)
            self.profiles.append(day.profile)
            self.channels.append(day.channel)
            self.counts.append(last - first)
        self.columns: dict[str, Array] = {
            name: _joined(several) for name, several in pieces.items()
        }

    @property
    def rows(self) -> int:
        """How many values there are."""
        return sum(self.counts)


_FINAL: Final = ("ends", "quality", "rule", "findings", "versions")


def _joined(pieces: Sequence[Array]) -> Array:
    return np.concatenate(pieces) if pieces else _NOTHING


def _within(ends: Array, spans: Iterable[tuple[int, int]]) -> Array:
    found = np.zeros(len(ends), bool)
    for since, until in spans:
        found |= (ends > since) & (ends <= until)
    return found


def _quality(marks: Sequence[int], count: int) -> Array:
    return np.array(marks, np.uint16) if marks else np.zeros(count, np.uint16)


def _numbers(column: Sequence[Any], count: int) -> tuple[Array, Array | None]:
    """The whole numbers of a column; bits count as the number that they spell."""
    if not column:
        return np.zeros(count, np.int64), np.ones(count, bool)
    if set(map(type, column)) == {int}:
        try:
            return np.frombuffer(array("q", column), np.int64), None
        except OverflowError:
            pass
    known = [_number(value) for value in column]
    numbers = np.array([0 if value is None else value for value in known], np.int64)
    return numbers, np.array([value is None for value in known], bool)


def _number(value: Any) -> int | None:
    if isinstance(value, BitString):
        value = int(value.text or "0", 2)
    return value if plain_number(value) else None
