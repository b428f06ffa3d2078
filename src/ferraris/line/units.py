"""Streams seen from aside: their segments put in order, and cut into frames and wrapper units.

Unlike the layers, nobody here can ask for a repetition: what is missing or damaged is passed on as
it is, and the units of a stream, joined, are the stream.
"""

from __future__ import annotations

from ferraris.transport.hdlc.frame import FLAG, SHORTEST_CONTENT
from ferraris.transport.wrapper import HEADER_OCTETS

__all__ = ["Ordered", "Units"]

_LONGEST_GAP = 1 << 20
_WRAPPER_VERSION = b"\0\1"
_LONGEST_LINE = 256
_LINES = {0x2F: (b"\n", 0), 0x06: (b"\n", 0), 0x01: (b"\x03", 1)}
"""How lines of mode C and E begin; their end, and the octets of check behind it."""


class Units:
    """Cuts one direction of a line into units: HDLC frames with their flags, or wrapper units.

    What is neither is a unit as it comes in.
    """

    __slots__ = ("_after_flag", "_kept")

    def __init__(self) -> None:
        self._kept = b""
        self._after_flag = False  # a frame may follow that shares the flag of the one before

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets, return what is complete."""
        self._kept += octets
        units = []
        position = 0
        while position < len(self._kept):
            end = self._end(position)
            if end is None:
                break
            units.append(self._kept[position:end])
            self._after_flag = self._kept[end - 1] == FLAG
            position = end
        self._kept = self._kept[position:]
        return units

    def rest(self) -> bytes:
        """What has begun and is not complete."""
        kept, self._kept = self._kept, b""
        return kept

    def _end(self, position: int) -> int | None:
        """Where the unit that begins here ends; None while that is not known."""
        kept = self._kept
        if kept[position] == FLAG:
            start = position
            while start < len(kept) and kept[start] == FLAG:
                start += 1
            return self._end_of_frame(start)
        if self._after_flag and kept[position] & 0xF0 == 0xA0:
            return self._end_of_frame(position)
        if kept[position : position + 2] == _WRAPPER_VERSION:
            length = int.from_bytes(kept[position + 6 : position + 8], "big")
            end = position + HEADER_OCTETS + length
            return end if len(kept) >= max(end, position + HEADER_OCTETS) else None
        if kept[position:] == _WRAPPER_VERSION[:1]:
            return None
        flag = kept.find(bytes((FLAG,)), position)
        limit = len(kept) if flag < 0 else flag
        if kept[position] in _LINES and (flag < 0 or limit - position > _LONGEST_LINE):
            return self._end_of_line(position)
        return limit

    def _end_of_line(self, position: int) -> int | None:
        """Behind the end of a line of mode C or E, with its check character if it has one."""
        kept = self._kept
        ending, check = _LINES[kept[position]]
        at = kept.find(ending, position)
        if 0 <= at < position + _LONGEST_LINE:
            end = at + 1 + check
            return end if end <= len(kept) else None
        return None if len(kept) - position <= _LONGEST_LINE else len(kept)

    def _end_of_frame(self, start: int) -> int | None:
        """Behind the flag that ends the content from `start` on; of a broken one, at the next."""
        kept = self._kept
        if start + 2 > len(kept):
            return None
        size = (kept[start] & 7) << 8 | kept[start + 1]
        if kept[start] & 0xF0 == 0xA0 and size >= SHORTEST_CONTENT:
            if start + size >= len(kept):
                return None
            if kept[start + size] == FLAG:
                return start + size + 1
        flag = kept.find(bytes((FLAG,)), start)
        return len(kept) if flag < 0 else flag


class Ordered:
    """Puts the TCP segments of one direction in order; drops what comes twice.

    A gap is waited for until a mebibyte stands behind it; then it is stepped over.
    """

    __slots__ = ("_early", "_next", "_size", "missing")

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, bytes] = {}
        self._size = 0
        self.missing = 0
        """Octets that were stepped over."""

    def begin(self, sequence: int) -> None:
        """The sequence number of the first octet, as a SYN tells it."""
        self._next = sequence & 0xFFFF_FFFF
        self._early, self._size = {}, 0

    def feed(self, sequence: int, octets: bytes) -> bytes:
        """Take a segment; return what follows now without a gap."""
        if not octets:
            return b""
        if self._next is None:
            self._next = sequence
        ahead = (sequence - self._next + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        if ahead > 0:
            if len(octets) > len(self._early.get(sequence, b"")):
                self._size += len(octets) - len(self._early.get(sequence, b""))
                self._early[sequence] = octets
            return self._step_over() if self._size > _LONGEST_GAP else b""
        return self._take(octets[-ahead:])

    def rest(self) -> bytes:
        """What stands behind gaps that nothing will fill any more."""
        found = b""
        while self._early:
            found += self._step_over()
        return found

    def _take(self, octets: bytes) -> bytes:
        assert self._next is not None
        parts = [octets]
        self._next = self._next + len(octets) & 0xFFFF_FFFF
        while self._early:
            nearest = self._nearest()
            ahead = self._ahead(nearest)
            if ahead > 0:
                break
            early = self._early.pop(nearest)
            self._size -= len(early)
            fresh = early[-ahead:]
            parts.append(fresh)
            self._next = self._next + len(fresh) & 0xFFFF_FFFF
        return b"".join(parts)

    def _step_over(self) -> bytes:
        nearest = self._nearest()
        self.missing += self._ahead(nearest)
        self._next = nearest
        early = self._early.pop(nearest)
        self._size -= len(early)
        return self._take(early)

    def _nearest(self) -> int:
        return min(self._early, key=self._ahead)

    def _ahead(self, sequence: int) -> int:
        assert self._next is not None
        return (sequence - self._next + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
