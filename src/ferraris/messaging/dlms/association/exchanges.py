"""Which answers fit which requests, which requests change something, what comes unasked [asn1]."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.messaging.dlms.access import AccessChoice, AccessRequest, AccessResponse
from ferraris.messaging.dlms.action import (
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestListFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
)
from ferraris.messaging.dlms.invoke import (
    CALLERS_BITS,
    CONFIRMED,
    INVOKE_ID,
    LONG_CONFIRMED,
    LONG_INVOKE_ID,
)
from ferraris.messaging.dlms.notify import DataNotification, EventNotification
from ferraris.messaging.dlms.set import (
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestListFirstBlock,
    SetRequestNormal,
    SetRequestWithList,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.messaging.dlms.short_name import (
    InformationReportRequest,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    WriteRequest,
    WriteResponse,
)

__all__ = [
    "ANSWERS",
    "CONTINUING",
    "ERRORS",
    "MANNERS",
    "PUSHES",
    "UNNUMBERED",
    "Manner",
    "changes",
    "is_push",
    "is_unconfirmed",
    "number",
    "number_of",
]

_GET_ANSWERS = (GetResponseNormal, GetResponseWithBlock, GetResponseWithList)
_SET_ANSWERS = (
    SetResponseNormal,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseWithList,
)
_ACTION_ANSWERS = (
    ActionResponseNormal,
    ActionResponseBlock,
    ActionResponseWithList,
    ActionResponseNextBlock,
)
ANSWERS: dict[type, tuple[type, ...]] = {
    **dict.fromkeys((GetRequestNormal, GetRequestNext, GetRequestWithList), _GET_ANSWERS),
    **dict.fromkeys(
        (
            SetRequestNormal,
            SetRequestFirstBlock,
            SetRequestBlock,
            SetRequestWithList,
            SetRequestListFirstBlock,
        ),
        _SET_ANSWERS,
    ),
    **dict.fromkeys(
        (
            ActionRequestNormal,
            ActionRequestNextBlock,
            ActionRequestFirstBlock,
            ActionRequestBlock,
            ActionRequestWithList,
            ActionRequestListFirstBlock,
        ),
        _ACTION_ANSWERS,
    ),
    AccessRequest: (AccessResponse,),
    ReadRequest: (ReadResponse,),
    WriteRequest: (WriteResponse,),
    UnconfirmedWriteRequest: (),
}
UNNUMBERED = frozenset((ReadRequest, WriteRequest, UnconfirmedWriteRequest))
"""Requests by short name have no invoke id, so nothing ties an answer to one of them [asn1]."""

_MAY_BE_UNCONFIRMED = frozenset(
    (SetRequestNormal, SetRequestWithList, ActionRequestNormal, ActionRequestWithList)
)
_CHANGING = frozenset(ANSWERS) - {
    GetRequestNormal,
    GetRequestNext,
    GetRequestWithList,
    AccessRequest,
    ReadRequest,
}
_READS = frozenset((AccessChoice.GET, AccessChoice.GET_WITH_SELECTION))
# These go on with the exchange before them and keep its invoke id [asn1].
CONTINUING = frozenset(
    (GetRequestNext, SetRequestBlock, ActionRequestNextBlock, ActionRequestBlock)
)


class Manner(NamedTuple):
    """How a kind of request is asked and answered."""

    answers: tuple[type, ...]
    is_numbered: bool
    continues: bool
    may_be_unconfirmed: bool


MANNERS = {
    kind: Manner(
        answers,
        kind not in UNNUMBERED,
        kind in CONTINUING,
        kind in _MAY_BE_UNCONFIRMED or kind in (AccessRequest, UnconfirmedWriteRequest),
    )
    for kind, answers in ANSWERS.items()
}
"""The same of each kind at one look: a client asks for every request that it sends."""

ERRORS = (ExceptionResponse, ConfirmedServiceError)
PUSHES = (DataNotification, EventNotification, InformationReportRequest)


def is_push(unit: Apdu) -> bool:
    """Whether a delivered APDU came without having been asked for."""
    return isinstance(unit, PUSHES)


def is_unconfirmed(request: Apdu) -> bool:
    """Whether nobody waits for the answer: a SET or ACTION in one piece may say so.

    GET is always answered, whatever it says, and so are blocks, which go on only by their
    answers [memory].
    """
    kind = type(request)
    if kind in _MAY_BE_UNCONFIRMED:
        how: int = request.invoke_id_and_priority  # type: ignore[union-attr] # a SET or an ACTION
        return not how & CONFIRMED
    if isinstance(request, AccessRequest):
        return not request.long_invoke_id_and_priority & LONG_CONFIRMED
    return kind is UnconfirmedWriteRequest


def changes(request: Apdu) -> bool:
    """Whether a request may change something in the meter."""
    if isinstance(request, AccessRequest):
        return not all(each.choice in _READS for each in request.specifications)
    return type(request) in _CHANGING


def number(request: Apdu, exchange: int) -> None:
    """Write the number of an exchange into a request, beside the bits of the caller."""
    if type(request) is AccessRequest:
        how = request.long_invoke_id_and_priority & ~LONG_INVOKE_ID
        request.long_invoke_id_and_priority = how | exchange & LONG_INVOKE_ID
    else:
        how = request.invoke_id_and_priority & CALLERS_BITS  # type: ignore[union-attr]
        request.invoke_id_and_priority = how | exchange & INVOKE_ID  # type: ignore[union-attr]


def number_of(apdu: Apdu) -> int:
    """The number of the exchange that a request or an answer is part of."""
    kind = type(apdu)
    if kind is AccessRequest or kind is AccessResponse:
        return apdu.long_invoke_id_and_priority & LONG_INVOKE_ID  # type: ignore[union-attr]
    return apdu.invoke_id_and_priority & INVOKE_ID  # type: ignore[union-attr]
