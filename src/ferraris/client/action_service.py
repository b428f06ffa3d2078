"""ACTION: invoking one method or several, parameters and answers of any size."""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.client.blocks import (
    BLOCK_HEAD_OCTETS,
    HEAD_OCTETS,
    Exchange,
    by_parts,
    check_sizes,
    need_blocks,
    parts,
    send_in_blocks,
    unknown,
)
from ferraris.client.refusals import refused, strange
from ferraris.core.errors import Error, RefusedError
from ferraris.messaging.dlms.action import (
    ActionOutcome,
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
from ferraris.messaging.dlms.apdu import Apdu, decode
from ferraris.messaging.dlms.association.blocks import (
    Incoming,
    Outgoing,
    block_octets,
    fits,
    fits_whole,
)
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import MethodDescriptor
from ferraris.messaging.dlms.reading import (
    sequence_of,
)

__all__ = ["act", "act_list"]

_SUCCESS = DataAccessResult.SUCCESS
_ACTION_BLOCKS = Conformance.BLOCK_TRANSFER_WITH_ACTION
_NULL_DATA = b"\x00"

_Item = tuple[MethodDescriptor, bytes | None]


async def act(
    driver: Exchange,
    negotiated: Negotiated,
    method: MethodDescriptor,
    data: bytes | None = None,
    *,
    protected: bool = False,
    confirmed: bool = True,
    high_priority: bool = True,
) -> bytes | None:
    """Invoke a method; the encoded data that it returns, or None. Raises `RefusedError`.

    With `confirmed` False the meter keeps silent: None is returned and nothing is known.
    """
    how = service_class(confirmed=confirmed, high_priority=high_priority)
    name = len(method.to_octets())
    may_go = fits if confirmed else fits_whole  # blocks of any kind go on only by their answers
    if may_go(negotiated, HEAD_OCTETS + name + 1 + len(data or b""), protected):
        request = ActionRequestNormal(how, method, data)
        answer = await driver.exchange(request)
        if answer is request:
            return None
    else:
        assert data is not None
        need_blocks(negotiated, _ACTION_BLOCKS, len(data), confirmed)
        answer = await send_in_blocks(
            driver,
            Outgoing(data),
            block_octets(negotiated.max_send, protected=protected, leading=name),
            lambda *block: ActionRequestFirstBlock(how, method, *block),
            lambda *block: ActionRequestBlock(how, *block),
            acknowledgement=ActionResponseNextBlock,
        )
    if type(answer) is ActionResponseBlock:
        return _action_data(await _long_answer(driver, method, answer, how))
    if type(answer) is not ActionResponseNormal:
        raise unknown(strange(method, answer))
    if answer.result != ActionResult.SUCCESS:
        raise refused(method, answer.result)
    if answer.data_result is not None and answer.data_result != _SUCCESS:
        raise refused(method, answer.data_result)
    return answer.data


async def act_list(
    driver: Exchange,
    negotiated: Negotiated,
    items: Sequence[tuple[MethodDescriptor, bytes | None]],
    *,
    protected: bool = False,
    high_priority: bool = True,
) -> list[ActionOutcome | Error]:
    """Invoke several methods; the outcome of each, in order.

    In as few requests as the meter takes, in blocks where they do not fit; one request each where
    lists were not negotiated. When one of several requests fails on the way, its error stands in
    the place of its outcomes, with `outcome_unknown` when it was not answered, and what was not
    sent any more says so. Raises the error when nothing was answered at all.
    """
    sizes = [len(data or b"") + 10 for _, data in items]
    check_sizes(negotiated, _ACTION_BLOCKS, sizes, protected)
    if not negotiated.has(Conformance.MULTIPLE_REFERENCES):

        async def single(part: Sequence[_Item]) -> list[ActionOutcome]:
            return [await _acted(driver, negotiated, part[0], protected, high_priority)]

        return await by_parts([[item] for item in items], single)
    how = service_class(high_priority=high_priority)

    def may_go(part: Sequence[_Item]) -> bool:
        names = len(sequence_of(method.to_octets() for method, _ in part))
        whole = HEAD_OCTETS + names + len(sequence_of(data or _NULL_DATA for _, data in part))
        in_blocks = fits(negotiated, BLOCK_HEAD_OCTETS + names, protected)
        return (in_blocks and negotiated.has(_ACTION_BLOCKS)) or fits(negotiated, whole, protected)

    return await by_parts(
        parts(items, may_go), lambda part: _act_part(driver, negotiated, part, protected, how)
    )


async def _act_part(
    driver: Exchange,
    negotiated: Negotiated,
    part: Sequence[_Item],
    protected: bool,
    how: int,
) -> list[ActionOutcome]:
    methods = [method for method, _ in part]
    data = [parameter or _NULL_DATA for _, parameter in part]
    leading = len(sequence_of(method.to_octets() for method in methods))
    values = sequence_of(data)
    if fits(negotiated, HEAD_OCTETS + leading + len(values), protected):
        answer = await driver.exchange(ActionRequestWithList(how, methods, data))
    else:
        answer = await send_in_blocks(
            driver,
            Outgoing(values),
            block_octets(negotiated.max_send, protected=protected, leading=leading),
            lambda *block: ActionRequestListFirstBlock(how, methods, *block),
            lambda *block: ActionRequestBlock(how, *block),
            acknowledgement=ActionResponseNextBlock,
        )
    if type(answer) is ActionResponseBlock:
        answer = decode(b"\xc7\x03\x00" + await _long_answer(driver, methods[0], answer, how))
    if type(answer) is ActionResponseWithList:
        return answer.results
    if type(answer) is ActionResponseNormal and answer.result != ActionResult.SUCCESS:
        raise refused(methods[0], answer.result)  # the transfer failed, nothing was done
    raise unknown(strange(methods[0], answer))


async def _acted(
    driver: Exchange,
    negotiated: Negotiated,
    item: _Item,
    protected: bool,
    high_priority: bool,
) -> ActionOutcome:
    try:
        data = await act(
            driver, negotiated, *item, protected=protected, high_priority=high_priority
        )
    except RefusedError as no:
        if isinstance(no.reason, ActionResult):
            return ActionOutcome(no.reason)
        if isinstance(no.reason, DataAccessResult):
            return ActionOutcome(ActionResult.SUCCESS, None, no.reason)
        raise
    return ActionOutcome(ActionResult.SUCCESS, data)


async def _long_answer(driver: Exchange, target: MethodDescriptor, answer: Apdu, how: int) -> bytes:
    """Fetch the rest of an answer; whatever fails here, the method was invoked already."""
    gathered = Incoming()
    try:
        while type(answer) is ActionResponseBlock:
            gathered.add(answer.block_number, answer.raw_data)
            if answer.last_block:
                return gathered.data()
            answer = await driver.exchange(ActionRequestNextBlock(how, answer.block_number))
    except Error as error:
        raise error.with_unknown_outcome() from error
    if type(answer) is ActionResponseNormal and answer.result != ActionResult.SUCCESS:
        raise refused(target, answer.result).with_unknown_outcome()
    raise strange(target, answer).with_unknown_outcome()


def _action_data(octets: bytes) -> bytes:
    """The bare Data in the blocks of an ACTION answer; three forms are met [facts-g §6]."""
    if octets[:3] == b"\x00\x01\x00" and len(octets) > 3:
        return octets[3:]
    if octets[:1] == b"\x00" and len(octets) > 1:
        return octets[1:]
    return octets
