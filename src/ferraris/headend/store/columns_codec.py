"""One packed column of a block: whole numbers close to each other, in as few octets as is quick.

A column is a kind octet and a body. Numbers become differences to the row before (kind `DELTA`)
or to the smallest one (`OFFSET`), whichever is narrower, and are cut into planes of four bits:
a difference below 4096 costs twelve bits [computed]. Anything that is not a whole number of
64 bits goes the slow and general way, so no value is ever changed or lost.
"""

from __future__ import annotations

import json
import struct
import zlib
from binascii import hexlify, unhexlify
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate, groupby
from operator import sub
from typing import Any

from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString

__all__ = [
    "MAX_ROWS",
    "pack_column",
    "read_signed",
    "read_varint",
    "signed",
    "tagged",
    "unpack_column",
    "untagged",
]

MAX_ROWS = 1 << 20
"""Most rows of one block: a day of seconds and room to spare; a bound for hostile stores."""

_MAX_PLAIN_OCTETS = 64 << 20
_NULL, _CONSTANT, _DELTA, _OFFSET, _SPARSE, _GENERAL, _RUNS = range(7)
_CONTAINERS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_WHERE = "store block"


def pack_column(values: Sequence[Any]) -> bytes:
    """Pack one column; every kind of value that a reading can have comes back equal.

    Raises `UsageError` for a value of another type.
    """
    if not values:
        return bytes((_NULL,))
    column = values if type(values) is list else list(values)
    if type(column[0]) is int and type(column[-1]) is int:
        try:  # asking every value for its type would cost a fifth of the whole
            return _pack_numbers(column)
        except (TypeError, AttributeError, OverflowError, struct.error):
            pass
    present = [value for value in column if value is not None]
    if not present:
        return bytes((_NULL,))
    if len(present) < len(column):
        mask = sum(1 << at for at, value in enumerate(column) if value is not None)
        octets = mask.to_bytes((len(column) + 7) // 8, "little")
        return bytes((_SPARSE,)) + octets + pack_column(present)
    return _pack_general(column)


def unpack_column(octets: bytes, at: int, rows: int) -> tuple[list[Any], int]:
    """Read the column at `at`: its `rows` values and the end; raises `DecodeError`."""
    if at >= len(octets):
        raise DecodeError("column missing", where=_WHERE, offset=at)
    kind = octets[at]
    if kind == _NULL:
        return [None] * rows, at + 1
    if kind == _CONSTANT:
        value, at = read_signed(octets, at + 1)
        return [value] * rows, at
    if kind in (_DELTA, _OFFSET):
        return _unpack_numbers(octets, at + 1, rows, kind == _DELTA)
    if kind == _SPARSE:
        return _unpack_sparse(octets, at + 1, rows)
    if kind == _RUNS:
        return _unpack_runs(octets, at + 1, rows)
    if kind == _GENERAL:
        return _unpack_general(octets, at + 1, rows)
    raise DecodeError(f"unknown column kind {kind}", where=_WHERE, offset=at)


def signed(value: int) -> bytes:
    """A signed number as a zig-zag varint."""
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def read_signed(octets: bytes, at: int) -> tuple[int, int]:
    """Read a zig-zag varint; raises `DecodeError`."""
    value, at = read_varint(octets, at)
    return (-((value + 1) >> 1) if value & 1 else value >> 1), at


def read_varint(octets: bytes, at: int) -> tuple[int, int]:
    """Read a varint of at most ten octets; raises `DecodeError`."""
    value = shift = 0
    for octet in octets[at : at + 10]:
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7
    raise DecodeError("number without end", where=_WHERE, offset=at)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _pack_numbers(column: list[int]) -> bytes:
    first = column[0]
    deltas = list(map(sub, column[1:], column))
    ordered = sorted(deltas)  # for whole numbers twice as fast as min and max
    low, high = (ordered[0], ordered[-1]) if ordered else (0, 0)
    if low == high == 0:
        return bytes((_CONSTANT,)) + _signed_64(first)
    if low <= 0 and 16 * (len(deltas) - deltas.count(0)) <= len(deltas):
        return _pack_runs(column)
    kind = _DELTA
    if low < 0:
        ordered = sorted(column)
        least, most = ordered[0], ordered[-1]
        if (most - least).bit_length() <= (high - low).bit_length():
            kind, deltas, first, low, high = _OFFSET, column, 0, least, most
    width = ((high - low).bit_length() + 3) // 4 or 1
    if low >= 0 and high.bit_length() <= 4 * width:
        low = 0
    if low:
        deltas = [value - low for value in deltas]
    return bytes((kind, width)) + _signed_64(first) + _signed_64(low) + _planes(deltas, width)


def _pack_runs(column: list[int]) -> bytes:
    """Rare changes: each value with how often it comes."""
    runs = [(value, len(list(same))) for value, same in groupby(column)]
    parts = [_signed_64(value) + _varint(count) for value, count in runs]
    return bytes((_RUNS,)) + _varint(len(runs)) + b"".join(parts)


def _unpack_runs(octets: bytes, at: int, rows: int) -> tuple[list[int], int]:
    values: list[int] = []
    runs, at = read_varint(octets, at)
    for _ in range(min(runs, rows)):
        value, at = read_signed(octets, at)
        count, at = read_varint(octets, at)
        values += [value] * min(count, rows + 1 - len(values))
    if len(values) != rows or runs > rows:
        raise DecodeError("runs of another length", where=_WHERE, offset=at)
    return values, at


def _signed_64(value: int) -> bytes:
    if not -(1 << 65) < value < 1 << 65:
        raise OverflowError("beyond 64 bits")
    return signed(value)


def _container(width: int) -> int:
    return 1 if width <= 2 else 2 if width <= 4 else 4 if width <= 8 else 8


def _planes(values: list[int], width: int) -> bytes:
    if width > 16:
        raise OverflowError("beyond 64 bits")
    size = _container(width)
    plain = (
        bytes(values) if size == 1 else struct.pack(f">{len(values)}{_CONTAINERS[size]}", *values)
    )
    step = 2 * size
    if width == step:
        return plain
    digits = plain.hex()
    cut = "".join([digits[at::step] for at in range(step - width, step)])
    return bytes.fromhex(cut + "0" if len(cut) & 1 else cut)


def _from_planes(octets: bytes, width: int, count: int) -> tuple[int, ...]:
    size = _container(width)
    step = 2 * size
    if width != step:
        digits = hexlify(octets)
        plain = bytearray(b"0") * (count * step)
        for plane in range(width):
            at = plane * count
            plain[step - width + plane :: step] = digits[at : at + count]
        octets = unhexlify(plain)
    if size == 1:
        return tuple(octets)
    return struct.unpack(f">{count}{_CONTAINERS[size]}", octets)


def _unpack_numbers(octets: bytes, at: int, rows: int, delta: bool) -> tuple[list[int], int]:
    width = octets[at] if at < len(octets) else 0
    if not 1 <= width <= 16:
        raise DecodeError(f"column width {width}", where=_WHERE, offset=at)
    first, at = read_signed(octets, at + 1)
    low, at = read_signed(octets, at)
    count = rows - 1 if delta else rows
    end = at + (count * width + 1) // 2
    if end > len(octets) or count < 0:
        raise DecodeError("column too short", where=_WHERE, offset=at)
    numbers = _from_planes(octets[at:end], width, count)
    if not delta:
        return ([low + number for number in numbers] if low else list(numbers)), end
    if low:
        numbers = tuple([number + low for number in numbers])
    return list(accumulate(numbers, initial=first)), end


def _unpack_sparse(octets: bytes, at: int, rows: int) -> tuple[list[Any], int]:
    end = at + (rows + 7) // 8
    mask = int.from_bytes(octets[at:end], "little")
    present = mask.bit_count()
    if mask.bit_length() > rows or (end < len(octets) and octets[end] == _SPARSE):
        raise DecodeError("bad mask of a sparse column", where=_WHERE, offset=at)
    dense, end = unpack_column(octets, end, present)
    following = iter(dense)
    return [next(following) if mask >> row & 1 else None for row in range(rows)], end


def _pack_general(column: list[Any]) -> bytes:
    spelled = [tagged(value) for value in column]
    body = zlib.compress(json.dumps(spelled, separators=(",", ":")).encode(), 1)
    return bytes((_GENERAL,)) + _varint(len(body)) + body


def tagged(value: object) -> Any:
    """A value as JSON can hold it; raises `UsageError` for a type that no reading has."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 4096 else ["x", f"{value:x}"]
    for kind, name, spell, _ in _TAGS:
        if isinstance(value, kind):
            return [name, spell(value)]
    raise UsageError(f"a store cannot hold a value of type {type(value).__name__}", where=_WHERE)


def untagged(value: Any) -> Any:
    """The value that `tagged` was given; what `_unpack_general` catches says that it is damaged."""
    if not isinstance(value, list):
        return value
    name, text = value
    if name == "x":
        return int(text, 16)
    for _, known, _, load in _TAGS:
        if known == name:
            return load(text)
    raise ValueError(f"unknown kind of value {name!r}")


# Special kinds first: a date-time is a bytes.
_TAGS: tuple[tuple[Any, str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (DateTime, "t", bytes.hex, lambda text: DateTime(bytes.fromhex(text))),
    (
        BitString,
        "s",
        lambda bits: [bits.length, bits.octets.hex()],
        lambda pair: BitString(pair[0], bytes.fromhex(pair[1])),
    ),
    (bytes, "b", bytes.hex, bytes.fromhex),
    (
        float,
        "f",
        lambda number: struct.pack(">d", number).hex(),
        lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    ),
    (Decimal, "d", str, Decimal),
    (
        list,
        "l",
        lambda values: [tagged(value) for value in values],
        lambda values: [untagged(value) for value in values],
    ),
    (
        tuple,
        "p",
        lambda values: [tagged(value) for value in values],
        lambda values: tuple([untagged(value) for value in values]),
    ),
)


def _unpack_general(octets: bytes, at: int, rows: int) -> tuple[list[Any], int]:
    size, at = read_varint(octets, at)
    end = at + size
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(octets[at:end], _MAX_PLAIN_OCTETS)
        values = [untagged(value) for value in json.loads(plain)]
    except (
        ArithmeticError,
        Error,
        IndexError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
        RecursionError,
    ) as error:
        raise DecodeError("general column damaged", where=_WHERE, offset=at) from error
    if len(values) != rows:
        raise DecodeError("general column of another length", where=_WHERE, offset=at)
    return values, end
