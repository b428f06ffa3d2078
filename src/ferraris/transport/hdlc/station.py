"""What both ends of a line share: frames out of octets, flow control, delivery.

Octets become frames here, without echoes of our own and whatever is damaged. A station whose layer
above has no room says so by RNR and takes no information until that layer has room again: what
was refused is sent again, so nothing is held meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from ferraris.core.errors import DecodeError, SequenceError
from ferraris.core.layer import Deliver, Failed, Notice
from ferraris.core.stack import Plain
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.echo import Echo
from ferraris.transport.hdlc.frame import Frame, Kind, parse
from ferraris.transport.hdlc.unconfirmed import Unconfirmed

__all__ = ["Station"]

_CROWD = 16  # units that nobody has fetched: more than any window brings

In = TypeVar("In")
Out = TypeVar("Out")


class Station(Plain[In, Out, bytes]):
    """One end of a line; `Primary` and `Secondary` add whose turn it is.

    `sends` and `hears` are the LLC headers of the two directions, `own_kinds` the frames that only
    this end sends. `limit` bounds an APDU, in octets.
    """

    def __init__(
        self,
        *,
        sends: bytes,
        hears: bytes,
        own_kinds: Collection[Kind],
        limit: int,
        inter_octet_timeout_s: float,
    ) -> None:
        super().__init__()
        self.deframer = Deframer(inter_octet_timeout_s=inter_octet_timeout_s)
        self._sends = sends
        self._hears = hears
        self._limit = limit
        self._echo = Echo(own_kinds, sends)
        self._unconfirmed = Unconfirmed(hears, limit)
        self._held = False
        self._undelivered = 0

    # -- flow control -------------------------------------------------------------------------

    @property
    def holding(self) -> bool:
        """Is information refused, because the layer above has no room?"""
        return self._held or self._undelivered >= _CROWD

    def hold(self, now: float) -> None:
        """The layer above has no room: refuse information by RNR until `release`."""
        self._held = True

    def release(self, now: float) -> None:
        """The layer above has room again."""
        self._held = False

    # -- from below ---------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        self._take_contents(self.deframer.feed(unit, now), now)

    def wake(self, now: float) -> None:
        give_up_at = self.deframer.give_up_at
        if give_up_at is not None and now >= give_up_at:
            self._take_contents(self.deframer.finish(), now)

    def _take_contents(self, contents: list[bytes], now: float) -> None:
        for content in contents:
            try:
                frame = parse(content)
            except DecodeError as error:
                self._up.append(Failed(error))
                continue
            if not self._echo.returns(content, frame):
                self._take(frame, now)

    def _take(self, frame: Frame, now: float) -> None:
        """One sound frame that is not our own."""
        raise NotImplementedError

    # -- to below -----------------------------------------------------------------------------

    def _leaving(self, frame: Frame) -> bytes:
        octets = frame.to_octets()
        self._echo.sent(octets)
        return octets

    # -- to above -----------------------------------------------------------------------------

    def event(self) -> Deliver[Out] | Notice | None:
        if not self._up:
            return None
        what = self._up.popleft()
        if type(what) is Deliver:
            self._undelivered -= 1
        return what

    def _deliver(
        self, put_together: Callable[[], bytes | None], unit_of: Callable[[bytes], Out]
    ) -> None:
        try:
            apdu = put_together()
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        if apdu is not None:
            self._undelivered += 1
            self._up.append(Deliver(unit_of(apdu)))

    def _complain(self, text: str) -> None:
        """Something is out of order; the link lives."""
        self._up.append(Failed(SequenceError(text, where="hdlc")))
