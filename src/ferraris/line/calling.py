"""Calling in: a passive stack that dials out itself, as meters behind mobile networks do."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from ferraris.core.errors import UsageError
from ferraris.core.layer import Closed, Layer
from ferraris.line import tcp
from ferraris.line.asynchronous import AsyncStation
from ferraris.line.url import Endpoint

__all__ = ["call"]


async def call(
    endpoint: Endpoint, layer: Layer[Any, Any, bytes], *, timeout_s: float = 10.0
) -> None:
    """Connect to `endpoint`, let `layer` serve whoever is there, return when the line is gone.

    A line that is lost before anything was said on it is a failure.

    `timeout_s` bounds the connecting. Raises `LineError` when nobody answers or speaks,
    `SecurityError` when one side does not trust the other, `UsageError` for a line that nobody can
    be called on. Cancelling cuts the line.
    """
    if endpoint.line not in ("tcp", "tls"):
        raise UsageError(f"nobody can be called on {endpoint.scheme}:", where="url")
    context: ssl.SSLContext | None = None
    loop = asyncio.get_running_loop()
    station = _Caller(layer, loop)
    if endpoint.line == "tls":
        from ferraris.line import tls  # noqa: PLC0415 - only where it is used

        context = tls.client_context(endpoint)
        station.explain = lambda cause: tls.explain(endpoint, cause, opened=station.opened)
    await tcp.connected(endpoint, station, timeout_s, context)
    try:
        await station.gone
    finally:
        station.abort()


class _Caller(AsyncStation):
    """A station that says when its connection is over.

    Who was called may end a link in order and begin another on the same connection.
    """

    def __init__(self, layer: Layer[Any, Any, bytes], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(layer, loop, set())
        self.gone: asyncio.Future[None] = loop.create_future()
        self.opened = False
        """Did whoever was called say anything?"""

    def received(self, octets: bytes) -> None:
        self.opened = True
        super().received(octets)

    def connection_lost(self, exception: Exception | None) -> None:
        super().connection_lost(exception)
        if self.gone.done():
            return
        if self.opened:
            self.gone.set_result(None)
        else:  # TLS 1.3 tells of distrust after the handshake only, if at all
            self.gone.set_exception(self.explain(exception))

    def _happened(self, what: Any) -> None:
        if type(what) is Closed and what.error is None and self._transport is not None:
            self.layer.open(self._loop.time())
        else:
            super()._happened(what)
