"""The one door out: a driver for any endpoint, whichever line its URL names."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

from ferraris.core.errors import UsageError
from ferraris.core.layer import Layer
from ferraris.line.asynchronous import AsyncDriver
from ferraris.line.blocking import BlockingDriver
from ferraris.line.url import Endpoint

__all__ = ["LINES", "Line", "dial", "dial_blocking", "line_of"]

In = TypeVar("In")
Out = TypeVar("Out")

LINES = {
    "tcp": "ferraris.line.tcp",
    "tls": "ferraris.line.tls",
    "udp": "ferraris.line.udp",
    "serial": "ferraris.line.serial",
    "modem": "ferraris.line.modem",
}
"""The module of each line, loaded when it is first used; a new line needs an entry here only."""


class Line(Protocol):
    """What the module of a line offers; a line on which nobody can be served has no `listen`."""

    async def connect(
        self,
        endpoint: Endpoint,
        layer: Layer[Any, Any, bytes],
        *,
        timeout_s: float,
        is_push: Callable[[Any], bool] | None,
        on_push: Callable[[Any], None] | None,
    ) -> AsyncDriver[Any, Any]: ...

    def connect_blocking(
        self,
        endpoint: Endpoint,
        layer: Layer[Any, Any, bytes],
        *,
        timeout_s: float,
        is_push: Callable[[Any], bool] | None,
        on_push: Callable[[Any], None] | None,
    ) -> BlockingDriver[Any, Any]: ...


async def dial(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> AsyncDriver[In, Out]:
    """Connect `layer` to `endpoint`; the stack itself is opened by the driver's `open`.

    `timeout_s` bounds the connecting. Raises `LineError` when nobody answers, `SecurityError` when
    one side does not trust the other, `UsageError` for an endpoint that is no line.
    """
    return await line_of(endpoint).connect(
        endpoint, layer, timeout_s=timeout_s, is_push=is_push, on_push=on_push
    )


def dial_blocking(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> BlockingDriver[In, Out]:
    """The same without an event loop."""
    return line_of(endpoint).connect_blocking(
        endpoint, layer, timeout_s=timeout_s, is_push=is_push, on_push=on_push
    )


def line_of(endpoint: Endpoint) -> Line:
    """The module of the line that `endpoint` names."""
    module = LINES.get(endpoint.line)
    if module is None:
        raise UsageError(f"{endpoint.scheme}: is not a line to a meter", where="url")
    try:
        return cast("Line", import_module(module))
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise UsageError(f"{endpoint.scheme}: cannot be dialled here", where="url") from None
