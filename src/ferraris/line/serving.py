"""The one door in: passive stacks at any endpoint, whichever line its URL names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self, cast

from ferraris.core.errors import UsageError
from ferraris.core.layer import Layer
from ferraris.line.dialing import line_of
from ferraris.line.url import Endpoint

__all__ = ["Listener", "serve"]

MakeLayer = Callable[[], Layer[Any, Any, bytes]]


class Listener(Protocol):
    """What serves at an endpoint; `async with` closes it and the lines that it holds."""

    @property
    def port(self) -> int:
        """The port it listens on, 0 where there are none."""

    def close(self) -> None:
        """Take nobody more and cut those that are there."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


async def serve(
    endpoint: Endpoint,
    make_layer: MakeLayer,
    *,
    on_unit: Callable[[str, Any], None] | None = None,
) -> Listener:
    """Serve at `endpoint`; a new stack of `make_layer` for each connection or peer.

    `on_unit` gets what a stack delivers to above, with the name of the peer: a passive stack that
    answers by itself delivers nothing. Raises `LineError` when the address cannot be had,
    `UsageError` for an endpoint where nobody can be served.
    """
    listen = getattr(line_of(endpoint), "listen", None)
    if listen is None:
        raise UsageError(f"nobody can be served on {endpoint.scheme}:", where="url")
    if on_unit is None:
        return cast("Listener", await listen(endpoint, make_layer))
    return cast("Listener", await listen(endpoint, make_layer, on_unit=on_unit))
