"""IP, TCP and UDP headers around what was carried: made for captures, and taken off theirs.

Made ones stand for a connection of which only the content was seen: their sequence numbers begin
at 0, and nothing is ever lost.
"""

from __future__ import annotations

import ipaddress
from struct import Struct
from typing import NamedTuple

from ferraris.core.pcapng import LINK_ETHERNET, LINK_RAW_IP

__all__ = ["ACK", "FIN", "PSH", "SYN", "Carried", "Place", "carried", "tcp_packet", "udp_packet"]

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_TCP, _UDP = 6, 17
_ETHER_IP4, _ETHER_IP6 = 0x0800, 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_IP6_EXTENSIONS = (0, 43, 60)
_TCP_HEAD = Struct("!HHIIBBHHH")
_UDP_HEAD = Struct("!HHHH")

LINK_NULL, LINK_LOOP, LINK_COOKED, LINK_COOKED2, LINK_IP4, LINK_IP6 = 0, 108, 113, 276, 228, 229
_IP_BEHIND = {
    LINK_NULL: 4,
    LINK_LOOP: 4,
    LINK_COOKED: 16,
    LINK_COOKED2: 20,
    LINK_IP4: 0,
    LINK_IP6: 0,
    LINK_RAW_IP: 0,
    12: 0,  # raw IP as some systems number it
    14: 0,
}
"""Octets before the IP header, by link."""


class Place(NamedTuple):
    """Address and port of one end."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


class Carried(NamedTuple):
    """What a packet carried from `source` to `destination`; for TCP with its number and flags."""

    source: Place
    destination: Place
    octets: bytes
    stream: bool
    sequence: int = 0
    flags: int = 0


def tcp_packet(
    source: Place,
    destination: Place,
    octets: bytes,
    *,
    flags: int,
    sequence: int,
    acknowledged: int,
) -> bytes:
    """An IP packet with one TCP segment."""
    head = _TCP_HEAD.pack(
        source.port,
        destination.port,
        sequence & 0xFFFF_FFFF,
        acknowledged & 0xFFFF_FFFF,
        _TCP_HEAD.size << 2,
        flags,
        0xFFFF,
        0,
        0,
    )
    return _ip(source, destination, _TCP, head + octets, 16)


def udp_packet(source: Place, destination: Place, octets: bytes) -> bytes:
    """An IP packet with one UDP datagram."""
    head = _UDP_HEAD.pack(source.port, destination.port, _UDP_HEAD.size + len(octets), 0)
    return _ip(source, destination, _UDP, head + octets, 6)


def _ip(source: Place, destination: Place, protocol: int, payload: bytes, check_at: int) -> bytes:
    """The IP header and the payload, whose checksum belongs at `check_at`."""
    sender = ipaddress.ip_address(source.address).packed
    receiver = ipaddress.ip_address(destination.address).packed
    pseudo = sender + receiver + len(payload).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    checked = _checksum(pseudo + payload) or 0xFFFF
    payload = payload[:check_at] + checked.to_bytes(2, "big") + payload[check_at + 2 :]
    if len(sender) == 16:
        size = len(payload).to_bytes(2, "big")
        return b"\x60\0\0\0" + size + bytes((protocol, 64)) + sender + receiver + payload
    size = (20 + len(payload)).to_bytes(2, "big")
    head = b"\x45\0" + size + b"\0\0\x40\0" + bytes((64, protocol))
    check = _checksum(head + b"\0\0" + sender + receiver).to_bytes(2, "big")
    return head + check + sender + receiver + payload


def _checksum(octets: bytes) -> int:
    if len(octets) % 2:
        octets += b"\0"
    total = sum(int.from_bytes(octets[n : n + 2], "big") for n in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def carried(link: int, octets: bytes) -> Carried | None:
    """What a packet of this link carried by TCP or UDP; None for anything else, and fragments."""
    if link == LINK_ETHERNET:
        return _ether(octets)
    behind = _IP_BEHIND.get(link)
    return None if behind is None else _take_ip(octets[behind:])


def _ether(octets: bytes) -> Carried | None:
    position = 12
    while (kind := int.from_bytes(octets[position : position + 2], "big")) in _VLAN_TAGS:
        position += 4
    return _take_ip(octets[position + 2 :]) if kind in (_ETHER_IP4, _ETHER_IP6) else None


def _take_ip(octets: bytes) -> Carried | None:
    version = octets[0] >> 4 if octets else 0
    if version == 4 and len(octets) >= 20:
        size = (octets[0] & 15) * 4
        total = int.from_bytes(octets[2:4], "big") or len(octets)  # 0: left to the network card
        fragment = int.from_bytes(octets[6:8], "big") & 0x3FFF
        if fragment or size < 20 or total < size:
            return None
        ends = (octets[12:16], octets[16:20])
        return _take_payload(octets[9], octets[size:total], ends)
    if version == 6 and len(octets) >= 40:
        total = int.from_bytes(octets[4:6], "big") or len(octets) - 40
        protocol, payload = octets[6], octets[40 : 40 + total]
        while protocol in _IP6_EXTENSIONS and len(payload) >= 8:
            protocol, payload = payload[0], payload[8 + payload[1] * 8 :]
        return _take_payload(protocol, payload, (octets[8:24], octets[24:40]))
    return None


def _take_payload(protocol: int, octets: bytes, ends: tuple[bytes, bytes]) -> Carried | None:
    if len(octets) < 8:
        return None
    ports = (int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big"))
    source, destination = (
        Place(str(ipaddress.ip_address(end)), port) for end, port in zip(ends, ports, strict=True)
    )
    if protocol == _UDP:
        size = int.from_bytes(octets[4:6], "big") or len(octets)
        return Carried(source, destination, octets[8:size], False)
    if protocol != _TCP or len(octets) < _TCP_HEAD.size:
        return None
    size = (octets[12] >> 4) * 4
    if size < _TCP_HEAD.size:
        return None
    sequence = int.from_bytes(octets[4:8], "big")
    return Carried(source, destination, octets[size:], True, sequence, octets[13])
