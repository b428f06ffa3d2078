"""Frames of our own that come back, from an optical head or from a line of two wires [memory].

An echo comes before any answer. Frames that only one side sends give it away; from then on, until
the link is made anew, every frame sent is expected back once, since an RR of one side may look
exactly like one of the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from ferraris.transport.hdlc.frame import Frame, Kind

__all__ = ["Echo"]

_REMEMBERED = 8  # a window and one


class Echo:
    """Knows what was sent; `own_kinds` and `own_llc` are those that only this side uses."""

    __slots__ = ("_own_kinds", "_own_llc", "_sent", "known")

    def __init__(self, own_kinds: Collection[Kind], own_llc: bytes) -> None:
        self._own_kinds = frozenset(own_kinds)
        self._own_llc = own_llc
        self._sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.known = False
        """Does this line echo?"""

    def forget(self) -> None:
        """The line may be another one."""
        self.known = False
        self._sent.clear()

    def sent(self, octets: bytes) -> None:
        """Note a frame that leaves, with its flags."""
        self._sent.append(octets)

    def returns(self, content: bytes, frame: Frame) -> bool:
        """Is this frame, with this content, one of ours? Each comes back once."""
        if not self.known:
            only_ours = frame.information.startswith(self._own_llc)
            if not only_ours and frame.kind not in self._own_kinds:
                return False
            self.known = self._take(content)
            return self.known
        if self._take(content):
            return True
        self._sent.clear()  # an answer: what did not come back by now never will
        return False

    def _take(self, content: bytes) -> bool:
        for index, octets in enumerate(self._sent):
            if octets[1:-1] == content:
                for _ in range(index + 1):
                    self._sent.popleft()
                return True
        return False
