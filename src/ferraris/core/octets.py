"""Bounded reading of octets: every read is checked, every error names its offset."""

from __future__ import annotations

from ferraris.core.errors import DecodeError

__all__ = ["Reader"]


class Reader:
    """A cursor over immutable octets that raises `DecodeError` instead of running over the end.

    `where` names the layer in errors. Integers are unsigned big endian unless said otherwise.
    Offsets in errors count from the start of the outermost unit.
    """

    __slots__ = ("end", "octets", "position", "where")

    def __init__(
        self, octets: bytes, *, where: str = "", position: int = 0, end: int | None = None
    ) -> None:
        self.octets = octets
        self.position = position
        self.end = len(octets) if end is None else end
        self.where = where

    @property
    def remaining(self) -> int:
        """Octets not yet read."""
        return self.end - self.position

    def take(self, count: int) -> bytes:
        """Read `count` octets."""
        position = self.position
        stop = position + count
        if count < 0 or stop > self.end:
            raise self.error(f"{count} octets expected, {self.end - position} left")
        self.position = stop
        return self.octets[position:stop]

    def rest(self) -> bytes:
        """Read everything that is left."""
        taken = self.octets[self.position : self.end]
        self.position = self.end
        return taken

    def peek(self) -> int | None:
        """The next octet without reading it, or None at the end."""
        return self.octets[self.position] if self.position < self.end else None

    def u8(self) -> int:
        """Read one octet."""
        position = self.position
        if position >= self.end:
            raise self.error("one octet expected, none left")
        self.position = position + 1
        return self.octets[position]

    def i8(self) -> int:
        """Read one signed octet."""
        value = self.u8()
        return value - 256 if value > 127 else value

    def u16(self) -> int:
        """Read two octets."""
        return int.from_bytes(self.take(2), "big")

    def i16(self) -> int:
        """Read two octets, signed."""
        return int.from_bytes(self.take(2), "big", signed=True)

    def u32(self) -> int:
        """Read four octets."""
        return int.from_bytes(self.take(4), "big")

    def restrict(self, count: int) -> Reader:
        """Hand the next `count` octets to a reader of their own and step over them."""
        start = self.position
        if count < 0 or start + count > self.end:
            raise self.error(f"length {count} exceeds the {self.end - start} octets left")
        self.position = start + count
        return Reader(self.octets, where=self.where, position=start, end=start + count)

    def finish(self) -> None:
        """Raise unless everything was read."""
        if self.position != self.end:
            raise self.error(f"{self.end - self.position} octets too many")

    def error(self, message: str) -> DecodeError:
        """A `DecodeError` that names this place."""
        return DecodeError(
            message,
            where=self.where,
            offset=self.position,
            octets=self.octets[max(0, self.position - 4) : self.position + 12],
        )
