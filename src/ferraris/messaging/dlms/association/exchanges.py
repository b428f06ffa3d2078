"""Which answers fit which requests, which requests change something, what comes unasked [asn1]."""

from __future__ import annotations

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
from ferraris.messaging.dlms.invoke import CONFIRMED
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

__all__ = [
    "ANSWERS",
    "CHANGING",
    "CONTINUING",
    "ERRORS",
    "PUSHES",
    "is_push",
    "is_unconfirmed",
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
}
_MAY_BE_UNCONFIRMED = frozenset(
    (SetRequestNormal, SetRequestWithList, ActionRequestNormal, ActionRequestWithList)
)
CHANGING = frozenset(ANSWERS) - {GetRequestNormal, GetRequestNext, GetRequestWithList}
# These go on with the exchange before them and keep its invoke id [asn1].
CONTINUING = frozenset(
    (GetRequestNext, SetRequestBlock, ActionRequestNextBlock, ActionRequestBlock)
)
ERRORS = (ExceptionResponse, ConfirmedServiceError)
PUSHES = (DataNotification, EventNotification)


def is_push(unit: Apdu) -> bool:
    """Whether a delivered APDU came without having been asked for."""
    return isinstance(unit, PUSHES)


def is_unconfirmed(request: Apdu) -> bool:
    """Whether nobody waits for the answer: a SET or ACTION in one piece may say so.

    GET is always answered, whatever it says, and so are blocks, which go on only by their
    answers [memory].
    """
    if type(request) not in _MAY_BE_UNCONFIRMED:
        return False
    how: int = request.invoke_id_and_priority  # type: ignore[union-attr] # a SET or an ACTION
    return not how & CONFIRMED
