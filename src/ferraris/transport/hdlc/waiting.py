"""How long a primary waits for an answer: until it begins, and while it comes in."""

from __future__ import annotations

from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.hdlc.timing import FRAME_OVERHEAD, frame_time_s

__all__ = ["Wait"]


class Wait:
    """The response time-out of one link, for answers as large as `agreed`; seconds."""

    __slots__ = ("_heard", "_most", "_patience_s", "doubtful", "until")

    def __init__(self, response_timeout_s: float, octet_s: float, agreed: Parameters) -> None:
        self._patience_s = response_timeout_s + frame_time_s(octet_s, agreed.max_receive)
        self._most = agreed.window_receive * (agreed.max_receive + FRAME_OVERHEAD)
        self._heard = 0
        self.doubtful = False
        """Did something come that is perhaps no answer?"""
        self.until: float | None = None
        """When the wait is over; None while nobody waits."""

    def begin(self, now: float) -> None:
        """A poll has left."""
        self._heard = 0
        self.doubtful = False
        self.until = now + self._patience_s

    def go_on(self, now: float) -> None:
        """A frame came, and the final one is still to come."""
        if self.until is not None:
            self.until = now + self._patience_s

    def hear(self, octets: int, now: float) -> bool:
        """So much of a frame came in: wait for its end, but in noise not for ever."""
        self._heard += octets
        if self.until is None or self._heard > self._most:
            return False
        self.until = now + self._patience_s
        return True

    def shorten(self, until: float) -> None:
        """Something came that is perhaps no answer: wait no longer than this for a better one."""
        if self.until is not None:
            self.doubtful = True
            self.until = min(self.until, until)

    def end(self) -> None:
        """The answer is there, or is given up."""
        self.until = None
