"""What the engine answers by itself for an Association SN: its lists, and its queries by method.

Lists are composed from the rights of the association and encoded once for all devices that share
them. Changing a secret is for the device; the reply of the handshake is for the association.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ferraris.data import axdr
from ferraris.data.kinds import BitString
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.model.access_control import AttributeAccess, MethodAccess, User
from ferraris.model.short_names import (
    AccessDescription,
    AssociationSn,
    AssociationSnV1,
    AssociationSnV2,
    AssociationSnV3,
    AttributeIdentity,
    NamedObject,
    ShortNameRights,
)
from ferraris.server.association_object import attribute_mode, method_mode
from ferraris.server.device import (
    Access,
    AccessMode,
    AccessRefused,
    ActionRefused,
    ObjectEntry,
    ObjectKey,
    ObjectRights,
)

__all__ = ["Query", "answer_for", "query_for"]

Answer = Callable[[Access, ObjectEntry, int, Selection | None], bytes]
Read = Callable[[AttributeDescriptor, Selection | None, Access], bytes]
Query = Callable[[Access, bytes, Read], bytes]
"""Answers a method that only asks: the access, its encoded parameter, and how to read."""

_NULL_DATA = b"\x00"
_MOST_ASKED = 256  # objects or attributes in one query


def answer_for(class_id: int, attribute: int) -> Answer | None:
    """The function that answers a READ of this attribute, or None when the device does."""
    return _association if class_id == AssociationSn.class_id and attribute != 1 else None


def query_for(class_id: int, method: int) -> Query | None:
    """The function that answers this method, or None when the device does."""
    return _QUERIES.get(method) if class_id == AssociationSn.class_id else None


def _association(
    access: Access, entry: ObjectEntry, attribute: int, selection: Selection | None
) -> bytes:
    if selection is not None:
        raise AccessRefused(DataAccessResult.OTHER_REASON, "selection not supported")
    value = _VALUES.get(attribute)
    if value is None:
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
    return value(access, entry)


class _Composed(NamedTuple):
    """The lists of one association, ready to be sent."""

    objects: Mapping[ObjectKey, ObjectEntry]
    names: bytes
    rights: bytes


def _composed(access: Access, entry: ObjectEntry) -> _Composed:
    kept: _Composed | None = access.association.rights.composed.get(_KEY)
    if kept is not None and kept.objects is access.device.objects:
        return kept
    listed = [*_visible(access)]
    composed = _Composed(
        access.device.objects,
        axdr.encode(AssociationSn.object_list.type.dump([_named(each) for each, _ in listed])),
        axdr.encode(
            AssociationSnV1.access_rights_list.type.dump(
                [_rights(each, rights, entry.version) for each, rights in listed]
            )
        ),
    )
    access.association.rights.composed[_KEY] = composed
    return composed


_KEY = "association sn"


def _visible(access: Access) -> Iterable[tuple[ObjectEntry, ObjectRights]]:
    for key, entry in access.device.objects.items():
        rights = access.association.rights.objects.get(key)
        if rights is not None and entry.base_name is not None:
            yield entry, rights


def _named(entry: ObjectEntry) -> NamedObject:
    return NamedObject(_long(entry), entry.class_id, entry.version, Obis(entry.logical_name))


def _long(entry: ObjectEntry) -> int:
    """The base name as a long has it."""
    name = entry.base_name or 0
    return name - 0x10000 if name & 0x8000 else name


def _indices(entry: ObjectEntry, rights: ObjectRights) -> tuple[list[int], list[int]]:
    declared = entry.declaration
    attributes = {1, *rights.attributes, *(declared.attributes if declared else ())}
    methods = {*rights.methods, *(declared.methods if declared else ())}
    return sorted(attributes), sorted(methods)


def _mode(rights: ObjectRights, index: int) -> int:
    return rights.attributes.get(index, AccessMode.READ if index == 1 else AccessMode.NONE)


def _rights(entry: ObjectEntry, rights: ObjectRights, version: int) -> ShortNameRights:
    # The modes of each version are those of the Association LN that came with it [memory].
    version = max(0, version - 1)
    attributes, methods = _indices(entry, rights)
    return ShortNameRights(
        _long(entry),
        [
            AttributeAccess(
                index,
                attribute_mode(_mode(rights, index), version),
                list(rights.selectors[index]) if index in rights.selectors else None,
            )
            for index in attributes
        ],
        [
            MethodAccess(index, method_mode(rights.methods.get(index, 0), version))
            for index in methods
        ],
    )


def _security_setup(access: Access, entry: ObjectEntry) -> bytes:
    name = access.association.security_setup or bytes(6)
    return axdr.encode(AssociationSnV2.security_setup_reference.type.dump(Obis(name)))


_VALUES: dict[int, Callable[[Access, ObjectEntry], bytes]] = {
    AssociationSn.object_list.index: lambda access, entry: _composed(access, entry).names,
    AssociationSnV1.access_rights_list.index: lambda access, entry: _composed(access, entry).rights,
    AssociationSnV2.security_setup_reference.index: _security_setup,
    AssociationSnV3.user_list.index: lambda access, entry: axdr.encode(
        AssociationSnV3.user_list.type.dump([])
    ),
    AssociationSnV3.current_user.index: lambda access, entry: axdr.encode(
        AssociationSnV3.current_user.type.dump(User(0, ""))
    ),
}


# -- methods that only ask [memory] -----------------------------------------------------------


def _by_class(access: Access, data: bytes, read: Read) -> bytes:
    wanted = AssociationSn.getlist_by_classid.type.load(axdr.decode(data))
    found = [_named(entry) for entry, _ in _visible(access) if entry.class_id == wanted]
    return axdr.encode(AssociationSn.object_list.type.dump(found))


def _by_name(access: Access, data: bytes, read: Read) -> bytes:
    wanted = AssociationSn.getobj_by_logicalname.type.load(axdr.decode(data))
    for entry, _ in _visible(access):
        if (entry.class_id, entry.logical_name) == (wanted.class_id, wanted.logical_name):
            returns = AssociationSn.getobj_by_logicalname.returns
            assert returns is not None
            return axdr.encode(returns.dump(_named(entry)))
    raise ActionRefused(ActionResult.OBJECT_UNDEFINED)


def _by_logical_name(access: Access, data: bytes, read: Read) -> bytes:
    """The values asked for, null-data for each that this client may not read."""
    wanted = _asked(AssociationSn.read_by_logicalname.type.load(axdr.decode(data)))
    values = [_value(each, access, read) for each in wanted]
    return bytes((1,)) + axdr.length_octets(len(values)) + b"".join(values)


def _value(wanted: AttributeIdentity, access: Access, read: Read) -> bytes:
    descriptor = AttributeDescriptor(wanted.class_id, bytes(wanted.logical_name), wanted.attribute)
    try:
        return read(descriptor, None, access)
    except AccessRefused:
        return _NULL_DATA


def _what_may_be_done(access: Access, data: bytes, read: Read) -> bytes:
    wanted = _asked(AssociationSn.get_attributes_and_methods.type.load(axdr.decode(data)))
    known = {
        (entry.class_id, entry.logical_name): (entry, rights) for entry, rights in _visible(access)
    }
    described = []
    for each in wanted:
        found = known.get((each.class_id, bytes(each.logical_name)))
        if found is None:
            raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
        described.append(_description(*found))
    returns = AssociationSn.get_attributes_and_methods.returns
    assert returns is not None
    return axdr.encode(returns.dump(described))


def _asked(items: list[Any]) -> list[Any]:
    if len(items) > _MOST_ASKED:
        raise ActionRefused(ActionResult.OTHER_REASON, "too many at once")
    return items


def _description(entry: ObjectEntry, rights: ObjectRights) -> AccessDescription:
    attributes, methods = _indices(entry, rights)
    modes = [int(_mode(rights, index)) for index in range(1, max(attributes) + 1)]
    invoked = [rights.methods.get(index, 0) for index in range(1, max(methods, default=0) + 1)]
    return AccessDescription(
        _bits([bool(mode & AccessMode.READ) for mode in modes]),
        _bits([bool(mode & AccessMode.WRITE) for mode in modes]),
        _bits([bool(int(mode) & AccessMode.READ) for mode in invoked]),
    )


def _bits(flags: list[bool]) -> BitString:
    octets = bytearray(-(-len(flags) // 8))
    for place, flag in enumerate(flags):
        octets[place // 8] |= flag << (7 - place % 8)
    return BitString(len(flags), bytes(octets))


_QUERIES: dict[int, Query] = {
    AssociationSn.getlist_by_classid.index: _by_class,
    AssociationSn.getobj_by_logicalname.index: _by_name,
    AssociationSn.read_by_logicalname.index: _by_logical_name,
    AssociationSn.get_attributes_and_methods.index: _what_may_be_done,
}
