"""What an association may do, and how protected the request and its answer have to be."""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.messaging.dlms.access import AccessRequest
from ferraris.messaging.dlms.action import ActionRequestNormal, ActionRequestWithList
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNormal, GetRequestWithList
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.security.control import AUTHENTICATION, ENCRYPTION
from ferraris.messaging.dlms.set import SetRequestNormal, SetRequestWithList
from ferraris.server.device import (
    SIGNED,
    Access,
    AccessMode,
    AccessRefused,
    AssociationSettings,
    ObjectEntry,
    RequestContext,
)

__all__ = [
    "answer_protection",
    "check_protection",
    "check_right",
    "check_selection",
    "demanded_protection",
    "find",
    "knows",
    "request_protection",
]

_SELECTIVE = int(Conformance.SELECTIVE_ACCESS)
_PARAMETERIZED = int(Conformance.PARAMETERIZED_ACCESS)  # the same by short name [asn1]
_REQUESTS = (
    (int(AccessMode.AUTHENTICATED_REQUEST), AUTHENTICATION),
    (int(AccessMode.ENCRYPTED_REQUEST), ENCRYPTION),
    (int(AccessMode.SIGNED_REQUEST), SIGNED),
)
_ANSWERS = (
    (int(AccessMode.AUTHENTICATED_RESPONSE), AUTHENTICATION),
    (int(AccessMode.ENCRYPTED_RESPONSE), ENCRYPTION),
    (int(AccessMode.SIGNED_RESPONSE), SIGNED),
)


def find(class_id: int, logical_name: bytes, access: Access) -> ObjectEntry:
    """The object of this class and name that the association sees; raises `AccessRefused`."""
    visible = access.association.rights.objects
    key = (class_id, logical_name)
    entry = access.device.objects.get(key) if key in visible else None
    if entry is not None:
        return entry
    named = (other for other in visible if other[1] == logical_name and other != key)
    if any(other in access.device.objects for other in named):
        raise AccessRefused(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
    raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)


def knows(entry: ObjectEntry, index: int, what: str) -> bool:
    """Whether the class has the attribute or method; an undeclared class may have any."""
    return entry.declaration is None or index in getattr(entry.declaration, what)


def check_right(mode: int | None, wanted: int, known: bool, index: int) -> None:
    """Raise `AccessRefused` unless `mode` has the bit `wanted`."""
    if index == 0:
        raise AccessRefused(DataAccessResult.READ_WRITE_DENIED, "one attribute at a time")
    if mode is None and not known:
        raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED, f"there is no index {index}")
    if mode is None or not int(mode) & wanted:
        raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)


def request_protection(mode: int, association: AssociationSettings) -> int:
    """The protection a request needs for a right, in the terms of `RequestContext.protection`."""
    needed = association.policy
    for flag, bit in _REQUESTS:
        if int(mode) & flag:
            needed |= bit
    return needed


def answer_protection(mode: int) -> int:
    """The protection that a right demands of the answer, in the same terms."""
    return sum(bit for flag, bit in _ANSWERS if int(mode) & flag)


def check_protection(request: int, answer: int, context: RequestContext) -> None:
    """Raise `AccessRefused` for too weak a request, or an answer that cannot be protected so."""
    if request & ~context.protection:
        raise AccessRefused(DataAccessResult.READ_WRITE_DENIED, "request not protected enough")
    if answer & ~context.can_protect:
        raise AccessRefused(
            DataAccessResult.READ_WRITE_DENIED,
            "the answer cannot be protected as the right demands",
        )


def demanded_protection(request: Apdu, association: AssociationSettings) -> int:
    """The security-control bits that the answer to a request must have by right."""
    rights = association.rights
    if not rights.demanding:
        return 0
    demanded = 0
    for name in _names(request):
        found = rights.objects.get((name.class_id, name.logical_name))
        if found is not None:
            is_method = isinstance(name, MethodDescriptor)
            modes = found.methods if is_method else found.attributes
            demanded |= answer_protection(modes.get(name[2], 0))
    return demanded


def _names(request: Apdu) -> Sequence[AttributeDescriptor | MethodDescriptor]:
    if isinstance(request, (GetRequestNormal, SetRequestNormal)):
        return (request.attribute,)
    if isinstance(request, (GetRequestWithList, SetRequestWithList)):
        return [attribute for attribute, _ in request.attributes]
    if isinstance(request, ActionRequestNormal):
        return (request.method,)
    if isinstance(request, AccessRequest):
        return [each.descriptor for each in request.specifications]
    return request.methods if isinstance(request, ActionRequestWithList) else ()


def check_selection(
    selection: Selection,
    offered: tuple[int, ...],
    access: Access,
) -> None:
    """Raise `AccessRefused` unless the attribute offers the selector and it was negotiated."""
    services = access.context.conformance
    if services is None:
        services = access.association.conformance
    needed = _PARAMETERIZED if access.association.short_names else _SELECTIVE
    if selection.selector not in offered or not int(services) & needed:
        raise AccessRefused(DataAccessResult.OTHER_REASON, "selection not supported")
