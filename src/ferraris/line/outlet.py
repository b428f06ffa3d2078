"""A line on which somebody speaks unasked: datagrams, or a stream that is dialled when needed.

What comes back is read and handed to `on_octets`, so that a peer that confirms is never blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from ferraris.core.errors import LineError
from ferraris.line.tls import client_context, explain
from ferraris.line.url import Endpoint

__all__ = ["Outlet"]

_MOST_OCTETS = 65536


class Outlet:
    """Sends to one endpoint; `timeout_s` bounds dialling and each sending."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float = 10.0,
        on_octets: Callable[[bytes], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._on_octets = on_octets
        self._datagrams: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def send(self, octets: bytes) -> None:
        """Send one datagram, or octets of the stream; `LineError` when nobody takes them.

        Over TLS `SecurityError` when one side does not trust the other.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if self.endpoint.line == "udp":
                    await self._send_datagram(octets)
                else:
                    await self._send_stream(octets)
        except TimeoutError:
            self.close()
            raise LineError(f"{self.endpoint} took nothing for {self._timeout_s:g} s") from None
        except ssl.SSLError as cause:
            self.close()
            raise explain(self.endpoint, cause) from None
        except OSError as cause:
            self.close()
            reason = cause.strerror or str(cause)
            raise LineError(f"no way to {self.endpoint}: {reason}", where="line") from None

    def close(self) -> None:
        """Hang up; the next `send` dials again."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._datagrams is not None:
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().remove_reader(self._datagrams.fileno())
            self._datagrams.close()
            self._datagrams = None

    async def _send_datagram(self, octets: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self._datagrams is None:
            place = (self.endpoint.host, self.endpoint.port)
            found = await loop.getaddrinfo(*place, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            self._datagrams = socket.socket(family, kind, protocol)
            self._datagrams.setblocking(False)
            self._datagrams.connect(address)
            with contextlib.suppress(NotImplementedError):  # Windows' usual loop: nobody is heard
                loop.add_reader(self._datagrams.fileno(), self._heard)
        await loop.sock_sendall(self._datagrams, octets)

    def _heard(self) -> None:
        if self._datagrams is None:
            return
        with contextlib.suppress(OSError):  # nobody listens there: datagrams may be lost
            octets = self._datagrams.recv(_MOST_OCTETS)
            if self._on_octets is not None:
                self._on_octets(octets)

    async def _send_stream(self, octets: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            place = (self.endpoint.host, self.endpoint.port)
            context = client_context(self.endpoint) if self.endpoint.line == "tls" else None
            reader, self._writer = await asyncio.open_connection(*place, ssl=context)
            self._reading = asyncio.create_task(self._read(reader, self._writer))
        self._writer.write(octets)
        await self._writer.drain()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(_MOST_OCTETS):
                if self._on_octets is not None:
                    self._on_octets(octets)
        writer.close()
