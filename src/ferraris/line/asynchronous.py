"""The asyncio driver: one transport, one stack of layers, one lazily re-armed timer.

A `BufferedProtocol` with one buffer for the whole thread: a stock asyncio protocol allocates
256 KiB for every small read, which costs three times the rest of the exchange.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Deliver, Failed, Layer, LineSettings, Opened

__all__ = ["AsyncDriver", "AsyncStation"]

In = TypeVar("In")
Out = TypeVar("Out")

_BUFFER_OCTETS = 65536


class _Scratch(threading.local):
    """The receive buffer; filled and emptied in one turn of the loop, so a thread needs one."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_BUFFER_OCTETS))


_SCRATCH = _Scratch()


class _StackProtocol(asyncio.BufferedProtocol, Generic[In, Out]):
    """What both ends share: octets in, octets out, time."""

    def __init__(self, layer: Layer[In, Out, bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.layer = layer
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        self.on_settings: Callable[[LineSettings], None] | None = None
        """Changes the settings of the line; None for lines that have none."""

    # -- what asyncio calls ---------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SCRATCH.buffer

    def buffer_updated(self, count: int) -> None:
        now = self._loop.time()
        self.layer.receive(bytes(_SCRATCH.buffer[:count]), now)
        self._drain(now)

    def eof_received(self) -> bool:
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exception: Exception | None) -> None:
        self._transport = None
        cause = str(exception) if exception is not None else "the peer closed the connection"
        now = self._loop.time()
        self.layer.notice(Closed(LineError(cause, where="line")), now)
        self._drain(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._drain(self._loop.time())

    # -- the one loop: one mutation, then drain -------------------------------------------

    def _drain(self, now: float) -> None:
        if self._draining:  # a call-back of the transport came in while draining: it is covered
            return
        self._draining = True
        layer = self.layer
        try:
            while True:
                while (what := layer.event()) is not None:
                    self._happened(what)
                unit = None
                if not self._paused and self._transport is not None:
                    self._feed(now)
                    unit = layer.transmit(now)
                if unit is None:
                    what = layer.event()
                    if what is None:
                        break
                    self._happened(what)
                elif type(unit) is bytes:
                    assert self._transport is not None
                    self._transport.write(unit)
                elif isinstance(unit, LineSettings) and self.on_settings is not None:
                    self.on_settings(unit)
        finally:
            self._draining = False
        deadline = layer.deadline
        if deadline is not None:
            self._arm(deadline)

    def _arm(self, deadline: float) -> None:
        timer = self._timer
        if timer is not None:
            if timer.when() <= deadline:
                return
            timer.cancel()
        self._timer = self._loop.call_at(deadline, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._loop.time()
        deadline = self.layer.deadline
        if deadline is not None and deadline <= now:
            self.layer.wake(now)
            self._drain(now)
        elif deadline is not None:
            self._arm(deadline)

    def _feed(self, now: float) -> None:
        """Give the stack what waits for room."""

    def _happened(self, what: Any) -> None:
        """Take one event of the stack."""
        raise NotImplementedError


class AsyncDriver(_StackProtocol[In, Out]):
    """The active end: opens, exchanges unit by unit, closes.

    `on_push` gets what comes without having been asked for. Requests of several tasks are
    queued; a cancelled one that was already sent keeps its slot until its answer or time-out.
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
        self._is_push = is_push
        self._on_push = on_push
        self._waiting: deque[tuple[In, asyncio.Future[Out]]] = deque()
        self._pending: tuple[In, asyncio.Future[Out]] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[None] | None = None
        self._down: Error | None = None

    async def open(self) -> None:
        opening = self._loop.create_future()
        self._opening = opening
        now = self._loop.time()
        self.layer.open(now)
        self._drain(now)
        try:
            await opening
        except BaseException:
            self.abort()
            raise

    async def exchange(self, unit: In) -> Out:
        if self._down is not None:
            raise self._down
        answer: asyncio.Future[Out] = self._loop.create_future()
        self._waiting.append((unit, answer))
        self._drain(self._loop.time())
        return await answer

    async def close(self) -> None:
        if self._transport is None or self._down is not None:
            self.abort()
            return
        if self._pending is not None:
            # Somebody gave up in the middle of an exchange: an orderly release would be answered
            # by the late answer, so the line is simply cut.
            self.abort()
            return
        closing = self._loop.create_future()
        self._closing = closing
        now = self._loop.time()
        self.layer.close(now)
        self._drain(now)
        try:
            await closing
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the line now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _feed(self, now: float) -> None:
        if self._pending is None and self._waiting and self.layer.room:
            while self._waiting:
                unit, answer = self._waiting.popleft()
                if not answer.done():
                    self._pending = (unit, answer)
                    self.layer.send(unit, now)
                    return

    def _happened(self, what: Any) -> None:
        kind = type(what)
        if kind is Deliver:
            self._delivered(what.unit)
        elif kind is Failed:
            pending = self._pending
            if pending is not None and what.ref is pending[0]:
                self._pending = None
                if not pending[1].done():
                    pending[1].set_exception(what.error)
        elif kind is Opened:
            if self._opening is not None and not self._opening.done():
                self._opening.set_result(None)
        elif kind is Closed:
            self._end(what.error)

    def _delivered(self, unit: Out) -> None:
        if self._is_push is not None and self._is_push(unit):
            if self._on_push is not None:
                self._on_push(unit)
            return
        pending, self._pending = self._pending, None
        if pending is not None and not pending[1].done():
            pending[1].set_result(unit)

    def _end(self, error: Error | None) -> None:
        self._down = error or LineError("the connection is closed", where="line")
        pending, self._pending = self._pending, None
        if pending is not None:
            self._waiting.appendleft(pending)
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(self._down)
        self._waiting.clear()
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(self._down)
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)


class AsyncStation(_StackProtocol[Any, Any]):
    """The passive end: a stack that serves one accepted connection and ends with it.

    While it is connected it stands among `stations`.
    """

    def __init__(
        self,
        layer: Layer[Any, Any, bytes],
        loop: asyncio.AbstractEventLoop,
        stations: set[AsyncStation],
    ) -> None:
        super().__init__(layer, loop)
        self._stations = stations

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
        if type(what) is Closed and self._transport is not None:
            self._transport.close()
