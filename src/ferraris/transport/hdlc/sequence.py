"""Numbered information: APDUs cut into segments, acknowledged, repeated, put together again.

Both ends use the same two halves. Windows of 1 to 7 frames; what is not acknowledged at the end of
a turn is sent again from the first one on [hdlc-quoted].
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ferraris.core.errors import DecodeError

__all__ = ["LLC_COMMAND", "LLC_RESPONSE", "Reassembly", "Receiver", "Segment", "Transmitter"]

LLC_COMMAND = b"\xe6\xe6\x00"
"""The LLC header of what clients send; only in the first segment. [hdlc-quoted]"""

LLC_RESPONSE = b"\xe6\xe7\x00"
"""The LLC header of what servers send. [hdlc-quoted]"""

_MODULUS = 8


class Segment(NamedTuple):
    """One numbered piece; `more` says that the APDU goes on."""

    number: int
    information: bytes
    more: bool


class Transmitter:
    """V(S), what waits and what is not acknowledged yet."""

    def __init__(self, llc: bytes, max_information: int, window: int) -> None:
        self._llc = llc
        self._size = max_information
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._cut = 0  # octets of the first waiting unit that were cut already
        self._backlog = 0
        self.number = 0
        """V(S), the number of the next new segment."""
        self._unacknowledged: deque[Segment] = deque()
        self.repeating = False
        """Was the segment taken last a repetition?"""
        self._next = 0  # index in the unacknowledged of the next to send again

    @property
    def room(self) -> bool:
        """Less than one window of octets waits."""
        return self._backlog < self._size * self._window

    @property
    def waiting(self) -> int:
        """Units of which something has yet to leave."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Would `take` give a segment now?"""
        return self._next < len(self._unacknowledged) or (
            bool(self._waiting) and len(self._unacknowledged) < self._window
        )

    @property
    def unacknowledged(self) -> bool:
        """Has something left that the peer has not acknowledged?"""
        return bool(self._unacknowledged)

    @property
    def idle(self) -> bool:
        """Nothing waits and everything was acknowledged."""
        return not self._waiting and not self._unacknowledged

    def put(self, apdu: bytes) -> None:
        """Queue one APDU."""
        unit = self._llc + apdu
        self._waiting.append(unit)
        self._backlog += len(unit)

    def take(self) -> Segment | None:
        """The next segment to send, repetitions first; None while the window is full."""
        if self._next < len(self._unacknowledged):
            self._next += 1
            self.repeating = True
            return self._unacknowledged[self._next - 1]
        if not self._waiting or len(self._unacknowledged) >= self._window:
            return None
        unit = self._waiting[0]
        information = unit[self._cut : self._cut + self._size]
        self._cut += len(information)
        self._backlog -= len(information)
        more = self._cut < len(unit)
        if not more:
            self._waiting.popleft()
            self._cut = 0
        segment = Segment(self.number, information, more)
        self.number = (self.number + 1) % _MODULUS
        self._unacknowledged.append(segment)
        self._next = len(self._unacknowledged)
        self.repeating = False
        return segment

    def covers(self, expected: int) -> bool:
        """Can the peer expect this segment next? Only what was sent can be acknowledged."""
        return (self.number - expected) % _MODULUS <= len(self._unacknowledged)

    def acknowledge(self, expected: int) -> int:
        """Forget what the peer's N(R) acknowledges; how many segments that were.

        An N(R) outside the window acknowledges nothing: it is wrong.
        """
        if not self._unacknowledged or not self.covers(expected):
            return 0
        count = (expected - self._unacknowledged[0].number) % _MODULUS
        for _ in range(count):
            self._unacknowledged.popleft()
        self._next = max(0, self._next - count)
        return count

    def go_back(self) -> None:
        """Send everything again that is not acknowledged."""
        self._next = 0

    def cancel(self) -> None:
        """Drop the units of which nothing has left; one that has begun must end."""
        keep = self._waiting.popleft() if self._cut else None
        self._waiting.clear()
        self._backlog = 0
        if keep is not None:
            self._waiting.append(keep)
            self._backlog = len(keep) - self._cut


class Reassembly:
    """Segments to APDUs; `limit` bounds an APDU, in octets."""

    def __init__(self, llc: bytes, limit: int) -> None:
        self._llc = llc
        self._limit = limit
        self._parts: list[bytes] = []
        self._octets = 0

    @property
    def partial(self) -> bool:
        """Has an APDU begun that goes on?"""
        return bool(self._parts)

    def reset(self) -> None:
        """Forget what came in part."""
        self._parts = []
        self._octets = 0

    def add(self, information: bytes, more: bool) -> bytes | None:
        """Take a segment; the APDU when it is complete, without LLC.

        `DecodeError` for a wrong LLC or beyond the limit, at the end of the unit.
        """
        self._octets += len(information)
        if self._octets <= self._limit + len(self._llc):
            self._parts.append(information)
        if more:
            return None
        octets, unit = self._octets, b"".join(self._parts)
        self.reset()
        if octets > self._limit + len(self._llc):
            raise DecodeError(f"a unit of {octets} octets exceeds {self._limit}", where="hdlc")
        if not unit.startswith(self._llc):
            raise DecodeError(
                f"the LLC header is not {self._llc.hex()}", where="hdlc", octets=unit[:8]
            )
        return unit[len(self._llc) :]


class Receiver(Reassembly):
    """V(R) and what came in part."""

    def __init__(self, llc: bytes, limit: int) -> None:
        super().__init__(llc, limit)
        self.expected = 0
        """V(R), the number of the next segment: what N(R) says."""

    def was_last(self, number: int) -> bool:
        """Was this the last segment that was accepted?"""
        return number == (self.expected - 1) % _MODULUS

    def accept(self, number: int) -> bool:
        """Count a segment that is next in line; False for one that is repeated or too early."""
        if number != self.expected:
            return False
        self.expected = (number + 1) % _MODULUS
        return True
