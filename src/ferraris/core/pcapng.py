"""Captures: pcapng, written and read, and the older pcap, read [pcapng].

A capture is a row of packets, each with its time and the type of link it was seen on. Octets come
in and go out; files are somebody else's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from ferraris.core.errors import DecodeError, UsageError

__all__ = [
    "LINK_ETHERNET",
    "LINK_RAW_IP",
    "LINK_USER0",
    "Packet",
    "interface_block",
    "is_capture",
    "packet_block",
    "read_packets",
    "section_block",
]

LINK_ETHERNET = 1
LINK_RAW_IP = 101
LINK_USER0 = 147
"""A link that the users of a file agree upon; ours is a serial line with HDLC or mode E."""

INBOUND, OUTBOUND = 1, 2

_WHERE = "pcapng"
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_MAGIC = 0x1A2B3C4D
_COMMENT, _END = 1, 0
_IF_NAME, _IF_RESOLUTION = 2, 9
_EPB_FLAGS = 2
_LONGEST_OPTION = 0xFFFF
_LONGEST_PACKET = 262_144
_SHORTEST_BLOCK = 12
_PCAP = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}
"""First word of an old capture, and the nanoseconds of its small unit of time."""

_HEAD = Struct("<II")
_SECTION_HEAD = Struct("<IHHq")
_INTERFACE_HEAD = Struct("<HHI")
_PACKET_HEAD = Struct("<IIIII")


class Packet(NamedTuple):
    """One packet: nanoseconds since 1970, its octets, the link, a comment, where it went.

    `inbound` is None where the capture does not say.
    """

    time_ns: int
    octets: bytes
    link: int
    comment: str = ""
    inbound: bool | None = None


# -- writing ---------------------------------------------------------------------------------


def section_block(application: str, comment: str = "") -> bytes:
    """What a capture begins with: who wrote it."""
    options = _option(_COMMENT, comment.encode()) + _option(4, application.encode())
    return _block(_SECTION, _SECTION_HEAD.pack(_MAGIC, 1, 0, -1) + options + _option(_END, b""))


def interface_block(link: int, name: str, comment: str = "") -> bytes:
    """A link that packets are seen on; the first has number 0. Times count nanoseconds."""
    options = _option(_COMMENT, comment.encode()) + _option(_IF_NAME, name.encode())
    options += _option(_IF_RESOLUTION, b"\x09")
    head = _INTERFACE_HEAD.pack(link, 0, _LONGEST_PACKET)
    return _block(_INTERFACE, head + options + _option(_END, b""))


def packet_block(
    interface: int, time_ns: int, octets: bytes, *, comment: str = "", inbound: bool | None = None
) -> bytes:
    """One packet; `UsageError` beyond 262144 octets. A long comment is cut."""
    if len(octets) > _LONGEST_PACKET:
        raise UsageError(f"a packet of {len(octets)} octets does not fit into a capture")
    high, low = time_ns >> 32 & 0xFFFF_FFFF, time_ns & 0xFFFF_FFFF
    head = _PACKET_HEAD.pack(interface, high, low, len(octets), len(octets))
    options = _option(_COMMENT, comment.encode()[:_LONGEST_OPTION])
    if inbound is not None:
        flags = INBOUND if inbound else OUTBOUND
        options += _option(_EPB_FLAGS, flags.to_bytes(4, "little"))
    if options:
        options += _option(_END, b"")
    return _block(_ENHANCED, head + _padded(octets) + options)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _option(code: int, value: bytes) -> bytes:
    if not value and code != _END:
        return b""
    return code.to_bytes(2, "little") + len(value).to_bytes(2, "little") + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + _SHORTEST_BLOCK
    return _HEAD.pack(kind, size) + body + size.to_bytes(4, "little")


# -- reading ---------------------------------------------------------------------------------


def is_capture(octets: bytes) -> bool:
    """Do these octets begin a pcapng or pcap file?"""
    if octets[:4] == b"\x0a\x0d\x0d\x0a":
        return True
    words = (int.from_bytes(octets[:4], "little"), int.from_bytes(octets[:4], "big"))
    return len(octets) >= 4 and any(word in _PCAP for word in words)


def read_packets(octets: bytes) -> Iterator[Packet]:
    """The packets of a pcapng or pcap file, in its order; raises `DecodeError`.

    What a packet lacks of its length on the wire was not captured. Blocks that hold no packets
    are skipped.
    """
    if not is_capture(octets):
        raise DecodeError("neither pcapng nor pcap", where=_WHERE, octets=octets[:4])
    if octets[:4] == b"\x0a\x0d\x0d\x0a":
        yield from _Sections(octets).packets()
    else:
        yield from _old(octets)


def _error(message: str, offset: int) -> DecodeError:
    return DecodeError(message, where=_WHERE, offset=offset)


def _old(octets: bytes) -> Iterator[Packet]:
    order = "<" if int.from_bytes(octets[:4], "little") in _PCAP else ">"
    head, record = Struct(f"{order}IHHiIII"), Struct(f"{order}IIII")
    if len(octets) < head.size:
        raise _error("the header of the file is cut short", len(octets))
    magic, _, _, _, _, _, link = head.unpack_from(octets)
    position = head.size
    while position < len(octets):
        if position + record.size > len(octets):
            raise _error("the header of a packet is cut short", position)
        seconds, small, size, _ = record.unpack_from(octets, position)
        position += record.size
        if size > len(octets) - position:
            raise _error(f"a packet of {size} octets, {len(octets) - position} left", position)
        time_ns = seconds * 1_000_000_000 + small * _PCAP[magic]
        yield Packet(time_ns, octets[position : position + size], link & 0xFFFF)
        position += size


@dataclass(slots=True)
class _Interface:
    link: int
    units_per_second: int = 1_000_000


class _Sections:
    """Reads blocks; each section has its own order of octets and its own interfaces."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._order = "<"
        self._interfaces: list[_Interface] = []

    def packets(self) -> Iterator[Packet]:
        position = 0
        while position < len(self._octets):
            kind, start, end = self._block(position)
            if kind == _SECTION:
                self._interfaces = []
            elif kind == _INTERFACE:
                self._interfaces.append(self._interface(start, end))
            elif kind in (_ENHANCED, _OLD_PACKET):
                yield self._packet(start, end, old=kind == _OLD_PACKET)
            elif kind == _SIMPLE:
                yield self._simple(start, end)
            position = end + 4

    def _number(self, position: int, size: int) -> int:
        octets = self._octets[position : position + size]
        return int.from_bytes(octets, "little" if self._order == "<" else "big")

    def _block(self, position: int) -> tuple[int, int, int]:
        """Kind of the block here, and where its body begins and ends."""
        octets = self._octets
        if position + _SHORTEST_BLOCK > len(octets):
            raise _error("a block is cut short", position)
        if octets[position : position + 4] == b"\x0a\x0d\x0d\x0a":
            magic = octets[position + 8 : position + 12]
            if magic not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise _error("the order of octets of a section is unknown", position + 8)
            self._order = "<" if magic == b"\x4d\x3c\x2b\x1a" else ">"
        kind, size = self._number(position, 4), self._number(position + 4, 4)
        if size < _SHORTEST_BLOCK or size % 4 or size > len(octets) - position:
            raise _error(f"a block of {size} octets, {len(octets) - position} left", position)
        end = position + size - 4
        if self._number(end, 4) != size:
            raise _error("a block ends with another length than it began with", end)
        return kind, position + 8, end

    def _interface(self, start: int, end: int) -> _Interface:
        if end - start < _INTERFACE_HEAD.size:
            raise _error("an interface is cut short", start)
        interface = _Interface(self._number(start, 2))
        for code, value in self._options(start + _INTERFACE_HEAD.size, end):
            if code == _IF_RESOLUTION and value:
                power = min(value[0] & 0x7F, 63)
                interface.units_per_second = 2**power if value[0] & 0x80 else 10**power
        return interface

    def _packet(self, start: int, end: int, *, old: bool) -> Packet:
        if end - start < _PACKET_HEAD.size:
            raise _error("a packet is cut short", start)
        interface = self._known(self._number(start, 2 if old else 4), start)
        units = self._number(start + 4, 4) << 32 | self._number(start + 8, 4)
        size = self._number(start + 12, 4)
        first = start + _PACKET_HEAD.size
        if size > end - first:
            raise _error(f"a packet of {size} octets, {end - first} left", first)
        comments, inbound = [], None
        for code, value in self._options(first + size + -size % 4, end):
            if code == _COMMENT:
                comments.append(value.decode("utf-8", "replace"))
            elif code == _EPB_FLAGS and len(value) == 4:
                way = value[0 if self._order == "<" else 3] & 3
                inbound = way == INBOUND if way in (INBOUND, OUTBOUND) else None
        return Packet(
            units * 1_000_000_000 // interface.units_per_second,
            self._octets[first : first + size],
            interface.link,
            "\n".join(comments),
            inbound,
        )

    def _simple(self, start: int, end: int) -> Packet:
        interface = self._known(0, start)
        if end - start < 4:
            raise _error("a packet is cut short", start)
        size = min(self._number(start, 4), end - start - 4)
        return Packet(0, self._octets[start + 4 : start + 4 + size], interface.link)

    def _known(self, number: int, position: int) -> _Interface:
        if number >= len(self._interfaces):
            raise _error(f"interface {number} was not described", position)
        return self._interfaces[number]

    def _options(self, position: int, end: int) -> Iterator[tuple[int, bytes]]:
        while position + 4 <= end:
            code, size = self._number(position, 2), self._number(position + 2, 2)
            position += 4
            if code == _END:
                return
            if size > end - position:
                raise _error(f"an option of {size} octets, {end - position} left", position)
            yield code, self._octets[position : position + size]
            position += size + -size % 4
