"""The limits of the segment tree for coroutines: who may start is told by a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ferraris.headend.collect.segments import Limiter, Ticket

__all__ = ["Gate"]


class Gate:
    """Hands out the room of a `Limiter` as it comes free and as time passes; for one event loop.

    `steady` is the monotonic clock of the limiter; `start` is called with every ticket that may
    start, and must not raise.
    """

    def __init__(
        self, limiter: Limiter, steady: Callable[[], float], start: Callable[[Ticket], None]
    ) -> None:
        self.limiter = limiter
        self._steady = steady
        self._start = start
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self._closed = False

    def ask(self, key: int, node: int, priority: int, *, fresh: bool = True) -> Ticket:
        """Wait at a node; `start` is called later, never from in here."""
        ticket = self.limiter.ask(key, node, priority, fresh=fresh)
        self._look_soon()
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Wait no longer."""
        self.limiter.withdraw(ticket)

    def done(self, ticket: Ticket, *, reached: bool) -> None:
        """A session is over."""
        self.limiter.done(ticket, self._steady(), reached=reached)
        self._look_soon()

    def look(self) -> None:
        """Start whoever may."""
        self._soon = False
        if self._closed:
            return
        now = self._steady()
        for ticket in self.limiter.grants(now):
            self._start(ticket)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.limiter.waiting and (at := self.limiter.deadline(now)) is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, at - now) + 1e-4, self.look)

    def close(self) -> None:
        """Start nobody any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _look_soon(self) -> None:
        """Once for all that changes in this turn of the loop."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self.look)
