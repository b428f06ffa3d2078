"""Layers of data protection on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from ferraris.client.data_protection import ProtectionLayer

__all__ = ["DEFAULT", "Layers", "Through", "through"]

Layers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        help="Protect the data themselves: both, signature,both:one-pass, … the first one first.",
    ),
]
Through = Annotated[
    str, typer.Option("--through", metavar="OBIS", help="With --layers: class 30 to go through.")
]
DEFAULT = "0-0:43.2.1*255"


def through(layers: str | None, name: str) -> dict[str, Any] | None:
    """What the protected services of a meter take, None without layers; `UsageError`."""
    if layers is None:
        if name != DEFAULT:
            raise UsageError("--through goes with --layers")
        return None
    return {"layers": [_layer(each) for each in layers.split(",")], "name": name}


def _layer(text: str) -> ProtectionLayer:
    """`both`, or `both:one-pass`: the protection, and where its key comes from."""
    from ferraris.client.data_protection import ProtectionLayer

    protection, _, source = text.strip().partition(":")
    layer = ProtectionLayer(protection, source or "identified")
    _ = layer.wanted  # says now what there is not
    return layer
