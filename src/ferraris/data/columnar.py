"""Columns of profile buffers without NumPy: `array` for integers, views for octet-strings.

Good for some hundred rows; above that `ferraris.data.columns` is faster.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import DEFAULT_LIMITS, Limits
from ferraris.data.layout import Run, open_buffer, rows, runs

__all__ = ["OctetColumn", "Segment", "columns", "fits"]

TYPECODES = {5: "i", 6: "I", 13: "b", 15: "b", 16: "h", 17: "B", 18: "H", 20: "q", 21: "Q"}
TYPECODES |= {22: "B", 28: "b", 29: "h", 30: "i", 31: "B", 32: "H", 33: "I"}
NULLS = (0, 255)
OCTET_STRING = 9


class Segment(NamedTuple):
    """`many` octet-strings of `size` octets, `stride` apart; stride 0 repeats one."""

    octets: bytes
    start: int
    stride: int
    size: int
    many: int


class OctetColumn(Sequence[bytes]):
    """A column of octet-strings that lie where they came from and are cut out when asked for."""

    __slots__ = ("_ends", "_segments")

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._ends: list[int] = []

    def add(self, segment: Segment) -> None:
        """Append a segment."""
        self._segments.append(segment)
        self._ends.append(len(self) + segment.many)

    def repeat(self, many: int) -> None:
        """Append the last octet-string again, `many` times."""
        octets, start, stride, size, count = self._segments[-1]
        self.add(Segment(octets, start + (count - 1) * stride, 0, size, many))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return list(self)[index]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError("no such row")
        place = bisect_right(self._ends, row)
        octets, start, stride, size, many = self._segments[place]
        at = start + (row - self._ends[place] + many) * stride
        return octets[at : at + size]

    def __iter__(self) -> Iterator[bytes]:
        for octets, start, stride, size, many in self._segments:
            if stride == 0:
                yield from [octets[start : start + size]] * many
                continue
            for at in range(start, start + many * stride, stride):
                yield octets[at : at + size]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # compared by content


def columns(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> list[Sequence[Any]]:
    """Decode an encoded buffer to one sequence a column.

    Integers come as `array`, octet-strings as `OctetColumn`; a column of other or mixed kinds,
    or with nothing above its null-data, as list. Null-data takes the value above, as `rows` does.

    Raises:
        DecodeError: no buffer, or rows of different numbers of columns.
    """
    buffer = open_buffer(octets, limits)
    found = list(runs(buffer))
    kinds = fits(found)
    if kinds is None:
        return _turned(octets, limits)
    made: list[Any] = [
        OctetColumn() if tag == OCTET_STRING else array(TYPECODES[tag]) for tag in kinds
    ]
    for layout, position, many in found:
        assert layout is not None  # fits() said so
        for column, into in zip(layout.columns, made, strict=True):
            start = position + column.offset
            cells = Segment(buffer.octets, start, layout.size, column.size, many)
            if column.tag not in NULLS:
                into.add(cells) if isinstance(into, OctetColumn) else _gather(into, cells)
            elif isinstance(into, OctetColumn):
                into.repeat(many)
            else:
                into.extend(array(into.typecode, [into[-1]]) * many)
    return made


def fits(found: Sequence[Run]) -> list[int] | None:
    """The tag of each column when all runs agree on integers and octet-strings, else None.

    A column may be null-data in later runs; delta kinds and null-data in the first run do not
    fit.
    """
    if not found or found[0].layout is None:
        return None
    kinds = [column.tag for column in found[0].layout.columns]
    for layout, _, _ in found:
        if layout is None or len(layout.columns) != len(kinds):
            return None
        for tag, column in zip(kinds, layout.columns, strict=True):
            if column.tag not in (tag, *NULLS):
                return None
    regular = all(tag == OCTET_STRING or (tag in TYPECODES and tag < 28) for tag in kinds)
    return kinds if regular else None


def _turned(octets: bytes, limits: Limits) -> list[Sequence[Any]]:
    table = rows(octets, limits=limits)
    if len({len(row) for row in table}) > 1:
        raise DecodeError("rows of different numbers of columns", where="profile columns")
    return [list(column) for column in zip(*table, strict=True)]


def _gather(into: array[int], cells: Segment) -> None:
    """Gather octet by octet with strided slices, then swap all of them at once."""
    octets, start, stride, size, many = cells
    end = start + stride * (many - 1) + 1
    if size == 1:
        into.frombytes(octets[start:end:stride])
        return
    gathered = bytearray(size * many)
    for n in range(size):
        gathered[n::size] = octets[start + n : end + n : stride]
    part = array(into.typecode, bytes(gathered))
    if sys.byteorder == "little":
        part.byteswap()
    into.extend(part)
