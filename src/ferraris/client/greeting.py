"""What a meter says before it is asked: taken off the line, so that answers are understood.

Meters that call in often begin with octets that belong to no profile (a heartbeat, a name, words
of a modem) or push a notification to another client. Everything before the first unit that can be
an answer to us is such a greeting.
"""

from __future__ import annotations

import re

from ferraris.core.layer import Deliver, Notice, Opened
from ferraris.core.stack import Plain

__all__ = ["Greeting"]

_MOST_OCTETS = 4096  # of a greeting; who says more before it answers is no meter

# An answer to an AARQ in the wrapper: version 1, addresses, length, then AARE, exception-response,
# confirmed service error, or the prefix of a gateway [facts-g §10].
_WRAPPED = re.compile(rb"\x00\x01.{4}..[\x61\xd8\x0e\xe6\xe7]", re.DOTALL)
_FRAMED = re.compile(rb"\x7e")


class Greeting(Plain[bytes, bytes, bytes]):
    """Passes octets both ways once an answer has begun; keeps what came before in `octets`.

    `scheme` is that of the line's URL. More than 4 KiB of a greeting are handed on, for the layer
    above to be wrong about.
    """

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self._begins = _FRAMED if scheme.endswith("+hdlc") else _WRAPPED
        self._pending = b""
        self._passed = False
        self.octets = b""

    @property
    def room(self) -> bool:
        return True

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        if self._passed:
            self._up.append(Deliver(unit))
            return
        self._pending += unit
        found = self._begins.search(self._pending)
        if found is None and len(self._pending) <= _MOST_OCTETS:
            self.octets = self._pending
            return
        self._passed = True
        start = 0 if found is None else found.start()
        self.octets = self._pending[:start]
        self._up.append(Deliver(self._pending[start:]))
        self._pending = b""

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Opened:
            self._passed, self._pending = False, b""
        super().notice(what, now)
