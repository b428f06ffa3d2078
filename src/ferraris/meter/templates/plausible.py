"""A value of the right type for everything that nothing brings to life: zeros, and nothing yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import BitString, CompactArray, Data, Tag
from ferraris.data.obis import Obis
from ferraris.data.types import (
    ArrayOf,
    BitStringType,
    Choice,
    DataType,
    DateTimeTagged,
    DateTimeType,
    DateType,
    Enum,
    LogicalName,
    Structure,
    TimeType,
)
from ferraris.model.companion import Shape

__all__ = ["of_shape", "of_type", "with_value"]

_ZEROS: Mapping[int, Any] = {
    Tag.NULL: None,
    Tag.ARRAY: [],
    Tag.STRUCTURE: [],
    Tag.BOOLEAN: False,
    Tag.BIT_STRING: BitString(8, b"\x00"),
    Tag.OCTET_STRING: b"",
    Tag.VISIBLE_STRING: "",
    Tag.UTF8_STRING: "",
    Tag.FLOAT32: 0.0,
    Tag.FLOAT64: 0.0,
    Tag.COMPACT_ARRAY: CompactArray((int(Tag.NULL), None), b""),
    Tag.DONT_CARE: None,
}
_UNSPECIFIED = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}  # octets
_MOMENTS: tuple[tuple[DataType[Any], Any], ...] = (
    (DateTimeType, DateTime(b"\xff" * 12)),
    (DateTimeTagged, DateTime(b"\xff" * 12)),
    (DateType, Date(b"\xff" * 5)),
    (TimeType, Time(b"\xff" * 4)),
)
"""Moments that nobody has specified."""
_USUAL = (Tag.DOUBLE_LONG_UNSIGNED, Tag.ARRAY)
"""Kinds that are taken where anything goes."""


def of_shape(shape: Shape) -> Data:
    """A value of a shape that a companion specification names."""
    members = shape.members or ()
    if shape.tag == Tag.STRUCTURE:
        return (shape.tag, [of_shape(member) for member in members])
    return _zero(shape.tag)


def of_type(declared: DataType[Any]) -> Data:
    """A value of a declared type, which loads as that type."""
    if isinstance(declared, Choice):
        return of_type(declared.first)
    if isinstance(declared, Structure):
        return (int(Tag.STRUCTURE), [of_type(field) for field in declared.fields])
    if isinstance(declared, ArrayOf):
        return _zero(Tag.ARRAY)
    if isinstance(declared, Enum):
        return (int(Tag.ENUM), min(int(each) for each in declared.members))
    if isinstance(declared, BitStringType) and declared.bits:
        return (int(Tag.BIT_STRING), BitString.from_text("0" * declared.bits))
    if declared is LogicalName:
        return (int(Tag.OCTET_STRING), bytes(6))
    for moment, unspecified in _MOMENTS:
        if declared is moment:
            return declared.dump(unspecified)
    if declared.tags == {Tag.OCTET_STRING}:
        return (int(Tag.OCTET_STRING), bytes(getattr(declared, "length", None) or 0))
    usual = [tag for tag in _USUAL if tag in declared.tags]
    return _zero(min(declared.tags) if not usual else usual[0])


def with_value(data: Data, value: int | Obis) -> Data:
    """A whole number or a logical name in place of a value, of the same kind where that fits."""
    if isinstance(value, Obis):
        return (int(Tag.OCTET_STRING), bytes(value))
    return (data[0], bool(value) if data[0] == Tag.BOOLEAN else value)


def _zero(tag: int) -> Data:
    if tag in _UNSPECIFIED:
        return (int(Tag.OCTET_STRING), b"\xff" * _UNSPECIFIED[Tag(tag)])
    zero = _ZEROS.get(tag, 0)
    return (int(tag), list(zero) if isinstance(zero, list) else zero)
