"""Wishes by lists: neighbours of one sort share a request, as many as the meter takes.

Nothing overtakes anything else. A long write goes in blocks by itself.
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

__all__ = [
    "ACT",
    "LONGEST_LIST",
    "READ",
    "WRITE",
    "ByLists",
    "Item",
    "item_of",
    "list_octets",
    "loaded",
]

LONGEST_LIST = 32
"""Attributes or methods in one request: few meters take more [memory]."""

_HEAD_OCTETS = 3
_NAME_OCTETS = 9
_NULL_DATA = b"\x00"  # the parameter of a method that takes none, in a list [asn1]


READ, WRITE, ACT = range(3)
_SORTS: dict[type, int] = {
    Read: READ,
    ReadData: READ,
    Write: WRITE,
    WriteData: WRITE,
    Act: ACT,
    ActData: ACT,
}


@dataclass(slots=True)
class Item:
    """One wish as it goes into a request."""

    wish: Wish
    sort: int
    descriptor: AttributeDescriptor | MethodDescriptor
    selection: Selection | None
    data: bytes | None
    octets: int  # of its part in a list


class ByLists:
    """One run through many wishes."""

    def __init__(
        self,
        driver: Exchange,
        negotiated: Negotiated,
        protected: bool,
        kind: Kind,
        high_priority: bool,
    ) -> None:
        self.driver = driver
        self.negotiated = negotiated
        self.protected = protected
        self.kind = kind
        self.high_priority = high_priority
        self.stopped: Error | None = None

    # -- packing --------------------------------------------------------------------------

    def parts(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Neighbours of one sort that fit into one request; read lazily, since lists may fail."""
        for _, neighbours in groupby(items, key=lambda item: item.sort):
            part: list[Item] = []
            octets = 0
            for item in neighbours:
                if part and not self._fits(item.sort, len(part) + 1, octets + item.octets):
                    yield part
                    part, octets = [], 0
                part.append(item)
                octets += item.octets
            yield part

    def _fits(self, sort: int, count: int, octets: int) -> bool:
        negotiated = self.negotiated
        if not self.kind.lists or not negotiated.has(Conformance.MULTIPLE_REFERENCES):
            return False
        return count <= LONGEST_LIST and self._takes(list_octets(sort, count, octets))

    def _takes(self, plain: int) -> bool:
        return fits(self.negotiated, plain, self.protected)

    # -- sending --------------------------------------------------------------------------

    async def send(self, part: list[Item]) -> list[Outcome[Any]]:
        """Send one part; an outcome for each of its wishes, whatever happens."""
        sort = part[0].sort
        if sort == READ:
            return await (self._read_list(part) if len(part) > 1 else self.read(part[0]))
        try:
            return await (self._write(part) if sort == WRITE else self._act(part))
        except Error as error:
            return self.failed(error, part)

    def not_sent(self, part: list[Item]) -> list[Outcome[Any]]:
        """The outcomes of wishes behind an exchange that failed."""
        assert self.stopped is not None
        error = LineError(f"not sent, since one before it failed: {self.stopped}", where="client")
        return [Outcome(error=error) for _ in part]

    async def read(self, item: Item) -> list[Outcome[Any]]:
        """Read one attribute by itself, in blocks where it is long."""
        assert isinstance(item.descriptor, AttributeDescriptor)
        plain = len(GetRequestNormal(0, item.descriptor, item.selection).to_octets())
        if not self._takes(plain):
            too_long = UsageError(
                f"a request of {plain} octets does not fit into the meter's "
                f"{self.negotiated.max_send}",
                where="client",
            )
            return [Outcome(error=too_long)]
        try:
            octets = await services.get(
                self.driver, item.descriptor, item.selection, high_priority=self.high_priority
            )
        except Error as error:
            return self.failed(error, [item])
        return [loaded(item, octets)]

    async def _read_list(self, part: list[Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.selection) for item in part]
        try:
            results = await services.get_list(
                self.driver,
                self.negotiated,
                wanted,
                protected=self.protected,
                high_priority=self.high_priority,
            )
        except (RefusedError, SequenceError, DecodeError):
            return await self._one_by_one(part)
        except Error as error:
            return self.failed(error, part)
        return [_read(item, result) for item, result in zip(part, results, strict=True)]

    def failed(self, error: Error, part: list[Item]) -> list[Outcome[Any]]:
        """The outcomes of wishes whose exchange ended by an error."""
        if isinstance(error, LineError) or error.outcome_unknown:
            self.stopped = error
        return [Outcome(error=_error_of(item, error)) for item in part]

    async def _one_by_one(self, part: list[Item]) -> list[Outcome[Any]]:
        """Read again what a list did not bring; a meter that serves it has no use for lists."""
        outcomes: list[Outcome[Any]] = []
        for item in part:
            outcomes += self.not_sent([item]) if self.stopped else await self.read(item)
        if any(_was_served(outcome) for outcome in outcomes):
            self.kind.lists = False
        return outcomes

    async def _write(self, part: list[Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.selection, item.data) for item in part]
        if len(part) > 1:
            results = await services.set_list(
                self.driver,
                self.negotiated,
                wanted,
                protected=self.protected,
                high_priority=self.high_priority,
            )
            return [self._written(item, result) for item, result in zip(part, results, strict=True)]
        descriptor, selection, data = wanted[0]
        await services.set_(
            self.driver,
            self.negotiated,
            descriptor,
            data,
            selection,
            protected=self.protected,
            high_priority=self.high_priority,
        )
        return [Outcome()]

    async def _act(self, part: list[Item]) -> list[Outcome[Any]]:
        wanted: list[Any] = [(item.descriptor, item.data) for item in part]
        if len(part) > 1:
            results = await services.act_list(
                self.driver,
                self.negotiated,
                wanted,
                protected=self.protected,
                high_priority=self.high_priority,
            )
            return [self._acted(item, result) for item, result in zip(part, results, strict=True)]
        descriptor, data = wanted[0]
        octets = await services.act(
            self.driver,
            self.negotiated,
            descriptor,
            data,
            protected=self.protected,
            high_priority=self.high_priority,
        )
        return [loaded(part[0], octets)]

    def _written(self, item: Item, result: DataAccessResult | Error) -> Outcome[Any]:
        if isinstance(result, Error):
            return self.failed(result, [item])[0]
        if result == DataAccessResult.SUCCESS:
            return Outcome()
        return Outcome(error=refused(item.descriptor, result))

    def _acted(self, item: Item, outcome: ActionOutcome | Error) -> Outcome[Any]:
        if isinstance(outcome, Error):
            return self.failed(outcome, [item])[0]
        return _acted(item, outcome)


def item_of(wish: Wish) -> Item:
    """A wish made ready; `UsageError` when its value is not of its type."""
    sort = _SORTS.get(type(wish))
    if sort is None:
        raise UsageError(
            f"{type(wish).__name__} is no wish: Read, Write, Act … are", where="client"
        )
    selection = None if isinstance(wish, (Act, ActData)) else wish.selection
    data = None if isinstance(wish, (Read, ReadData)) else wish.encode()
    octets = _NAME_OCTETS
    if sort != ACT:
        octets += len(optional_selection(selection))
    if sort != READ:
        octets += len(_NULL_DATA if data is None else data)
    return Item(wish, sort, wish.descriptor, selection, data, octets)


def list_octets(sort: int, count: int, octets: int) -> int:
    """How long a plain request with a list is, whose `count` parts are `octets` long [asn1].

    Tag, choice and invoke id; the count of names; but for reads the count of data too.
    """
    counts = 1 if sort == READ else 2
    return _HEAD_OCTETS + counts * len(length_octets(count)) + octets


def _error_of(item: Item, error: Error) -> Error:
    """A read has no unknown outcome, also when it shared its request with a write."""
    if item.sort != READ or not error.outcome_unknown:
        return error
    return LineError(f"not read, since the request that held it failed: {error}", where="client")


def loaded(item: Item, octets: Any) -> Outcome[Any]:
    """The typed value; what is not of the type is this wish's own error."""
    wish = item.wish
    assert not isinstance(wish, (Write, WriteData))
    try:
        return Outcome(wish.load(octets))
    except Error as error:
        return Outcome(error=error)


def _read(item: Item, result: bytes | DataAccessResult) -> Outcome[Any]:
    if isinstance(result, bytes):
        return loaded(item, result)
    return Outcome(error=refused(item.descriptor, result))


def _acted(item: Item, outcome: ActionOutcome) -> Outcome[Any]:
    if outcome.result != ActionResult.SUCCESS:
        return Outcome(error=refused(item.descriptor, outcome.result))
    if outcome.data_result is not None and outcome.data_result != DataAccessResult.SUCCESS:
        return Outcome(error=refused(item.descriptor, outcome.data_result))
    return loaded(item, outcome.data)


def _was_served(outcome: Outcome[Any]) -> bool:
    """Whether a meter answered a single read as such, with a value or with a reason."""
    error = outcome.error
    return error is None or (
        isinstance(error, RefusedError) and isinstance(error.reason, DataAccessResult)
    )
