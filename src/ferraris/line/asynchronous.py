"""The drivers of asyncio: the end that asks, and the end that serves."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Deliver, Failed, Layer, Opened
from ferraris.line.pump import Pump, gone, peer_name

__all__ = ["AsyncDriver", "AsyncStation"]

In = TypeVar("In")
Out = TypeVar("Out")

_PATIENCE_S = 5.0  # `close` waits so long for the answer to an exchange that was given up
_LOG = logging.getLogger("ferraris.line")


class AsyncDriver(Pump[In, Out]):
    """The active end: opens, exchanges unit by unit, closes.

    `on_push` gets what comes without having been asked for. Requests of several tasks are
    queued; a cancelled one that was already sent keeps its slot until its answer or time-out.
    A cancelled `open` or `close` cuts the line.
    """

    def __init__(
        self,
        layer: Layer[In, Out, bytes],
        loop: asyncio.AbstractEventLoop,
        *,
        is_push: Callable[[Out], bool] | None = None,
        on_push: Callable[[Out], None] | None = None,
    ) -> None:
        super().__init__(layer, loop)
        self.serve = None  # this end asks
        self._is_push = is_push
        self._on_push = on_push
        # The short way of an exchange, where the stack has one (`core.stack.Over`).
        self._ask: Callable[[In, float], bytes | None] | None = getattr(layer, "asked", None)
        self._hear: Callable[[bytes, float], Out | None] | None
        self._hear = getattr(layer, "answered", None)
        self._waiting: deque[tuple[In, asyncio.Future[Out]]] = deque()
        self._pending: tuple[In, asyncio.Future[Out]] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[None] | None = None  # done when the stack is down
        self._settled: asyncio.Future[None] | None = None  # done when nothing is in flight
        self._gone: asyncio.Future[None] | None = None  # done when the line is free
        self.farewell = False
        """Whether the end of the line takes the peer, as with TLS."""
        self._ending = False
        self._down: Error | None = None  # why no exchange is possible any more

    async def open(self) -> None:
        self._opening = self._loop.create_future()
        try:
            self._begin(self._loop.time())
            await self._opening
        except Error:
            await self._leave()
            raise
        except BaseException:
            self.abort()
            raise

    async def exchange(self, unit: In) -> Out:
        if self._down is not None:
            raise self._down
        loop = self._loop
        answer: asyncio.Future[Out] = loop.create_future()
        now = loop.time()
        write = self._write
        if (
            self._ask is not None
            and self._pending is None
            and not self._waiting
            and not self._paused
            and not self._draining
            and write is not None
            and (octets := self._ask(unit, now)) is not None
        ):
            self._pending = (unit, answer)
            write(octets)
            self._watch()
        elif self._pending is None and not self._waiting and self.layer.room:
            self._give(unit, answer, now)
            self._drain(now, spoken=True)
        else:
            self._waiting.append((unit, answer))
            self._drain(now)
        return await answer

    async def close(self) -> None:
        """Close in order.

        An exchange in flight, given up or not, is awaited for five seconds, since its late answer
        would be mistaken for that of the release; then the line is cut.
        """
        if self._ending:
            if self._closing is not None:
                await asyncio.wait((self._closing,))
            return
        self._ending = True
        self._closing = self._loop.create_future()
        try:
            if self._write is not None and self._down is None:
                await self._finish(self._closing)
        except BaseException:
            self.abort()
            raise
        finally:
            if not self._closing.done():
                self._closing.set_result(None)
            await self._leave()

    def abort(self) -> None:
        """Cut the line now."""
        transport = self._transport
        if transport is not None:
            self._lost(LineError("the connection was closed here", where="line"))
            transport.abort()

    @property
    def opened(self) -> bool:
        """Whether the stack has been open; it may be down again."""
        return self._opening is not None and self._opening.done()

    # -- opening and closing --------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self.layer.open(now)
        self._drain(now)

    async def _finish(self, closing: asyncio.Future[None]) -> None:
        """Let what is in flight end, then close the stack."""
        self._down = LineError("the connection is being closed", where="line")
        self._fail_waiting(self._down)
        if self._pending is not None:
            self._settled = self._loop.create_future()
            await asyncio.wait((self._settled,), timeout=_PATIENCE_S)
            if self._pending is not None:
                self.abort()
        if self._write is None or closing.done():
            return
        now = self._loop.time()
        self.layer.close(now)
        self._drain(now)
        await closing

    async def _leave(self) -> None:
        """Leave the line, and wait until it is free where that takes the peer."""
        transport = self._transport
        self._part()
        if self.farewell and transport is not None and transport.is_closing():
            self._gone = self._loop.create_future()
            await gone(transport, self._gone)

    def _part(self) -> None:
        """Leave the line; the stack is down."""
        self._stop_timer()
        transport = self._transport
        if transport is not None:
            self._transport = self._write = None
            transport.close()

    def connection_lost(self, exception: Exception | None) -> None:
        super().connection_lost(exception)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def error_received(self, cause: OSError) -> None:
        transport = self._transport
        if transport is not None and self._opening is not None and not self._opening.done():
            self._lost(self.explain(cause))
            transport.abort()
        elif cause.errno == errno.EMSGSIZE and self._pending is not None:
            self._answered(LineError("the request is too long for a datagram", where="line"))

    # -- exchanges ------------------------------------------------------------------------

    def received(self, octets: bytes) -> None:
        if self._hear is None:
            super().received(octets)
            return
        now = self._loop.time()
        answer = self._hear(octets, now)
        if answer is not None:
            self._settle(answer)
            if not self._waiting:
                return
        self._drain(now)

    def _feed(self, now: float) -> None:
        while self._waiting and self._pending is None and self.layer.room:
            unit, answer = self._waiting.popleft()
            if not answer.done():
                self._give(unit, answer, now)

    def _give(self, unit: In, answer: asyncio.Future[Out], now: float) -> None:
        """Begin an exchange."""
        try:
            self.layer.send(unit, now)
        except Exception as error:  # noqa: BLE001 - it is the caller's, not the line's
            answer.set_exception(error)
        else:
            self._pending = (unit, answer)

    def _happened(self, what: Any) -> None:
        kind = type(what)
        if kind is Deliver:
            if self._is_push is not None and self._is_push(what.unit):
                self._heard(what.unit)
            else:
                self._settle(what.unit)
        elif kind is Failed:
            pending = self._pending
            if pending is not None and what.ref is pending[0]:
                self._answered(what.error)
        elif kind is Opened:
            if self._opening is not None and not self._opening.done():
                self._opening.set_result(None)
        elif kind is Closed:
            self._end(what.error)

    def _heard(self, push: Out) -> None:
        if self._on_push is not None:
            try:
                self._on_push(push)
            except Exception:  # noqa: BLE001 - theirs, not the line's
                _LOG.exception("what takes pushes failed")

    def _settle(self, unit: Out) -> None:
        """End the exchange in flight with its answer."""
        pending = self._pending
        if pending is None:
            return
        self._pending = None
        if not pending[1].done():
            pending[1].set_result(unit)
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _answered(self, error: Error) -> None:
        """End the exchange in flight with an error."""
        pending, self._pending = self._pending, None
        if pending is not None and not pending[1].done():
            pending[1].set_exception(error)
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _fail_waiting(self, error: Error) -> None:
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(error)
        self._waiting.clear()

    def _end(self, error: Error | None) -> None:
        down = error or LineError("the connection is closed", where="line")
        self._down = down
        self._answered(down)
        self._fail_waiting(down)
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(down)
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)


class AsyncStation(Pump[Any, Any]):
    """The passive end: a stack that serves one accepted connection and ends with it.

    A stack that ends in order is opened again, for the next link on the same connection; one that
    fails ends the connection.

    While it is connected it stands among `stations`. `on_unit` gets what the stack delivers.
    """

    def __init__(
        self,
        layer: Layer[Any, Any, bytes],
        loop: asyncio.AbstractEventLoop,
        stations: set[AsyncStation],
        on_unit: Callable[[str, Any], None] | None = None,
    ) -> None:
        super().__init__(layer, loop)
        self._stations = stations
        self._on_unit = on_unit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._stations.add(self)
        now = self._loop.time()
        self.layer.open(now)
        self._drain(now)

    def connection_lost(self, exception: Exception | None) -> None:
        self._stations.discard(self)
        super().connection_lost(exception)

    def abort(self) -> None:
        """Cut the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _happened(self, what: Any) -> None:
        kind = type(what)
        if kind is Closed:
            if self._transport is None:
                return
            if what.error is None and not self._transport.is_closing():
                # The last link is over and the connection is not: another may follow.
                self.layer.open(self._loop.time())
            else:
                self._transport.close()
        elif kind is Deliver and self._on_unit is not None:
            self._on_unit(peer_name(self._transport), what.unit)
