"""A relay between a client and a meter that records what passes: for eyes, not for speed.

Clients come by TCP or UDP; the meter may be on any line that we have a door to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Deliver, LineSettings, Notice
from ferraris.core.stack import Plain
from ferraris.line.asynchronous import AsyncDriver
from ferraris.line.dialing import dial
from ferraris.line.packets import Place
from ferraris.line.recording import Recorded, Recording
from ferraris.line.url import Endpoint

__all__ = ["Relay", "relay"]

_WHERE = "relay"
_CONNECT_S = 10.0
_MOST_EARLY = 64


class _Left(bytes):
    """What a pipe answers when a unit has left; never something that came in."""

    __slots__ = ()


_LEFT = _Left()

Driver = AsyncDriver[bytes, bytes]


class _Pipe(Plain[bytes, bytes, bytes]):
    """A stack without layers: the answer to a unit is that it has left, all else came in."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        if not self._down:
            return None
        self._up.append(Deliver(_LEFT))
        return self._down.popleft()

    def notice(self, what: Notice, now: float) -> None:
        super().notice(what, now)
        if type(what) is Closed:
            self.gone.set()


async def _to(meter: Endpoint, pipe: _Pipe, take: Callable[[bytes], None]) -> Driver:
    driver: Driver = await dial(
        meter,
        pipe,
        timeout_s=_CONNECT_S,
        is_push=lambda unit: unit is not _LEFT,
        on_push=take,
    )
    await driver.open()
    return driver


class Relay:
    """A running relay; `async with` closes it. `ended` is set whenever a connection has ended."""

    def __init__(self, recording: Recording, meter: Endpoint) -> None:
        self.recording = recording
        self.meter = meter
        self.ended = asyncio.Event()
        self.failures: list[str] = []
        """Why connections to the meter failed, in words."""
        self.port = 0
        """The port it listens on."""
        self._closing: list[Callable[[], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        return self

    async def __aexit__(self, *_: object) -> None:
        for close in self._closing:
            close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def serve_tcp(self, host: str, port: int) -> None:
        """Take connections, and connect to the meter for each."""
        server = await asyncio.start_server(self._connected, host, port)
        self.port = server.sockets[0].getsockname()[1]
        self._closing.append(server.close)

    async def serve_udp(self, host: str, port: int) -> None:
        """Take datagrams, and talk to the meter from a port of its own for each sender."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(host, port)
        )
        self.port = transport.get_extra_info("sockname")[1]
        self._closing.append(transport.close)

    def start(self, work: Any) -> None:
        """Do something until it is done or the relay closes."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except (Error, OSError) as cause:
            self.failures.append(str(cause))
        finally:
            self.ended.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.start(self._through(reader, writer))

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recorded = self.recording.between(_place(writer.get_extra_info("peername")), self.meter)

        def take(octets: bytes) -> None:
            recorded.from_meter(octets)
            writer.write(octets)

        pipe = _Pipe()
        try:
            driver = await _to(self.meter, pipe, take)
            try:
                forward = asyncio.create_task(_forward(reader, driver, recorded))
                gone = asyncio.create_task(pipe.gone.wait())
                await asyncio.wait({forward, gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in (forward, gone):
                    task.cancel()
                await asyncio.gather(forward, gone, return_exceptions=True)
            finally:
                await driver.close()
        finally:
            recorded.close()
            writer.close()


async def _forward(reader: asyncio.StreamReader, driver: Driver, recorded: Recorded) -> None:
    """From the client to the meter, until the client has said all."""
    while octets := await reader.read(65536):
        recorded.to_meter(octets)
        await driver.exchange(octets)


class _Datagrams(asyncio.DatagramProtocol):
    """The side of the clients; each has its own way to the meter."""

    def __init__(self, owner: Relay) -> None:
        self._owner = owner
        self._clients: dict[Any, asyncio.Queue[bytes]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        queue = self._clients.get(addr)
        if queue is None:
            queue = self._clients[addr] = asyncio.Queue(_MOST_EARLY)
            self._owner.start(self._through(addr, queue))
        if not queue.full():
            queue.put_nowait(data)

    async def _through(self, client: Any, queue: asyncio.Queue[bytes]) -> None:
        recorded = self._owner.recording.between(_place(client), self._owner.meter)

        def take(octets: bytes) -> None:
            recorded.from_meter(octets)
            assert self._transport is not None
            self._transport.sendto(octets, client)
            self._owner.ended.set()

        try:
            driver = await _to(self._owner.meter, _Pipe(), take)
            try:
                while True:
                    octets = await queue.get()
                    recorded.to_meter(octets)
                    await driver.exchange(octets)
            finally:
                await driver.close()
        finally:
            self._clients.pop(client, None)
            recorded.close()


def _place(name: Any) -> Place:
    return Place(str(name[0]).partition("%")[0], int(name[1]))


async def relay(listen: Endpoint, meter: Endpoint, recording: Recording) -> Relay:
    """Listen at `listen` and hand everything on to `meter` and back; `LineError` when it cannot."""
    running = Relay(recording, meter)
    serve = running.serve_udp if listen.line == "udp" else running.serve_tcp
    try:
        await serve(listen.host, listen.port)
    except OSError as cause:
        raise LineError(
            f"cannot listen on {listen}: {cause.strerror or cause}", where=_WHERE
        ) from None
    return running
