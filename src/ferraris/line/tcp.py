"""TCP: connections for both drivers, and listeners for stacks that serve."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Layer
from ferraris.line.asynchronous import AsyncDriver, AsyncStation
from ferraris.line.blocking import BlockingDriver
from ferraris.line.pump import Pump
from ferraris.line.streams import Streams, can_watch
from ferraris.line.url import Endpoint

__all__ = ["Listener", "connect", "connect_blocking", "listen"]

In = TypeVar("In")
Out = TypeVar("Out")

_BACKLOG = 1024
_HANDSHAKE_S = 10.0  # a TLS client that says nothing must not hold its connection


async def connect(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> AsyncDriver[In, Out]:
    """Connect to `endpoint`; the stack itself is opened by the driver's `open`.

    Raises `LineError` when nobody answers, naming the endpoint.
    """
    loop = asyncio.get_running_loop()
    driver = AsyncDriver(layer, loop, is_push=is_push, on_push=on_push)
    driver.explain = lambda cause: lost(endpoint, cause, opened=driver.opened)
    await connected(endpoint, driver, timeout_s)
    return driver


def connect_blocking(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> BlockingDriver[In, Out]:
    """The same on a blocking socket."""
    connection = open_socket(endpoint, timeout_s)
    driver = BlockingDriver(layer, connection, is_push=is_push, on_push=on_push)
    driver.explain = lambda cause: lost(endpoint, cause, opened=driver.opened)
    return driver


class Listener:
    """An open listener and the connections that it accepted; `async with` closes both."""

    def __init__(self, server: asyncio.Server | Streams, stations: set[AsyncStation]) -> None:
        self._server = server
        self._stations = stations

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more connections and cut those that are open."""
        self._server.close()
        for station in list(self._stations):
            station.abort()

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await asyncio.sleep(0)  # the transports end in the next turn of the loop


async def listen(
    endpoint: Endpoint,
    make_layer: Callable[[], Layer[Any, Any, bytes]],
    *,
    on_unit: Callable[[str, Any], None] | None = None,
    context: ssl.SSLContext | None = None,
) -> Listener:
    """Accept connections at `endpoint` (port 0: any free one); a new stack serves each.

    `on_unit` gets what a stack delivers, with the name of its peer. Raises `LineError` when the
    address cannot be had.
    """
    loop = asyncio.get_running_loop()
    stations: set[AsyncStation] = set()

    def station() -> AsyncStation:
        return AsyncStation(make_layer(), loop, stations, on_unit)

    if context is None and can_watch():
        return Listener(Streams(await _listening(endpoint), station, loop), stations)
    return Listener(await open_server(endpoint, station, context), stations)


# -- what TLS and meters that call in need as well ----------------------------------------


async def connected(
    endpoint: Endpoint,
    driver: Pump[Any, Any],
    timeout_s: float,
    context: ssl.SSLContext | None = None,
) -> None:
    """Connect a driver to `endpoint`, through TLS when there is a `context`."""
    loop = asyncio.get_running_loop()
    name = None if context is None else endpoint.host.partition("%")[0]
    try:
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(
                lambda: driver, endpoint.host, endpoint.port, ssl=context, server_hostname=name
            )
    except TimeoutError:
        raise silent(endpoint, timeout_s) from None
    except ssl.SSLError as cause:
        raise driver.explain(cause) from None
    except OSError as cause:
        if context is not None and isinstance(
            cause, (ConnectionResetError, ConnectionAbortedError)
        ):
            raise driver.explain(cause) from None  # in the handshake
        raise refused(endpoint, cause) from None


def open_socket(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    """A connected socket whose small writes leave at once."""
    try:
        connection = socket.create_connection((endpoint.host, endpoint.port), timeout_s)
    except TimeoutError:
        raise silent(endpoint, timeout_s) from None
    except OSError as cause:
        raise refused(endpoint, cause) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


async def open_server(
    endpoint: Endpoint,
    protocol: Callable[[], asyncio.BaseProtocol],
    context: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """A listening server; `[::]` takes IPv4 as well, where the system can."""
    loop = asyncio.get_running_loop()
    handshake = None if context is None else _HANDSHAKE_S
    try:
        if _is_for_both(endpoint):
            return await loop.create_server(
                protocol,
                sock=_both(endpoint),
                backlog=_BACKLOG,
                ssl=context,
                ssl_handshake_timeout=handshake,
            )
        return await loop.create_server(
            protocol,
            endpoint.host,
            endpoint.port,
            backlog=_BACKLOG,
            ssl=context,
            ssl_handshake_timeout=handshake,
        )
    except OSError as cause:
        raise not_bound(endpoint, cause) from None


async def _listening(endpoint: Endpoint) -> list[socket.socket]:
    """Listening sockets at all addresses of `endpoint`, as `open_server` has them."""
    loop = asyncio.get_running_loop()
    opened: list[socket.socket] = []
    try:
        if _is_for_both(endpoint):
            return [_both(endpoint)]
        found = await loop.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        port = endpoint.port
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            place = (address[0], port, *address[2:])
            opened.append(socket.create_server(place, family=family, backlog=_BACKLOG))
            port = opened[0].getsockname()[1]  # any free one is the same for all
    except OSError as cause:
        for each in opened:
            each.close()
        raise not_bound(endpoint, cause) from None
    return opened


def _is_for_both(endpoint: Endpoint) -> bool:
    return endpoint.host == "::" and socket.has_dualstack_ipv6()


def _both(endpoint: Endpoint) -> socket.socket:
    """A socket that takes IPv4 and IPv6."""
    return socket.create_server(
        ("::", endpoint.port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
    )


def silent(endpoint: Endpoint, timeout_s: float) -> Error:
    """Nobody answered in time."""
    text = f"{endpoint} did not answer within {timeout_s:g} s: is the address right, and is "
    return LineError(text + "there no firewall between?", where=endpoint.line)


def refused(endpoint: Endpoint, cause: OSError) -> Error:
    """No connection, and why, and what helps."""
    reason = _reason(cause)
    return LineError(f"no connection to {endpoint}: {reason}", where=endpoint.line)


def not_bound(endpoint: Endpoint, cause: OSError) -> Error:
    """Nobody can listen there, and why, and what helps."""
    reason = _reason(cause)
    return LineError(f"cannot listen on {endpoint}: {reason}", where=endpoint.line)


def lost(endpoint: Endpoint, cause: BaseException | None, *, opened: bool) -> Error:
    """The connection is gone; `opened` when the stack had met its peer."""
    if cause is not None and not isinstance(cause, ConnectionError):
        return LineError(f"{endpoint}: {cause}", where=endpoint.line)
    text = f"{endpoint} closed the connection"
    if not opened:
        other = "the wrapper, tcp://" if endpoint.scheme.endswith("+hdlc") else "HDLC, tcp+hdlc://"
        text += f" before it said anything: is it a meter, and does it not speak {other}?"
    return LineError(text, where=endpoint.line)


_REMEDIES = {
    errno.ECONNREFUSED: "nobody listens there: is the port right, and the meter running?",
    errno.EHOSTUNREACH: "no way leads there: check the address and the network",
    errno.ENETUNREACH: "no way leads there: check the address and the network",
    errno.EADDRINUSE: "the port is taken: end the program that has it, or choose another",
    errno.EADDRNOTAVAIL: "this computer does not have that address",
    errno.EACCES: "not permitted: ports below 1024 are for the system",
}


def _reason(cause: OSError) -> str:
    if isinstance(cause, socket.gaierror):
        return "nobody knows that name: check its spelling, or give the address"
    remedy = _REMEDIES.get(cause.errno or 0)
    return remedy or cause.strerror or str(cause)
