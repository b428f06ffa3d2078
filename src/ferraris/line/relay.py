"""A relay between a client and a meter that records what passes: for eyes, not for speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ferraris.core.errors import LineError
from ferraris.line.packets import Place
from ferraris.line.recording import Recorded, Recording
from ferraris.line.url import Endpoint

__all__ = ["Relay", "relay"]

_CONNECT_S = 10.0
_WHERE = "relay"

OpenSerial = Callable[[Endpoint, asyncio.Protocol], Any]


class Relay:
    """A running relay; `async with` closes it. `ended` is set whenever a connection has ended."""

    def __init__(self, recording: Recording, endpoint: Endpoint) -> None:
        self.recording = recording
        self.endpoint = endpoint
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve_tcp(self, host: str, port: int) -> None:
        """Take connections, and connect to the meter for each."""
        server = await asyncio.start_server(self._connected, host, port)
        self.port = server.sockets[0].getsockname()[1]
        self._closing.append(server.close)

    async def serve_udp(self, host: str, port: int) -> None:
        """Take datagrams, and talk to the meter from a port of its own for each sender."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self), local_addr=(host, port)
        )
        self.port = transport.get_extra_info("sockname")[1]
        self._closing.append(transport.close)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        try:
            await self._through(reader, writer)
        except OSError as cause:
            self.failures.append(f"{self.endpoint}: {cause.strerror or cause}")
        except TimeoutError:
            self.failures.append(f"{self.endpoint} did not answer within {_CONNECT_S:g} s")
        finally:
            self._tasks.discard(task)
            writer.close()
            self.ended.set()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_CONNECT_S):
            from_meter, to_meter = await asyncio.open_connection(
                self.endpoint.host, self.endpoint.port
            )
        recorded = self.recording.tcp(
            _place(writer.get_extra_info("peername")), _place(to_meter.get_extra_info("peername"))
        )
        pumps = [
            asyncio.create_task(_pump(reader, to_meter, recorded.to_meter)),
            asyncio.create_task(_pump(from_meter, writer, recorded.from_meter)),
        ]
        try:
            await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            to_meter.close()
            recorded.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: Callable[[bytes], None]
) -> None:
    """One direction until its sender has said all; then the receiver is told."""
    try:
        while octets := await reader.read(65536):
            record(octets)
            writer.write(octets)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


class _Front(asyncio.DatagramProtocol):
    """The side of the clients."""

    def __init__(self, owner: Relay) -> None:
        self._owner = owner
        self._backs: dict[Any, _Back] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        back = self._backs.get(addr)
        if back is None:
            assert self._transport is not None
            back = self._backs[addr] = _Back(self._owner, self._transport, addr)
            task = asyncio.get_running_loop().create_task(back.open())
            self._owner._tasks.add(task)
            task.add_done_callback(self._owner._tasks.discard)
        back.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        for back in self._backs.values():
            back.close()


class _Back(asyncio.DatagramProtocol):
    """The side of the meter, for one client."""

    def __init__(self, owner: Relay, front: asyncio.DatagramTransport, client: Any) -> None:
        self._owner = owner
        self._front = front
        self._client = client
        self._early: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._recorded: Recorded | None = None

    async def open(self) -> None:
        endpoint = self._owner.endpoint
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: self, remote_addr=(endpoint.host, endpoint.port)
            )
        except OSError as cause:
            self._owner.failures.append(f"{endpoint}: {cause.strerror or cause}")
            return
        meter = _place(transport.get_extra_info("peername"))
        self._recorded = self._owner.recording.udp(_place(self._client), meter)
        self._transport = transport
        early, self._early = self._early, []
        for octets in early:
            self.send(octets)

    def send(self, octets: bytes) -> None:
        if self._transport is None or self._recorded is None:
            if len(self._early) < 64:
                self._early.append(octets)
            return
        self._recorded.to_meter(octets)
        self._transport.sendto(octets)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._recorded is not None:
            self._recorded.from_meter(data)
        self._front.sendto(data, self._client)
        self._owner.ended.set()

    def close(self) -> None:
        if self._recorded is not None:
            self._recorded.close()
        if self._transport is not None:
            self._transport.close()


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
