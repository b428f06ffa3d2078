"""What the engine answers by itself: Association LN, SAP assignment and every logical name.

The object list is composed from the rights of the association and encoded once for all devices
that share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ferraris.data import axdr
from ferraris.data.kinds import BitString, Data, Tag
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    DataType,
    LogicalName,
    OctetString,
)
from ferraris.messaging.dlms.acse import CONTEXT_ARC, MECHANISM_ARC, ApplicationContext
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.model import registry
from ferraris.model.access_control import (
    AccessRight,
    AssociatedPartners,
    AssociationLn,
    AssociationLnV1,
    AssociationLnV2,
    AssociationStatus,
    AttributeAccess,
    BriefObject,
    BriefObjectListType,
    MethodAccess,
    ObjectIdentity,
    ObjectListElement,
    SapAssignment,
    SapAssignmentItem,
    User,
    XdlmsContext,
)
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.short_names import AssociationSn
from ferraris.server.device import (
    Access,
    AccessMode,
    AccessRefused,
    AssociationSettings,
    LogicalDevice,
    ObjectEntry,
    ObjectKey,
    ObjectRights,
    PhysicalDevice,
    RequestContext,
)

__all__ = [
    "CURRENT_ASSOCIATION",
    "Answer",
    "answer_for",
    "attribute_mode",
    "is_handshake",
    "method_mode",
]

CURRENT_ASSOCIATION = Obis.parse("0-0:40.0.0*255")
"""The Association LN object that is always the one in use [facts-g]."""

Answer = Callable[[Access, ObjectEntry, int, Selection | None], bytes]

_DLMS_VERSION = 6  # [asn1]


def answer_for(class_id: int, attribute: int) -> Answer | None:
    """The function that answers a GET of this attribute, or None when the device does."""
    if attribute == 1:
        return _logical_name
    if class_id == AssociationLn.class_id:
        return _association
    if class_id == SapAssignment.class_id and attribute == SapAssignment.sap_assignment_list.index:
        return _sap_assignment
    return None


def is_handshake(class_id: int, method: int) -> bool:
    """Whether the method belongs to the HLS handshake, which the association carries out."""
    return (
        class_id == AssociationLn.class_id
        and method == AssociationLn.reply_to_hls_authentication.index
    ) or (
        class_id == AssociationSn.class_id
        and method == AssociationSn.reply_to_hls_authentication.index
    )


def _logical_name(
    access: Access, entry: ObjectEntry, attribute: int, selection: Selection | None
) -> bytes:
    return axdr.encode(LogicalName.dump(Obis(entry.logical_name)))


def _sap_assignment(
    access: Access, entry: ObjectEntry, attribute: int, selection: Selection | None
) -> bytes:
    device = access.device
    known: Iterable[tuple[int, bytes]] = ((device.server_sap, device.logical_device_name),)
    if isinstance(device, PhysicalDevice):
        known = device.sap_assignment
    items = [SapAssignmentItem(sap, name) for sap, name in known]
    return axdr.encode(SapAssignment.sap_assignment_list.type.dump(items))


def _association(
    access: Access, entry: ObjectEntry, attribute: int, selection: Selection | None
) -> bytes:
    settings = _settings_of(entry, access)
    if attribute == AssociationLn.object_list.index:
        return _object_list(_composed(settings, entry, access.device), selection)
    value = _VALUES.get(attribute)
    if value is None:  # the secret, and whatever a maker adds
        raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
    facts = _Facts(access.device, settings, access.context, settings is access.association)
    return axdr.encode(value(facts))


def _settings_of(entry: ObjectEntry, access: Access) -> AssociationSettings:
    if entry.logical_name in (CURRENT_ASSOCIATION, access.association.name):
        return access.association
    for settings in access.device.associations.values():
        if settings.name == entry.logical_name:
            return settings
    raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)


class _Facts(NamedTuple):
    """What the attributes of an association are made of."""

    device: LogicalDevice
    settings: AssociationSettings
    context: RequestContext
    is_current: bool


def _partners(facts: _Facts) -> Data:
    partners = AssociatedPartners(facts.settings.client_sap, facts.device.server_sap)
    return AssociationLn.associated_partners_id.type.dump(partners)


def _context_name(facts: _Facts) -> Data:
    name = ApplicationContext.LOGICAL_NAMES
    if facts.settings.ciphered:
        name = ApplicationContext.LOGICAL_NAMES_CIPHERED
    return OctetString.dump(CONTEXT_ARC + bytes((name,)))


def _mechanism_name(facts: _Facts) -> Data:
    return OctetString.dump(MECHANISM_ARC + bytes((facts.settings.mechanism,)))


def _xdlms_context(facts: _Facts) -> Data:
    settings, context = facts.settings, facts.context
    negotiated = facts.is_current and context.conformance is not None
    conformance = context.conformance if negotiated else settings.conformance
    bits = BitString(24, Conformance(int(conformance or 0)).to_octets())
    info = XdlmsContext(
        bits,
        settings.max_pdu,
        context.max_send_pdu if facts.is_current else 0,
        _DLMS_VERSION,
        0,
        b"",
    )
    return AssociationLn.xdlms_context_info.type.dump(info)


def _status(facts: _Facts) -> Data:
    status = AssociationStatus.ASSOCIATED if facts.is_current else AssociationStatus.NON_ASSOCIATED
    return AssociationLn.association_status.type.dump(status)


def _security_setup(facts: _Facts) -> Data:
    name = facts.settings.security_setup or bytes(6)
    return AssociationLnV1.security_setup_reference.type.dump(Obis(name))


def _users(facts: _Facts) -> Data:
    return AssociationLnV2.user_list.type.dump([])


def _current_user(facts: _Facts) -> Data:
    return AssociationLnV2.current_user.type.dump(User(0, ""))


_VALUES: dict[int, Callable[[_Facts], Data]] = {
    AssociationLn.associated_partners_id.index: _partners,
    AssociationLn.application_context_name.index: _context_name,
    AssociationLn.xdlms_context_info.index: _xdlms_context,
    AssociationLn.authentication_mechanism_name.index: _mechanism_name,
    AssociationLn.association_status.index: _status,
    AssociationLnV1.security_setup_reference.index: _security_setup,
    AssociationLnV2.user_list.index: _users,
    AssociationLnV2.current_user.index: _current_user,
}


class _Composed(NamedTuple):
    """The object list of one association, ready to be sent."""

    objects: Mapping[ObjectKey, ObjectEntry]
    whole: bytes
    full: dict[ObjectKey, bytes]
    brief: dict[ObjectKey, bytes]


def _composed(
    settings: AssociationSettings, entry: ObjectEntry, device: LogicalDevice
) -> _Composed:
    kept: _Composed | None = settings.rights.composed.get(entry.version)
    if kept is not None and kept.objects is device.objects:
        return kept
    declaration = entry.declaration or registry.newest(AssociationLn.class_id) or AssociationLn
    full: dict[ObjectKey, bytes] = {}
    brief: dict[ObjectKey, bytes] = {}
    for key, listed in device.objects.items():
        rights = settings.rights.objects.get(key)
        if rights is not None:
            full[key] = axdr.encode(_element(listed, rights, declaration))
            brief[key] = axdr.encode(_brief(listed))
    composed = _Composed(device.objects, _array(full.values()), full, brief)
    settings.rights.composed[entry.version] = composed
    return composed


def _object_list(composed: _Composed, selection: Selection | None) -> bytes:
    if selection is None:
        return composed.whole
    selectors = AssociationLn.object_list.selectors
    wanted: Any = selectors[selection.selector].load(axdr.decode(selection.parameter))
    if selection.selector == 1:
        return _array(composed.brief.values())
    if selection.selector == 2:
        return _array(octets for key, octets in composed.brief.items() if key[0] in wanted)
    if selection.selector == 3:
        keys = {(item.class_id, bytes(item.logical_name)) for item in wanted}
        return _array(octets for key, octets in composed.full.items() if key in keys)
    identity: ObjectIdentity = wanted
    found = composed.full.get((identity.class_id, bytes(identity.logical_name)))
    if found is None:
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
    return found


def _array(items: Iterable[bytes]) -> bytes:
    members = list(items)
    return bytes((Tag.ARRAY,)) + axdr.length_octets(len(members)) + b"".join(members)


def _brief(entry: ObjectEntry) -> Data:
    identity = BriefObject(entry.class_id, entry.version, Obis(entry.logical_name))
    data: Data = BriefObjectListType.element.dump(identity)
    return data


def _element(entry: ObjectEntry, rights: ObjectRights, declaration: type[InterfaceClass]) -> Data:
    declared = entry.declaration
    attributes = sorted({1, *rights.attributes, *(declared.attributes if declared else ())})
    methods = sorted({*rights.methods, *(declared.methods if declared else ())})
    version = declaration.version
    access = AccessRight(
        [
            AttributeAccess(
                index,
                attribute_mode(_attribute_right(rights, index), version),
                list(rights.selectors[index]) if index in rights.selectors else None,
            )
            for index in attributes
        ],
        [
            MethodAccess(index, method_mode(rights.methods.get(index, 0), version))
            for index in methods
        ],
    )
    element = ObjectListElement(entry.class_id, entry.version, Obis(entry.logical_name), access)
    return _element_type(declaration).dump(element)


def _attribute_right(rights: ObjectRights, index: int) -> int:
    return rights.attributes.get(index, AccessMode.READ if index == 1 else AccessMode.NONE)


def _element_type(declaration: type[InterfaceClass]) -> DataType[Any]:
    """The type of one element of the object list in this version of the class."""
    listed = declaration.attributes[AssociationLn.object_list.index].type
    return listed.element if isinstance(listed, ArrayOf) else AnyData


def attribute_mode(mode: int, version: int) -> int:
    """The access mode of an attribute as this version of Association LN writes it [facts-g]."""
    if version >= 3:
        return int(mode)
    basic = int(mode) & int(AccessMode.READ | AccessMode.WRITE)
    if version == 0 or basic == 0:
        return basic
    return basic + 3 if int(mode) & _PROTECTED_REQUEST else basic


def method_mode(mode: int, version: int) -> int:
    """The access mode of a method as this version of Association LN writes it [facts-g]."""
    if version >= 3:
        return int(mode)
    allowed = bool(int(mode) & int(AccessMode.READ))
    if version == 0:
        return allowed
    return int(allowed) * (2 if int(mode) & _PROTECTED_REQUEST else 1)


_PROTECTED_REQUEST = int(
    AccessMode.AUTHENTICATED_REQUEST | AccessMode.ENCRYPTED_REQUEST | AccessMode.SIGNED_REQUEST
)
