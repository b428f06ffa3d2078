"""What the procedures of all services share: how much fits, and what goes in blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from ferraris.client.refusals import UnprovenRefusalError
from ferraris.core.errors import Error, LineError, RefusedError, SequenceError, UsageError
from ferraris.messaging.dlms.action import ActionResponseNextBlock
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.blocks import Outgoing, fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.set import SetResponseBlock

__all__ = [
    "BLOCK_HEAD_OCTETS",
    "HEAD_OCTETS",
    "Exchange",
    "as_many",
    "by_parts",
    "check_acknowledged",
    "check_sizes",
    "need_blocks",
    "parts",
    "send_in_blocks",
    "unknown",
]

Item = TypeVar("Item")
Part = TypeVar("Part")

HEAD_OCTETS = 3
"""Tag, choice and invoke id of every request."""

BLOCK_HEAD_OCTETS = HEAD_OCTETS + 1 + 4 + 3 + 16
"""Last-block, number and length besides, and a block that is worth sending."""

_LONGEST_LIST = 32  # names in one request: few meters take more


class Exchange(Protocol):
    """Anything with the `exchange` of a driver."""

    def exchange(self, unit: Apdu) -> Awaitable[Apdu]: ...


def parts(items: Sequence[Item], may_go: Callable[[Sequence[Item]], bool]) -> list[Sequence[Item]]:
    """Cut a list into as few parts as may go in one request each; a part has at least one item."""
    cut: list[Sequence[Item]] = []
    start = 0
    while start < len(items):
        end = min(start + _LONGEST_LIST, len(items))
        while end > start + 1 and not may_go(items[start:end]):
            end -= 1
        cut.append(items[start:end])
        start = end
    return cut


def as_many(results: list[Item], part: Sequence[object]) -> list[Item]:
    if len(results) != len(part):
        raise SequenceError(f"{len(results)} results for {len(part)} names", where="client")
    return results


async def by_parts(
    cut: Sequence[Sequence[Part]],
    send: Callable[[Sequence[Part]], Awaitable[list[Item]]],
) -> list[Item | Error]:
    """The results of all parts, sent one after another.

    Once something was answered, errors are values: that of a part stands for each of its items. A
    part that was refused does not stop those behind it; silence does, and they are not sent. Raises
    the error of the first part, when nothing was answered at all.
    """
    results: list[Item | Error] = []
    stopped: Error | None = None
    for part in cut:
        if stopped is not None:
            text = f"not sent, since one before it failed: {stopped}"
            results += [LineError(text, where="client")] * len(part)
            continue
        try:
            answered: list[Item] = as_many(await send(part), part)
            results += answered
        except Error as error:
            failure = error.with_unknown_outcome() if isinstance(error, SequenceError) else error
            if not results:
                raise failure from error
            results += [failure] * len(part)
            if failure.outcome_unknown or isinstance(failure, LineError):
                stopped = failure
    return results


def check_sizes(
    negotiated: Negotiated, blocks: Conformance, sizes: Sequence[int], protected: bool
) -> None:
    """Refuse a list of which one item can never go, before anything is sent."""
    for octets in sizes:
        if not fits(negotiated, octets + HEAD_OCTETS + 2, protected):
            need_blocks(negotiated, blocks, octets, confirmed=True)


def need_blocks(negotiated: Negotiated, service: Conformance, octets: int, confirmed: bool) -> None:
    if not confirmed:
        raise UsageError(
            f"{octets} octets do not fit into the meter's {negotiated.max_send}: only a confirmed "
            "request goes in blocks",
            where="client",
        )
    if not negotiated.has(service):
        raise UsageError(
            f"{octets} octets do not fit into the meter's {negotiated.max_send}, and it does not "
            "take them in blocks",
            where="client",
        )


async def send_in_blocks(
    driver: Exchange,
    outgoing: Outgoing,
    octets: int,
    first: Callable[[bool, int, bytes], Apdu],
    following: Callable[[bool, int, bytes], Apdu],
    *,
    acknowledgement: type[SetResponseBlock | ActionResponseNextBlock],
) -> Apdu:
    """Send a long request block by block, `octets` of data in each; what answers the last one.

    Anything but an `acknowledgement` ends the transfer and is returned as it is. Raises
    `SequenceError` when another block was acknowledged than was sent.
    """
    last, number, block = outgoing.next(octets)
    answer = await driver.exchange(first(last, number, block))
    while isinstance(answer, acknowledgement) and not outgoing.done:
        check_acknowledged(answer.block_number, number)
        last, number, block = outgoing.next(octets)
        answer = await driver.exchange(following(last, number, block))
    return answer


def check_acknowledged(number: int, expected: int) -> None:
    if number != expected:
        raise SequenceError(
            f"block {number} was acknowledged, {expected} was sent", where="block transfer"
        )


def unknown(error: Error) -> Error:
    """The same error; a strange answer to a write or an action leaves its outcome unknown.

    So does a refusal that anybody may have made up.
    """
    is_proven = isinstance(error, RefusedError) and not isinstance(error, UnprovenRefusalError)
    return error if is_proven else error.with_unknown_outcome()
