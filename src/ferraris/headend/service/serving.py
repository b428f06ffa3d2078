"""Serving an ASGI application as one part among others of a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from ferraris.core.errors import UsageError

__all__ = ["serve"]


class _Server(uvicorn.Server):
    """A server that leaves the signals of the process to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    application: Any,
    options: dict[str, Any],
    *,
    started: Callable[[int], None] = lambda port: None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until cancelled, then let what is under way end.

    `started` gets the port; `stopping` lets go of those who only watch. Raises `UsageError` when
    the address cannot be listened on.
    """
    server = _Server(uvicorn.Config(application, **options))
    serving = asyncio.ensure_future(_exiting(server))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            started(_port(server))
        await asyncio.shield(serving)
        if not server.started:
            raise UsageError(
                f"{options['host']}:{options['port']} cannot be listened on: is it in use?",
                where="service",
            )
    finally:
        stopping()
        server.should_exit = True
        await asyncio.wait([serving])


async def _exiting(server: uvicorn.Server) -> None:
    """A server that cannot begin ends the process, says uvicorn; here it ends a part."""
    with contextlib.suppress(SystemExit):
        await server.serve()


def _port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])
