"""Procedures for single services: whatever the size, one call reads, writes or acts.

Each is a coroutine over a driver's `exchange`, so that it runs on every driver. Blocks are used as
negotiated. Refusals become `RefusedError` with the standard's own reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from ferraris.core.errors import RefusedError, SequenceError, UsageError
from ferraris.messaging.dlms.action import (
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseNormal,
)
from ferraris.messaging.dlms.apdu import Apdu, decode
from ferraris.messaging.dlms.association.blocks import Incoming, Outgoing, block_octets
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult, OctetEnum
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import (
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestNormal,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseNormal,
)

__all__ = ["Exchange", "act", "get", "get_list", "set_"]

_SUCCESS = DataAccessResult.SUCCESS
_ACTION_HEAD = 12  # C3 01, invoke id, method descriptor
_SET_HEAD = 12
_LONGEST_LIST = 32  # attributes in one request: few meters take more


class Exchange(Protocol):
    """Anything with the `exchange` of a driver."""

    def exchange(self, unit: Apdu) -> Awaitable[Apdu]: ...


async def get(
    driver: Exchange, attribute: AttributeDescriptor, selection: Selection | None = None
) -> bytes:
    """The encoded data of an attribute, in one piece or gathered from blocks.

    Raises `RefusedError` with a `DataAccessResult`, `SequenceError` for blocks out of order.
    """
    answer = await driver.exchange(GetRequestNormal(0, attribute, selection))
    if type(answer) is GetResponseNormal:
        if answer.data is None:
            raise _refused(attribute, answer.result)
        return answer.data
    gathered = Incoming()
    while type(answer) is GetResponseWithBlock:
        if answer.raw_data is None:
            raise _refused(attribute, answer.result)
        gathered.add(answer.block_number, answer.raw_data)
        if answer.last_block:
            return gathered.data()
        answer = await driver.exchange(GetRequestNext(0, answer.block_number))
    raise _strange(attribute, answer)


async def get_list(
    driver: Exchange,
    negotiated: Negotiated,
    attributes: Sequence[tuple[AttributeDescriptor, Selection | None]],
) -> list[bytes | DataAccessResult]:
    """The encoded data of several attributes, each or the reason why there is none.

    One request with a list where that was negotiated, else one request each.
    """
    if not negotiated.has(Conformance.MULTIPLE_REFERENCES):
        return [await _one(driver, *attribute) for attribute in attributes]
    results: list[bytes | DataAccessResult] = []
    for start in range(0, len(attributes), _LONGEST_LIST):
        part = attributes[start : start + _LONGEST_LIST]
        found = await _listed(driver, part)
        if len(found) != len(part):
            raise SequenceError(f"{len(found)} results for {len(part)} attributes", where="client")
        results += found
    return results


async def _one(
    driver: Exchange, attribute: AttributeDescriptor, selection: Selection | None
) -> bytes | DataAccessResult:
    try:
        return await get(driver, attribute, selection)
    except RefusedError as refused:
        if isinstance(refused.reason, DataAccessResult):
            return refused.reason
        raise


async def _listed(
    driver: Exchange, attributes: Sequence[tuple[AttributeDescriptor, Selection | None]]
) -> list[bytes | DataAccessResult]:
    first = attributes[0][0]
    answer = await driver.exchange(GetRequestWithList(0, list(attributes)))
    gathered = Incoming()
    while type(answer) is GetResponseWithBlock:
        if answer.raw_data is None:
            raise _refused(first, answer.result)
        gathered.add(answer.block_number, answer.raw_data)
        if answer.last_block:
            # The blocks hold what would have followed the invoke id of one response.
            answer = decode(b"\xc4\x03\x00" + gathered.data())
            break
        answer = await driver.exchange(GetRequestNext(0, answer.block_number))
    if type(answer) is GetResponseWithList:
        return answer.results
    raise _strange(first, answer)


async def set_(
    driver: Exchange,
    negotiated: Negotiated,
    attribute: AttributeDescriptor,
    data: bytes,
    selection: Selection | None = None,
    *,
    protected: bool = False,
) -> None:
    """Write encoded data, in blocks when it does not fit; raises `RefusedError`.

    A write that was not answered is not repeated: whether it took effect is unknown until read.
    """
    leading = 9 + (2 + len(selection.parameter) if selection else 1)
    if _fits(negotiated, len(data) + _SET_HEAD + leading, protected):
        answer = await driver.exchange(SetRequestNormal(0, attribute, selection, data))
    else:
        _need(negotiated, Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE, len(data))
        outgoing = Outgoing(data)
        octets = block_octets(negotiated.max_send, protected=protected, leading=leading)
        last, number, block = outgoing.next(octets)
        answer = await driver.exchange(
            SetRequestFirstBlock(0, attribute, selection, last, number, block)
        )
        while type(answer) is SetResponseBlock and not outgoing.done:
            _acknowledged(answer.block_number, number)
            last, number, block = outgoing.next(octets)
            answer = await driver.exchange(SetRequestBlock(0, last, number, block))
    if not isinstance(answer, (SetResponseNormal, SetResponseLastBlock)):
        raise _strange(attribute, answer)
    if answer.result != _SUCCESS:
        raise _refused(attribute, answer.result)


async def act(
    driver: Exchange,
    negotiated: Negotiated,
    method: MethodDescriptor,
    data: bytes | None = None,
    *,
    protected: bool = False,
) -> bytes | None:
    """Invoke a method; the encoded data that it returns, or None. Raises `RefusedError`."""
    if data is None or _fits(negotiated, len(data) + _ACTION_HEAD + 1, protected):
        answer = await driver.exchange(ActionRequestNormal(0, method, data))
    else:
        _need(negotiated, Conformance.BLOCK_TRANSFER_WITH_ACTION, len(data))
        outgoing = Outgoing(data)
        octets = block_octets(negotiated.max_send, protected=protected, leading=9)
        last, number, block = outgoing.next(octets)
        answer = await driver.exchange(ActionRequestFirstBlock(0, method, last, number, block))
        while type(answer) is ActionResponseNextBlock and not outgoing.done:
            _acknowledged(answer.block_number, number)
            last, number, block = outgoing.next(octets)
            answer = await driver.exchange(ActionRequestBlock(0, last, number, block))
    if type(answer) is ActionResponseBlock:
        return await _long_answer(driver, method, answer)
    if type(answer) is not ActionResponseNormal:
        raise _strange(method, answer)
    if answer.result != ActionResult.SUCCESS:
        raise _refused(method, answer.result)
    if answer.data_result is not None and answer.data_result != _SUCCESS:
        raise _refused(method, answer.data_result)
    return answer.data


async def _long_answer(
    driver: Exchange, method: MethodDescriptor, answer: ActionResponseBlock
) -> bytes:
    gathered = Incoming()
    following: Apdu = answer
    while type(following) is ActionResponseBlock:
        gathered.add(following.block_number, following.raw_data)
        if following.last_block:
            return _action_data(gathered.data())
        following = await driver.exchange(ActionRequestNextBlock(0, following.block_number))
    if type(following) is ActionResponseNormal and following.result != ActionResult.SUCCESS:
        raise _refused(method, following.result)
    raise _strange(method, following)


def _action_data(octets: bytes) -> bytes:
    """The bare Data in the blocks of an ACTION answer; three forms are met [facts-g §6]."""
    if octets[:4] == b"\x00\x01\x00" + octets[3:4] and len(octets) > 4:
        return octets[3:]
    if octets[:1] == b"\x00" and len(octets) > 1:
        return octets[1:]
    return octets


def _fits(negotiated: Negotiated, octets: int, protected: bool) -> bool:
    room = negotiated.max_send - (30 if protected else 0)
    return negotiated.max_send == 0 or octets <= room


def _need(negotiated: Negotiated, service: Conformance, octets: int) -> None:
    if not negotiated.has(service):
        raise UsageError(
            f"{octets} octets do not fit into the meter's {negotiated.max_send}, and it does not "
            "take them in blocks",
            where="client",
        )


def _acknowledged(number: int, expected: int) -> None:
    if number != expected:
        raise SequenceError(
            f"block {number} was acknowledged, {expected} was sent", where="block transfer"
        )


_HINTS = {
    DataAccessResult.OBJECT_UNDEFINED: "no such object for this client; `browse` lists them",
    DataAccessResult.OBJECT_UNAVAILABLE: "not available to this client, or not now",
    DataAccessResult.READ_WRITE_DENIED: "this client has no right to it",
    DataAccessResult.OBJECT_CLASS_INCONSISTENT: "the object is of another class",
    DataAccessResult.TYPE_UNMATCHED: "the value has another type than the meter expects",
    DataAccessResult.SCOPE_OF_ACCESS_VIOLATED: "this client has no right to it",
}


def _refused(
    target: AttributeDescriptor | MethodDescriptor, reason: DataAccessResult | ActionResult
) -> RefusedError:
    hint = _HINTS.get(DataAccessResult(int(reason)), "")
    words = reason.words if isinstance(reason, OctetEnum) else str(reason)
    text = f"the meter refused {_shown(target)}: {words}"
    return RefusedError(f"{text} ({hint})" if hint else text, reason=reason, where="client")


def _strange(target: AttributeDescriptor | MethodDescriptor, answer: Apdu) -> Exception:
    """The error behind an answer that is none."""
    if isinstance(answer, ExceptionResponse):
        return RefusedError(
            f"the meter did not serve {_shown(target)}: {answer.words}",
            reason=answer.service_error,
            where="client",
        )
    if isinstance(answer, ConfirmedServiceError):
        return RefusedError(
            f"the meter did not serve {_shown(target)}: {answer.words}",
            reason=answer.reason,
            where="client",
        )
    return SequenceError(
        f"{type(answer).__name__} does not answer {_shown(target)}", where="client"
    )


def _shown(target: AttributeDescriptor | MethodDescriptor) -> str:
    a, b, c, d, e, f = target.logical_name
    what = "attribute" if isinstance(target, AttributeDescriptor) else "method"
    return f"{a}-{b}:{c}.{d}.{e}*{f} {what} {target[2]} (class {target.class_id})"
