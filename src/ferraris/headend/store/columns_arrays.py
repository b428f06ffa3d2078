"""Packed columns of many blocks at once, as NumPy arrays and back. Needs the `data` extra.

The octets are those of `columns_codec`; what is no whole number there is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ferraris.core.errors import DecodeError
from ferraris.headend.store.blocks import unpack
from ferraris.headend.store.columns_codec import (
    MAX_ROWS,
    pack_column,
    read_signed,
    read_varint,
    signed,
    unpack_column,
)

__all__ = ["BOUND", "ColumnsReader", "Sheet", "pack_columns", "sheets_of"]

Numbers: TypeAlias = NDArray[np.int64]
Truths: TypeAlias = NDArray[np.bool_]

BOUND: Final = 1 << 62
"""Numbers from here on, or below its negative, are not known as arrays."""

_NULL, _CONSTANT, _DELTA, _OFFSET = range(4)
_WIDEST = 10  # planes of which a day of seconds still sums in 64 bits
_CONTAINERS = {1: ">u1", 2: ">u1", 4: ">u2", 8: ">u4"}
_PLAIN = frozenset((2, 4, 8))
_FORMAT = 1
_WHERE = "store block"
_HEAD = 2  # status and quality stand before the channels


class ColumnsReader:
    """Reads columns of one length, each into a slot, and decodes like ones together."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.slots = 0
        self._constants: list[tuple[int, int]] = []
        self._planes: defaultdict[tuple[int, int], list[tuple[int, int, int, bytes]]] = defaultdict(
            list
        )
        self._slow: list[tuple[int, list[Any]]] = []

    def add(self, octets: bytes, at: int) -> int:
        """Take the column at `at` into the next slot; its end. Raises `DecodeError`."""
        if at >= len(octets):
            raise DecodeError("column missing", where=_WHERE, offset=at)
        slot, kind = self.slots, octets[at]
        self.slots = slot + 1
        if kind == _NULL:
            return at + 1
        if kind == _CONSTANT:
            value, end = _signed(octets, at + 1)
            if -BOUND < value < BOUND:
                self._constants.append((slot, value))
            return end
        if kind in (_DELTA, _OFFSET) and at + 1 < len(octets) and 1 <= octets[at + 1] <= _WIDEST:
            return self._take_planes(octets, at, slot)
        values, end = unpack_column(octets, at, self.rows)
        self._slow.append((slot, values))
        return end

    def arrays(self) -> tuple[Numbers, Truths]:
        """Values of shape (slots, rows), zero where not known, and where they are."""
        values = np.zeros((self.slots, self.rows), np.int64)
        known = np.zeros(values.shape, bool)
        for slot, value in self._constants:
            values[slot], known[slot] = value, True
        for (kind, width), found in self._planes.items():
            slots = [each[0] for each in found]
            values[slots] = _decoded(kind, width, self.rows, found)
            known[slots] = True
        for slot, column in self._slow:
            for row, value in enumerate(column):
                if type(value) is int and -BOUND < value < BOUND:
                    values[slot, row], known[slot, row] = value, True
        return values, known

    def _take_planes(self, octets: bytes, at: int, slot: int) -> int:
        kind, width = octets[at], octets[at + 1]
        first, begin = _signed(octets, at + 2)
        low, begin = _signed(octets, begin)
        count = self.rows - 1 if kind == _DELTA else self.rows
        end = begin + (count * width + 1) // 2
        if end > len(octets) or count < 0:
            raise DecodeError("column too short", where=_WHERE, offset=at)
        if max(abs(first), abs(low) << 21) < BOUND >> 1:
            self._planes[kind, width].append((slot, first, low, octets[begin:end]))
        else:
            self._slow.append((slot, unpack_column(octets, at, self.rows)[0]))
        return end


def _signed(octets: bytes, at: int) -> tuple[int, int]:
    """`read_signed`, quicker for what fits an octet or three, as most numbers do."""
    three = octets[at : at + 3]
    if len(three) == 3:
        if three[0] < 0x80:
            value = three[0]
            return (-((value + 1) >> 1) if value & 1 else value >> 1), at + 1
        if three[2] < 0x80 <= three[1]:
            value = three[0] & 0x7F | (three[1] & 0x7F) << 7 | three[2] << 14
            return (-((value + 1) >> 1) if value & 1 else value >> 1), at + 3
    return read_signed(octets, at)


def _decoded(
    kind: int, width: int, rows: int, found: Sequence[tuple[int, int, int, bytes]]
) -> Numbers:
    count = rows - 1 if kind == _DELTA else rows
    octets = b"".join([each[3] for each in found])
    packed = np.frombuffer(octets, np.uint8).reshape(len(found), -1)
    numbers = _from_planes(packed, width, count)
    first, low = (np.array([each[n] for each in found], np.int64)[:, None] for n in (1, 2))
    if kind == _OFFSET:
        return numbers + low
    out = np.empty((len(found), rows), np.int64)
    out[:, :1] = first
    numbers += low
    np.cumsum(numbers, axis=1, out=out[:, 1:])
    out[:, 1:] += first
    return out


def _from_planes(packed: NDArray[np.uint8], width: int, count: int) -> Numbers:
    if width in _PLAIN:
        plain = np.ascontiguousarray(packed).view(_CONTAINERS[width])
        return plain.astype(np.int64)
    digits = np.empty((len(packed), 2 * packed.shape[1]), np.uint8)
    digits[:, 0::2] = packed >> 4
    digits[:, 1::2] = packed & 15
    numbers = np.zeros((len(packed), count), np.int64)
    for plane in range(width):
        numbers <<= 4
        numbers |= digits[:, plane * count : (plane + 1) * count]
    return numbers


@dataclass(frozen=True, slots=True)
class Sheet:
    """Blocks that share their interval ends: `members` are their places among those given.

    `values` and `known` are of shape (members, channels, rows), `status` and `quality` of shape
    (members, rows); a status that is missing is 0.
    """

    ends: Numbers
    members: list[int]
    values: Numbers
    known: Truths
    status: Numbers
    quality: Numbers


def sheets_of(bodies: Sequence[bytes], channels: int) -> list[Sheet]:
    """Unpack blocks of one layout; raises `DecodeError` for anything that `pack` cannot write."""
    found: dict[tuple[int, bytes], tuple[ColumnsReader, list[int]]] = {}
    for place, body in enumerate(bodies):
        if body[:1] != bytes((_FORMAT,)):
            raise DecodeError("unknown block format", where=_WHERE, octets=body)
        rows, at = read_varint(body, 1)
        size, at = read_varint(body, at)
        key = rows, body[at : at + size]
        if key not in found:
            if rows > MAX_ROWS:
                raise DecodeError("too many rows", where=_WHERE, offset=1)
            found[key] = ColumnsReader(rows), []
        reader, members = found[key]
        members.append(place)
        end = reader.add(body, reader.add(body, at + size))
        count, end = read_varint(body, end)
        if count != channels:
            raise DecodeError(f"{channels} columns expected, not {count}", where=_WHERE)
        for _ in range(count):
            end = reader.add(body, end)
        if end != len(body):
            raise DecodeError("octets left over", where=_WHERE, offset=end)
    return [
        _sheet(bodies[members[0]], reader, members, channels)
        for (rows, _), (reader, members) in found.items()
        if rows
    ]


def _sheet(body: bytes, reader: ColumnsReader, members: list[int], channels: int) -> Sheet:
    ends = np.array(unpack(body).axis, np.int64)
    shape = (len(members), _HEAD + channels, reader.rows)
    values, known = reader.arrays()
    values, known = values.reshape(shape), known.reshape(shape)
    return Sheet(
        ends, members, values[:, _HEAD:], known[:, _HEAD:], values[:, 0], values[:, 1]
    )  # fmt: skip


def pack_columns(columns: Numbers) -> list[bytes]:
    """Each row of an array of shape (columns, rows) as `pack_column` packs it."""
    if not len(columns) or not columns.shape[1]:
        return [bytes((_NULL,))] * len(columns)
    packed: list[bytes] = [b""] * len(columns)
    same = (columns == columns[:, :1]).all(axis=1)
    constant: dict[int, bytes] = {}
    for place in np.flatnonzero(same).tolist():
        value = int(columns[place, 0])
        if value not in constant:
            constant[value] = bytes((_CONSTANT,)) + signed(value)
        packed[place] = constant[value]
    varied = np.flatnonzero(~same)
    if len(varied):
        _pack_varied(columns[varied], varied.tolist(), packed)
    return packed


def _pack_varied(columns: Numbers, places: list[int], packed: list[bytes]) -> None:
    deltas = np.diff(columns, axis=1)
    steps = deltas.shape[1]
    few = 16 * np.count_nonzero(deltas, axis=1) <= steps
    lows, highs = deltas.min(axis=1).tolist(), deltas.max(axis=1).tolist()
    leasts, mosts = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    large = np.abs(columns).max(axis=1) >= BOUND >> 1
    alike: defaultdict[tuple[int, int], list[tuple[int, int, bytes]]] = defaultdict(list)
    for row, (low, high) in enumerate(zip(lows, highs, strict=True)):
        if large[row] or (low <= 0 and few[row]):
            packed[places[row]] = pack_column(columns[row].tolist())
            continue
        kind, first = _DELTA, int(columns[row, 0])
        if low < 0:
            least, most = leasts[row], mosts[row]
            if (most - least).bit_length() <= (high - low).bit_length():
                kind, first, low, high = _OFFSET, 0, least, most
        width = ((high - low).bit_length() + 3) // 4 or 1
        if width > _WIDEST:
            packed[places[row]] = pack_column(columns[row].tolist())
            continue
        if low >= 0 and high.bit_length() <= 4 * width:
            low = 0
        alike[kind, width].append((row, low, bytes((kind, width)) + signed(first) + signed(low)))
    for (kind, width), found in alike.items():
        rows = [each[0] for each in found]
        numbers = (deltas if kind == _DELTA else columns)[rows]
        numbers = numbers - np.array([each[1] for each in found], np.int64)[:, None]
        for (row, _, head), planes in zip(found, _planes(numbers, width), strict=True):
            packed[places[row]] = head + planes.tobytes()


def _planes(numbers: Numbers, width: int) -> NDArray[np.uint8]:
    if width in _PLAIN:
        return np.ascontiguousarray(numbers.astype(_CONTAINERS[width])).view(np.uint8)
    count = numbers.shape[1]
    digits = np.zeros((len(numbers), count * width + (count * width & 1)), np.uint8)
    for plane in range(width):
        shifted = numbers >> 4 * (width - 1 - plane)
        digits[:, plane * count : (plane + 1) * count] = shifted & 15
    return (digits[:, 0::2] << 4 | digits[:, 1::2]).astype(np.uint8)
