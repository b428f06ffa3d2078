"""A-XDR coding of COSEM data: octets to `(tag, value)` tuples and back, byte-exact.

Decoders take any octets and raise `DecodeError` with the offset of the element at fault, nothing
else. Lengths, depth and counts are bounded by `Limits`. A length is sent in the shortest form;
longer forms are understood. [asn1 Data] [facts-g]
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isnan
from struct import Struct
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import (
    BitString,
    CompactArray,
    Data,
    Description,
    NotANumber,
    kind_name,
)

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "decode",
    "decode_at",
    "decode_content",
    "encode",
    "encode_content",
    "encode_number",
    "length_octets",
    "read_length",
    "skip",
]

_WHERE = "data"


class Limits(NamedTuple):
    """How much a decoder accepts.

    `max_depth` nested arrays and structures (at most 64), `max_count` elements of one array or
    structure (and all elements of one compact-array), `max_octets` of a whole value.
    """

    max_depth: int = 16
    max_count: int = 1 << 20
    max_octets: int = 1 << 24


DEFAULT_LIMITS = Limits()

_MAX_DEPTH = 64  # keeps recursion far below the interpreter's own limit


def decode(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Data:
    """Decode one value that fills `octets`.

    Raises:
        DecodeError: not a value, octets left over, or beyond the limits.
    """
    if len(octets) > limits.max_octets:
        raise DecodeError(f"more than {limits.max_octets} octets", where=_WHERE)
    if type(octets) is not bytes:
        octets = bytes(octets)
    data, end = _element(octets, 0, limits, 0)
    if end != len(octets):
        raise _error(f"{len(octets) - end} octets after the value", octets, end)
    return data


def decode_at(octets: bytes, position: int, limits: Limits = DEFAULT_LIMITS) -> tuple[Data, int]:
    """Decode the value that begins at `position`; also gives the position after it."""
    return _element(octets, position, limits, 0)


def decode_content(
    tag: int, octets: bytes, position: int, limits: Limits = DEFAULT_LIMITS
) -> tuple[Any, int]:
    """Decode a value of a simple kind whose tag is known and not sent, as in a compact-array."""
    fixed = _FIXED.get(tag)
    if fixed is not None:
        unpack, size = fixed
        try:
            return unpack(octets, position)[0], position + size
        except struct.error:
            raise _short(tag, octets, position) from None
    reader = _READERS.get(tag)
    if reader is None:
        raise _error(f"{kind_name(tag)} is not a simple kind", octets, position)
    return reader(octets, position, limits)


def skip(octets: bytes, position: int = 0, limits: Limits = DEFAULT_LIMITS) -> int:
    """Step over the value at `position` without building it; gives the position after it."""
    pending: list[int] = []
    left = 1
    total = len(octets)
    while True:
        while left == 0:
            if not pending:
                return position
            left = pending.pop()
        left -= 1
        if position >= total:
            raise _error("a value is missing", octets, position)
        tag = octets[position]
        size = _SIZES[tag]
        if size:
            if position + size > total:
                raise _short(tag, octets, position + 1)
            position += size
        elif tag in (1, 2):
            if len(pending) >= min(limits.max_depth, _MAX_DEPTH):
                raise _error("nested too deeply", octets, position)
            count, position = _count(octets, position + 1, limits)
            pending.append(left)
            left = count
        else:
            position = _skip_string(tag, octets, position, limits)


def encode(data: Data) -> bytes:
    """Encode one value; `UsageError` when it is none."""
    out = bytearray()
    try:
        _append(data, out)
    except RecursionError:
        raise UsageError("a value nested too deeply") from None
    return bytes(out)


def encode_number(tag: int, value: int) -> bytes:
    """The same as `encode((tag, value))` for a number of a simple kind, and quicker."""
    try:
        return _PACKERS[tag](tag, value)
    except (KeyError, struct.error):
        return encode((int(tag), value))  # which says what is wrong, or writes what is no number


def encode_content(tag: int, value: Any) -> bytes:
    """Encode a value of a simple kind without its tag, as in a compact-array."""
    pack = _PACKERS.get(tag)
    try:
        if pack is not None and type(value) is not NotANumber:
            return pack(tag, value)[1:]
        return _WRITERS[tag](value)
    except KeyError:
        raise UsageError(f"{kind_name(tag)} is not a simple kind") from None
    except (struct.error, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _unfit(tag, value) from error


def length_octets(count: int) -> bytes:
    """A length or count as sent: one octet below 128, else 0x80 + n and n octets."""
    if count < 0x80:
        return bytes((count,))
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def read_length(octets: bytes, position: int) -> tuple[int, int]:
    """Read a length or count; also gives the position after it."""
    try:
        first = octets[position]
    except IndexError:
        raise _error("a length is missing", octets, position) from None
    if first < 0x80:
        return first, position + 1
    end = position + 1 + (first & 0x7F)
    if first == 0x80 or first > 0x84:
        raise _error(f"a length of {first & 0x7F} octets", octets, position)
    if end > len(octets):
        raise _error("a length is cut off", octets, position)
    return int.from_bytes(octets[position + 1 : end], "big"), end


# Decoding


def _element(octets: bytes, position: int, limits: Limits, depth: int) -> tuple[Data, int]:
    try:
        tag = octets[position]
    except IndexError:
        raise _error("a value is missing", octets, position) from None
    fixed = _FIXED.get(tag)
    if fixed is not None:
        unpack, size = fixed
        try:
            return (tag, unpack(octets, position + 1)[0]), position + 1 + size
        except struct.error:
            raise _short(tag, octets, position + 1) from None
    if tag == 2 or tag == 1:  # noqa: PLR1714 - faster than a membership test
        return _elements(tag, octets, position, limits, depth)
    reader = _READERS.get(tag)
    if reader is None:
        raise _error(f"unknown tag {tag}", octets, position)
    value, end = reader(octets, position + 1, limits)
    return (tag, value), end


def _elements(
    tag: int, octets: bytes, position: int, limits: Limits, depth: int
) -> tuple[Data, int]:
    if depth >= limits.max_depth or depth >= _MAX_DEPTH:
        raise _error("nested too deeply", octets, position)
    count, position = _count(octets, position + 1, limits)
    depth += 1
    found: list[Data] = []
    append = found.append
    fixed = _FIXED
    total = len(octets)
    for _ in range(count):
        kind = octets[position] if position < total else -1
        if kind in fixed:
            unpack, size = fixed[kind]  # straight on: most elements are integers
            try:
                append((kind, unpack(octets, position + 1)[0]))
            except struct.error:
                raise _short(kind, octets, position + 1) from None
            position += 1 + size
        elif kind == 9 and (start := position + 2) <= total and octets[start - 1] < 0x80:
            end = start + octets[start - 1]
            if end > total or end - start > limits.max_octets:
                raise _error("octet-string is cut off or too long", octets, start - 1)
            append((9, octets[start:end]))
            position = end
        else:
            element, position = _element(octets, position, limits, depth)
            append(element)
    return (tag, found), position


def _count(octets: bytes, position: int, limits: Limits) -> tuple[int, int]:
    count, end = read_length(octets, position)
    if count > limits.max_count:
        raise _error(f"more than {limits.max_count} elements", octets, position)
    if count > len(octets) - end:  # each element takes at least its tag
        raise _error(f"{count} elements in {len(octets) - end} octets", octets, position)
    return count, end


def _string(octets: bytes, position: int, limits: Limits) -> tuple[bytes, int]:
    length, start = read_length(octets, position)
    end = start + length
    if end > len(octets):
        raise _error(f"{length} octets expected, {len(octets) - start} left", octets, position)
    if length > limits.max_octets:
        raise _error(f"more than {limits.max_octets} octets", octets, position)
    return octets[start:end], end


def _visible_string(octets: bytes, position: int, limits: Limits) -> tuple[str, int]:
    text, end = _string(octets, position, limits)
    return text.decode("latin-1"), end


def _utf8_string(octets: bytes, position: int, limits: Limits) -> tuple[str, int]:
    text, end = _string(octets, position, limits)
    return text.decode("utf-8", "surrogateescape"), end


def _bit_string(octets: bytes, position: int, limits: Limits) -> tuple[BitString, int]:
    length, start = read_length(octets, position)
    end = start + (length + 7) // 8
    if end > len(octets):
        raise _error(f"{length} bits expected, {len(octets) - start} octets left", octets, position)
    if end - start > limits.max_octets:
        raise _error(f"more than {limits.max_octets} octets", octets, position)
    return BitString(length, octets[start:end]), end


def _boolean(octets: bytes, position: int, limits: Limits) -> tuple[bool | int, int]:
    try:
        value = octets[position]
    except IndexError:
        raise _short(3, octets, position) from None
    return (value if value > 1 else value == 1), position + 1


def _nothing(octets: bytes, position: int, limits: Limits) -> tuple[None, int]:
    return None, position


def _fixed_octets(
    tag: int, kind: type[DateTime] | type[Date] | type[Time], size: int
) -> Callable[[bytes, int, Limits], tuple[Any, int]]:
    def read(octets: bytes, position: int, limits: Limits) -> tuple[Any, int]:
        end = position + size
        if end > len(octets):
            raise _short(tag, octets, position)
        return kind(octets[position:end]), end

    return read


def _float(tag: int, unpack: Any, size: int) -> Callable[[bytes, int, Limits], tuple[float, int]]:
    def read(octets: bytes, position: int, limits: Limits) -> tuple[float, int]:
        try:
            value: float = unpack(octets, position)[0]
        except struct.error:
            raise _short(tag, octets, position) from None
        if isnan(value):  # not a number: no arithmetic may touch its payload
            value = NotANumber(octets[position : position + size])
        return value, position + size

    return read


def _compact_array(octets: bytes, position: int, limits: Limits) -> tuple[CompactArray, int]:
    description, position = _description(octets, position, limits, 0)
    contents, position = _string(octets, position, limits)
    return CompactArray(description, contents), position


def _description(
    octets: bytes, position: int, limits: Limits, depth: int
) -> tuple[Description, int]:
    if position >= len(octets):
        raise _error("a type description is missing", octets, position)
    if depth > limits.max_depth or depth > _MAX_DEPTH:
        raise _error("nested too deeply", octets, position)
    tag = octets[position]
    if tag == 1:
        if position + 3 > len(octets):
            raise _error("a type description is cut off", octets, position)
        count = octets[position + 1] << 8 | octets[position + 2]
        element, position = _description(octets, position + 3, limits, depth + 1)
        return (1, (count, element)), position
    if tag == 2:
        count, position = _count(octets, position + 1, limits)
        members: list[Description] = []
        for _ in range(count):
            member, position = _description(octets, position, limits, depth + 1)
            members.append(member)
        return (2, tuple(members)), position
    if tag == 19 or (tag not in _FIXED and tag not in _READERS):
        raise _error(f"tag {tag} in a type description", octets, position)
    return (tag, None), position + 1


def _skip_string(tag: int, octets: bytes, position: int, limits: Limits) -> int:
    if tag == 19:
        return _compact_array(octets, position + 1, limits)[1]
    if tag not in _READERS:
        raise _error(f"unknown tag {tag}", octets, position)
    length, end = read_length(octets, position + 1)
    size = (length + 7) // 8 if tag == 4 else length
    if size > limits.max_octets or end + size > len(octets):
        raise _error(f"{size} octets expected, {len(octets) - end} left", octets, position + 1)
    return end + size


def _short(tag: int, octets: bytes, position: int) -> DecodeError:
    return _error(f"{kind_name(tag)} is cut off", octets, position)


def _error(message: str, octets: bytes, position: int) -> DecodeError:
    excerpt = octets[max(0, position - 4) : position + 12]
    return DecodeError(message, where=_WHERE, offset=position, octets=excerpt)


_FORMATS = {
    5: "i",
    6: "I",
    13: "b",
    15: "b",
    16: "h",
    17: "B",
    18: "H",
    20: "q",
    21: "Q",
    22: "B",
    28: "b",
    29: "h",
    30: "i",
    31: "B",
    32: "H",
    33: "I",
}
_FIXED: dict[int, tuple[Callable[[bytes, int], tuple[Any, ...]], int]] = {
    tag: (Struct(">" + code).unpack_from, Struct(">" + code).size) for tag, code in _FORMATS.items()
}
_READERS: dict[int, Callable[[bytes, int, Limits], tuple[Any, int]]] = {
    0: _nothing,
    3: _boolean,
    4: _bit_string,
    9: _string,
    10: _visible_string,
    12: _utf8_string,
    19: _compact_array,
    23: _float(23, Struct(">f").unpack_from, 4),
    24: _float(24, Struct(">d").unpack_from, 8),
    25: _fixed_octets(25, DateTime, 12),
    26: _fixed_octets(26, Date, 5),
    27: _fixed_octets(27, Time, 4),
    255: _nothing,
}
_SIZES = [0] * 256
for _tag, (_, _size) in _FIXED.items():
    _SIZES[_tag] = 1 + _size
for _tag, _size in ((0, 0), (3, 1), (23, 4), (24, 8), (25, 12), (26, 5), (27, 4), (255, 0)):
    _SIZES[_tag] = 1 + _size


# Encoding


def _append(data: Data, out: bytearray) -> None:
    try:
        tag, value = data
    except (TypeError, ValueError):
        raise UsageError(f"a value is a tuple (tag, value), not {data!r:.60}") from None
    pack = _PACKERS.get(tag)
    try:
        if pack is not None and type(value) is not NotANumber:
            out += pack(tag, value)
        elif tag == 2 or tag == 1:  # noqa: PLR1714 - faster than a membership test
            out.append(tag)
            out += length_octets(len(value))
            for element in value:
                _append(element, out)
        else:
            content = _WRITERS[tag](value)
            out.append(tag)
            out += content
    except KeyError:
        raise UsageError(f"no data kind has the tag {tag!r}") from None
    except (struct.error, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _unfit(tag, value) from error


def _unfit(tag: int, value: object) -> UsageError:
    return UsageError(f"{kind_name(tag)} cannot hold {value!r:.60}")


def _write_string(value: bytes) -> bytes:
    if not isinstance(value, bytes):
        value = bytes(memoryview(value))
    return length_octets(len(value)) + value


def _write_bits(value: BitString) -> bytes:
    if len(value.octets) != (value.length + 7) // 8:
        raise ValueError("bits and octets do not agree")
    return length_octets(value.length) + value.octets


def _write_boolean(value: bool | int) -> bytes:
    return bytes((value,))


def _write_nothing(value: None) -> bytes:
    if value is not None:
        raise ValueError("there is nothing to send")
    return b""


def _write_fixed(size: int) -> Callable[[bytes], bytes]:
    def write(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{size} octets expected")
        return bytes(value)

    return write


def _write_not_a_number(size: int) -> Callable[[NotANumber], bytes]:
    quiet = {4: b"\x7f\xc0\0\0", 8: b"\x7f\xf8\0\0\0\0\0\0"}[size]
    return lambda value: bytes(value.octets) if len(value.octets) == size else quiet


def _write_compact_array(value: CompactArray) -> bytes:
    return _describe(value.description) + _write_string(value.contents)


def _describe(description: Description) -> bytes:
    tag, inner = description
    if tag == 1:
        count, element = inner
        counted: bytes = count.to_bytes(2, "big")
        return b"\x01" + counted + _describe(element)
    if tag == 2:
        return b"\x02" + length_octets(len(inner)) + b"".join(map(_describe, inner))
    if tag == 19 or (tag not in _FIXED and tag not in _READERS):
        raise ValueError(f"tag {tag} in a type description")
    return bytes((tag,))


_PACKERS: dict[int, Callable[..., bytes]] = {
    tag: Struct(">B" + code).pack for tag, code in {**_FORMATS, 23: "f", 24: "d"}.items()
}
_WRITERS: dict[int, Callable[[Any], bytes]] = {
    0: _write_nothing,
    3: _write_boolean,
    4: _write_bits,
    9: _write_string,
    10: lambda value: _write_string(value.encode("latin-1")),
    12: lambda value: _write_string(value.encode("utf-8", "surrogateescape")),
    19: _write_compact_array,
    23: _write_not_a_number(4),
    24: _write_not_a_number(8),
    25: _write_fixed(12),
    26: _write_fixed(5),
    27: _write_fixed(4),
    255: _write_nothing,
}
