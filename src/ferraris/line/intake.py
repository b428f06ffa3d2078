"""Listeners that can be paused: what comes waits in the kernel while nobody takes it.

Streams stop being read, so that their senders wait; datagrams wait in the socket's buffer. What
the buffer cannot hold the kernel drops, and its count of that is told where the system has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ferraris.core.errors import Error
from ferraris.core.layer import Deliver, Layer
from ferraris.line import tcp, tls, udp
from ferraris.line.asynchronous import AsyncDriver, AsyncStation
from ferraris.line.dialing import dial
from ferraris.line.url import Endpoint
from ferraris.transport.addresses import LONGEST_DATAGRAM_OCTETS

__all__ = ["Answer", "DatagramIntake", "Intake", "PortIntake", "StreamIntake", "place"]

Answer = Callable[[bytes], None]
"""Sends octets to whoever sent a datagram, at once or later."""

_RECEIVE_BUFFER_OCTETS = 4 << 20  # asked for; the system gives what it allows
_DATAGRAMS_A_TURN = 256
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0


class Intake(Protocol):
    """An open listener."""

    @property
    def port(self) -> int:
        """The port it listens on."""

    @property
    def drops(self) -> int | None:
        """Datagrams that the kernel dropped so far; None where it does not tell, or for streams."""

    def pause(self) -> None:
        """Take nothing more for now."""

    def resume(self) -> None:
        """Go on."""

    def close(self) -> None:
        """Listen no more and cut what is open."""


def place(scheme: str, address: tuple[Any, ...]) -> str:
    """The URL of a peer: `tcp://192.0.2.7:50312`, `udp://[2001:db8::7]:4059`."""
    host = str(address[0])
    if host.startswith("::ffff:") and "." in host:  # IPv4 on a socket for both
        host = host.removeprefix("::ffff:")
    return f"{scheme}://[{host}]:{address[1]}" if ":" in host else f"{scheme}://{host}:{address[1]}"


class _Station(AsyncStation):
    """One connection; hands on what its stack delivers."""

    def __init__(self, intake: StreamIntake, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(intake.no_layer, loop, intake.stations)
        self._intake = intake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername") or ("?", 0)
        self.layer = self._intake.make_layer(place(self._intake.scheme, address), self.speak)
        if self._intake.is_full:
            transport.abort()  # type: ignore[attr-defined] # a stream's transport
        super().connection_made(transport)
        if self._intake.paused:
            self.pause_reading()

    def speak(self) -> None:
        """Let out what the stack has to say by now."""
        self._drain(self._loop.time())

    def pause_reading(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _happened(self, what: Any) -> None:
        if type(what) is Deliver:
            self._intake.on_unit(what.unit)
        else:
            super()._happened(what)


class StreamIntake:
    """Accepts connections, each with a new stack; what they deliver goes to `on_unit`.

    `make_layer` gets the place of the peer, and what to call when the stack has something to say
    that nobody has asked for. Beyond `most` connections new ones are cut.
    """

    def __init__(
        self,
        scheme: str,
        make_layer: Callable[[str, Callable[[], None]], Layer[Any, Any, bytes]],
        on_unit: Callable[[Any], None],
        *,
        most: int = 20_000,
    ) -> None:
        self.scheme = scheme
        self.make_layer = make_layer
        self.on_unit = on_unit
        self.stations: set[AsyncStation] = set()
        self.paused = False
        self.no_layer = make_layer("", lambda: None)
        self._most = most
        self._server: asyncio.Server | None = None

    async def start(self, endpoint: Endpoint) -> None:
        """Listen; `LineError` when the address cannot be had, `UsageError` without certificate."""
        loop = asyncio.get_running_loop()
        context = tls.server_context(endpoint) if endpoint.line == "tls" else None
        self._server = await tcp.open_server(endpoint, lambda: _Station(self, loop), context)

    @property
    def is_full(self) -> bool:
        """No connection more is taken."""
        return len(self.stations) >= self._most

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def drops(self) -> int | None:
        return None

    def pause(self) -> None:
        self.paused = True
        for station in self.stations:
            station.pause_reading()  # type: ignore[attr-defined] # all are ours

    def resume(self) -> None:
        self.paused = False
        for station in list(self.stations):
            station.resume_reading()  # type: ignore[attr-defined] # all are ours

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for station in list(self.stations):
            station.abort()


class DatagramIntake:
    """Takes datagrams; `on_datagram` gets octets, the peer's place and the way back."""

    def __init__(self, scheme: str, on_datagram: Callable[[bytes, str, Answer], None]) -> None:
        self._scheme = scheme
        self._on_datagram = on_datagram
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._paused = False
        self._receiving: asyncio.Task[None] | None = None
        self._goes_on = asyncio.Event()

    async def start(self, endpoint: Endpoint) -> None:
        """Bind; `LineError` when the address cannot be had."""
        host, port = endpoint.host, endpoint.port
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            bound = socket.socket(family, kind, protocol)
            try:
                _prepare(bound)
                bound.bind(address)
            except BaseException:
                bound.close()
                raise
        except OSError as cause:
            raise tcp.not_bound(endpoint, cause) from None
        self._socket, self._loop = bound, loop
        self._watch(bound, loop)

    @property
    def port(self) -> int:
        assert self._socket is not None
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def drops(self) -> int | None:
        return None if self._socket is None else udp.kernel_drops(self._socket)

    def pause(self) -> None:
        if not self._paused and self._socket is not None and self._loop is not None:
            self._paused = True
            self._goes_on.clear()
            if self._receiving is None:
                self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        if self._paused and self._socket is not None and self._loop is not None:
            self._paused = False
            self._goes_on.set()
            if self._receiving is None:
                self._watch(self._socket, self._loop)

    def close(self) -> None:
        if self._socket is None or self._loop is None:
            return
        bound, self._socket = self._socket, None
        if self._receiving is None:
            self._loop.remove_reader(bound.fileno())
            bound.close()
        else:  # a loop that waits for a socket must not find it closed
            self._receiving.add_done_callback(lambda _: bound.close())
            self._receiving.cancel()

    def _watch(self, bound: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.add_reader(bound.fileno(), self._readable)
        except NotImplementedError:  # the usual loop of Windows
            self._goes_on.set()
            self._receiving = loop.create_task(self._receive(bound, loop))

    async def _receive(self, bound: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """One datagram after the other; one that was waited for in a pause still counts."""
        while self._socket is bound:
            await self._goes_on.wait()
            try:
                self._take(*await loop.sock_recvfrom(bound, LONGEST_DATAGRAM_OCTETS))
            except OSError:  # an answer of ours that nobody wanted comes back as an error
                await asyncio.sleep(0)

    def _readable(self) -> None:
        for _ in range(_DATAGRAMS_A_TURN):
            bound = self._socket
            if bound is None or self._paused:
                return
            try:
                octets, address = bound.recvfrom(LONGEST_DATAGRAM_OCTETS)
            except BlockingIOError:
                return
            except OSError:  # an answer of ours that nobody wanted comes back as an error
                continue
            self._take(octets, address)

    def _take(self, octets: bytes, address: Any) -> None:
        self._on_datagram(octets, place(self._scheme, address), partial(self._answer, address))

    def _answer(self, address: Any, octets: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a confirmation that cannot leave is lost
                self._socket.sendto(octets, address)


def _prepare(bound: socket.socket) -> None:
    bound.setblocking(False)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_OCTETS)
    if bound.family == socket.AF_INET6:
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


class PortIntake:
    """A serial port on which somebody speaks by itself; what its stack delivers goes to `on_unit`.

    A port is slow enough never to be paused. After `reopen` it is opened again as soon as it is
    back; `on_error` hears why it is not, each reason once.
    """

    def __init__(
        self,
        make_layer: Callable[[str], Layer[Any, Any, bytes]],
        on_unit: Callable[[Any], None],
        on_error: Callable[[Error], None],
    ) -> None:
        self._make_layer = make_layer
        self._on_unit = on_unit
        self._on_error = on_error
        self._driver: AsyncDriver[Any, Any] | None = None
        self._reopening: asyncio.Task[None] | None = None

    async def start(self, endpoint: Endpoint) -> None:
        """Open the port; `LineError` when it cannot be had."""
        layer = self._make_layer(str(endpoint))
        self._driver = await dial(endpoint, layer, is_push=lambda _: True, on_push=self._on_unit)
        await self._driver.open()

    def reopen(self, endpoint: Endpoint) -> None:
        """The port is lost: try again, at longer and longer intervals, until it is there."""
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.get_running_loop().create_task(self._try_again(endpoint))

    async def _try_again(self, endpoint: Endpoint) -> None:
        pause_s, told = _FIRST_PAUSE_S, set[str]()
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self.start(endpoint)
            except Error as error:
                if str(error) not in told:
                    told.add(str(error))
                    self._on_error(error)
            else:
                return

    @property
    def port(self) -> int:
        return 0

    @property
    def drops(self) -> int | None:
        return None

    def pause(self) -> None:
        """Nothing: what waits is bounded by the speed of the line."""

    def resume(self) -> None:
        """Nothing."""

    def close(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        if self._driver is not None:
            self._driver.abort()
