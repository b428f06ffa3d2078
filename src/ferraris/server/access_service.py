"""Serving ACCESS: reads, writes and invocations of one request, in order, each with its result.

A request is carried out item by item like single services. With the break-on-error bit nothing
behind the first failure is touched, and is answered by other-reason [memory]. What does not fit
into the client, where no general block transfer was negotiated, is data-block-unavailable: the
client can still ask for it by GET.
"""

from __future__ import annotations

from ferraris.data.axdr import length_octets
from ferraris.data.date_time import DateTime
from ferraris.messaging.dlms.access import (
    AccessChoice,
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessSpecification,
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
from ferraris.messaging.dlms.invoke import BREAK_ON_ERROR, SELF_DESCRIPTIVE
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor
from ferraris.server.device import Access, AccessRefused
from ferraris.server.operations import acted, read, written

__all__ = ["serve_access"]

_NULL_DATA = b"\x00"
_SUCCESS = DataAccessResult.SUCCESS
_GENERAL_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)
_PROTECTION = 30  # tag, system title, length, security header, authentication tag
_KINDS = {
    AccessChoice.GET: AccessChoice.GET,
    AccessChoice.GET_WITH_SELECTION: AccessChoice.GET,
    AccessChoice.SET: AccessChoice.SET,
    AccessChoice.SET_WITH_SELECTION: AccessChoice.SET,
    AccessChoice.ACTION: AccessChoice.ACTION,
}


def serve_access(request: AccessRequest, access: Access) -> Apdu:
    """The response to a request, or an exception-response when nothing of it is carried out."""
    specifications = request.specifications
    many = len(specifications) > access.association.max_list
    if many or len(specifications) != len(request.data):
        return _refuse(ExceptionServiceError.OPERATION_NOT_POSSIBLE)
    flags = request.long_invoke_id_and_priority
    response = AccessResponse(
        flags,
        DateTime.from_epoch(int(access.context.now)).octets if request.date_time else b"",
        specifications if flags & SELF_DESCRIPTIVE else None,
        [],
        [],
    )
    room = _room(response, len(specifications), access)
    if room is not None and room < 0:
        return _refuse(ExceptionServiceError.PDU_TOO_LONG)
    _carry_out(request, response, access, room)
    return response


def _carry_out(
    request: AccessRequest, response: AccessResponse, access: Access, room: int | None
) -> None:
    stops = bool(request.long_invoke_id_and_priority & BREAK_ON_ERROR)
    failed = False
    for specification, data in zip(request.specifications, request.data, strict=True):
        if failed and stops:
            result, returned = _untouched(specification), None
        else:
            result, returned = _one(specification, data, access)
        if returned is not None and room is not None:
            room -= len(returned) - len(_NULL_DATA)
            if room < 0:
                room += len(returned) - len(_NULL_DATA)
                returned = None
                result = result._replace(result=_unavailable(result.choice))
        failed = failed or result.result != _SUCCESS
        response.results.append(result)
        response.data.append(_NULL_DATA if returned is None else returned)


def _one(
    specification: AccessSpecification, data: bytes, access: Access
) -> tuple[AccessResult, bytes | None]:
    choice, target = _KINDS[specification.choice], specification.descriptor
    if isinstance(target, MethodDescriptor):
        outcome = acted(target, data, access)
        return AccessResult(choice, outcome.result), outcome.data
    assert isinstance(target, AttributeDescriptor)
    if choice is AccessChoice.SET:
        return AccessResult(choice, written(target, specification.selection, data, access)), None
    try:
        return AccessResult(choice, _SUCCESS), read(target, specification.selection, access)
    except AccessRefused as refused:
        return AccessResult(choice, refused.result), None


def _untouched(specification: AccessSpecification) -> AccessResult:
    choice = _KINDS[specification.choice]
    if choice is AccessChoice.ACTION:
        return AccessResult(choice, ActionResult.OTHER_REASON)
    return AccessResult(choice, DataAccessResult.OTHER_REASON)


def _unavailable(choice: AccessChoice) -> DataAccessResult | ActionResult:
    if choice is AccessChoice.ACTION:
        return ActionResult.DATA_BLOCK_UNAVAILABLE
    return DataAccessResult.DATA_BLOCK_UNAVAILABLE


def _room(response: AccessResponse, count: int, access: Access) -> int | None:
    """Octets for data beside one octet for each, None without a limit."""
    context = access.context
    services = (
        access.association.conformance if context.conformance is None else context.conformance
    )
    if not context.max_send_pdu or int(services) & _GENERAL_BLOCKS:
        return None
    protection = _PROTECTION if context.can_protect else 0
    of_items = 3 * count + 2 * (len(length_octets(count)) - 1)
    return context.max_send_pdu - protection - len(response.to_octets()) - of_items


def _refuse(service: ExceptionServiceError) -> ExceptionResponse:
    return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, service)
