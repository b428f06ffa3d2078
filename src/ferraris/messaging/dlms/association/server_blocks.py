"""Block transfer as the server sees it: long requests gathered, long answers handed out.

One transfer each way at a time. A new request while an answer is still half sent drops that
answer: the client has given up. A block with a wrong number ends the transfer [memory].
"""

from __future__ import annotations

from ferraris.core.errors import SequenceError
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.access import AccessRequest
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
from ferraris.messaging.dlms.association.blocks import Incoming, Outgoing, block_octets, fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
)
from ferraris.messaging.dlms.reading import ApduReader
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

__all__ = ["ServerBlocks"]

_C = Conformance
_NEEDS: dict[type, int] = {
    GetRequestNormal: int(_C.GET),
    GetRequestNext: int(_C.GET | _C.BLOCK_TRANSFER_WITH_GET_OR_READ),
    GetRequestWithList: int(_C.GET | _C.MULTIPLE_REFERENCES),
    SetRequestNormal: int(_C.SET),
    SetRequestFirstBlock: int(_C.SET | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE),
    SetRequestBlock: int(_C.SET | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE),
    SetRequestWithList: int(_C.SET | _C.MULTIPLE_REFERENCES),
    SetRequestListFirstBlock: int(
        _C.SET | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE | _C.MULTIPLE_REFERENCES
    ),
    ActionRequestNormal: int(_C.ACTION),
    ActionRequestNextBlock: int(_C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION),
    ActionRequestFirstBlock: int(_C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION),
    ActionRequestBlock: int(_C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION),
    ActionRequestWithList: int(_C.ACTION | _C.MULTIPLE_REFERENCES),
    ActionRequestListFirstBlock: int(
        _C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION | _C.MULTIPLE_REFERENCES
    ),
    AccessRequest: int(_C.ACCESS),
}
_WHOLE = frozenset(
    (
        GetRequestNormal,
        GetRequestWithList,
        SetRequestNormal,
        SetRequestWithList,
        ActionRequestNormal,
        ActionRequestWithList,
        AccessRequest,
    )
)
_GET_BLOCKS = int(_C.BLOCK_TRANSFER_WITH_GET_OR_READ)
_ACTION_BLOCKS = int(_C.BLOCK_TRANSFER_WITH_ACTION)
_LIMIT_OCTETS = 4 * 1024 * 1024  # of a request gathered from blocks

_FirstSet = SetRequestFirstBlock | SetRequestListFirstBlock
_FirstAction = ActionRequestFirstBlock | ActionRequestListFirstBlock


class ServerBlocks:
    """The transfers of one association."""

    __slots__ = ("_first", "_gathered", "_outgoing", "_outgoing_get", "_set_number")

    def __init__(self) -> None:
        self._outgoing: Outgoing | None = None
        self._outgoing_get = True
        self._first: _FirstSet | _FirstAction | None = None
        self._gathered = Incoming()
        self._set_number = 0  # the last block of a long SET, which its answer names

    @property
    def is_sending(self) -> bool:
        """Whether an answer is half sent."""
        return self._outgoing is not None and not self._outgoing.done

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left of any transfer: a whole request finds and leaves it so."""
        return self._outgoing is None and self._first is None and not self._set_number

    def take(self, request: Apdu, negotiated: Negotiated, *, protected: bool) -> Apdu | bytes:
        """A whole request to be served, or the plain octets that answer a mere block."""
        kind = type(request)
        needs = _NEEDS.get(kind)
        if needs is None or needs & ~negotiated.conformance:
            return ExceptionResponse(
                StateError.SERVICE_UNKNOWN, ExceptionServiceError.SERVICE_NOT_SUPPORTED
            ).to_octets()
        if kind in _WHOLE:
            self._outgoing = self._first = None
            self._set_number = 0
            return request
        if isinstance(request, (GetRequestNext, ActionRequestNextBlock)):
            return self._next(request, negotiated, protected).to_octets()
        self._outgoing = None
        if isinstance(request, (SetRequestBlock, ActionRequestBlock)):
            return self._gather(request)
        assert isinstance(
            request,
            (
                SetRequestFirstBlock,
                SetRequestListFirstBlock,
                ActionRequestFirstBlock,
                ActionRequestListFirstBlock,
            ),
        )
        self._first = request
        self._set_number = 0
        self._gathered = Incoming(_LIMIT_OCTETS)
        return self._gather(request)

    def respond(self, response: Apdu, negotiated: Negotiated, *, protected: bool) -> bytes:
        """The plain octets of an answer, or of its first block when it is too long."""
        if self._set_number:
            number, self._set_number = self._set_number, 0
            if isinstance(response, SetResponseNormal):
                response = SetResponseLastBlock(
                    response.invoke_id_and_priority, response.result, number
                )
            elif isinstance(response, SetResponseWithList):
                response = SetResponseLastBlockWithList(
                    response.invoke_id_and_priority, response.results, number
                )
        plain = codec.encode(response)
        if fits(negotiated, len(plain), protected):
            return plain
        return self._first_block(response, plain, negotiated, protected).to_octets()

    # -- answers in blocks ----------------------------------------------------------------

    def _first_block(
        self, response: Apdu, plain: bytes, negotiated: Negotiated, protected: bool
    ) -> Apdu:
        octets = block_octets(negotiated.max_send, protected=protected)
        if isinstance(response, (GetResponseNormal, GetResponseWithList)):
            iip = response.invoke_id_and_priority
            if not negotiated.conformance & _GET_BLOCKS:
                return GetResponseNormal(iip, DataAccessResult.DATA_BLOCK_UNAVAILABLE)
            is_list = isinstance(response, GetResponseWithList)
            self._outgoing = Outgoing(plain[3:] if is_list else plain[4:])
            self._outgoing_get = True
            last, number, block = self._outgoing.next(octets)
            return GetResponseWithBlock(iip, last, number, block)
        if isinstance(response, (ActionResponseNormal, ActionResponseWithList)):
            iip = response.invoke_id_and_priority
            if not negotiated.conformance & _ACTION_BLOCKS:
                return ActionResponseNormal(iip, ActionResult.DATA_BLOCK_UNAVAILABLE)
            # What a block holds is unsettled in the field; bare Data is sent [facts-g §6].
            whole = plain[3:] if isinstance(response, ActionResponseWithList) else response.data
            self._outgoing = Outgoing(whole or b"")
            self._outgoing_get = False
            last, number, block = self._outgoing.next(octets)
            return ActionResponseBlock(iip, last, number, block)
        return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ExceptionServiceError.PDU_TOO_LONG)

    def _next(
        self,
        request: GetRequestNext | ActionRequestNextBlock,
        negotiated: Negotiated,
        protected: bool,
    ) -> Apdu:
        is_get = isinstance(request, GetRequestNext)
        outgoing = self._outgoing
        iip = request.invoke_id_and_priority
        if outgoing is None or self._outgoing_get != is_get:
            self._outgoing = None
            if is_get:
                result = DataAccessResult.NO_LONG_GET_IN_PROGRESS
                return GetResponseWithBlock(iip, True, request.block_number, None, result)
            return ActionResponseNormal(iip, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        if outgoing.done or request.block_number != outgoing.number:
            self._outgoing = None
            if is_get:
                result = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
                return GetResponseWithBlock(iip, True, request.block_number, None, result)
            return ActionResponseNormal(iip, ActionResult.LONG_ACTION_ABORTED)
        octets = block_octets(negotiated.max_send, protected=protected)
        last, number, block = outgoing.next(octets)
        if is_get:
            return GetResponseWithBlock(iip, last, number, block)
        return ActionResponseBlock(iip, last, number, block)

    # -- requests in blocks ---------------------------------------------------------------

    def _gather(
        self, request: _FirstSet | _FirstAction | SetRequestBlock | ActionRequestBlock
    ) -> Apdu | bytes:
        first = self._first
        is_set = isinstance(
            request, (SetRequestFirstBlock, SetRequestListFirstBlock, SetRequestBlock)
        )
        begun_as_set = isinstance(first, (SetRequestFirstBlock, SetRequestListFirstBlock))
        if first is None or begun_as_set != is_set:
            self._first = None
            return self._refused(request, is_set, begun=False)
        try:
            self._gathered.add(request.block_number, request.raw_data)
        except SequenceError:
            self._first = None
            return self._refused(request, is_set, begun=True)
        if not request.last_block:
            iip, number = request.invoke_id_and_priority, request.block_number
            if is_set:
                return SetResponseBlock(iip, number).to_octets()
            return ActionResponseNextBlock(iip, number).to_octets()
        self._first = None
        self._set_number = request.block_number if is_set else 0
        return _whole(first, request.invoke_id_and_priority, self._gathered.data())

    def _refused(self, request: Apdu, is_set: bool, *, begun: bool) -> bytes:
        iip: int = request.invoke_id_and_priority  # type: ignore[union-attr] # a block request
        if is_set:
            number: int = request.block_number  # type: ignore[union-attr] # a block request
            result = (
                DataAccessResult.DATA_BLOCK_NUMBER_INVALID
                if begun
                else DataAccessResult.NO_LONG_SET_IN_PROGRESS
            )
            return SetResponseLastBlock(iip, result, number).to_octets()
        return ActionResponseNormal(
            iip,
            ActionResult.LONG_ACTION_ABORTED if begun else ActionResult.NO_LONG_ACTION_IN_PROGRESS,
        ).to_octets()


def _whole(first: _FirstSet | _FirstAction, iip: int, data: bytes) -> Apdu:
    """The request that the blocks were cut from."""
    if isinstance(first, SetRequestFirstBlock):
        return SetRequestNormal(iip, first.attribute, first.selection, data)
    if isinstance(first, SetRequestListFirstBlock):
        return SetRequestWithList(iip, first.attributes, _values(data, len(first.attributes)))
    if isinstance(first, ActionRequestFirstBlock):
        return ActionRequestNormal(iip, first.method, data)
    return ActionRequestWithList(iip, first.methods, _values(data, len(first.methods)))


def _values(octets: bytes, expected: int) -> list[bytes]:
    """The values of a list: a count, then so many encoded Data."""
    reader = ApduReader(octets, "block transfer")
    values = reader.data_list()
    if len(values) != expected:
        raise reader.error(f"{len(values)} values for {expected} names")
    reader.finish()
    return values
