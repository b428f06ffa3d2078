"""Communication profiles: which link carries the APDUs, as values.

A profile builds the transport part of a stack only; client and server put the messaging layers on
top. Drivers ask `stream`: does the line carry a stream of octets or datagrams?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ferraris.core.layer import Layer, To
from ferraris.transport.addresses import Addresses
from ferraris.transport.wrapper import MAX_OCTETS, WrapperClient, WrapperServer

__all__ = ["TCP", "UDP", "ClientStack", "Profile", "ServerStack", "WrapperProfile"]

ClientStack = Layer[bytes, bytes, bytes]
"""Plain APDUs above, octets of the line below."""

ServerStack = Layer[To[Addresses, bytes], To[Addresses, bytes], bytes]
"""APDUs with their addresses above, octets of the line below."""


class Profile(Protocol):
    """One communication profile; an immutable value that may be shared."""

    @property
    def name(self) -> str:
        """Short name, as in messages."""

    @property
    def stream(self) -> bool:
        """True when the line carries a stream of octets, False for datagrams."""

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """A new stack for one client; `physical` addresses the device on a shared line."""

    def server_stack(self, *, physical: int | None = None) -> ServerStack:
        """A new passive stack for one line; `physical` is the device's own address."""


@dataclass(frozen=True, slots=True)
class WrapperProfile:
    """The wrapper over a stream (TCP, TLS) or over datagrams (UDP).

    `limit` is the longest APDU taken, in octets. The wrapper has no physical addresses: the
    network addresses the device.
    """

    name: str
    stream: bool
    limit: int = MAX_OCTETS

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """A new stack for one client."""
        return WrapperClient(client_sap, server_sap, stream=self.stream, limit=self.limit)

    def server_stack(self, *, physical: int | None = None) -> ServerStack:
        """A new passive stack for one connection or one peer's datagrams."""
        return WrapperServer(stream=self.stream, limit=self.limit)


TCP = WrapperProfile("tcp", stream=True)
UDP = WrapperProfile("udp", stream=False)
