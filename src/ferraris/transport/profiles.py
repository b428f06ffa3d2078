"""Communication profiles: which link carries the APDUs, as values.

A profile builds the transport part of a stack only; client and server put the messaging layers on
top. Drivers ask `stream`: does the line carry a stream of octets or datagrams?
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from ferraris.core.layer import Layer, To
from ferraris.transport.addresses import LONGEST_DATAGRAM_OCTETS, Addresses
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.timing import Timing
from ferraris.transport.wrapper import HEADER_OCTETS, MAX_OCTETS, WrapperClient, WrapperServer

__all__ = [
    "HDLC",
    "HDLC_SERIAL",
    "TCP",
    "UDP",
    "ClientStack",
    "HdlcProfile",
    "Profile",
    "ServerStack",
    "WrapperProfile",
]

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

    @property
    def limit(self) -> int:
        """The longest APDU carried, in octets."""

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """A new stack for one client; `physical` addresses the device on a shared line."""

    def server_stack(
        self, *, physical: int | None = None, devices: Container[int] | None = None
    ) -> ServerStack:
        """A new passive stack for one line; `physical` is the device's own address.

        `devices` holds the logical devices that hear at the moment, for a link that answers by
        itself; None for all.
        """


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

    def server_stack(
        self, *, physical: int | None = None, devices: Container[int] | None = None
    ) -> ServerStack:
        """A new passive stack for one connection or one peer's datagrams."""
        return WrapperServer(stream=self.stream, limit=self.limit)


@dataclass(frozen=True, slots=True)
class HdlcProfile:
    """HDLC over a serial line, or over a stream that stands for one.

    `HdlcProfile.at(baud)` computes all times, in seconds, for a serial line; `dataclasses.replace`
    overrides single ones. `response_timeout_s` of a client counts from when a frame has left until
    its answer begins and must be longer than `inter_octet_timeout_s`, the longest pause inside a
    frame; `octet_s` is the time of an octet on the line, by which stations know how long a frame
    takes (0: not worth counting). `address_length` is that of server addresses: 1, 2 or 4 octets,
    None for the shortest. `calling` devices answer as the one that called.
    """

    name: str
    stream: bool = True
    parameters: Parameters = DEFAULT
    address_length: int | None = None
    response_timeout_s: float = 3.0
    max_tries: int = 3
    poll_interval_s: float = 0.1
    answer_within_s: float = 0.2
    inactivity_timeout_s: float = 120.0
    inter_octet_timeout_s: float = 0.5
    octet_s: float = 0.0
    calling: bool = False
    limit: int = 1 << 20

    @classmethod
    def at(
        cls, baud: int, *, parameters: Parameters = DEFAULT, address_length: int | None = None
    ) -> HdlcProfile:
        """The profile for a serial line of `baud` bits a second, 8N1, typically 300 to 115200.

        Raises `UsageError` when that is no speed.
        """
        return cls(
            f"hdlc at {baud} baud",
            parameters=parameters,
            address_length=address_length,
            **asdict(Timing.at(baud, parameters)),
        )

    def client_stack(
        self, client_sap: int, server_sap: int, *, physical: int | None = None
    ) -> ClientStack:
        """A new link for one client; `physical` is the address of the device on its line."""
        # HDLC is loaded by whoever speaks it: most sessions run over the wrapper.
        from ferraris.transport.hdlc.primary import Primary  # noqa: PLC0415

        return Primary(
            client_sap,
            server_sap,
            physical=physical,
            address_length=self.address_length,
            parameters=self.parameters,
            response_timeout_s=self.response_timeout_s,
            max_tries=self.max_tries,
            poll_interval_s=self.poll_interval_s,
            inter_octet_timeout_s=self.inter_octet_timeout_s,
            octet_s=self.octet_s,
            limit=self.limit,
        )

    def server_stack(
        self, *, physical: int | None = None, devices: Container[int] | None = None
    ) -> ServerStack:
        """A new passive link; `physical` is the device's own address, None takes any."""
        from ferraris.transport.hdlc.secondary import Secondary  # noqa: PLC0415

        return Secondary(
            physical=physical,
            logical_devices=devices,
            address_length=self.address_length,
            parameters=self.parameters,
            answer_within_s=self.answer_within_s,
            inactivity_timeout_s=self.inactivity_timeout_s,
            inter_octet_timeout_s=self.inter_octet_timeout_s,
            calling=self.calling,
            limit=self.limit,
        )


TCP = WrapperProfile("tcp", stream=True)
UDP = WrapperProfile("udp", stream=False, limit=LONGEST_DATAGRAM_OCTETS - HEADER_OCTETS)
HDLC = HdlcProfile("hdlc")
"""HDLC over TCP: pauses inside a frame are those of the network."""

HDLC_SERIAL = replace(HdlcProfile.at(9600), name="hdlc-serial")
"""HDLC over a serial line of the most usual speed."""
