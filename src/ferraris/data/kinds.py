"""The COSEM data kinds: their tags, the plain tuples that carry them, and one maker for each.

A value is a tuple `(tag, value)` (`Data`). Arrays and structures hold a list of such tuples. The
makers check ranges and raise `UsageError`; nothing here knows how values look on the wire.
[asn1 Data]
"""

from __future__ import annotations

from datetime import UTC as _UTC
from enum import IntEnum
from typing import Any, NamedTuple

from ferraris.core.errors import UsageError
from ferraris.data.date_time import Date, DateTime, Time, epoch

__all__ = [
    "RANGES",
    "BitString",
    "CompactArray",
    "Data",
    "Description",
    "NotANumber",
    "Tag",
    "array",
    "bcd",
    "bit_string",
    "boolean",
    "compact_array",
    "date",
    "date_time",
    "delta_double_long",
    "delta_double_long_unsigned",
    "delta_integer",
    "delta_long",
    "delta_long_unsigned",
    "delta_unsigned",
    "dont_care",
    "double_long",
    "double_long_unsigned",
    "enum",
    "float32",
    "float64",
    "integer",
    "kind_name",
    "long",
    "long64",
    "long64_unsigned",
    "long_unsigned",
    "null_data",
    "octet_string",
    "plain",
    "show",
    "structure",
    "time",
    "unsigned",
    "utf8_string",
    "visible_string",
]

Data = tuple[int, Any]
"""A tag and its value: `(17, 5)`, `(2, [(17, 5), (0, None)])`."""

Description = tuple[int, Any]
"""Type of compact-array elements: `(tag, None)`, `(1, (count, element))`, `(2, (element, ...))`."""


class Tag(IntEnum):
    """The tags of the choice `Data` [asn1 Data]; delta kinds came later [facts-g]."""

    NULL_DATA = 0
    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


_NAMES: dict[int, str] = {tag.value: tag.name.lower().replace("_", "-") for tag in Tag}

_I8, _I16, _I32, _I64 = ((-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64))
_U8, _U16, _U32, _U64 = ((0, (1 << bits) - 1) for bits in (8, 16, 32, 64))

RANGES: dict[int, tuple[int, int]] = {
    5: _I32,
    6: _U32,
    13: _I8,
    15: _I8,
    16: _I16,
    17: _U8,
    18: _U16,
    20: _I64,
    21: _U64,
    22: _U8,
    28: _I8,
    29: _I16,
    30: _I32,
    31: _U8,
    32: _U16,
    33: _U32,
}
"""Least and greatest value of every integer kind, by tag."""


def kind_name(tag: int) -> str:
    """The standard's name of a kind, `tag 99` for an unknown tag."""
    return _NAMES.get(tag, f"tag {tag}")


class BitString(NamedTuple):
    """Bits as sent: `length` bits in `octets`, the first bit is the most significant one.

    Unused bits of the last octet are kept, so that a value encodes to the octets it came from.
    """

    length: int
    octets: bytes

    @classmethod
    def from_text(cls, bits: str) -> BitString:
        """Make it from zeros and ones: `"1010"`."""
        if bits.strip("01"):
            raise UsageError(f"a bit-string is written in 0 and 1, not {bits[:40]!r}")
        count = len(bits)
        padded = bits.ljust((count + 7) // 8 * 8, "0")
        return cls(count, int(padded or "0", 2).to_bytes(len(padded) // 8, "big"))

    @property
    def text(self) -> str:
        """Zeros and ones, first bit first."""
        width = len(self.octets) * 8
        return format(int.from_bytes(self.octets, "big"), f"0{width}b")[: self.length]

    def bit(self, index: int) -> bool:
        """Bit `index`, 0 is the first one; False beyond the end."""
        if not 0 <= index < self.length:
            return False
        return bool(self.octets[index >> 3] & (0x80 >> (index & 7)))


class CompactArray(NamedTuple):
    """A compact-array as sent: what one element is, and all elements without tags.

    `ferraris.data.compact` reads the elements and makes such values.
    """

    description: Description
    contents: bytes


class NotANumber(float):
    """A float that is no number, with the octets that said so: payloads survive both ways."""

    __slots__ = ("octets",)
    octets: bytes

    def __new__(cls, octets: bytes) -> NotANumber:
        made = super().__new__(cls, "nan")
        made.octets = octets
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotANumber) and other.octets == self.octets

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.octets)

    def __reduce__(self) -> tuple[type[NotANumber], tuple[bytes]]:
        return NotANumber, (self.octets,)


def null_data() -> Data:
    """Nothing; in a profile row: as in the row before."""
    return (0, None)


def array(*elements: Data) -> Data:
    """Elements of one kind; that they are of one kind is the caller's care."""
    return (1, list(elements))


def structure(*elements: Data) -> Data:
    """Elements of any kinds, in a fixed order."""
    return (2, list(elements))


def boolean(value: bool) -> Data:
    """True or false; sent as 01 or 00."""
    return (3, bool(value))


def bit_string(bits: str | BitString) -> Data:
    """Bits, written as `"0101"` or taken as sent."""
    return (4, bits if isinstance(bits, BitString) else BitString.from_text(bits))


def double_long(value: int) -> Data:
    """Signed, 32 bits."""
    return _integer(5, value)


def double_long_unsigned(value: int) -> Data:
    """Unsigned, 32 bits."""
    return _integer(6, value)


def octet_string(value: bytes | bytearray | memoryview) -> Data:
    """Octets of any length."""
    return (9, value if isinstance(value, bytes) else bytes(value))


def visible_string(value: str) -> Data:
    """Characters of one octet each; octets above 7F are kept as ISO 8859-1."""
    if any(ord(letter) > 255 for letter in value):
        raise UsageError("a visible-string has characters of one octet; use utf8-string")
    return (10, value)


def utf8_string(value: str) -> Data:
    """Any characters."""
    return (12, value)


def bcd(value: int) -> Data:
    """One octet of two decimal digits, kept as the signed number its octet is [asn1 Data]."""
    return _integer(13, value)


def integer(value: int) -> Data:
    """Signed, 8 bits."""
    return _integer(15, value)


def long(value: int) -> Data:
    """Signed, 16 bits."""
    return _integer(16, value)


def unsigned(value: int) -> Data:
    """Unsigned, 8 bits."""
    return _integer(17, value)


def long_unsigned(value: int) -> Data:
    """Unsigned, 16 bits."""
    return _integer(18, value)


def compact_array(description: Description, contents: bytes) -> Data:
    """Elements of one type without tags; `compact.pack` makes it from elements."""
    return (19, CompactArray(description, contents))


def long64(value: int) -> Data:
    """Signed, 64 bits."""
    return _integer(20, value)


def long64_unsigned(value: int) -> Data:
    """Unsigned, 64 bits."""
    return _integer(21, value)


def enum(value: int) -> Data:
    """A number of an enumeration, 0 to 255."""
    return _integer(22, value)


def float32(value: float) -> Data:
    """IEEE 754, 32 bits; the value is rounded when it is sent."""
    return (23, value if isinstance(value, NotANumber) else float(value))


def float64(value: float) -> Data:
    """IEEE 754, 64 bits."""
    return (24, value if isinstance(value, NotANumber) else float(value))


def date_time(value: bytes) -> Data:
    """A date-time of 12 octets under its own tag; most objects use octet-string instead."""
    return (25, value if isinstance(value, DateTime) else DateTime(value))


def date(value: bytes) -> Data:
    """A date of 5 octets under its own tag."""
    return (26, value if isinstance(value, Date) else Date(value))


def time(value: bytes) -> Data:
    """A time of day of 4 octets under its own tag."""
    return (27, value if isinstance(value, Time) else Time(value))


def delta_integer(value: int) -> Data:
    """Difference from the value before in the same column, signed, 8 bits [facts-g]."""
    return _integer(28, value)


def delta_long(value: int) -> Data:
    """Difference from the value before, signed, 16 bits [facts-g]."""
    return _integer(29, value)


def delta_double_long(value: int) -> Data:
    """Difference from the value before, signed, 32 bits [facts-g]."""
    return _integer(30, value)


def delta_unsigned(value: int) -> Data:
    """Difference from the value before, unsigned, 8 bits [facts-g]."""
    return _integer(31, value)


def delta_long_unsigned(value: int) -> Data:
    """Difference from the value before, unsigned, 16 bits [facts-g]."""
    return _integer(32, value)


def delta_double_long_unsigned(value: int) -> Data:
    """Difference from the value before, unsigned, 32 bits [facts-g]."""
    return _integer(33, value)


def dont_care() -> Data:
    """Any value will do."""
    return (255, None)


def _integer(tag: int, value: int) -> Data:
    low, high = RANGES[tag]
    if not low <= value <= high:
        raise UsageError(f"{kind_name(tag)} holds {low} to {high}, not {value}")
    return (tag, int(value))


def plain(data: Data) -> Any:
    """The ordinary Python value: lists, ints, floats, bool, str, bytes, None, date-times.

    Bit-strings become text of 0 and 1, compact-arrays the list of their elements.

    Raises:
        DecodeError: the contents of a compact-array do not fit its description.
    """
    tag, value = data
    if tag in (1, 2):
        return [plain(element) for element in value]
    if tag == 3:
        return bool(value)
    if tag == 4:
        return value.text
    if tag == 19:
        from ferraris.data.compact import elements  # noqa: PLC0415 - compact stands on this module

        return [plain(element) for element in elements(value)]
    return value


def show(data: Data) -> str:
    """One line for people: `structure {double-long -3, enum 30}`."""
    tag, value = data
    name = kind_name(tag)
    if tag in (1, 2):
        return f"{name} {{{', '.join(map(show, value))}}}"
    if tag == 19:
        from ferraris.data.compact import elements  # noqa: PLC0415 - compact stands on this module

        return f"{name} {{{', '.join(map(show, elements(value)))}}}"
    if value is None:
        return name
    if tag == 9:
        return f"{name} {_octets_text(value)}"
    if tag in (10, 12):
        return f"{name} {value!r}"
    return f"{name} {value.text if tag == 4 else value}"


def _octets_text(octets: bytes) -> str:
    if len(octets) == 12 and epoch(octets, _UTC) is not None:
        return f"{octets.hex()} ({DateTime(octets)})"
    if octets and octets.isascii() and octets.decode("ascii").isprintable():
        return f"{octets.hex()} ({octets.decode('ascii')!r})"
    return octets.hex() or "(empty)"
