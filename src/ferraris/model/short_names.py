"""Short names: how attributes and methods follow from a base name, and the Association SN class."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.data.kinds import BitString
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    BitStringType,
    Boolean,
    Choice,
    EnumCode,
    Integer,
    LogicalName,
    Long,
    LongUnsigned,
    Nullable,
    OctetString,
    Structure,
    Unsigned,
    VisibleString,
)
from ferraris.model.access_control import AttributeAccess, MethodAccess, User
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    optional,
    static,
)
from ferraris.model.references import AttributeIdentity, AttributeIdentityType, ObjectIdentityType

__all__ = [
    "BROADCAST_SCRIPTS_NAME",
    "CURRENT_ASSOCIATION_LOGICAL_NAME",
    "CURRENT_ASSOCIATION_NAME",
    "LOGICAL_DEVICE_NAME",
    "SAP_ASSIGNMENT_NAME",
    "SHORT_NAME_STEP",
    "AccessDescription",
    "AssociationSn",
    "AssociationSnV1",
    "AssociationSnV2",
    "AssociationSnV3",
    "AssociationSnV4",
    "AttributeIdentity",
    "NamedObject",
    "ShortNameRights",
    "attribute_name",
    "unsigned_name",
]

SHORT_NAME_STEP = 8
"""Distance of one attribute or method from the next [facts-g]."""

CURRENT_ASSOCIATION_NAME = 0xFA00
"""Base name of the Association SN in use [facts-g]."""

CURRENT_ASSOCIATION_LOGICAL_NAME = Obis.of(0, 0, 40, 0, 0, 255)
"""Logical name of the association in use, by either kind of name [bluebook-quoted]."""

BROADCAST_SCRIPTS_NAME = 0xFB00
"""Base name of the script table for broadcasts [memory]."""

SAP_ASSIGNMENT_NAME = 0xFC00
"""Base name of the SAP assignment [memory]."""

LOGICAL_DEVICE_NAME = 0xFD00
"""Base name of the object that holds the logical device name [memory]."""


def attribute_name(base_name: int, index: int) -> int:
    """The short name of an attribute, 0..65535; attribute 1 has the base name itself."""
    return base_name + SHORT_NAME_STEP * (index - 1) & 0xFFFF


def unsigned_name(base_name: int) -> int:
    """A base name as 0..65535; the object list writes it as a long, -32768..32767."""
    return base_name & 0xFFFF


class NamedObject(NamedTuple):
    """One object that the association sees, by its base name as a long."""

    base_name: int
    class_id: int
    version: int
    logical_name: Obis


class ShortNameRights(NamedTuple):
    """What the association may do with the object of a base name."""

    base_name: int
    attributes: list[AttributeAccess]
    methods: list[MethodAccess]


class AccessDescription(NamedTuple):
    """Which attributes and methods may be used, one bit for each, the first for index 1."""

    read_attributes: BitString
    write_attributes: BitString
    methods: BitString


_OBJECT = Structure(NamedObject, Long, LongUnsigned, Unsigned, LogicalName)
_RIGHTS = Structure(
    ShortNameRights,
    Long,
    ArrayOf(Structure(AttributeAccess, Integer, EnumCode, Nullable(ArrayOf(Integer)))),
    ArrayOf(Structure(MethodAccess, Integer, Choice(EnumCode, Boolean))),
)
_USER = Structure(User, Unsigned, VisibleString)


class AssociationSn(
    InterfaceClass,
    class_id=12,
    version=0,
    source="bluebook-quoted",
    provenance="one-source",
    first_method=0x20,
):
    """Association SN: the objects that this association sees, by short name.

    Names and offsets of the methods have two sources; types of what methods 1 to 4 take and return
    rest on memory.
    """

    object_list = Attribute(2, ArrayOf(_OBJECT), static)
    getlist_by_classid = Method(1, LongUnsigned, optional, returns=ArrayOf(_OBJECT))
    getobj_by_logicalname = Method(2, ObjectIdentityType, optional, returns=_OBJECT)
    read_by_logicalname = Method(
        3,
        ArrayOf(AttributeIdentityType),
        optional,
        returns=AnyData,
    )
    get_attributes_and_methods = Method(
        4,
        ArrayOf(ObjectIdentityType),
        optional,
        returns=ArrayOf(
            Structure(AccessDescription, BitStringType(), BitStringType(), BitStringType())
        ),
    )
    change_lls_secret = Method(5, OctetString, optional)
    change_hls_secret = Method(6, OctetString, optional)
    get_hls_challenge = Method(7, Integer, optional, returns=OctetString)
    reply_to_hls_authentication = Method(8, OctetString, optional, returns=OctetString)


class AssociationSnV1(AssociationSn, version=1, provenance="one-source", first_method=0x20):
    """Association SN: with the rights of each object."""

    access_rights_list = Attribute(3, ArrayOf(_RIGHTS), static)


class AssociationSnV2(
    AssociationSnV1,
    version=2,
    provenance="one-source",
    first_method=0x20,
    drop=(
        "getlist_by_classid",
        "getobj_by_logicalname",
        "get_attributes_and_methods",
        "get_hls_challenge",
    ),
):
    """Association SN: with a security set-up; fewer methods, at the offsets they had."""

    security_setup_reference = Attribute(4, LogicalName, static)


class AssociationSnV3(AssociationSnV2, version=3, provenance="one-source", first_method=0x20):
    """Association SN: with users."""

    user_list = Attribute(5, ArrayOf(_USER), static)
    current_user = Attribute(6, _USER, dynamic)
    add_user = Method(9, _USER, optional)
    remove_user = Method(10, _USER, optional)


class AssociationSnV4(AssociationSnV3, version=4, provenance="memory", first_method=0x20):
    """Association SN: rights as bits, requests and responses protected separately."""
