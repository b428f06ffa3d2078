"""Block transfer by short names as the server sees it: one transfer each way at a time.

What a block holds is settled by no public text. Sent is, of an answer with one value, the bare
Data, as the field does [facts-g]; of any other answer what follows its tag; of a request what
follows its tag [memory]. A new request drops an answer that is half sent, and a block with a wrong
number ends the transfer, as with logical names [memory].
"""

from __future__ import annotations

from ferraris.core.errors import DecodeError, SequenceError
from ferraris.data.axdr import decode as decode_data
from ferraris.data.kinds import Tag
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.blocks import Incoming, Outgoing, block_octets, fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ConfirmedService,
    DataAccessResult,
    ServiceError,
    ServiceErrorChoice,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.short_name import (
    BlockNumberAccess,
    BlockNumberResult,
    DataBlockResult,
    ParameterisedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableAccess,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    decode_read_request,
    decode_write_request,
)

__all__ = ["LAST_BLOCK_NUMBER", "ShortNameBlocks"]

LAST_BLOCK_NUMBER = 0xFFFF
"""Blocks by short name are numbered in two octets [asn1]."""

_C = Conformance
_SERVICES: dict[type, int] = {
    ReadRequest: int(_C.READ),
    WriteRequest: int(_C.WRITE),
    UnconfirmedWriteRequest: int(_C.UNCONFIRMED_WRITE),
}
_ACCESSES: dict[type, int] = {
    VariableName: 0,
    ParameterisedAccess: int(_C.PARAMETERIZED_ACCESS),
    BlockNumberAccess: int(_C.BLOCK_TRANSFER_WITH_GET_OR_READ),
    ReadDataBlockAccess: int(_C.BLOCK_TRANSFER_WITH_GET_OR_READ),
    WriteDataBlockAccess: int(_C.BLOCK_TRANSFER_WITH_SET_OR_WRITE),
}
_READ_BLOCKS = int(_C.BLOCK_TRANSFER_WITH_GET_OR_READ)
_WHOLE = (VariableName, ParameterisedAccess)
_LIMIT_OCTETS = 4 * 1024 * 1024  # of a request gathered from blocks
_READ_TAG, _WRITE_TAG = b"\x05", b"\x06"

_Request = ReadRequest | WriteRequest | UnconfirmedWriteRequest


class ShortNameBlocks:
    """The transfers of one association."""

    __slots__ = ("_gathered", "_gathers_write", "_outgoing")

    def __init__(self) -> None:
        self._outgoing: Outgoing | None = None
        self._gathered: Incoming | None = None
        self._gathers_write = False

    @property
    def is_sending(self) -> bool:
        """Whether an answer is half sent."""
        return self._outgoing is not None and not self._outgoing.done

    def take(self, request: Apdu, negotiated: Negotiated, *, protected: bool) -> Apdu | bytes:
        """A whole request to be served, or the plain octets that answer a mere block."""
        if not isinstance(request, (ReadRequest, WriteRequest, UnconfirmedWriteRequest)):
            return _refused(request, ServiceError.SERVICE_UNSUPPORTED)
        if _needs(request) & ~negotiated.conformance:
            return _refused(request, ServiceError.SERVICE_UNSUPPORTED)
        block = _block_of(request)
        if isinstance(block, BlockNumberAccess):
            return self._next(block, negotiated, protected).to_octets()
        self._outgoing = None
        if isinstance(block, (ReadDataBlockAccess, WriteDataBlockAccess)):
            return self._gather(request, block, negotiated)
        self._gathered = None
        if not all(isinstance(variable, _WHOLE) for variable in request.variables):
            return _refused(request, ServiceError.OTHER)
        return request

    def respond(self, response: Apdu, negotiated: Negotiated, *, protected: bool) -> bytes:
        """The plain octets of an answer, or of its first block when it is too long."""
        plain = codec.encode(response)
        if fits(negotiated, len(plain), protected) or not isinstance(response, ReadResponse):
            return plain
        results = response.results
        is_one = len(results) == 1 and isinstance(results[0], bytes)
        outgoing = Outgoing(results[0] if is_one else plain[1:])  # type: ignore[arg-type] # bytes
        octets = block_octets(negotiated.max_send, protected=protected)
        if not negotiated.conformance & _READ_BLOCKS or len(plain) > octets * LAST_BLOCK_NUMBER:
            unavailable = DataAccessResult.DATA_BLOCK_UNAVAILABLE
            return ReadResponse([unavailable] * len(results)).to_octets()
        self._outgoing = outgoing
        return ReadResponse([DataBlockResult(*outgoing.next(octets))]).to_octets()

    def _next(
        self, block: BlockNumberAccess, negotiated: Negotiated, protected: bool
    ) -> ReadResponse:
        outgoing = self._outgoing
        if outgoing is None:
            return ReadResponse([DataAccessResult.NO_LONG_GET_IN_PROGRESS])
        if outgoing.done or block.block_number != outgoing.number:
            self._outgoing = None
            return ReadResponse([DataAccessResult.DATA_BLOCK_NUMBER_INVALID])
        octets = block_octets(negotiated.max_send, protected=protected)
        return ReadResponse([DataBlockResult(*outgoing.next(octets))])

    def _gather(
        self,
        request: _Request,
        block: ReadDataBlockAccess | WriteDataBlockAccess,
        negotiated: Negotiated,
    ) -> Apdu | bytes:
        is_write = isinstance(request, WriteRequest)
        if block.block_number == 1:
            self._gathered, self._gathers_write = Incoming(_LIMIT_OCTETS), is_write
        gathered = self._gathered
        if gathered is None or self._gathers_write is not is_write:
            self._gathered = None
            none = DataAccessResult.NO_LONG_SET_IN_PROGRESS
            return _result(none if is_write else DataAccessResult.NO_LONG_GET_IN_PROGRESS, is_write)
        try:
            gathered.add(block.block_number, _content(request, block))
        except SequenceError:
            self._gathered = None
            return _result(DataAccessResult.DATA_BLOCK_NUMBER_INVALID, is_write)
        if not block.last_block:
            return _result(BlockNumberResult(block.block_number), is_write)
        self._gathered = None
        whole: _Request
        if is_write:
            whole = decode_write_request(_WRITE_TAG + gathered.data())
        else:
            whole = decode_read_request(_READ_TAG + gathered.data())
        if _needs(whole) & ~negotiated.conformance or not all(
            isinstance(variable, _WHOLE) for variable in whole.variables
        ):
            return _refused(request, ServiceError.SERVICE_UNSUPPORTED)
        return whole


def _needs(request: _Request) -> int:
    needs = _SERVICES[type(request)]
    if len(request.variables) > 1:
        needs |= int(_C.MULTIPLE_REFERENCES)
    for variable in request.variables:
        needs |= _ACCESSES[type(variable)]
    return needs


def _block_of(request: _Request) -> VariableAccess | None:
    """The block that a request is; a block stands alone, and only where it belongs."""
    if len(request.variables) != 1:
        return None
    variable = request.variables[0]
    if isinstance(request, ReadRequest):
        is_block = isinstance(variable, (BlockNumberAccess, ReadDataBlockAccess))
    else:
        is_block = isinstance(request, WriteRequest) and isinstance(variable, WriteDataBlockAccess)
    return variable if is_block else None


def _content(request: _Request, block: ReadDataBlockAccess | WriteDataBlockAccess) -> bytes:
    if isinstance(block, ReadDataBlockAccess):
        return block.raw_data
    assert isinstance(request, WriteRequest)
    if len(request.data) != 1:
        raise DecodeError("a block of a write is one octet-string", where="block transfer")
    tag, octets = decode_data(request.data[0])
    if tag != Tag.OCTET_STRING:
        raise DecodeError("a block of a write is an octet-string", where="block transfer")
    content: bytes = octets
    return content


def _result(result: DataAccessResult | BlockNumberResult, is_write: bool) -> bytes:
    response = WriteResponse([result]) if is_write else ReadResponse([result])
    return response.to_octets()


def _refused(request: Apdu, reason: ServiceError) -> bytes:
    service = ConfirmedService.READ if isinstance(request, ReadRequest) else ConfirmedService.WRITE
    return ConfirmedServiceError(service, ServiceErrorChoice.SERVICE, reason).to_octets()
