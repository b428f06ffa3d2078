"""Serving one plain request APDU: rights, types and results of GET, SET and ACTION.

`serve` takes a request that is complete (blocks joined) and plain (protection removed and recorded
in the context) and returns the response APDU; splitting it into blocks, protecting it, and keeping
silent for an unconfirmed request are for the association. What a client is told [facts-g], where
the standard leaves a choice [memory]:

* object not in this association: object-undefined; its name with another class:
  object-class-inconsistent;
* attribute or method that the class does not have: object-undefined; attribute 0 (all at once),
  missing right, a request less protected than the right demands, or an answer that cannot be
  protected as it demands: read-write-denied;
* access selector that the attribute does not offer: other-reason; a parameter of the wrong form,
  or data of another type than declared: type-unmatched;
* service that was not negotiated, or a list longer than the settings allow: exception-response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.types import DataType
from ferraris.messaging.dlms.action import (
    ActionOutcome,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithList,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import (
    SetRequestNormal,
    SetRequestWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.server import association_object
from ferraris.server.device import (
    Access,
    AccessMode,
    AccessRefused,
    ActionRefused,
    AssociationSettings,
    LogicalDevice,
    ObjectEntry,
    ObjectKey,
    RequestContext,
)
from ferraris.server.rights import (
    answer_protection,
    check_protection,
    check_right,
    check_selection,
    find,
    knows,
    request_protection,
)

__all__ = ["act", "read", "refuse", "serve", "write"]

_SUCCESS = DataAccessResult.SUCCESS
_NULL_DATA = b"\x00"

# Plain numbers: operators of flag enumerations cost more than the rest of a GET.
_GET = int(Conformance.GET)
_SET = int(Conformance.SET)
_ACTION = int(Conformance.ACTION)
_LISTS = int(Conformance.MULTIPLE_REFERENCES)
_READ = int(AccessMode.READ)
_WRITE = int(AccessMode.WRITE)


def serve(
    request: Apdu, device: LogicalDevice, association: AssociationSettings, context: RequestContext
) -> Apdu:
    """Carry out a request and answer it; the answer to anything else is an exception-response."""
    service = _SERVICES.get(type(request))
    if service is None:
        return refuse(StateError.SERVICE_UNKNOWN)
    needed, run = service
    offered = association.conformance if context.conformance is None else context.conformance
    if needed & ~int(offered):
        return refuse()
    response: Apdu = run(request, Access(device, association, context))
    return response


def refuse(
    state: StateError = StateError.SERVICE_NOT_ALLOWED,
    service: ExceptionServiceError = ExceptionServiceError.SERVICE_NOT_SUPPORTED,
) -> ExceptionResponse:
    """The answer to a request that is not carried out at all."""
    return ExceptionResponse(state, service)


def read(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    access: Access,
) -> bytes:
    """The encoded data of one attribute; raises `AccessRefused`."""
    target = access.association.rights.readable.get(attribute)
    if target is None or target.objects is not access.device.objects:
        target = _readable(attribute, access)
    check_protection(target.protection, target.answer_protection, access.context)
    if selection is not None:
        check_selection(selection, target.selectors, access)
    try:
        if target.answer is None:
            octets: bytes = access.device.get(target.entry, attribute[2], selection, access.context)
            return octets
        return target.answer(access, target.entry, attribute[2], selection)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, str(error)) from error


def write(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    data: bytes,
    access: Access,
) -> None:
    """Write encoded data to one attribute; raises `AccessRefused`."""
    class_id, logical_name, index = attribute
    entry = find(class_id, logical_name, access)
    rights = access.association.rights.objects[class_id, logical_name]
    mode = rights.attributes.get(index)
    check_right(mode, _WRITE, knows(entry, index, "attributes"), index)
    _check_protection(mode or 0, access)
    if selection is not None:
        check_selection(selection, rights.selectors.get(index, ()), access)
    declared = entry.declaration.attributes.get(index) if entry.declaration else None
    try:
        _check_type(data, declared.type if declared and selection is None else None)
        access.device.set(entry, index, data, selection, access.context)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, str(error)) from error


def act(
    method: MethodDescriptor,
    data: bytes | None,
    access: Access,
) -> bytes | None:
    """Invoke one method; returns encoded data or None; raises `ActionRefused`.

    A parameter of null-data counts as none, and a method whose parameter only fills the place may
    come without one: clients differ in both.
    """
    class_id, logical_name, index = method
    try:
        entry = find(class_id, logical_name, access)
        mode = access.association.rights.objects[class_id, logical_name].methods.get(index)
        check_right(mode, _READ, knows(entry, index, "methods"), index)
        _check_protection(mode or 0, access)
    except AccessRefused as refused:
        raise ActionRefused(ActionResult(refused.result), refused.message) from refused
    if association_object.is_handshake(class_id, index):
        raise ActionRefused(ActionResult.READ_WRITE_DENIED, "the handshake is over")
    if data == _NULL_DATA:
        data = None
    declared = entry.declaration.methods.get(index) if entry.declaration else None
    try:
        if data is not None:
            _check_type(data, declared.type if declared else None)
        return access.device.act(entry, index, data, access.context)
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED, str(error)) from error


def _get(
    request: GetRequestNormal,
    access: Access,
) -> Apdu:
    try:
        data = read(request.attribute, request.selection, access)
    except AccessRefused as refused:
        return GetResponseNormal(request.invoke_id_and_priority, refused.result)
    return GetResponseNormal(request.invoke_id_and_priority, _SUCCESS, data)


def _get_list(
    request: GetRequestWithList,
    access: Access,
) -> Apdu:
    if len(request.attributes) > access.association.max_list:
        return _too_long()
    results: list[bytes | DataAccessResult] = []
    for attribute, selection in request.attributes:
        try:
            results.append(read(attribute, selection, access))
        except AccessRefused as refused:
            results.append(refused.result)
    return GetResponseWithList(request.invoke_id_and_priority, results)


def _set(
    request: SetRequestNormal,
    access: Access,
) -> Apdu:
    result = _written(request.attribute, request.selection, request.data, access)
    return SetResponseNormal(request.invoke_id_and_priority, result)


def _set_list(
    request: SetRequestWithList,
    access: Access,
) -> Apdu:
    if len(request.attributes) != len(request.data):
        return refuse(service=ExceptionServiceError.OPERATION_NOT_POSSIBLE)
    if len(request.attributes) > access.association.max_list:
        return _too_long()
    results = [
        _written(attribute, selection, data, access)
        for (attribute, selection), data in zip(request.attributes, request.data, strict=True)
    ]
    return SetResponseWithList(request.invoke_id_and_priority, results)


def _written(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    data: bytes,
    access: Access,
) -> DataAccessResult:
    try:
        write(attribute, selection, data, access)
    except AccessRefused as refused:
        return refused.result
    return _SUCCESS


def _action(
    request: ActionRequestNormal,
    access: Access,
) -> Apdu:
    outcome = _acted(request.method, request.data, access)
    return ActionResponseNormal(request.invoke_id_and_priority, outcome.result, outcome.data)


def _action_list(
    request: ActionRequestWithList,
    access: Access,
) -> Apdu:
    if len(request.methods) != len(request.data):
        return refuse(service=ExceptionServiceError.OPERATION_NOT_POSSIBLE)
    if len(request.methods) > access.association.max_list:
        return _too_long()
    outcomes = [
        _acted(method, data, access)
        for method, data in zip(request.methods, request.data, strict=True)
    ]
    return ActionResponseWithList(request.invoke_id_and_priority, outcomes)


def _acted(
    method: MethodDescriptor,
    data: bytes | None,
    access: Access,
) -> ActionOutcome:
    try:
        returned = act(method, data, access)
    except ActionRefused as refused:
        return ActionOutcome(refused.result)
    return ActionOutcome(ActionResult.SUCCESS, returned)


def _too_long() -> ExceptionResponse:
    return refuse(service=ExceptionServiceError.PDU_TOO_LONG)


_SERVICES: dict[type, tuple[int, Callable[..., Apdu]]] = {
    GetRequestNormal: (_GET, _get),
    GetRequestWithList: (_GET | _LISTS, _get_list),
    SetRequestNormal: (_SET, _set),
    SetRequestWithList: (_SET | _LISTS, _set_list),
    ActionRequestNormal: (_ACTION, _action),
    ActionRequestWithList: (_ACTION | _LISTS, _action_list),
}


class _Readable(NamedTuple):
    """An attribute that the association may read: worked out once, kept in its rights."""

    objects: Mapping[ObjectKey, ObjectEntry]
    entry: ObjectEntry
    protection: int
    answer_protection: int
    selectors: tuple[int, ...]
    answer: association_object.Answer | None


def _readable(attribute: AttributeDescriptor, access: Access) -> _Readable:
    class_id, logical_name, index = attribute
    entry = find(class_id, logical_name, access)
    rights = access.association.rights.objects[class_id, logical_name]
    mode = rights.attributes.get(index, _READ if index == 1 else None)
    check_right(mode, _READ, knows(entry, index, "attributes"), index)
    target = _Readable(
        access.device.objects,
        entry,
        request_protection(mode or 0, access.association),
        answer_protection(mode or 0),
        rights.selectors.get(index, ()),
        association_object.answer_for(class_id, index),
    )
    # Only what exists and may be read is kept, so a client cannot make this grow.
    access.association.rights.readable[attribute] = target
    return target


def _check_protection(mode: int, access: Access) -> None:
    needed = request_protection(mode, access.association)
    check_protection(needed, answer_protection(mode), access.context)


def _check_type(octets: bytes, declared: DataType[Any] | None) -> None:
    """Raise `DecodeError` unless the octets are one data of the type declared."""
    data = axdr.decode(octets)
    if declared is not None:
        declared.load(data)
