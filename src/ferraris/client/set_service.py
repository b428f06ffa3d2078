"""SET: writing one attribute or several, whole or in blocks."""

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
from ferraris.messaging.dlms.association.blocks import Outgoing, block_octets, fits, fits_whole
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.reading import (
    attribute_list,
    optional_selection,
    sequence_of,
)
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

__all__ = ["set_", "set_list"]

_SUCCESS = DataAccessResult.SUCCESS
_SET_BLOCKS = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE

_Item = tuple[AttributeDescriptor, Selection | None, bytes]


async def set_(
    driver: Exchange,
    negotiated: Negotiated,
    attribute: AttributeDescriptor,
    data: bytes,
    selection: Selection | None = None,
    *,
    protected: bool = False,
    confirmed: bool = True,
    high_priority: bool = True,
) -> None:
    """Write encoded data, in blocks when they do not fit; raises `RefusedError`.

    With `confirmed` False the meter keeps silent: nothing is known of the outcome.
    """
    how = service_class(confirmed=confirmed, high_priority=high_priority)
    leading = len(attribute.to_octets()) + len(optional_selection(selection))
    may_go = fits if confirmed else fits_whole  # blocks of any kind go on only by their answers
    if may_go(negotiated, HEAD_OCTETS + leading + len(data), protected):
        request = SetRequestNormal(how, attribute, selection, data)
        answer = await driver.exchange(request)
        if answer is request:
            return
    else:
        need_blocks(negotiated, _SET_BLOCKS, len(data), confirmed)
        answer = await send_in_blocks(
            driver,
            Outgoing(data),
            block_octets(negotiated.max_send, protected=protected, leading=leading),
            lambda *block: SetRequestFirstBlock(how, attribute, selection, *block),
            lambda *block: SetRequestBlock(how, *block),
            acknowledgement=SetResponseBlock,
        )
    if not isinstance(answer, (SetResponseNormal, SetResponseLastBlock)):
        raise unknown(strange(attribute, answer))
    if answer.result != _SUCCESS:
        raise refused(attribute, answer.result)


async def set_list(
    driver: Exchange,
    negotiated: Negotiated,
    items: Sequence[tuple[AttributeDescriptor, Selection | None, bytes]],
    *,
    protected: bool = False,
    high_priority: bool = True,
) -> list[DataAccessResult | Error]:
    """Write encoded data to several attributes; one result for each, in order.

    In as few requests as the meter takes, in blocks where they do not fit; one request each where
    lists were not negotiated. When one of several requests fails on the way, its error stands in
    the place of its results, with `outcome_unknown` when it was not answered, and what was not sent
    any more says so. Raises the error when nothing was answered at all.
    """
    check_sizes(negotiated, _SET_BLOCKS, [len(data) + 10 for _, _, data in items], protected)
    how = service_class(high_priority=high_priority)
    if not negotiated.has(Conformance.MULTIPLE_REFERENCES):

        async def single(part: Sequence[_Item]) -> list[DataAccessResult]:
            return [await _written(driver, negotiated, part[0], protected, high_priority)]

        return await by_parts([[item] for item in items], single)

    def may_go(part: Sequence[_Item]) -> bool:
        names = len(attribute_list(item[:2] for item in part))
        whole = HEAD_OCTETS + names + len(sequence_of(item[2] for item in part))
        in_blocks = negotiated.has(_SET_BLOCKS) and fits(
            negotiated, BLOCK_HEAD_OCTETS + names, protected
        )
        return in_blocks or fits(negotiated, whole, protected)

    return await by_parts(
        parts(items, may_go), lambda part: _set_part(driver, negotiated, part, protected, how)
    )


async def _set_part(
    driver: Exchange,
    negotiated: Negotiated,
    part: Sequence[_Item],
    protected: bool,
    how: int,
) -> list[DataAccessResult]:
    names = [(attribute, selection) for attribute, selection, _ in part]
    data = [item[2] for item in part]
    leading = len(attribute_list(names))
    values = sequence_of(data)
    if fits(negotiated, HEAD_OCTETS + leading + len(values), protected):
        answer = await driver.exchange(SetRequestWithList(how, names, data))
    else:
        answer = await send_in_blocks(
            driver,
            Outgoing(values),
            block_octets(negotiated.max_send, protected=protected, leading=leading),
            lambda *block: SetRequestListFirstBlock(how, names, *block),
            lambda *block: SetRequestBlock(how, *block),
            acknowledgement=SetResponseBlock,
        )
    if isinstance(answer, (SetResponseWithList, SetResponseLastBlockWithList)):
        return answer.results
    if isinstance(answer, SetResponseLastBlock) and answer.result != _SUCCESS:
        raise refused(names[0][0], answer.result)  # the transfer failed, nothing was written
    raise unknown(strange(names[0][0], answer))


async def _written(
    driver: Exchange,
    negotiated: Negotiated,
    item: _Item,
    protected: bool,
    high_priority: bool,
) -> DataAccessResult:
    attribute, selection, data = item
    try:
        await set_(
            driver,
            negotiated,
            attribute,
            data,
            selection,
            protected=protected,
            high_priority=high_priority,
        )
    except RefusedError as no:
        if isinstance(no.reason, DataAccessResult):
            return no.reason
        raise
    return _SUCCESS
