"""Rows of profile buffers at full speed: learn the layout of a row once, then read runs of rows.

A buffer is an array of structures, or a compact-array of them. Rows that look alike (same tags,
same string lengths) form a run: every tag and length of the run is verified by strided slices,
then `struct.iter_unpack` makes the tuples. Null-data and other changes just begin a new run, and
what is irregular (nested values, long strings) is decoded one by one, so that the result is
always the same as that of `axdr.decode`. [asn1 Data] [facts-g]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import (
    DEFAULT_LIMITS,
    Limits,
    decode_at,
    decode_content,
    read_length,
    skip,
)
from ferraris.data.compact import elements
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.filling import Filling, complete, row
from ferraris.data.kinds import BitString, CompactArray, Data, Description

__all__ = [
    "Buffer",
    "Column",
    "Layout",
    "Run",
    "irregular",
    "layout_of",
    "open_buffer",
    "rows",
    "runs",
]

_WHERE = "profile rows"


def rows(
    octets: bytes,
    *,
    fill_null: bool = True,
    clock: int | None = None,
    capture_period: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> list[tuple[Any, ...]]:
    """Decode an encoded buffer to one tuple a row, of ordinary Python values.

    Octet-strings stay `bytes`, so clocks are their 12 raw octets (`date_time.epoch` reads them).

    Args:
        octets: one encoded array or compact-array, nothing after it.
        fill_null: null-data takes the value of the row above, delta kinds are added to it; the
            first row keeps None. Without it both come as they were sent.
        clock: index of the clock column; its null-data is the time above plus the capture period.
        capture_period: seconds, 0 for none.
        limits: what is accepted.

    Raises:
        DecodeError: no buffer, or a delta with nothing above it.
    """
    buffer = open_buffer(octets, limits)
    filling = Filling(fill_null, clock, capture_period if fill_null else 0)
    found: list[tuple[Any, ...]] = []
    for layout, position, many in runs(buffer):
        above = found[-1] if found and fill_null else ()
        if layout is None:
            for data in irregular(buffer, position):
                found.append(row(data, above, filling, position))
                above = found[-1] if fill_null else ()
            continue
        batch = layout.unpack(buffer.octets, position, many)
        if layout.plain or not (fill_null or layout.columns_differ):
            found += batch
        else:
            found += complete(layout, batch, above, filling, position)
    return found


class Column(NamedTuple):
    """One column of a layout: tag, offset of its octets in the row, their number.

    `length` is the length as sent (bits for a bit-string).
    """

    tag: int
    offset: int
    size: int
    length: int


class Layout:
    """How one kind of row lies in octets; made by `layout_of`, shared by all that look alike."""

    __slots__ = (
        "columns",
        "columns_differ",
        "constants",
        "converts",
        "deltas",
        "leading_nulls",
        "mask",
        "nulls",
        "plain",
        "size",
        "structure",
        "want",
    )

    def __init__(self, kinds: tuple[tuple[int, int], ...], *, tagged: bool) -> None:
        offset = 0
        constants: list[tuple[int, int]] = []
        if tagged:
            constants = [(0, 2), (1, len(kinds))]
            offset = 2
        columns: list[Column] = []
        form = ">" + "x" * offset
        for tag, length in kinds:
            if tagged:
                constants.append((offset, tag))
                offset += 1
                form += "x"
            if tag in _STRINGS:
                constants.append((offset, length))
                offset += 1
                form += "x"
            size = _SIZES[tag] if tag in _SIZES else (length + 7) // 8 if tag == 4 else length
            columns.append(Column(tag, offset, size, length))
            if tag not in _NULLS:
                form += _FORMATS.get(tag, f"{size}s")
            offset += size
        self.size = offset
        self.columns = tuple(columns)
        self.structure = Struct(form)
        self.constants = tuple((at, bytes((octet,))) for at, octet in constants)
        self.mask = sum(0xFF << 8 * (offset - 1 - at) for at, _ in constants)
        self.want = sum(octet << 8 * (offset - 1 - at) for at, octet in constants)
        tags = [tag for tag, _ in kinds]
        self.nulls = frozenset(n for n, tag in enumerate(tags) if tag in _NULLS)
        self.deltas = frozenset(n for n, tag in enumerate(tags) if 28 <= tag <= 33)
        self.converts = {n: _converter(tag, length) for n, (tag, length) in enumerate(kinds)}
        self.converts = {n: made for n, made in self.converts.items() if made is not None}
        self.columns_differ = bool(self.nulls or self.converts)
        self.plain = not (self.columns_differ or self.deltas)
        leading = len(self.nulls) if self.nulls == frozenset(range(len(self.nulls))) else 0
        self.leading_nulls = 0 if self.converts or self.deltas else leading

    def matches(self, octets: bytes, position: int) -> bool:
        """Whether the row at `position` looks like this."""
        row = octets[position : position + self.size]
        return len(row) == self.size and int.from_bytes(row, "big") & self.mask == self.want

    def run(self, octets: bytes, position: int, count: int) -> int:
        """How many rows from `position` on look like this, at most `count` of them.

        All `count` rows must lie within the octets.
        """
        size = self.size
        end = position + count * size
        for offset, octet in self.constants:
            column = octets[position + offset : end : size]
            if column != octet * count:
                count = len(column) - len(column.lstrip(octet))
                end = position + count * size
        return count

    def unpack(self, octets: bytes, position: int, count: int) -> list[tuple[Any, ...]]:
        """The values sent in `count` verified rows: nothing for null-data, strings as octets."""
        if not self.size:
            return [()] * count
        if position == 0 and len(octets) == count * self.size:
            return list(self.structure.iter_unpack(octets))
        stretch = memoryview(octets)[position : position + count * self.size]
        return list(self.structure.iter_unpack(stretch))


class Buffer(NamedTuple):
    """An encoded buffer, opened: where its rows begin and how many there are.

    `rows` is None for a compact-array, which ends with its octets; `members` are then the kinds
    of the columns, or None when an element is no flat structure. `base` is where `octets` begin
    in the buffer.
    """

    octets: bytes
    position: int
    rows: int | None
    limits: Limits
    description: Description | None = None
    members: tuple[int, ...] | None = None
    base: int = 0


class Run(NamedTuple):
    """`many` rows of one layout from `position` on; layout None: irregular ones."""

    layout: Layout | None
    position: int
    many: int


def open_buffer(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Buffer:
    """Read the head of an encoded array or compact-array that fills `octets`."""
    if type(octets) is not bytes:
        octets = bytes(octets)
    if len(octets) > limits.max_octets:
        raise DecodeError(f"more than {limits.max_octets} octets", where=_WHERE)
    tag = octets[0] if octets else None
    if tag == 19:
        (_, compact), end = decode_at(octets, 0, limits)
        if end != len(octets):
            raise _error("octets after the compact-array", octets, end)
        base = end - len(compact.contents)
        kind, inner = compact.description
        flat = kind == 2 and all(member[0] in _REGULAR for member in inner)
        members = tuple(member[0] for member in inner) if flat else None
        return Buffer(compact.contents, 0, None, limits, compact.description, members, base)
    if tag != 1:
        raise _error("a buffer is an array or a compact-array", octets, 0)
    count, position = read_length(octets, 1)
    if count > limits.max_count or count > len(octets) - position:
        raise _error(f"{count} rows are beyond the limits or the octets", octets, 1)
    return Buffer(octets, position, count, limits)


def runs(buffer: Buffer) -> Iterator[Run]:
    """Split a buffer into runs of rows that look alike, verifying every tag and length.

    Raises `DecodeError` when rows are malformed, missing or followed by more octets.
    """
    if buffer.rows is None and buffer.members is None:
        yield Run(None, 0, 0)
        return
    octets, position, limits = buffer.octets, buffer.position, buffer.limits
    total = len(octets)
    left = limits.max_count + 1 if buffer.rows is None else buffer.rows
    known: list[Layout] = []
    patience = total  # octets of fruitless looking ahead before looking ahead gets cautious
    usual: dict[Layout, int] = {}
    while left and (buffer.rows is not None or position < total):
        layout = next((seen for seen in known if seen.matches(octets, position)), None)
        if layout is None:
            layout = _recognise(buffer, position) if len(known) < _MAX_LAYOUTS else None
            if layout is None:
                yield Run(None, position, 1)
                position = _skip_row(buffer, position)
                left -= 1
                continue
            known.append(layout)
        elif layout is not known[0]:
            known.remove(layout)
            known.insert(0, layout)
        ahead = min(left, (total - position) // layout.size)
        if patience < 0:
            ahead = min(ahead, usual.get(layout, _CAUTIOUS))
        count = layout.run(octets, position, ahead)
        patience -= (ahead - count) * layout.size
        usual[layout] = max(_CAUTIOUS, 2 * count)
        yield Run(layout, position, count)
        position += count * layout.size
        left -= count
    if buffer.rows is None and not left:
        raise _error("more rows than the limits allow", octets, position, buffer.base)
    if position != total:
        raise _error(f"{total - position} octets after the last row", octets, position)


@lru_cache(maxsize=512)
def layout_of(kinds: tuple[tuple[int, int], ...], *, tagged: bool = True) -> Layout:
    """The layout of rows whose columns are `(tag, length)`; length counts only for strings.

    Without `tagged` it is that of compact-array elements.
    """
    return Layout(kinds, tagged=tagged)


# Learning

_SIZES = {0: 0, 3: 1, 5: 4, 6: 4, 13: 1, 15: 1, 16: 2, 17: 1, 18: 2, 20: 8, 21: 8, 22: 1, 23: 4}
_SIZES |= {24: 8, 25: 12, 26: 5, 27: 4, 28: 1, 29: 2, 30: 4, 31: 1, 32: 2, 33: 4, 255: 0}
_FORMATS = {3: "?", 5: "i", 6: "I", 13: "b", 15: "b", 16: "h", 17: "B", 18: "H", 20: "q", 21: "Q"}
_FORMATS |= {22: "B", 23: "f", 24: "d", 28: "b", 29: "h", 30: "i", 31: "B", 32: "H", 33: "I"}
_STRINGS = frozenset((4, 9, 10, 12))
_NULLS = frozenset((0, 255))
_REGULAR = frozenset(_SIZES) | _STRINGS
_MAX_LAYOUTS = 24  # known layouts of one buffer; more kinds of rows than that are irregular
_CAUTIOUS = 16  # rows looked ahead once looking further has not paid


_recent: dict[bytes, Layout] = {}  # by the first octets of a row: a guess, always verified


def _recognise(buffer: Buffer, position: int) -> Layout | None:
    """The layout of the row at `position`, from memory when a row like it was seen lately."""
    if buffer.members is not None:
        return _learn(buffer, position)
    head = buffer.octets[position : position + 4]
    guess = _recent.get(head)
    if guess is not None and guess.matches(buffer.octets, position):
        return guess
    layout = _learn(buffer, position)
    if layout is not None:
        if len(_recent) >= 64:
            _recent.clear()
        _recent[head] = layout
    return layout


def _learn(buffer: Buffer, position: int) -> Layout | None:
    """The layout of the row at `position`, None when it is irregular or not all there."""
    octets = buffer.octets
    total = len(octets)
    tagged = buffer.members is None
    if buffer.members is not None:
        tags: Sequence[int] = buffer.members
    else:
        if position + 2 > total or octets[position] != 2 or octets[position + 1] > 0x7F:
            return None
        tags = range(octets[position + 1])
        position += 2
    kinds: list[tuple[int, int]] = []
    for tag in tags:
        if tagged:
            if position >= total:
                return None
            tag = octets[position]
            position += 1
        length = 0
        if tag in _STRINGS:
            if position >= total or octets[position] > 0x7F:
                return None
            length = octets[position]
            position += 1
            position += (length + 7) // 8 if tag == 4 else length
        elif tag in _SIZES:
            position += _SIZES[tag]
        else:
            return None
        kinds.append((tag, length))
    if position > total:
        return None
    layout = layout_of(tuple(kinds), tagged=tagged)
    return layout if layout.size else None


def _converter(tag: int, length: int) -> Any:
    """What turns the octets of a column into its value; None when they are the value."""
    if tag == 4:
        return lambda octets: BitString(length, octets).text
    return {
        10: lambda octets: octets.decode("latin-1"),
        12: lambda octets: octets.decode("utf-8", "surrogateescape"),
        25: DateTime,
        26: Date,
        27: Time,
    }.get(tag)


def irregular(buffer: Buffer, position: int) -> list[Data]:
    """The row at `position`; of a compact-array of no flat structures all elements at once."""
    if buffer.description is None:
        return [decode_at(buffer.octets, position, buffer.limits)[0]]
    if buffer.members is None:
        return elements(CompactArray(buffer.description, buffer.octets), buffer.limits)
    return [_compact_row(buffer, position)[0]]


def _skip_row(buffer: Buffer, position: int) -> int:
    if buffer.description is None:
        return skip(buffer.octets, position, buffer.limits)
    end = _compact_row(buffer, position)[1]
    if end == position:
        raise _error("elements without octets", buffer.octets, position, buffer.base)
    return end


def _compact_row(buffer: Buffer, position: int) -> tuple[Data, int]:
    cells: list[Data] = []
    for tag in buffer.members or ():
        value, position = decode_content(tag, buffer.octets, position, buffer.limits)
        cells.append((tag, value))
    return (2, cells), position


def _error(message: str, octets: bytes, position: int, base: int = 0) -> DecodeError:
    excerpt = octets[max(0, position - 4) : position + 12]
    return DecodeError(message, where=_WHERE, offset=position + base, octets=excerpt)
