"""Who a meter says that it is."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Identity"]


class Identity(NamedTuple):
    """What a caller says of itself before anything is proven.

    Attributes:
        peer: where the connection comes from, as host:port.
        logical_device_name: as the public client read it, b"" when it was refused.
        system_title: from its answer to the public client, b"" when it told none.
        greeting: the octets that it sent before it was asked.
    """

    peer: str
    logical_device_name: bytes = b""
    system_title: bytes = b""
    greeting: bytes = b""

    @property
    def name(self) -> str:
        """The logical device name as text, else the system title in hex, else the peer."""
        name = self.logical_device_name
        if name and name.isascii() and name.decode("ascii").isprintable():
            return name.decode("ascii")
        return (name or self.system_title).hex() or self.peer
