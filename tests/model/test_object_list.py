"""Object lists are read the same by their patterns and the general way, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.model import object_list, registry
from ferraris.model.access_control import AssociationLn, AssociationLnV1, AssociationLnV3
from ferraris.model.object_list import (
    AccessRight,
    AttributeAccess,
    MethodAccess,
    ObjectList,
    ObjectListElement,
    ObjectListType,
    ObjectListTypeV0,
)


def listed(count: int = 60) -> list[ObjectListElement]:
    """Objects of every declared class, with rights of several kinds."""
    found = []
    declared = registry.classes()
    for number in range(count):
        cls = declared[number % len(declared)]
        attributes = [
            AttributeAccess(index, index % 4, [1, 2] if (cls.class_id, index) == (7, 2) else None)
            for index in cls.attributes
        ]
        methods = [MethodAccess(index, 1) for index in cls.methods]
        name = Obis.of(0, number // 100, 96, 1, number % 100, 255)
        rights = AccessRight(attributes, methods)
        found.append(ObjectListElement(cls.class_id, cls.version, name, rights))
    return found


LISTED = listed()
OCTETS = axdr.encode(ObjectListType.dump(LISTED))
OCTETS_V0 = axdr.encode(
    ObjectListTypeV0.dump(
        [
            each._replace(
                access_rights=each.access_rights._replace(
                    methods=[MethodAccess(method.method_id, True) for method in each[3].methods]
                )
            )
            for each in LISTED
        ]
    )
)


def outcome(work: Callable[[bytes], object], octets: bytes) -> object:
    """What comes out, or the message of the error."""
    try:
        return work(octets)
    except DecodeError as error:
        return error.message


def general(kind: ObjectList, octets: bytes) -> list[ObjectListElement]:
    return kind.load(axdr.decode(octets))


@pytest.mark.parametrize(
    ("kind", "octets"), [(ObjectListType, OCTETS), (ObjectListTypeV0, OCTETS_V0)]
)
def test_patterns_change_nothing(kind: ObjectList, octets: bytes) -> None:
    kind._patterns.clear()
    expected = general(kind, octets)
    first, again = kind.read(octets), kind.read(octets)
    assert first == again == expected
    assert kind._patterns
    for each in first:
        assert type(each) is ObjectListElement
        assert type(each.logical_name) is Obis
        assert type(each.access_rights) is AccessRight
        assert type(each.access_rights.attributes[0]) is AttributeAccess
    assert first[0].access_rights is again[0].access_rights
    assert [type(mode) for each in first for _, mode in each.access_rights.methods] == [
        type(mode) for each in expected for _, mode in each.access_rights.methods
    ]


def test_associations_read_their_lists_so() -> None:
    assert AssociationLn.object_list.type is ObjectListTypeV0
    assert AssociationLnV1.object_list.type is ObjectListType
    assert AssociationLnV3.object_list.type is ObjectListType


def test_a_method_mode_of_version_0_is_no_enumeration() -> None:
    with pytest.raises(DecodeError, match="boolean"):
        ObjectListTypeV0.read(OCTETS)


@pytest.mark.parametrize(
    "name", [bytes.fromhex("020412111111"), bytes.fromhex("000002041200")], ids=["whole", "inside"]
)
def test_a_name_that_looks_like_the_next_element(name: bytes) -> None:
    odd = [LISTED[0]._replace(logical_name=Obis(name)), LISTED[1]]
    assert ObjectListType.read(axdr.encode(ObjectListType.dump(odd))) == odd


def test_lists_without_objects_and_longer_forms_of_lengths() -> None:
    assert ObjectListType.read(b"\x01\x00") == []
    one = axdr.encode(ObjectListType.dump(LISTED[:1]))
    assert ObjectListType.read(b"\x01\x81\x01" + one[2:]) == LISTED[:1]
    assert ObjectListType.read(bytearray(one)) == LISTED[:1]  # type: ignore[arg-type]


def test_rights_with_everything_unusual() -> None:
    rights = AccessRight(
        [AttributeAccess(-1, 255, [1, -2]), AttributeAccess(2, 0, [])], [MethodAccess(-128, 0)]
    )
    odd = [LISTED[0]._replace(access_rights=rights), LISTED[1]._replace(access_rights=rights)]
    assert ObjectListType.read(axdr.encode(ObjectListType.dump(odd))) == odd


def test_what_is_learnt_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_list, "_MOST_PATTERNS", 4)
    kind = ObjectList(ObjectListType.method_modes)
    assert kind.read(OCTETS) == LISTED
    assert 0 < len(kind._patterns) <= 4
    monkeypatch.setattr(object_list, "_LONGEST_PATTERN", 0)
    kind._patterns.clear()
    assert kind.read(OCTETS) == LISTED
    assert not kind._patterns


@settings(max_examples=400, deadline=None)
@given(
    place=st.integers(0, len(OCTETS) - 1),
    change=st.binary(max_size=4),
    cut=st.integers(0, 4),
    v0=st.booleans(),
)
def test_damaged_lists_fare_the_same_both_ways(
    place: int, change: bytes, cut: int, v0: bool
) -> None:
    kind, whole = (ObjectListTypeV0, OCTETS_V0) if v0 else (ObjectListType, OCTETS)
    octets = whole[:place] + change + whole[place + cut :]
    assert outcome(kind.read, octets) == outcome(lambda given: general(kind, given), octets)
