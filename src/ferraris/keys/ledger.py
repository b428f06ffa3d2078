"""The rules of counters and floors, whatever keeps them.

A sender counter belongs to the *mark* of a key - a digest of its value - and a direction; a receive
floor to an id, a mark and a direction. An id without a secret has a mark of its own, whose counters
pass to the first secret that is put there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from ferraris.core.errors import SecurityError, UsageError
from ferraris.keys.keys import RECEIVE, SEND, check_count, check_kind, check_name
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT

__all__ = ["FIRST_COUNTER", "MOST_AHEAD", "Ledger", "nameless_mark"]

FIRST_COUNTER = 1
"""Counters start here: some meters hold 0 for the last one they saw."""

MOST_AHEAD = 1 << 24
"""Widest step that a meter may ask for: a message every ten seconds for five years."""


def nameless_mark(key_id: str, kind: str) -> str:
    """The mark of an id that has no secret of this kind."""
    return f"?{kind}/{key_id}"


class Ledger(ABC):
    """Leases and floors over a few primitive reads and writes.

    Between entering and leaving `_writing` nobody else writes; leaving it makes the changes
    durable, or raises and undoes them.
    """

    def lease(
        self, key_id: str, direction: str = SEND, n: int = 1, *, kind: str = "encryption_key"
    ) -> range:
        """The next `n` counter values, never handed out again, whatever happens afterwards.

        Raises `SecurityError` when the key has not that many left.
        """
        return self.lease_many((key_id,), direction, n, kind=kind)[key_id]

    def lease_many(
        self,
        key_ids: Iterable[str],
        direction: str = SEND,
        n: int = 1,
        *,
        kind: str = "encryption_key",
    ) -> dict[str, range]:
        """`lease` for many ids at the price of one; all of them or none."""
        names = _names(key_ids, direction, kind)
        check_count(n)
        leased: dict[str, range] = {}
        with self._leasing():
            first = self._first()
            marks = self._marks(names, kind)
            following = self._following(marks.values(), direction)
            for key_id in names:
                mark = marks[key_id]
                start = following.get(mark, first)
                if start + n > COUNTER_LIMIT:
                    raise SecurityError(f"the counters of {key_id!r} are used up: renew the key")
                following[mark] = start + n
                leased[key_id] = range(start, start + n)
            self._set_following(following, direction)
        return leased

    def raise_next(
        self,
        key_id: str,
        direction: str,
        value: int,
        *,
        kind: str = "encryption_key",
        most: int = MOST_AHEAD,
    ) -> None:
        """Hand out nothing below `value`, what a meter said that it expects. Never lowers.

        Raises `SecurityError` for a step of more than `most`: a meter often says it without a tag,
        and a forged value near the end would use up the key.
        """
        names = _names((key_id,), direction, kind)
        _check_value(value)
        with self._leasing():
            mark = self._marks(names, kind)[key_id]
            following = self._following((mark,), direction).get(mark, self._first())
            if value - following > most:
                raise SecurityError(
                    f"{key_id!r} asks for counter {value}, {value - following} ahead of ours: "
                    "forged, or the key was used elsewhere"
                )
            if value > following:
                self._set_following({mark: value}, direction)

    def floor(self, key_id: str, direction: str = RECEIVE, *, kind: str = "encryption_key") -> int:
        """The last accepted counter under the present key, -1 for none."""
        return self.floors((key_id,), direction, kind=kind)[key_id]

    def floors(
        self, key_ids: Iterable[str], direction: str = RECEIVE, *, kind: str = "encryption_key"
    ) -> dict[str, int]:
        """`floor` for many ids."""
        names = _names(key_ids, direction, kind)
        with self._reading():
            marks = self._marks(names, kind)
            known = self._floors(marks, direction, kind)
        return {key_id: known.get(key_id, -1) for key_id in names}

    def raise_floor(
        self, key_id: str, direction: str, value: int, *, kind: str = "encryption_key"
    ) -> None:
        """Raise the floor; a lower value changes nothing."""
        self.raise_floors({key_id: value}, direction, kind=kind)

    def raise_floors(
        self, values: Mapping[str, int], direction: str = RECEIVE, *, kind: str = "encryption_key"
    ) -> None:
        """`raise_floor` for many ids at the price of one; all of them or none."""
        names = _names(values, direction, kind)
        for value in values.values():
            _check_value(value)
        with self._writing():
            marks = self._marks(names, kind)
            known = self._floors(marks, direction, kind)
            raised = {
                (key_id, marks[key_id]): values[key_id]
                for key_id in names
                if values[key_id] > known.get(key_id, -1)
            }
            self._set_floors(raised, direction, kind)

    def _leasing(self) -> AbstractContextManager[object]:
        """`_writing` for what hands out counters; raises when that is not safe."""
        return self._writing()

    def _first(self) -> int:
        """Where a key begins that has handed out none."""
        return FIRST_COUNTER

    @abstractmethod
    def _writing(self) -> AbstractContextManager[object]:
        """Exclusive, all or nothing, durable when left."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[object]:
        """One consistent view."""

    @abstractmethod
    def _marks(self, key_ids: list[str], kind: str) -> dict[str, str]:
        """The mark of every id."""

    @abstractmethod
    def _following(self, marks: Iterable[str], direction: str) -> dict[str, int]:
        """Next value of every mark that has handed out any."""

    @abstractmethod
    def _set_following(self, following: Mapping[str, int], direction: str) -> None:
        """Write the next values."""

    @abstractmethod
    def _floors(self, marks: Mapping[str, str], direction: str, kind: str) -> dict[str, int]:
        """Floor of every id in `marks` (id to mark) that has one."""

    @abstractmethod
    def _set_floors(self, floors: Mapping[tuple[str, str], int], direction: str, kind: str) -> None:
        """Write floors by (id, mark)."""


def _names(key_ids: Iterable[str], direction: str, kind: str) -> list[str]:
    check_kind(kind)
    check_name(direction)
    return [check_name(key_id) for key_id in dict.fromkeys(key_ids)]


def _check_value(value: int) -> None:
    if not -1 <= value <= COUNTER_LIMIT:
        raise UsageError(f"a counter lies between 0 and 2**32, not {value}")
