"""Many wishes in one association: packed into few requests, in order, answered one by one.

Lists take neighbours of one sort (reads, writes, actions). Where one list is not enough and ACCESS
was negotiated, it takes all sorts together. Nothing overtakes anything else, so a read that follows
a write reads back what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ferraris.client import services
from ferraris.client.access import AccessAnswer, access_fits, has_access, specification
from ferraris.client.by_lists import ACT, READ, WRITE, ByLists, Item, item_of, loaded
from ferraris.client.kind import Kind
from ferraris.client.refusals import refused
from ferraris.client.services import Exchange
from ferraris.client.wishes import Outcome, Wish
from ferraris.core.errors import Error, RefusedError, SequenceError, UsageError
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.enumerations import DataAccessResult

__all__ = ["LONGEST_ACCESS", "access", "do"]

LONGEST_ACCESS = 64
"""Specifications in one ACCESS request [memory]."""

_TOO_LONG = DataAccessResult.DATA_BLOCK_UNAVAILABLE
_NULL_DATA = b"\x00"


async def do(
    driver: Exchange,
    negotiated: Negotiated,
    protected: bool,
    wishes: Sequence[Wish],
    kind: Kind,
    *,
    high_priority: bool = True,
) -> list[Outcome[Any]]:
    """One outcome for each wish, in order, in as few exchanges as lists or ACCESS allow.

    A refused wish does not stop those behind it. Silence does, and so does a write or an action
    whose outcome is unknown: what follows is not sent. Raises `UsageError` before anything is sent
    when a value cannot be encoded.
    """
    items = [item_of(wish) for wish in wishes]
    lists = ByLists(driver, negotiated, protected, kind, high_priority)
    by_access = _ByAccess(lists)
    if by_access.saves(items):
        outcomes = await by_access.send(items, fall_back=True)
        if outcomes:
            return outcomes
    outcomes = []
    for part in lists.parts(items):
        outcomes += lists.not_sent(part) if lists.stopped else await lists.send(part)
    return outcomes


async def access(
    driver: Exchange,
    negotiated: Negotiated,
    protected: bool,
    wishes: Sequence[Wish],
    kind: Kind,
    *,
    high_priority: bool = True,
    break_on_error: bool = False,
    **options: Any,
) -> list[Outcome[Any]]:
    """One outcome for each wish, by ACCESS; `options` are those of the service."""
    if not has_access(negotiated, protected):
        raise UsageError("the meter does not offer ACCESS: `do` asks by lists", where="client")
    items = [item_of(wish) for wish in wishes]
    lists = ByLists(driver, negotiated, protected, kind, high_priority)
    return await _ByAccess(lists, break_on_error, options).send(items)


class _ByAccess:
    """One run through many wishes by ACCESS; what it cannot carry goes by `lists`."""

    def __init__(
        self,
        lists: ByLists,
        break_on_error: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._lists = lists
        self._break_on_error = break_on_error
        self._options = options or {}

    def saves(self, items: Sequence[Item]) -> bool:
        """Whether ACCESS can be used and takes fewer exchanges than lists."""
        lists = self._lists
        if not lists.kind.access or not has_access(lists.negotiated, lists.protected):
            return False
        return sum(1 for _ in self._parts(items)) < sum(1 for _ in lists.parts(items))

    async def send(self, items: Sequence[Item], *, fall_back: bool = False) -> list[Outcome[Any]]:
        """Send everything; an outcome for each wish.

        With `fall_back`, nothing comes back when the meter refuses the first request as a whole:
        nothing was carried out, and lists can be tried.
        """
        lists, outcomes = self._lists, list[Outcome[Any]]()
        for part in self._parts(items):
            if lists.stopped:
                outcomes += lists.not_sent(part)
            elif not self._fits(part):
                outcomes += self._noted(await lists.send(part))
            else:
                try:
                    outcomes += await self._exchange(part)
                except RefusedError as refusal:
                    if fall_back and not outcomes and not refusal.outcome_unknown:
                        lists.kind.access = False
                        return []
                    outcomes += self._noted(lists.failed(refusal, part))
                except Error as error:
                    outcomes += lists.failed(error, part)
        return outcomes

    def _parts(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Neighbours that fit into one request; one that does not fit stands alone."""
        part: list[Item] = []
        for item in items:
            if part and (len(part) == LONGEST_ACCESS or not self._fits([*part, item])):
                yield part
                part = []
            part.append(item)
        if part:
            yield part

    def _fits(self, part: Sequence[Item]) -> bool:
        lists = self._lists
        octets = sum(item.octets + 2 for item in part)  # the choice, and null-data for a read
        return access_fits(lists.negotiated, len(part), octets, lists.protected)

    async def _exchange(self, part: list[Item]) -> list[Outcome[Any]]:
        lists = self._lists
        asked = [
            (specification(item.descriptor, item.selection, writes=item.sort == WRITE), item.data)
            for item in part
        ]
        answers = await services.access(
            lists.driver,
            lists.negotiated,
            asked,
            protected=lists.protected,
            high_priority=lists.high_priority,
            break_on_error=self._break_on_error,
            **self._options,
        )
        outcomes: list[Outcome[Any]] = []
        for item, answer in zip(part, answers, strict=False):
            if item.sort == READ and answer.result == _TOO_LONG and not lists.stopped:
                outcomes += await lists.read(item)
            else:
                outcomes.append(_outcome(item, answer))
        self._noted(outcomes)
        if len(answers) < len(part):  # it broke on an error, and said no more
            lists.stopped = lists.stopped or SequenceError(
                "it answers less than asked", where="client"
            )
            outcomes += lists.not_sent(part[len(answers) :])
        return outcomes

    def _noted(self, outcomes: list[Outcome[Any]]) -> list[Outcome[Any]]:
        """Where one failure is to stop everything, it does."""
        if self._break_on_error and not self._lists.stopped:
            errors = (outcome.error for outcome in outcomes if outcome.error is not None)
            self._lists.stopped = next(errors, None)
        return outcomes


def _outcome(item: Item, answer: AccessAnswer) -> Outcome[Any]:
    if answer.result != DataAccessResult.SUCCESS:
        return Outcome(error=refused(item.descriptor, answer.result))
    if item.sort == WRITE:
        return Outcome()
    return loaded(item, answer.data if item.sort == ACT else answer.data or _NULL_DATA)
