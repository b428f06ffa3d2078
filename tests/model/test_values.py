"""A value of every declared type goes to octets and comes back the same, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import RANGES, BitString, Tag
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    AnyOf,
    ArrayOf,
    BitStringType,
    Boolean,
    Choice,
    DataType,
    DateTimeTagged,
    DateTimeType,
    DateType,
    Enum,
    LogicalName,
    Null,
    Structure,
    TimeType,
    Utf8,
    VisibleString,
)
from ferraris.model import registry
from ferraris.model.interface_class import Attribute, Method


def kinds(member: Attribute[Any] | Method[Any, Any]) -> list[DataType[Any]]:
    """Every type that a member speaks of."""
    if isinstance(member, Attribute):
        return [member.type, *member.selectors.values()]
    return [member.type] if member.returns is None else [member.type, member.returns]


# Many members share a type; it is tried once, under the name of the first of them.
TYPES: dict[str, DataType[Any]] = {}
for declared in registry.classes():
    for member in (*declared.attributes.values(), *declared.methods.values()):
        for number, kind in enumerate(kinds(member)):
            if kind not in TYPES.values():
                TYPES[f"{declared.__name__}.{member.name}, {number}"] = kind

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
SIMPLE = st.one_of(
    st.just((int(Tag.NULL), None)),
    st.booleans().map(lambda value: (int(Tag.BOOLEAN), value)),
    st.binary(max_size=8).map(lambda value: (int(Tag.OCTET_STRING), value)),
    *(
        st.integers(low, high).map(lambda value, tag=tag: (int(tag), value))
        for tag, (low, high) in RANGES.items()
    ),
)
DATA = st.recursive(
    SIMPLE,
    lambda inner: st.tuples(
        st.sampled_from((int(Tag.ARRAY), int(Tag.STRUCTURE))), st.lists(inner, max_size=3)
    ),
    max_leaves=5,
)
FIXED: dict[DataType[Any], st.SearchStrategy[Any]] = {
    AnyData: DATA,
    Boolean: st.booleans(),
    Null: st.none(),
    VisibleString: TEXT,
    Utf8: TEXT,
    LogicalName: st.binary(min_size=6, max_size=6).map(Obis),
    DateTimeType: st.binary(min_size=12, max_size=12).map(DateTime),
    DateTimeTagged: st.binary(min_size=12, max_size=12).map(DateTime),
    DateType: st.binary(min_size=5, max_size=5).map(Date),
    TimeType: st.binary(min_size=4, max_size=4).map(Time),
}


def bits(length: int) -> st.SearchStrategy[BitString]:
    size = (length + 7) // 8
    unused = size * 8 - length
    return st.integers(0, (1 << length) - 1).map(
        lambda value: BitString(length, (value << unused).to_bytes(size, "big"))
    )


def values(kind: DataType[Any]) -> st.SearchStrategy[Any]:
    """Python values of a type."""
    if kind in FIXED:
        return FIXED[kind]
    if isinstance(kind, AnyOf):
        simple = SIMPLE.filter(lambda data: data[0] in kind.tags)
        nested = st.lists(SIMPLE, max_size=3)
        tags = sorted(kind.tags & {Tag.ARRAY, Tag.STRUCTURE})
        return st.tuples(st.sampled_from(tags), nested) if tags else simple
    if isinstance(kind, Enum):
        return st.one_of(st.sampled_from(list(kind.members)), st.integers(0, 255))
    if isinstance(kind, ArrayOf):
        return st.lists(values(kind.element), max_size=2)
    if isinstance(kind, Structure):
        return st.tuples(*map(values, kind.fields)).map(lambda fields: kind.made(*fields))
    if isinstance(kind, Choice):
        return st.one_of(values(kind.first), values(kind.second))
    if isinstance(kind, BitStringType):
        return bits(kind.bits) if kind.bits else st.integers(0, 20).flatmap(bits)
    (tag,) = kind.tags
    if tag == Tag.OCTET_STRING:
        length = getattr(kind, "length", None)
        return st.binary(min_size=length or 0, max_size=8 if length is None else length)
    return st.integers(*RANGES[Tag(tag)])


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_values_come_back(name: str, data: st.DataObject) -> None:
    kind = TYPES[name]
    value = data.draw(values(kind))
    octets = axdr.encode(kind.dump(value))
    assert kind.load(axdr.decode(octets)) == value
    assert kind.read(octets) == value


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=5, deadline=None)
@given(data=DATA)
def test_any_data_is_loaded_or_refused(name: str, data: tuple[int, Any]) -> None:
    kind = TYPES[name]
    try:
        value = kind.load(data)
    except DecodeError:
        return
    assert kind.load(kind.dump(value)) == value
