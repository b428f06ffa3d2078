"""Many wishes in one association: packed into few requests, in order, answered one by one.

Neighbours of one sort (reads, writes, actions) share a request with a list where lists were
negotiated, as many as fit into what the meter takes; nothing overtakes anything else, so a read
that follows a write reads back what was written. A long write goes in blocks by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ferraris.client import services
from ferraris.client.kind import Kind
from ferraris.client.refusals import refused
from ferraris.client.services import Exchange
from ferraris.client.wishes import Act, ActData, Outcome, Read, ReadData, Wish, Write, WriteData
from ferraris.core.errors import (
    DecodeError,
    Error,
    LineError,
    RefusedError,
    SequenceError,
    UsageError,
)
from ferraris.data.axdr import length_octets
from ferraris.messaging.dlms.action import ActionOutcome
from ferraris.messaging.dlms.association.blocks import fits
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.reading import optional_selection

__all__ = ["LONGEST_LIST", "do"]

LONGEST_LIST = 32
"""Attributes or methods in one request: few meters take more [memory]."""

_HEAD_OCTETS = 3
_NAME_OCTETS = 9
_NULL_DATA = b"\x00"  # the parameter of a method that takes none, in a list [asn1]


@dataclass(slots=True)
class _Item:
    """One wish as it goes into a request."""

    wish: Wish
    sort: int
    descriptor: AttributeDescriptor | MethodDescriptor
    selection: Selection | None
    data: bytes | None
    octets: int  # of its part in a list


async def do(
    driver: Exchange,
    negotiated: Negotiated,
    protected: bool,
    wishes: Sequence[Wish],
    kind: Kind,
    *,
    high_priority: bool = True,
) -> list[Outcome[Any]]:
    """One outcome for each wish, in order.

    A refused wish does not stop those behind it. Silence does, and so does a write or an action
    whose outcome is unknown: what follows is not sent. Raises `UsageError` before anything is sent
    when a value cannot be encoded.
    """
    items = [_item(wish) for wish in wishes]
    doing = _Doing(driver, negotiated, protected, kind, high_priority)
    outcomes: list[Outcome[Any]] = []
    for part in doing.parts(items):
        outcomes += doing.not_sent(part) if doing.stopped else await doing.send(part)
    return outcomes


class _Doing:
    """One run through many wishes."""

    def __init__(
        self,
        driver: Exchange,
        negotiated: Negotiated,
        protected: bool,
        kind: Kind,
        high_priority: bool,
    ) -> None:
        self._driver = driver
        self._negotiated = negotiated
        self._protected = protected
        self._kind = kind
        self._high_priority = high_priority
        self.stopped: Error | None = None

    # -- packing --------------------------------------------------------------------------

    def parts(self, items: Sequence[_Item]) -> Iterator[list[_Item]]:
        """Neighbours of one sort that fit into one request; read lazily, since lists may fail."""
        for _, neighbours in groupby(items, key=lambda item: item.sort):
            part: list[_Item] = []
            octets = 0
            for item in neighbours:
                if part and not self._fits(item.sort, len(part) + 1, octets + item.octets):
                    yield part
                    part, octets = [], 0
                part.append(item)
                octets += item.octets
            yield part

    def _fits(self, sort: int, count: int, octets: int) -> bool:
        negotiated = self._negotiated
        if not self._kind.lists or not negotiated.has(Conformance.MULTIPLE_REFERENCES):
            return False
        return count <= LONGEST_LIST and self._takes(list_octets(sort, count, octets))

    def _takes(self, plain: int) -> bool:
        return fits(self._negotiated, plain, self._protected)

    # -- sending --------------------------------------------------------------------------

    async def send(self, part: list[_Item]) -> list[Outcome[Any]]:
        """Send one part; an outcome for each of its wishes, whatever happens."""
        sort = part[0].sort
        if sort == _READ:
            return await (self._read_list(part) if len(part) > 1 else self._read(part[0]))
        try:
            return await (self._write(part) if sort == _WRITE else self._act(part))
        except Error as error:
            return self._failed(error, part)

    def not_sent(self, part: list[_Item]) -> list[Outcome[Any]]:
        """The outcomes of wishes behind an exchange that failed."""
        assert self.stopped is not None
        error = LineError(f"not sent, since one before it failed: {self.stopped}", where="client")
        return [Outcome(error=error) for _ in part]

    async def _read(self, item: _Item) -> list[Outcome[Any]]:
        assert isinstance(item.descriptor, AttributeDescriptor)
        plain = len(GetRequestNormal(0, item.descriptor, item.selection).to_octets())
        if not self._takes(plain):
            too_long = UsageError(
                f"a request of {plain} octets does not fit into the meter's "
                f"{self._negotiated.max_send}",
                where="client",
            )
            return [Outcome(error=too_long)]
        try:
            octets = await services.get(
                self._driver, item.descriptor, item.selection, high_priority=self._high_priority
            )
        except Error as error:
            return self._failed(error, [item])
        return [_loaded(item, octets)]

    async def _read_list(self, part: list[_Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.selection) for item in part]
        try:
            results = await services.get_list(
                self._driver,
                self._negotiated,
                wanted,
                protected=self._protected,
                high_priority=self._high_priority,
            )
        except (RefusedError, SequenceError, DecodeError):
            return await self._one_by_one(part)
        except Error as error:
            return self._failed(error, part)
        return [_read(item, result) for item, result in zip(part, results, strict=True)]

    def _failed(self, error: Error, part: list[_Item]) -> list[Outcome[Any]]:
        if isinstance(error, LineError) or error.outcome_unknown:
            self.stopped = error
        return [Outcome(error=error) for _ in part]

    async def _one_by_one(self, part: list[_Item]) -> list[Outcome[Any]]:
        """Read again what a list did not bring; a meter that serves it has no use for lists."""
        outcomes: list[Outcome[Any]] = []
        for item in part:
            outcomes += self.not_sent([item]) if self.stopped else await self._read(item)
        if any(_was_served(outcome) for outcome in outcomes):
            self._kind.lists = False
        return outcomes

    async def _write(self, part: list[_Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.selection, item.data) for item in part]
        if len(part) > 1:
            results = await services.set_list(
                self._driver,
                self._negotiated,
                wanted,
                protected=self._protected,
                high_priority=self._high_priority,
            )
            return [_written(item, result) for item, result in zip(part, results, strict=True)]
        descriptor, selection, data = wanted[0]
        await services.set_(
            self._driver,
            self._negotiated,
            descriptor,
            data,
            selection,
            protected=self._protected,
            high_priority=self._high_priority,
        )
        return [Outcome()]

    async def _act(self, part: list[_Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.data) for item in part]
        if len(part) > 1:
            results = await services.act_list(
                self._driver,
                self._negotiated,
                wanted,
                protected=self._protected,
                high_priority=self._high_priority,
            )
            return [_acted(item, result) for item, result in zip(part, results, strict=True)]
        descriptor, data = wanted[0]
        octets = await services.act(
            self._driver,
            self._negotiated,
            descriptor,
            data,
            protected=self._protected,
            high_priority=self._high_priority,
        )
        return [_loaded(part[0], octets)]


_READ, _WRITE, _ACT = range(3)
_SORTS: dict[type, int] = {
    Read: _READ,
    ReadData: _READ,
    Write: _WRITE,
    WriteData: _WRITE,
    Act: _ACT,
    ActData: _ACT,
}


def _item(wish: Wish) -> _Item:
    sort = _SORTS.get(type(wish))
    if sort is None:
        raise UsageError(
            f"{type(wish).__name__} is no wish: Read, Write, Act … are", where="client"
        )
    selection = None if isinstance(wish, (Act, ActData)) else wish.selection
    data = None if isinstance(wish, (Read, ReadData)) else wish.encode()
    octets = _NAME_OCTETS
    if sort != _ACT:
        octets += len(optional_selection(selection))
    if sort != _READ:
        octets += len(_NULL_DATA if data is None else data)
    return _Item(wish, sort, wish.descriptor, selection, data, octets)


def list_octets(sort: int, count: int, octets: int) -> int:
    """How long a plain request with a list is, whose `count` parts are `octets` long [asn1].

    Tag, choice and invoke id; the count of names; but for reads the count of data too.
    """
    counts = 1 if sort == _READ else 2
    return _HEAD_OCTETS + counts * len(length_octets(count)) + octets


def _loaded(item: _Item, octets: Any) -> Outcome[Any]:
    """The typed value; what is not of the type is this wish's own error."""
    wish = item.wish
    assert not isinstance(wish, (Write, WriteData))
    try:
        return Outcome(wish.load(octets))
    except Error as error:
        return Outcome(error=error)


def _read(item: _Item, result: bytes | DataAccessResult) -> Outcome[Any]:
    if isinstance(result, bytes):
        return _loaded(item, result)
    return Outcome(error=refused(item.descriptor, result))


def _written(item: _Item, result: DataAccessResult) -> Outcome[Any]:
    if result == DataAccessResult.SUCCESS:
        return Outcome()
    return Outcome(error=refused(item.descriptor, result))


def _acted(item: _Item, outcome: ActionOutcome) -> Outcome[Any]:
    if outcome.result != ActionResult.SUCCESS:
        return Outcome(error=refused(item.descriptor, outcome.result))
    if outcome.data_result is not None and outcome.data_result != DataAccessResult.SUCCESS:
        return Outcome(error=refused(item.descriptor, outcome.data_result))
    return _loaded(item, outcome.data)


def _was_served(outcome: Outcome[Any]) -> bool:
    """Whether a meter answered a single read as such, with a value or with a reason."""
    error = outcome.error
    return error is None or (
        isinstance(error, RefusedError) and isinstance(error.reason, DataAccessResult)
    )
