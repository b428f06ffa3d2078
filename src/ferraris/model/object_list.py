"""Object lists of an Association LN, and a way to read them that learns their patterns.

A list of hundreds of objects has few different sets of rights, so `ObjectList.read` goes from the
octets straight to the elements and reads each set of rights once. Octets that look otherwise than
nearly every meter's go the general way, with the same result and the same errors. Elements of all
lists share their rights: nobody may change them.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.data.types import (
    ArrayOf,
    Boolean,
    Choice,
    DataType,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    Nullable,
    Structure,
    Unsigned,
)

__all__ = [
    "AccessRight",
    "AttributeAccess",
    "BriefObject",
    "BriefObjectListType",
    "MethodAccess",
    "ObjectList",
    "ObjectListElement",
    "ObjectListType",
    "ObjectListTypeV0",
]


class AttributeAccess(NamedTuple):
    """Mode of one attribute and the access selectors it offers; how to read the mode depends on
    the version of the association class: an enumeration up to 2, bits from 3 on [facts-g]."""

    attribute_id: int
    mode: int
    selectors: list[int] | None


class MethodAccess(NamedTuple):
    """Mode of one method: a boolean in version 0, an enumeration in 1 and 2, bits from 3 on."""

    method_id: int
    mode: int


class AccessRight(NamedTuple):
    """What the association may do with one object."""

    attributes: list[AttributeAccess]
    methods: list[MethodAccess]


class ObjectListElement(NamedTuple):
    """One object that the association sees, with its rights."""

    class_id: int
    version: int
    logical_name: Obis
    access_rights: AccessRight


class BriefObject(NamedTuple):
    """One object as selectors 1 and 2 of the object list give it: without rights [facts-g]."""

    class_id: int
    version: int
    logical_name: Obis


# An element begins: structure of 4, long-unsigned (its two octets), unsigned (its octet),
# octet-string of 6 (its octets); the access rights follow. [asn1 Data]
_ELEMENT_BEGINS = bytes((Tag.STRUCTURE, 4, Tag.LONG_UNSIGNED))
_NAME_BEGINS = bytes((Tag.OCTET_STRING, 6))
_RIGHTS_AT = 12  # octets after the beginning
_RIGHTS_BEGIN = bytes((Tag.STRUCTURE, 2, Tag.ARRAY))
_ATTRIBUTE_BEGINS = bytes((Tag.STRUCTURE, 3, Tag.INTEGER))
_METHOD_BEGINS = bytes((Tag.STRUCTURE, 2, Tag.INTEGER))
_ENUM, _BOOLEAN, _UNSIGNED, _NULL = Tag.ENUM, Tag.BOOLEAN, Tag.UNSIGNED, Tag.NULL
_MOST_PATTERNS = 1024
_LONGEST_PATTERN = 1024

_attribute_at = Struct(">3sbBBB").unpack_from
_method_at = Struct(">3sbBB").unpack_from
_make = tuple.__new__  # a third of the time of the classes' own


class ObjectList(ArrayOf[ObjectListElement]):
    """The type of an object list; `method_modes` is the type of a method's mode."""

    __slots__ = ("_patterns", "_rights", "method_modes")

    def __init__(self, method_modes: DataType[int] | DataType[bool]) -> None:
        attribute = Structure(AttributeAccess, Integer, EnumCode, Nullable(ArrayOf(Integer)))
        method = Structure(MethodAccess, Integer, method_modes)
        self._rights = Structure(AccessRight, ArrayOf(attribute), ArrayOf(method))
        super().__init__(
            Structure(ObjectListElement, LongUnsigned, Unsigned, LogicalName, self._rights)
        )
        self.method_modes = method_modes
        self._patterns: dict[bytes, AccessRight] = {}

    def read(self, octets: bytes) -> list[ObjectListElement]:
        """The elements of an encoded list."""
        found = self._learnt(octets)
        return super().read(octets) if found is None else found

    def _learnt(self, octets: bytes) -> list[ObjectListElement] | None:
        """The elements if the list looks as nearly every meter's, else None."""
        if type(octets) is not bytes or len(octets) > axdr.DEFAULT_LIMITS.max_octets:
            return None
        begin, *parts = octets.split(_ELEMENT_BEGINS)
        if begin != b"\x01" + axdr.length_octets(len(parts)):
            return None
        found: list[ObjectListElement] = []
        add = found.append
        patterns, element, name = self._patterns, ObjectListElement, Obis
        octets_of = bytes.__new__
        for part in parts:
            pattern = part[_RIGHTS_AT:]
            rights = patterns.get(pattern) or self._learn(pattern)
            if rights is None or part[2] != _UNSIGNED or part[4:6] != _NAME_BEGINS:
                return None
            logical_name = octets_of(name, part[6:_RIGHTS_AT])
            add(_make(element, (part[0] << 8 | part[1], part[3], logical_name, rights)))
        return found

    def _learn(self, pattern: bytes) -> AccessRight | None:
        try:
            rights = self._plain(pattern) or self._rights.load(axdr.decode(pattern))
        except DecodeError:
            return None
        if len(pattern) <= _LONGEST_PATTERN:
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns.clear()
            self._patterns[pattern] = rights
        return rights

    def _plain(self, pattern: bytes) -> AccessRight | None:
        """Rights without access selectors and with short counts, None for any other."""
        try:
            if pattern[:3] != _RIGHTS_BEGIN or pattern[3] > 0x7F:
                return None
            attributes, position = [], 4
            for _ in range(pattern[3]):
                begin, index, tag, mode, selectors = _attribute_at(pattern, position)
                if begin != _ATTRIBUTE_BEGINS or tag != _ENUM or selectors != _NULL:
                    return None
                attributes.append(_make(AttributeAccess, (index, mode, None)))
                position += 7
            count = pattern[position + 1]
            if pattern[position] != Tag.ARRAY or count > 0x7F:
                return None
            methods, position = [], position + 2
            for _ in range(count):
                begin, index, tag, mode = _method_at(pattern, position)
                if begin != _METHOD_BEGINS or tag not in self.method_modes.tags:
                    return None
                methods.append(_make(MethodAccess, (index, mode != 0 if tag == _BOOLEAN else mode)))
                position += 6
        except (IndexError, struct_error):
            return None
        return AccessRight(attributes, methods) if position == len(pattern) else None


ObjectListTypeV0 = ObjectList(Boolean)
ObjectListType = ObjectList(Choice(EnumCode, Boolean))
BriefObjectListType = ArrayOf(Structure(BriefObject, LongUnsigned, Unsigned, LogicalName))
