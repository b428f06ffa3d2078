"""What accompanies a translation: how APDUs within are shown, opened and protected again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ferraris.messaging.dlms.acse import Aare, Aarq
from ferraris.messaging.dlms.translation.node import Node

__all__ = ["MAX_NESTED", "Opened", "Opens", "Seals", "Way"]

MAX_NESTED = 8
"""How many APDUs within one another are shown as APDUs; what is deeper is shown as octets."""


class Opened(NamedTuple):
    """A protected content, open: security control octet, invocation counter and plain APDU."""

    control: int
    counter: int
    plain: bytes

    def __repr__(self) -> str:
        return f"Opened({self.control:#04x}, {self.counter})"


Opens = Callable[[Any, bytes | None], Opened | None]
"""Opens a protected APDU, given with the system title known for it; None: it stays shut."""

Seals = Callable[[Any, Opened], bytes]
"""Protects anew what was shown open: takes the APDU without content and gives its content."""


@dataclass(frozen=True, slots=True)
class Way:
    """The surroundings of an element: its APDU, the sender's title, and what to do with others.

    `shows` gives the element of an APDU within, None when it is none that could be shown exactly;
    `takes` gives the octets of such an element.
    """

    shows: Callable[[bytes, Way], Node | None] | None = None
    takes: Callable[[Node, Way], bytes] | None = None
    opens: Opens | None = None
    seals: Seals | None = None
    title: bytes | None = None
    holder: Any = None
    nested: int = 0

    def inside(self, apdu: Any) -> Way:
        """The same for what is within this APDU, which may name its sender."""
        title = self.title
        if isinstance(apdu, Aarq):
            title = apdu.calling_ap_title or title
        elif isinstance(apdu, Aare):
            title = apdu.responding_ap_title or title
        else:
            own = getattr(apdu, "system_title", b"") or getattr(
                apdu, "originator_system_title", b""
            )
            title = own or title
        return replace(self, title=title, holder=apdu, nested=self.nested + 1)
