"""Serving READ and WRITE: short names are looked up, then `operations` reads, writes and acts.

Rights, types and selections are those of requests by logical name, and so are the reasons of
refusals. A READ with selector 0 invokes a method and gives what it returns; other selectors select
within an attribute. A WRITE to the name of a method invokes it as well [facts-g]. What the standard
leaves open is answered so [memory]: a name that nothing has is object-undefined, a READ of a method
without a parameter read-write-denied; a request that is not carried out at all is answered by a
confirmed-service-error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    ConfirmedService,
    DataAccessResult,
    ServiceError,
    ServiceErrorChoice,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.security.control import AUTHENTICATION, ENCRYPTION
from ferraris.messaging.dlms.short_name import (
    ParameterisedAccess,
    ReadRequest,
    ReadResponse,
    ReadResult,
    UnconfirmedWriteRequest,
    VariableAccess,
    VariableName,
    WriteRequest,
    WriteResponse,
    WriteResult,
)
from ferraris.model.short_names import attribute_name
from ferraris.server import operations
from ferraris.server.device import (
    Access,
    AccessRefused,
    ActionRefused,
    AssociationSettings,
    LogicalDevice,
    ObjectEntry,
    ObjectKey,
    RequestContext,
)
from ferraris.server.rights import answer_protection

__all__ = ["demanded_protection", "serve"]

_SUCCESS = DataAccessResult.SUCCESS
_NULL_DATA = b"\x00"
_METHOD = 0  # the selector by which a READ invokes a method [facts-g]
_KEY = "short names"
_LAST_COMMON_RESULT = 14  # up to here the two enumerations of results are the same [asn1]

_Target = AttributeDescriptor | MethodDescriptor


def serve(
    request: Apdu, device: LogicalDevice, association: AssociationSettings, context: RequestContext
) -> Apdu:
    """Carry out a request and answer it; the answer to an unconfirmed write is for nobody."""
    access = Access(device, association, context)
    if isinstance(request, ReadRequest):
        if len(request.variables) > association.max_list:
            return _refused(ConfirmedService.READ, ServiceError.PDU_SIZE)
        return ReadResponse([_read(variable, access) for variable in request.variables])
    if not isinstance(request, (WriteRequest, UnconfirmedWriteRequest)):
        return _refused(ConfirmedService.READ, ServiceError.SERVICE_UNSUPPORTED)
    if len(request.variables) != len(request.data):
        return _refused(ConfirmedService.WRITE, ServiceError.OTHER)
    if len(request.variables) > association.max_list:
        return _refused(ConfirmedService.WRITE, ServiceError.PDU_SIZE)
    pairs = zip(request.variables, request.data, strict=True)
    results: list[WriteResult] = [_write(variable, data, access) for variable, data in pairs]
    return WriteResponse(results)


def demanded_protection(
    request: Apdu, device: LogicalDevice, association: AssociationSettings
) -> int:
    """The security-control bits that the answer to a request must have by right."""
    rights = association.rights
    if not rights.demanding or not isinstance(request, (ReadRequest, WriteRequest)):
        return 0
    demanded = 0
    for variable in request.variables:
        target = _target(variable, device, association)
        if target is not None:
            found = rights.objects[target.class_id, target.logical_name]
            is_method = isinstance(target, MethodDescriptor)
            modes = found.methods if is_method else found.attributes
            demanded |= answer_protection(modes.get(target[2], 0))
    return demanded & (AUTHENTICATION | ENCRYPTION)


def _read(variable: VariableAccess, access: Access) -> ReadResult:
    target = _target(variable, access.device, access.association)
    selection = variable.selection if isinstance(variable, ParameterisedAccess) else None
    try:
        if isinstance(target, AttributeDescriptor):
            return operations.read(target, selection, access)
        if target is None:
            return DataAccessResult.OBJECT_UNDEFINED
        return _invoked(target, selection, access)
    except AccessRefused as refused:
        return refused.result


def _invoked(target: MethodDescriptor, selection: Selection | None, access: Access) -> ReadResult:
    if selection is None or selection.selector != _METHOD:
        return DataAccessResult.READ_WRITE_DENIED
    try:
        returned = operations.act(target, selection.parameter, access)
    except ActionRefused as refused:
        return _result(refused.result)
    return _NULL_DATA if returned is None else returned


def _write(variable: VariableAccess, data: bytes, access: Access) -> DataAccessResult:
    target = _target(variable, access.device, access.association)
    selection = variable.selection if isinstance(variable, ParameterisedAccess) else None
    try:
        if isinstance(target, AttributeDescriptor):
            operations.write(target, selection, data, access)
        elif target is None:
            return DataAccessResult.OBJECT_UNDEFINED
        else:
            operations.act(target, data, access)
    except AccessRefused as refused:
        return refused.result
    except ActionRefused as refused:
        return _result(refused.result)
    return _SUCCESS


def _result(result: ActionResult) -> DataAccessResult:
    if result > _LAST_COMMON_RESULT:
        return DataAccessResult.OTHER_REASON
    return DataAccessResult(result)


def _refused(service: ConfirmedService, reason: ServiceError) -> ConfirmedServiceError:
    return ConfirmedServiceError(service, ServiceErrorChoice.SERVICE, reason)


class _Names(NamedTuple):
    """What each short name that an association sees stands for."""

    objects: Mapping[ObjectKey, ObjectEntry]
    targets: Mapping[int, _Target]


def _target(
    variable: VariableAccess, device: LogicalDevice, association: AssociationSettings
) -> _Target | None:
    kept: _Names | None = association.rights.composed.get(_KEY)
    if kept is None or kept.objects is not device.objects:
        kept = association.rights.composed[_KEY] = _names(device, association)
    if isinstance(variable, (VariableName, ParameterisedAccess)):
        return kept.targets.get(variable.name)
    return None


def _names(device: LogicalDevice, association: AssociationSettings) -> _Names:
    targets: dict[int, _Target] = {}
    for key, rights in association.rights.objects.items():
        entry = device.objects.get(key)
        if entry is None or entry.base_name is None:
            continue
        declared = entry.declaration
        for index in declared.attributes if declared else {1, *rights.attributes}:
            if index > 0:  # a maker's own have no place by short name [memory]
                attribute = AttributeDescriptor(*key, index)
                _place(targets, attribute_name(entry.base_name, index), attribute)
        for index in declared.methods if declared else ():
            offset = declared.method_offset(index) if declared else None
            if offset is not None:
                name = entry.base_name + offset & 0xFFFF
                _place(targets, name, MethodDescriptor(*key, index))
    return _Names(device.objects, targets)


def _place(targets: dict[int, _Target], name: int, target: _Target) -> None:
    other = targets.setdefault(name, target)
    if other is not target:
        raise UsageError(f"{other!r} and {target!r} have the same short name {name:04X}")
