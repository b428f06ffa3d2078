"""GET: one attribute or several, whole or gathered from blocks."""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.client.blocks import (
    HEAD_OCTETS,
    Exchange,
    as_many,
    parts,
)
from ferraris.client.refusals import refused, strange
from ferraris.core.errors import RefusedError
from ferraris.messaging.dlms.apdu import Apdu, decode
from ferraris.messaging.dlms.association.blocks import Incoming, fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
)
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.reading import (
    attribute_list,
)

__all__ = ["get", "get_list"]


async def get(
    driver: Exchange,
    attribute: AttributeDescriptor,
    selection: Selection | None = None,
    *,
    high_priority: bool = True,
) -> bytes:
    """The encoded data of an attribute, in one piece or gathered from blocks.

    Raises `RefusedError` with a `DataAccessResult`, `SequenceError` for blocks out of order.
    """
    how = service_class(high_priority=high_priority)
    answer = await driver.exchange(GetRequestNormal(how, attribute, selection))
    if type(answer) is GetResponseNormal:
        if answer.data is None:
            raise refused(attribute, answer.result)
        return answer.data
    return await _gathered(driver, attribute, answer, how)


async def get_list(
    driver: Exchange,
    negotiated: Negotiated,
    attributes: Sequence[tuple[AttributeDescriptor, Selection | None]],
    *,
    protected: bool = True,
    high_priority: bool = True,
) -> list[bytes | DataAccessResult]:
    """The encoded data of several attributes, each or the reason why there is none.

    Requests with lists where that was negotiated, as long as the meter takes; else one each.
    """
    if not negotiated.has(Conformance.MULTIPLE_REFERENCES):
        return [await _one(driver, *attribute, high_priority) for attribute in attributes]
    results: list[bytes | DataAccessResult] = []
    for part in parts(
        attributes,
        lambda part: fits(negotiated, HEAD_OCTETS + len(attribute_list(part)), protected),
    ):
        found = await _listed(driver, part, service_class(high_priority=high_priority))
        results += as_many(found, part)
    return results


async def _one(
    driver: Exchange,
    attribute: AttributeDescriptor,
    selection: Selection | None,
    high_priority: bool,
) -> bytes | DataAccessResult:
    try:
        return await get(driver, attribute, selection, high_priority=high_priority)
    except RefusedError as no:
        if isinstance(no.reason, DataAccessResult):
            return no.reason
        raise


async def _listed(
    driver: Exchange, part: Sequence[tuple[AttributeDescriptor, Selection | None]], how: int
) -> list[bytes | DataAccessResult]:
    first = part[0][0]
    answer = await driver.exchange(GetRequestWithList(how, list(part)))
    if type(answer) is GetResponseWithBlock:
        # The blocks hold what would have followed the invoke id of one response.
        answer = decode(b"\xc4\x03\x00" + await _gathered(driver, first, answer, how))
    if type(answer) is GetResponseWithList:
        return answer.results
    raise strange(first, answer)


async def _gathered(driver: Exchange, target: AttributeDescriptor, answer: Apdu, how: int) -> bytes:
    gathered = Incoming()
    while type(answer) is GetResponseWithBlock:
        if answer.raw_data is None:
            raise refused(target, answer.result)
        gathered.add(answer.block_number, answer.raw_data)
        if answer.last_block:
            return gathered.data()
        answer = await driver.exchange(GetRequestNext(how, answer.block_number))
    raise strange(target, answer)
