"""Sessions one after another on one line, which stays as it is between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferraris.core.layer import Closed, Deliver, Layer, LineSettings, Notice, Opened

__all__ = ["Following", "Successive"]

Session = Layer[Any, Any, bytes]


@dataclass(slots=True, frozen=True)
class Following:
    """Ends the session that is open, in order, and begins this one; delivered when it is open."""

    session: Session


class Successive:
    """A session, and those that follow it by `send(Following(...))`.

    Below nobody hears that one has ended: a modem keeps its call. A session that does not end in
    order, or does not open, ends all.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._following: Following | None = None
        self._is_ending = False
        self._now = 0.0

    @property
    def room(self) -> bool:
        return self._following is None and self._session.room

    @property
    def expects(self) -> bool:
        return self._session.expects

    @property
    def deadline(self) -> float | None:
        return self._session.deadline

    def open(self, now: float) -> None:
        self._now, self._is_ending = now, False
        self._session.open(now)

    def close(self, now: float) -> None:
        self._now, self._is_ending = now, True
        self._session.close(now)

    def cancel(self, now: float) -> None:
        self._session.cancel(now)

    def send(self, unit: Any, now: float) -> None:
        self._now = now
        if isinstance(unit, Following):
            self._following = unit
            self._session.close(now)
        else:
            self._session.send(unit, now)

    def receive(self, unit: bytes, now: float) -> None:
        self._now = now
        self._session.receive(unit, now)

    def notice(self, what: Notice, now: float) -> None:
        self._now = now
        self._is_ending = self._is_ending or type(what) is Closed
        self._session.notice(what, now)

    def wake(self, now: float) -> None:
        self._now = now
        self._session.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        self._now = now
        return self._session.transmit(now, expecting)

    def event(self) -> Deliver[Any] | Notice | None:
        what = self._session.event()
        following = self._following
        if following is None or what is None:
            return what
        if type(what) is Closed:
            if what.error is not None or self._is_ending or self._session is following.session:
                self._following = None
                return what
            self._session = following.session
            self._session.open(self._now)
            return self.event()
        if type(what) is Opened and self._session is following.session:
            self._following = None
            return Deliver(following)
        return what
