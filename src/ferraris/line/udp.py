"""UDP: connected sockets for both drivers, and one server socket for many peers.

A datagram may be lost: that is a time-out of the stack above, and reads are repeated by whoever
asked. Of a server, what the socket delivered is never lost; what the kernel threw away, because
its buffer was full, is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from ferraris.core.errors import LineError
from ferraris.core.layer import Closed, Deliver, Layer, Progress
from ferraris.line import tcp
from ferraris.line.asynchronous import AsyncDriver
from ferraris.line.blocking import BlockingDriver
from ferraris.line.pump import Pump, show_address
from ferraris.line.url import Endpoint
from ferraris.transport.addresses import LONGEST_DATAGRAM_OCTETS

__all__ = ["DatagramListener", "connect", "connect_blocking", "kernel_drops", "listen"]

In = TypeVar("In")
Out = TypeVar("Out")

_LOG = logging.getLogger("ferraris.line")
_BATCH = 64  # datagrams taken in one turn of the loop
_RECEIVE_BUFFER = 1 << 22  # asked for; the system may give less
_MOST_PEERS = 10_000
_SO_MEMINFO = 55  # linux/socket.h; the kernel's own numbers about a socket
_MEMINFO_DROPS = 8  # index among them


async def connect(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> AsyncDriver[In, Out]:
    """A driver on a socket that hears `endpoint` alone; nothing is sent before `open`.

    Raises `LineError` when the name cannot be resolved or no way leads there.
    """
    loop = asyncio.get_running_loop()
    driver = AsyncDriver(layer, loop, is_push=is_push, on_push=on_push)
    try:
        async with asyncio.timeout(timeout_s):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: driver, remote_addr=(endpoint.host, endpoint.port)
            )
    except TimeoutError:
        raise tcp.silent(endpoint, timeout_s) from None
    except OSError as cause:
        raise tcp.refused(endpoint, cause) from None
    if hasattr(transport, "max_size"):  # asyncio's own would allocate 256 KiB for each datagram
        transport.max_size = LONGEST_DATAGRAM_OCTETS
    driver.explain = lambda cause: _unreachable(endpoint, cause)
    return driver


def connect_blocking(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> BlockingDriver[In, Out]:
    """The same on a blocking socket; connecting takes no time that `timeout_s` could bound."""
    failure: OSError | None = None
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    except OSError as cause:
        raise tcp.refused(endpoint, cause) from None
    for family, kind, protocol, _, address in found:
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.connect(address)
        except OSError as cause:
            failure = cause
            if connection is not None:
                connection.close()
            continue
        driver = BlockingDriver(layer, connection, is_push=is_push, on_push=on_push, datagrams=True)
        driver.explain = lambda cause: _unreachable(endpoint, cause)
        return driver
    raise tcp.refused(endpoint, failure or OSError("no address"))


async def listen(
    endpoint: Endpoint,
    make_layer: Callable[[], Layer[Any, Any, bytes]],
    *,
    on_unit: Callable[[str, Any], None] | None = None,
    most_peers: int = _MOST_PEERS,
) -> DatagramListener:
    """Serve at `endpoint` (port 0: any free one) with a stack for each peer.

    At most `most_peers` stacks are kept: the one that was heard longest ago goes first, unless it
    waits for its peer. `on_unit` gets what a stack delivers, with the name of its peer. Raises
    `LineError` when the address cannot be had.
    """
    server = await _bound(endpoint)
    listener = DatagramListener(
        server, make_layer, asyncio.get_running_loop(), on_unit=on_unit, most_peers=most_peers
    )
    await listener.start()
    return listener


class DatagramListener(asyncio.DatagramProtocol):
    """One socket, many peers; `async with` closes it.

    Attributes:
        received: datagrams that the socket delivered.
        unsent: answers that the system did not take; their peers will ask again.
        evicted: stacks that went to make room for others.
    """

    def __init__(
        self,
        server: socket.socket,
        make_layer: Callable[[], Layer[Any, Any, bytes]],
        loop: asyncio.AbstractEventLoop,
        *,
        on_unit: Callable[[str, Any], None] | None = None,
        most_peers: int = _MOST_PEERS,
    ) -> None:
        self.received = 0
        self.unsent = 0
        self.evicted = 0
        self._socket = server
        self.sendto: Callable[[bytes, Any], object] = server.sendto
        self._make_layer = make_layer
        self._loop = loop
        self._on_unit = on_unit
        self._most_peers = most_peers
        self._peers: OrderedDict[Any, _Peer] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._reported = 0
        self._port: int = server.getsockname()[1]
        self._closed = False
        self._held: list[tuple[bytes, Any]] = []
        self._holds = False  # what is said leaves when all are served

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def peers(self) -> int:
        """How many peers have a stack."""
        return len(self._peers)

    @property
    def dropped(self) -> int | None:
        """Datagrams that the kernel dropped before we could take them; None where none tells."""
        return None if self._closed else kernel_drops(self._socket)

    async def start(self) -> None:
        """Begin to take datagrams, by batches where the loop can watch sockets."""
        try:
            self._loop.add_reader(self._socket, self._take)
        except NotImplementedError:  # Windows' loop
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: self, sock=self._socket
            )
            self.sendto = self._transport.sendto

    def close(self) -> None:
        """Take no more datagrams and forget the peers."""
        if self._closed:
            return
        self._closed = True
        for peer in list(self._peers.values()):
            peer.end()
        self._peers.clear()
        if self._transport is not None:
            self._transport.close()
        else:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    async def __aenter__(self) -> DatagramListener:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await asyncio.sleep(0)

    # -- receiving ------------------------------------------------------------------------

    def _take(self) -> None:
        """Take what is there, then serve it, then let all answers leave.

        Between two calls of the system everything that Python needs has left the processor's
        nearest memory; one kind of work at a time saves a third.
        """
        receive = self._socket.recvfrom
        came: list[tuple[bytes, Any]] = []
        for _ in range(_BATCH):
            try:
                came.append(receive(LONGEST_DATAGRAM_OCTETS))
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # what a peer's host said about an earlier answer
                continue
        else:
            self._report_drops()
        held, peers = self._held, self._peers
        self._holds = True
        try:
            for octets, address in came:
                peer = peers.get(address)
                answer = None if peer is None or peer.serve is None else peer.serve(octets)
                if answer is None:
                    self._hear(peer, octets, address)
                else:
                    peers.move_to_end(address)
                    held.append((answer, address))
        finally:
            self.received += len(came)
            self._holds = False
            self._leave(held)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hand one datagram to the stack of its peer: of loops that cannot watch sockets."""
        self.received += 1
        self._hear(self._peers.get(addr), data, addr)

    def _hear(self, peer: _Peer | None, octets: bytes, address: Any) -> None:
        """The long way of a datagram."""
        if self._closed:
            return
        peers = self._peers
        if peer is not None:
            peers.move_to_end(address)
            peer.received(octets)
            return
        peer = _Peer(self._make_layer(), self._loop, self, address)
        peer.begin(octets)
        # Whoever got no answer and said nothing is not worth a place: a stranger, or noise.
        if peer.spoke and not peer.over:
            if len(peers) >= self._most_peers:
                self._make_place()
            peers[address] = peer

    def error_received(self, exc: Exception) -> None:
        """What a peer's host said about an earlier answer; the peer will ask again."""

    def _make_place(self) -> None:
        peers = self._peers
        idle = (addr for addr, peer in peers.items() if not peer.layer.expects)
        chosen = next(idle, next(iter(peers)))
        peers.pop(chosen).end()
        self.evicted += 1

    def _report_drops(self) -> None:
        """Say so when the kernel drops, each time that the number has doubled."""
        drops = self.dropped
        if drops and drops >= 2 * self._reported:
            self._reported = drops
            _LOG.warning("udp port %d: the system dropped %d datagrams so far", self.port, drops)

    # -- what peers need ------------------------------------------------------------------

    def send(self, octets: bytes, address: Any) -> None:
        """Send a datagram; what the system does not take is lost like any other."""
        self._held.append((octets, address))
        if not self._holds:
            self._leave(self._held)

    def _leave(self, held: list[tuple[bytes, Any]]) -> None:
        sendto = self.sendto
        for octets, address in held:
            try:
                sendto(octets, address)
            except OSError:
                self.unsent += 1
        held.clear()

    def delivered(self, address: Any, unit: Any) -> None:
        """Hand on what a stack delivered."""
        if self._on_unit is not None:
            self._on_unit(show_address(address), unit)

    def forget(self, address: Any) -> None:
        """A peer's stack has ended."""
        self._peers.pop(address, None)


class _Peer(Pump[Any, Any]):
    """The passive stack for the datagrams of one peer."""

    def __init__(
        self,
        layer: Layer[Any, Any, bytes],
        loop: asyncio.AbstractEventLoop,
        listener: DatagramListener,
        address: Any,
    ) -> None:
        super().__init__(layer, loop)
        self._listener = listener
        self._address = address
        self._write = self._send
        self.spoke = False  # anything sensible came or went
        self.over = False

    def begin(self, octets: bytes) -> None:
        """Open the stack and take the first datagram."""
        self.layer.open(self._loop.time())
        self.received(octets)

    def end(self) -> None:
        """Let the stack know that there is no line any more."""
        self.over = True
        self._lost(LineError("the peer was not heard for long", where="udp"))

    def _send(self, octets: bytes) -> None:
        self.spoke = True
        self._listener.send(octets, self._address)

    def _happened(self, what: Any) -> None:
        kind = type(what)
        if kind is Deliver:
            self.spoke = True
            self._listener.delivered(self._address, what.unit)
        elif kind is Progress:
            self.spoke = True
        elif kind is Closed and not self.over:
            self.over = True
            self._stop_timer()
            self._listener.forget(self._address)


# -- sockets ------------------------------------------------------------------------------


async def _bound(endpoint: Endpoint) -> socket.socket:
    loop = asyncio.get_running_loop()
    server: socket.socket | None = None
    try:
        found = await loop.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        server = socket.socket(family, kind, protocol)
        server.setblocking(False)
        if endpoint.host == "::" and socket.has_dualstack_ipv6():
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(address)
    except OSError as cause:
        if server is not None:
            server.close()
        raise tcp.not_bound(endpoint, cause) from None
    _enlarge(server)
    return server


def _enlarge(server: socket.socket) -> None:
    """Ask for a large receive buffer; some systems give less, others refuse what is too much."""
    wanted = _RECEIVE_BUFFER
    while wanted > server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
            return
        wanted //= 2


def kernel_drops(server: socket.socket) -> int | None:
    """The kernel's count of datagrams dropped at this socket, exact and at no cost for each."""
    if sys.platform != "linux":
        return None
    try:
        numbers = server.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
    except OSError:
        return None
    if len(numbers) < 4 * (_MEMINFO_DROPS + 1):
        return None
    drops: int = struct.unpack_from("=I", numbers, 4 * _MEMINFO_DROPS)[0]
    return drops


def _unreachable(endpoint: Endpoint, cause: BaseException | None) -> LineError:
    if isinstance(cause, ConnectionRefusedError):
        return LineError(f"nobody listens at {endpoint}", where="udp")
    text = "the socket was closed" if cause is None else str(cause)
    return LineError(f"{endpoint}: {text}", where="udp")
