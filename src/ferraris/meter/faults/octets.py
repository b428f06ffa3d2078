"""The line under a transport, where frames are damaged and connections end, on request.

The layer above the transport knows which meter is meant and says what happens to the next octets.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from types import MappingProxyType

from ferraris.core.errors import LineError
from ferraris.core.layer import Closed, Deliver, LineSettings
from ferraris.core.stack import Plain

__all__ = ["FaultyOctets"]

_WHERE = "faults"
_FLAG = 0x7E
_GARBAGE_OCTETS = 5


class FaultyOctets(Plain[bytes, bytes, bytes]):
    """Passes octets as they are, but for the next unit after `strike`."""

    connectionless = True  # links come and go above; the line is there

    def __init__(self) -> None:
        super().__init__()
        self._next: list[str] = []
        self._cut_after = False

    def strike(self, name: str) -> None:
        """Let a fault of the line befall the next unit that leaves."""
        self._next.append(name)

    def cut(self) -> None:
        """End the connection now."""
        self._down.clear()
        self._next.clear()
        self._cut_after = False
        self._up.append(Closed(LineError("cut, as a fault wants it", where=_WHERE)))

    def cut_after(self) -> None:
        """End the connection when the next unit has left."""
        self._cut_after = True

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        unit = super().transmit(now, expecting)
        if type(unit) is not bytes:
            return unit
        for name in self._next:
            unit = _DAMAGES[name](unit)
        self._next.clear()
        if self._cut_after:
            self.cut()
        return unit


def _garbage(unit: bytes) -> bytes:
    """Octets that follow from the unit and begin no frame."""
    drawn = blake2b(unit, digest_size=_GARBAGE_OCTETS - 1).digest()
    return b"\xff" + drawn.replace(bytes((_FLAG,)), b"\x7f")


def _inside(unit: bytes) -> bytes:
    half = len(unit) // 2
    return unit[:half] + _garbage(unit) + unit[half:]


def _wrong_check(unit: bytes) -> bytes:
    """Another check sequence before the closing flag, or another version of the wrapper."""
    place = -2 if unit[:1] == bytes((_FLAG,)) else 1
    octets = bytearray(unit)
    octets[place] ^= 0x55
    if octets[place] == _FLAG:
        octets[place] ^= 0x01
    return bytes(octets)


_DAMAGES: MappingProxyType[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "garbage before frame": lambda unit: _garbage(unit) + unit,
        "garbage inside frame": _inside,
        "garbage after frame": lambda unit: unit + _garbage(unit),
        "wrong check": _wrong_check,
        "cut frame": lambda unit: unit[: len(unit) // 2],
    }
)
