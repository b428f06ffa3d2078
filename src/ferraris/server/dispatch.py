"""Serving one plain request APDU: rights, types and results of GET, SET, ACTION and ACCESS.

`serve` takes a request that is complete (blocks joined) and plain (protection removed and recorded
in the context) and returns the response APDU; splitting it into blocks, protecting it, and keeping
silent for an unconfirmed request are for the association. A service that was not negotiated, or a
list longer than the settings allow, is met with an exception-response.
"""

from __future__ import annotations

from collections.abc import Callable

from ferraris.messaging.dlms.access import AccessRequest
from ferraris.messaging.dlms.action import (
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
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
from ferraris.messaging.dlms.set import (
    SetRequestNormal,
    SetRequestWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.server.access_service import serve_access
from ferraris.server.device import (
    Access,
    AccessRefused,
    AssociationSettings,
    LogicalDevice,
    RequestContext,
)
from ferraris.server.operations import acted, read, written

__all__ = ["refuse", "serve"]

_SUCCESS = DataAccessResult.SUCCESS

# Plain numbers: operators of flag enumerations cost more than the rest of a GET.
_GET = int(Conformance.GET)
_SET = int(Conformance.SET)
_ACTION = int(Conformance.ACTION)
_LISTS = int(Conformance.MULTIPLE_REFERENCES)
_ACCESS = int(Conformance.ACCESS)


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
    result = written(request.attribute, request.selection, request.data, access)
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
        written(attribute, selection, data, access)
        for (attribute, selection), data in zip(request.attributes, request.data, strict=True)
    ]
    return SetResponseWithList(request.invoke_id_and_priority, results)


def _action(
    request: ActionRequestNormal,
    access: Access,
) -> Apdu:
    outcome = acted(request.method, request.data, access)
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
        acted(method, data, access)
        for method, data in zip(request.methods, request.data, strict=True)
    ]
    return ActionResponseWithList(request.invoke_id_and_priority, outcomes)


def _too_long() -> ExceptionResponse:
    return refuse(service=ExceptionServiceError.PDU_TOO_LONG)


_SERVICES: dict[type, tuple[int, Callable[..., Apdu]]] = {
    GetRequestNormal: (_GET, _get),
    GetRequestWithList: (_GET | _LISTS, _get_list),
    SetRequestNormal: (_SET, _set),
    SetRequestWithList: (_SET | _LISTS, _set_list),
    ActionRequestNormal: (_ACTION, _action),
    ActionRequestWithList: (_ACTION | _LISTS, _action_list),
    AccessRequest: (_ACCESS, serve_access),
}
