"""One stack of layers on one transport of asyncio, with one lazily re-armed timer.

A `BufferedProtocol` with one buffer for the whole thread: a stock asyncio protocol allocates
256 KiB for every small read, which costs three times the rest of the exchange.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar, cast

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Layer, LineSettings

__all__ = ["Pump", "gone", "peer_name", "show_address"]

In = TypeVar("In")
Out = TypeVar("Out")

_BUFFER_OCTETS = 65536
_FAREWELL_S = 1.0  # for the peer's part in the end of a TLS session; many have none


class _Scratch(threading.local):
    """The receive buffer; filled and emptied in one turn of the loop, so a thread needs one."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_BUFFER_OCTETS))


_SCRATCH = _Scratch()


def _explain(cause: BaseException | None) -> Error:
    """Why a line was lost."""
    text = "the peer closed the connection" if cause is None else str(cause)
    return LineError(text, where="line")


class Pump(asyncio.BufferedProtocol, Generic[In, Out]):
    """What both ends share: octets in, octets out, time.

    It takes streams and datagrams: asyncio calls what fits its transport.
    """

    def __init__(self, layer: Layer[In, Out, bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.layer = layer
        self._loop = loop
        self.serve: Callable[[bytes], bytes | None] | None = getattr(layer, "served", None)
        """The short way of an exchange at a passive end, where the stack has one."""
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], object] | None = None  # None: there is no line
        self._paused = False
        self._draining = False
        self._buffer = _SCRATCH.buffer  # of the thread, which is that of the loop
        self._waiting: Collection[object] = ()
        """What waits for `_feed`: calling it for nothing costs as much as a layer."""
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0  # while there is a timer
        self.explain: Callable[[BaseException | None], Error] = _explain
        """Says what the loss of the line means."""
        self.on_settings: Callable[[LineSettings], None] | None = None
        """Changes the settings of the line; None for lines that have none."""

    # -- what asyncio calls ---------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        octets = self._buffer[:count].tobytes()
        serve, write = self.serve, self._write
        if serve is not None and write is not None and not self._paused:
            answer = serve(octets)
            if answer is not None:
                write(answer)
                return
        self.received(octets)

    def datagram_received(self, octets: bytes, peer: object) -> None:
        self.received(octets)

    def error_received(self, cause: OSError) -> None:
        """A datagram did not arrive: no news to a stack that waits, unless nobody can be there."""

    def eof_received(self) -> bool:
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        send = getattr(transport, "sendto", None)
        self._write = self._transport.write if send is None else send

    def connection_lost(self, exception: Exception | None) -> None:
        if self._transport is not None:
            self._lost(self.explain(exception))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._drain(self._loop.time())

    # -- the one loop: one mutation, then drain -------------------------------------------

    def received(self, octets: bytes) -> None:
        """Take a chunk of a stream, or one datagram."""
        now = self._loop.time()
        self.layer.receive(octets, now)
        self._drain(now)

    def _drain(self, now: float, *, spoken: bool = False) -> None:
        """Let out whatever is there; nothing was `spoken` yet where the stack only got a unit."""
        if self._draining:  # a call-back of the transport came in while draining: it is covered
            return
        self._draining = True
        layer = self.layer
        event, transmit = layer.event, layer.transmit
        try:
            what = None if spoken else event()
            while True:
                while what is not None:
                    self._happened(what)
                    what = event()
                if self._waiting and self._write is not None and not self._paused:
                    self._feed(now)
                while not self._paused and (write := self._write) is not None:
                    unit = transmit(now)
                    if unit is None:
                        break
                    if type(unit) is bytes:
                        write(unit)
                    elif isinstance(unit, LineSettings) and self.on_settings is not None:
                        self.on_settings(unit)
                what = event()
                if what is None:
                    break
        finally:
            self._draining = False
        self._watch()

    def _watch(self) -> None:
        """Have the timer ring no later than the stack wants to be woken."""
        deadline = self.layer.deadline
        if deadline is not None and (self._timer is None or self._rings_at > deadline):
            self._arm(deadline)

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._wake)
        self._rings_at = deadline

    def _wake(self) -> None:
        self._timer = None
        now = self._loop.time()
        deadline = self.layer.deadline
        if deadline is not None and deadline <= now:
            self.layer.wake(now)
            self._drain(now)
        elif deadline is not None:
            self._arm(deadline)

    def _lost(self, error: Error) -> None:
        """Tell the stack that the line is gone."""
        self._transport = self._write = None
        now = self._loop.time()
        self.layer.notice(Closed(error), now)
        self._drain(now)
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _feed(self, now: float) -> None:
        """Give the stack what waits for room."""

    def _happened(self, what: Any) -> None:
        """Take one event of the stack."""
        raise NotImplementedError


async def gone(transport: asyncio.Transport, lost: asyncio.Future[None]) -> None:
    """Wait until a transport that is being closed has gone, but not for long."""
    await asyncio.wait((lost,), timeout=_FAREWELL_S)
    transport.abort()


def peer_name(transport: asyncio.BaseTransport | None) -> str:
    """Who is at the other end, as `host:port`."""
    address = transport.get_extra_info("peername") if transport is not None else None
    return show_address(address)


def show_address(address: Any) -> str:
    """An address of the socket module as `host:port`; "somebody" when there is none."""
    if not isinstance(address, tuple):
        return "somebody"
    host, port = address[:2]
    host = host.removeprefix("::ffff:")  # IPv4 at a socket that takes both
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
