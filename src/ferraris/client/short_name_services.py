"""READ and WRITE: variables by short name, several in one request, in blocks where they are long.

What a block of a READ answer holds is not settled in the field: of one variable its bare Data is
expected, and what follows the tag of an answer is taken as well [facts-g].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ferraris.client.blocks import (
    Exchange,
    as_many,
    check_acknowledged,
    need_blocks,
    parts,
    unknown,
)
from ferraris.client.refusals import refused, strange
from ferraris.core.errors import DecodeError, SequenceError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.blocks import Incoming, Outgoing, block_octets, fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.association.short_name_blocks import LAST_BLOCK_NUMBER
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor
from ferraris.messaging.dlms.short_name import (
    BlockNumberAccess,
    BlockNumberResult,
    DataBlockResult,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    VariableAccess,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    decode_read_response,
)

__all__ = ["Terms", "read", "refused", "write"]

_READ_BLOCKS = Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
_WRITE_BLOCKS = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE

Target = AttributeDescriptor | MethodDescriptor
"""What a variable is by logical name, for the words of errors."""


class Terms(NamedTuple):
    """The line, what was negotiated on it, and whether APDUs are protected."""

    driver: Exchange
    negotiated: Negotiated
    protected: bool

    def fits(self, octets: int) -> bool:
        """Whether a plain request of so many octets goes in one piece."""
        return fits(self.negotiated, octets, self.protected)

    def outgoing(self, body: bytes, blocks: Conformance) -> tuple[Outgoing, int]:
        """What follows the tag of a long request, and how much of it goes into a block."""
        need_blocks(self.negotiated, blocks, len(body), confirmed=True)
        octets = block_octets(self.negotiated.max_send, protected=self.protected)
        if len(body) > octets * LAST_BLOCK_NUMBER:
            raise UsageError(f"{len(body)} octets are too long for short names", where="client")
        return Outgoing(body), octets


async def read(
    terms: Terms, wanted: Sequence[tuple[Target, VariableAccess]]
) -> list[bytes | DataAccessResult]:
    """The encoded data of variables, each or the reason why there is none.

    Raises `RefusedError` when the request as such was not served, `SequenceError` and `DecodeError`
    for answers that are none.
    """
    lists = terms.negotiated.has(Conformance.MULTIPLE_REFERENCES)
    results: list[bytes | DataAccessResult] = []
    for part in parts(wanted, lambda part: lists and terms.fits(len(_read_request(part)))):
        results += as_many(await _read_part(terms, part), part)
    return results


async def write(
    terms: Terms, wanted: Sequence[tuple[Target, VariableAccess, bytes]]
) -> list[DataAccessResult]:
    """Write encoded data to variables; one result for each.

    When an error ends it on the way, what was written before it stays written, and what was under
    way is unknown.
    """
    lists = terms.negotiated.has(Conformance.MULTIPLE_REFERENCES)
    results: list[DataAccessResult] = []
    for part in parts(wanted, lambda part: lists and terms.fits(len(_write_request(part)))):
        results += as_many(await _write_part(terms, part), part)
    return results


def _read_request(part: Sequence[tuple[Target, VariableAccess]]) -> bytes:
    return ReadRequest([variable for _, variable in part]).to_octets()


def _write_request(part: Sequence[tuple[Target, VariableAccess, bytes]]) -> bytes:
    return WriteRequest([each[1] for each in part], [each[2] for each in part]).to_octets()


async def _read_part(
    terms: Terms, part: Sequence[tuple[Target, VariableAccess]]
) -> list[bytes | DataAccessResult]:
    target = part[0][0]
    octets = _read_request(part)
    if terms.fits(len(octets)):
        answer = await terms.driver.exchange(ReadRequest([variable for _, variable in part]))
    else:
        answer = await _ask_in_blocks(terms, octets[1:])
    if type(answer) is not ReadResponse:
        raise strange(target, answer)
    if len(answer.results) == 1 and isinstance(answer.results[0], DataBlockResult):
        gathered = await _gathered(terms, target, answer)
        if isinstance(gathered, DataAccessResult):
            raise refused(target, gathered)
        return [_value(gathered)] if len(part) == 1 else _values(gathered)
    return [_plain(target, result) for result in answer.results]


async def _ask_in_blocks(terms: Terms, body: bytes) -> Apdu:
    outgoing, octets = terms.outgoing(body, _READ_BLOCKS)
    while True:
        last, number, block = outgoing.next(octets)
        request = ReadRequest([ReadDataBlockAccess(last, number, block)])
        answer = await terms.driver.exchange(request)
        if last or not _acknowledges(answer, number):
            return answer


async def _gathered(terms: Terms, target: Target, answer: Apdu) -> bytes | DataAccessResult:
    gathered = Incoming()
    while type(answer) is ReadResponse and len(answer.results) == 1:
        block = answer.results[0]
        if isinstance(block, DataAccessResult):
            return block
        if not isinstance(block, DataBlockResult):
            break
        gathered.add(block.block_number, block.raw_data)
        if block.last_block:
            return gathered.data()
        answer = await terms.driver.exchange(ReadRequest([BlockNumberAccess(block.block_number)]))
    raise strange(target, answer)


def _plain(target: Target, result: object) -> bytes | DataAccessResult:
    if isinstance(result, (bytes, DataAccessResult)):
        return result
    raise SequenceError(
        f"{type(result).__name__} is no value of attribute or method {target[2]}", where="client"
    )


def _value(octets: bytes) -> bytes | DataAccessResult:
    """The one value in the blocks of an answer, in either form."""
    if _is_whole(octets, 0):
        return octets
    if octets[:2] == b"\x01\x00" and _is_whole(octets, 2):
        return octets[2:]
    if octets[:1] == b"\x00" and _is_whole(octets, 1):
        return octets[1:]
    raise DecodeError("the blocks make no value", where="client", octets=octets[:16])


def _is_whole(octets: bytes, start: int) -> bool:
    try:
        return axdr.skip(octets, start) == len(octets)
    except DecodeError:
        return False


def _values(octets: bytes) -> list[bytes | DataAccessResult]:
    results = decode_read_response(b"\x0c" + octets).results
    found = [each for each in results if isinstance(each, (bytes, DataAccessResult))]
    return as_many(found, results)


async def _write_part(
    terms: Terms, part: Sequence[tuple[Target, VariableAccess, bytes]]
) -> list[DataAccessResult]:
    target = part[0][0]
    octets = _write_request(part)
    if terms.fits(len(octets)):
        request = WriteRequest([each[1] for each in part], [each[2] for each in part])
        answer = await terms.driver.exchange(request)
    else:
        answer = await _write_in_blocks(terms, octets[1:])
    if type(answer) is not WriteResponse:
        raise unknown(strange(target, answer))
    results = [each for each in answer.results if isinstance(each, DataAccessResult)]
    if len(results) != len(answer.results):
        raise SequenceError(
            "a block was acknowledged, and none was sent", where="client"
        ).with_unknown_outcome()
    return results


async def _write_in_blocks(terms: Terms, body: bytes) -> Apdu:
    outgoing, octets = terms.outgoing(body, _WRITE_BLOCKS)
    while True:
        last, number, block = outgoing.next(octets)
        data = axdr.encode(octet_string(block))
        answer = await terms.driver.exchange(
            WriteRequest([WriteDataBlockAccess(last, number)], [data])
        )
        if last or not _acknowledges(answer, number):
            return answer


def _acknowledges(answer: Apdu, number: int) -> bool:
    """Whether an answer asks for the block after this one."""
    if not isinstance(answer, (ReadResponse, WriteResponse)) or len(answer.results) != 1:
        return False
    result = answer.results[0]
    if not isinstance(result, BlockNumberResult):
        return False
    check_acknowledged(result.block_number, number)
    return True
