"""Meters that call in: connections accepted first, and driven by stacks of ours afterwards."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeVar, cast

from ferraris.core.errors import Error, LineError, UsageError
from ferraris.core.layer import Layer
from ferraris.line import tcp
from ferraris.line.asynchronous import AsyncDriver
from ferraris.line.pump import gone, peer_name
from ferraris.line.url import Endpoint

__all__ = ["Accepting", "Incoming", "accept"]

In = TypeVar("In")
Out = TypeVar("Out")

_KEPT_OCTETS = 65536  # of a connection that nobody drives; then it is not read any further
_MOST_WAITING = 1024


def accept(endpoint: Endpoint, *, most_waiting: int = _MOST_WAITING) -> Accepting:
    """Take connections at a tcp or tls `endpoint`, one after another.

    Use it as `async for incoming in accept(endpoint)`, in `async with` where the loop may be left
    before its end. `most_waiting` connections are held until somebody takes them, further ones are
    closed. Raises `LineError` when the address cannot be had.
    """
    return Accepting(endpoint, most_waiting)


class Accepting:
    """An open door; iterating waits for the next connection. It ends with `close`.

    `refused` counts connections that were closed because too many waited.
    """

    def __init__(self, endpoint: Endpoint, most_waiting: int) -> None:
        if endpoint.line not in ("tcp", "tls"):
            raise UsageError(f"nobody calls in on {endpoint.scheme}:", where="url")
        self.refused = 0
        self._endpoint = endpoint
        self._most_waiting = most_waiting
        self._waiting: deque[Incoming] = deque()
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it is open."""
        if self._server is None or not self._server.sockets:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self) -> None:
        """Begin to listen; iterating does it by itself."""
        if self._server is not None or self._closed:
            return
        context = None
        if self._endpoint.line == "tls":
            from ferraris.line.tls import server_context  # noqa: PLC0415 - only where it is used

            context = server_context(self._endpoint)
        loop = asyncio.get_running_loop()
        self._server = await tcp.open_server(
            self._endpoint, lambda: _Held(loop, self._came), context
        )

    def close(self) -> None:
        """Take nobody more; connections that nobody took are closed, the others live on."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        while self._waiting:
            self._waiting.popleft().abort()
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Incoming]:
        return self

    async def __anext__(self) -> Incoming:
        await self.open()
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await asyncio.sleep(0)  # transports end in the next turn of the loop

    def _came(self, held: _Held) -> None:
        incoming = Incoming(held)
        if self._closed or len(self._waiting) >= self._most_waiting:
            self.refused += 1
            incoming.abort()
            return
        self._waiting.append(incoming)
        self._arrived.set()


class Incoming:
    """One connection that somebody else opened; stacks drive it one after another."""

    def __init__(self, held: _Held) -> None:
        self._held = held

    @property
    def peer(self) -> str:
        """Who called, as `host:port`."""
        return self._held.peer

    @property
    def closed(self) -> bool:
        """Whether the connection is gone; octets that came before may still be there."""
        return self._held.transport is None

    def drive(
        self,
        layer: Layer[In, Out, bytes],
        *,
        is_push: Callable[[Out], bool] | None = None,
        on_push: Callable[[Out], None] | None = None,
    ) -> AsyncDriver[In, Out]:
        """A driver for `layer`, which takes the connection over when it is opened.

        What came in meanwhile is the beginning of what it receives. When its stack has ended, in
        order or by an error of its own, the connection is there for the next one; `abort`, and a
        cancelled `open` or `close`, cut it. Opening raises `UsageError` while another drives.
        """
        return _IncomingDriver(layer, self._held, is_push=is_push, on_push=on_push)

    async def close(self) -> None:
        """Close the stack that drives, if one does, then the connection."""
        driver = self._held.driver
        if driver is not None:
            await driver.close()
        transport = self._held.transport
        if transport is not None:
            transport.close()
            await gone(transport, self._held.gone)

    def abort(self) -> None:
        """Cut the connection now."""
        driver = self._held.driver
        if driver is not None:
            driver.abort()
        elif self._held.transport is not None:
            self._held.transport.abort()


class _Held(asyncio.BufferedProtocol):
    """The protocol of a connection that nobody drives: keeps what comes, within bounds."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, came: Callable[[_Held], None] | None
    ) -> None:
        self.loop = loop
        self.peer = "somebody"
        self.transport: asyncio.Transport | None = None
        self.driver: _IncomingDriver[Any, Any] | None = None
        self.kept = bytearray()
        self.lost: Exception | None = None
        self.gone: asyncio.Future[None] = loop.create_future()
        self._came = came
        self._buffer = memoryview(bytearray(4096))
        self.paused = False  # writing
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_name(transport)
        came, self._came = self._came, None
        if came is not None:
            came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport, self.lost = None, exc
        if not self.gone.done():
            self.gone.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.kept += self._buffer[:nbytes]
        if len(self.kept) >= _KEPT_OCTETS and self.transport is not None and self._reading:
            self._reading = False
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def take_over(self, driver: _IncomingDriver[Any, Any]) -> bytes:
        """Let `driver` have the connection, and what came before."""
        if self.driver is not None:
            raise UsageError("another stack drives this connection: close it first", where="line")
        if self.transport is None and not self.kept:
            raise LineError(f"{self.peer} closed the connection", where="line")
        kept = bytes(self.kept)
        self.kept.clear()
        if self.transport is not None:
            self.driver = driver
            self.transport.set_protocol(driver)
            if not self._reading:
                self._reading = True
                self.transport.resume_reading()
        return kept

    def give_back(self, transport: asyncio.Transport, *, paused: bool) -> None:
        """Have the connection again."""
        self.driver, self.paused = None, paused
        if transport.is_closing():
            self.transport = None
        else:
            transport.set_protocol(self)


class _IncomingDriver(AsyncDriver[In, Out]):
    """Drives a connection that outlives it."""

    def __init__(
        self,
        layer: Layer[In, Out, bytes],
        held: _Held,
        *,
        is_push: Callable[[Out], bool] | None,
        on_push: Callable[[Out], None] | None,
    ) -> None:
        super().__init__(layer, held.loop, is_push=is_push, on_push=on_push)
        self._held = held
        self._early = b""

    async def open(self) -> None:
        self._early = self._held.take_over(self)
        transport = self._held.transport
        if transport is not None:
            self.connection_made(transport)
            self._paused = self._held.paused
        await super().open()

    def _begin(self, now: float) -> None:
        super()._begin(now)
        early, self._early = self._early, b""
        if early:
            self.received(early)
        if self._transport is None and self._down is None:  # it was closed before we came
            self._lost(self.explain(self._held.lost))

    def connection_lost(self, exception: Exception | None) -> None:
        self._held.driver = None
        self._held.connection_lost(exception)
        super().connection_lost(exception)

    def abort(self) -> None:
        held, transport = self._held, self._transport
        if transport is not None:
            held.driver = held.transport = None
        super().abort()

    def _part(self) -> None:
        self._stop_timer()
        transport = self._transport
        if transport is not None:
            self._transport = self._write = None
            self._held.give_back(transport, paused=self._paused)

    def _end(self, error: Error | None) -> None:
        super()._end(error)
        self._part()
