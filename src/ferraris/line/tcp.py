"""TCP: connections for both drivers, and a listener for stacks that serve."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from ferraris.core.errors import LineError
from ferraris.core.layer import Layer
from ferraris.line.asynchronous import AsyncDriver, AsyncStation
from ferraris.line.blocking import BlockingDriver
from ferraris.line.url import Endpoint

__all__ = ["Listener", "connect", "connect_blocking", "listen"]

In = TypeVar("In")
Out = TypeVar("Out")


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
    try:
        async with asyncio.timeout(timeout_s):
            _, driver = await loop.create_connection(
                lambda: AsyncDriver(layer, loop, is_push=is_push, on_push=on_push),
                endpoint.host,
                endpoint.port,
            )
    except TimeoutError:
        raise LineError(f"{endpoint} did not answer within {timeout_s:g} s", where="tcp") from None
    except OSError as cause:
        raise _refused(endpoint, cause) from None
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
    try:
        connection = socket.create_connection((endpoint.host, endpoint.port), timeout_s)
    except TimeoutError:
        raise LineError(f"{endpoint} did not answer within {timeout_s:g} s", where="tcp") from None
    except OSError as cause:
        raise _refused(endpoint, cause) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return BlockingDriver(layer, connection, is_push=is_push, on_push=on_push)


class Listener:
    """An open listener and the connections that it accepted; `async with` closes both."""

    def __init__(self, server: asyncio.Server, stations: set[AsyncStation]) -> None:
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
    host: str,
    port: int,
    make_layer: Callable[[], Layer[Any, Any, bytes]],
    *,
    backlog: int = 1024,
) -> Listener:
    """Accept connections on `host`:`port` (0 = any free port) and let a new stack serve each.

    Raises `LineError` when the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    stations: set[AsyncStation] = set()
    try:
        server = await loop.create_server(
            lambda: AsyncStation(make_layer(), loop, stations), host, port, backlog=backlog
        )
    except OSError as cause:
        raise LineError(
            f"cannot listen on {host}:{port}: {cause.strerror or cause}", where="tcp"
        ) from None
    return Listener(server, stations)


def _refused(endpoint: Endpoint, cause: OSError) -> LineError:
    reason = cause.strerror or str(cause)
    return LineError(f"no connection to {endpoint}: {reason}", where="tcp")
