"""Invocation counters as leases: a value is handed out once and never again.

A lease is a range that the key store has already written down as spent. Whoever seals takes the
next value from it; a crash burns the rest. Copies and forks of a lease would hand out values twice,
so copying raises and a forked process finds every inherited lease spent.
"""

from __future__ import annotations

from collections import deque
from operator import length_hint
from typing import NoReturn

from ferraris.core.errors import SecurityError, UsageError

__all__ = [
    "COUNTER_LIMIT",
    "CounterLease",
    "ReplayError",
    "SpentTransactionError",
    "disown_leases",
]

COUNTER_LIMIT = 1 << 32
"""One more than the highest invocation counter, an unsigned 32-bit number."""

_process = object()  # replaced in a forked child: leases made before belong to the parent


def disown_leases() -> None:
    """Make every lease of this process spent; the key store calls it in a forked child."""
    global _process  # noqa: PLW0603  (the identity of the process is one value by nature)
    _process = object()


class ReplayError(SecurityError):
    """A counter that is not above the last accepted one; `lowest` is the least that would be.

    Raised only after the tag verified, so `lowest` may be told to the peer.
    """

    def __init__(self, message: str, *, lowest: int, where: str = "", octets: bytes = b"") -> None:
        super().__init__(message, where=where, octets=octets)
        self.lowest = lowest


class SpentTransactionError(SecurityError):
    """A transaction-id, `number`, that is not above the last accepted one, `floor`.

    Raised only after a tag or a signature verified. Nobody is told the floor: it is no counter.
    """

    def __init__(self, number: int, floor: int, *, where: str = "") -> None:
        message = f"transaction {number} is not above the last accepted one"
        super().__init__(message, where=where)
        self.number = number
        self.floor = floor


class CounterLease:
    """Values `start` to `stop` - 1, each taken once, in rising order.

    Threads that share a lease never get the same value; while one of them moves on to a range from
    `extend`, another may be told too early that the lease is spent.

    Raises `UsageError` for a range outside 0 to 2**32 - 1.
    """

    __slots__ = ("_end", "_last", "_more", "_owner", "_values")

    def __init__(self, start: int, stop: int) -> None:
        _check_range(start, stop)
        self._owner = _process
        self._values = iter(range(start, stop))
        self._more: deque[range] = deque()
        self._end = stop
        self._last: int | None = None

    @classmethod
    def of(cls, values: range) -> CounterLease:
        """A lease of the range that a key store handed out."""
        _check_step(values)
        return cls(values.start, values.stop)

    def take(self) -> int:
        """The next value; `SecurityError` when the lease is spent or belongs to another process."""
        if self._owner is not _process:
            raise SecurityError("this counter lease belongs to the process that forked this one")
        for value in self._values:
            self._last = value
            return value
        if not self._more:
            raise SecurityError("the counter lease is spent: lease another range first")
        self._values = iter(self._more.popleft())
        return self.take()

    def extend(self, values: range) -> None:
        """Append a further range, all above what the lease held; `UsageError` otherwise."""
        _check_step(values)
        _check_range(values.start, values.stop)
        if values.start < self._end:
            raise UsageError("a lease is extended with higher values only")
        self._end = values.stop
        self._more.append(values)

    @property
    def left(self) -> int:
        """How many values are left."""
        return length_hint(self._values) + sum(map(len, self._more))

    @property
    def last(self) -> int | None:
        """The value taken last, None before the first."""
        return self._last

    def __repr__(self) -> str:
        return f"CounterLease(left={self.left}, last={self._last})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a counter lease is never copied: its values would be used twice")

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()


def _check_range(start: int, stop: int) -> None:
    if not 0 <= start <= stop <= COUNTER_LIMIT:
        raise UsageError(f"a counter lease lies between 0 and 2**32, not {start} to {stop}")


def _check_step(values: range) -> None:
    if values.step != 1:
        raise UsageError("a counter lease is a range of step 1")
