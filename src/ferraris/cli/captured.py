"""Telegrams out of captures: streams put in order, cut into units, segments kept together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ferraris.cli.session import Session
from ferraris.core.pcapng import LINK_USER0, Packet, read_packets
from ferraris.line.packets import SYN, Carried, Place, carried
from ferraris.line.units import Ordered, Units
from ferraris.transport.explain_hdlc import Segments, explain_hdlc
from ferraris.transport.wrapper import HEADER_OCTETS

__all__ = ["Captured", "captured"]

_ACK = 0x10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_FLOWS = 65536
_LONGEST_HELD = 1 << 18


@dataclass(slots=True)
class Captured:
    """A telegram that passed from `source` to `destination`; `session` is its conversation."""

    octets: bytes
    time_ns: int
    source: str
    destination: str
    session: Session

    @property
    def time(self) -> str:
        """When its last octet was seen, in UTC."""
        moment = _EPOCH + timedelta(microseconds=min(self.time_ns // 1000, _LATEST))
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(slots=True)
class _Way:
    """One direction of a flow."""

    source: str
    destination: str
    ordered: Ordered = field(default_factory=Ordered)
    units: Units = field(default_factory=Units)
    first: int | None = None  # sequence number of the first octet, when its SYN was seen
    segments: Segments = field(default_factory=Segments)
    held: bytes = b""  # frames whose APDU goes on


class _Flow:
    """What two ends said to each other; `known` when it certainly is DLMS."""

    def __init__(self, known: bool) -> None:
        self.known = known
        self.session = Session()
        self._ways: dict[Place | bool | None, _Way] = {}

    def stream(self, seen: Carried, time_ns: int) -> Iterator[Captured]:
        """Take a TCP segment."""
        way = self._way(seen.source, str(seen.source), str(seen.destination))
        sequence = seen.sequence
        if seen.flags & SYN:
            sequence = sequence + 1 & 0xFFFF_FFFF
            if way.first != sequence:  # else it is the same SYN once more
                way.ordered.begin(sequence)
                way.first = sequence
        yield from self._units(way, way.ordered.feed(sequence, seen.octets), time_ns)

    def began_otherwise(self, seen: Carried) -> bool:
        """Is this the SYN of another connection between the same ends?"""
        way = self._ways.get(seen.source)
        return way is None or way.first != seen.sequence + 1 & 0xFFFF_FFFF

    def datagram(self, seen: Carried, time_ns: int) -> Iterator[Captured]:
        """Take a UDP datagram."""
        way = self._way(seen.source, str(seen.source), str(seen.destination))
        if seen.octets:
            yield from self._whole(way, seen.octets, time_ns)

    def serial(self, packet: Packet) -> Iterator[Captured]:
        """Take what was seen on a serial line."""
        source, destination = "line", "line"
        if packet.inbound is not None:
            source, destination = ("meter", "client") if packet.inbound else ("client", "meter")
        way = self._way(packet.inbound, source, destination)
        yield from self._units(way, packet.octets, packet.time_ns)

    def rest(self, time_ns: int) -> Iterator[Captured]:
        """What has begun and will not end."""
        for way in self._ways.values():
            yield from self._units(way, way.ordered.rest(), time_ns)
            if left := way.units.rest():
                way.held += left
            if way.held and self.known:
                yield self._captured(way, way.held, time_ns)

    def _way(self, key: Place | bool | None, source: str, destination: str) -> _Way:
        return self._ways.setdefault(key, _Way(source, destination))

    def _units(self, way: _Way, octets: bytes, time_ns: int) -> Iterator[Captured]:
        for unit in way.units.feed(octets):
            yield from self._whole(way, unit, time_ns)

    def _whole(self, way: _Way, unit: bytes, time_ns: int) -> Iterator[Captured]:
        self.known = self.known or _looks_known(unit)
        if not self.known:
            return
        way.held += unit
        if unit[:2] != b"\0\1":
            explain_hdlc(unit, way.segments)
        if not way.segments.pending or len(way.held) > _LONGEST_HELD:
            held, way.held, way.segments = way.held, b"", Segments()
            yield self._captured(way, held, time_ns)

    def _captured(self, way: _Way, octets: bytes, time_ns: int) -> Captured:
        return Captured(octets, time_ns, way.source, way.destination, self.session)


def _looks_known(unit: bytes) -> bool:
    if unit[:2] == b"\0\1":
        return len(unit) == HEADER_OCTETS + int.from_bytes(unit[6:8], "big")
    return unit[:1] == b"~" and explain_hdlc(unit).error is None


def captured(content: bytes, ports: Sequence[int] = ()) -> Iterator[Captured]:
    """The telegrams of a pcapng or pcap file, in the order in which they were complete.

    With `ports`, what goes to or from these; else every conversation that begins like one over
    the wrapper or HDLC, and all that is on port 4059. Raises `DecodeError` for a bad file.
    """
    flows: dict[tuple[frozenset[Place], bool] | int, _Flow] = {}
    time_ns = 0
    for packet in read_packets(content):
        time_ns = packet.time_ns
        if packet.link == LINK_USER0:
            flow = flows.setdefault(LINK_USER0, _Flow(known=True))
            yield from flow.serial(packet)
            continue
        seen = carried(packet.link, packet.octets)
        if seen is None or not _wanted(seen, ports) or len(flows) > _MOST_FLOWS:
            continue
        key = (frozenset((seen.source, seen.destination)), seen.stream)
        opens = seen.stream and seen.flags & (SYN | _ACK) == SYN
        if opens and key in flows and flows[key].began_otherwise(seen):
            yield from flows.pop(key).rest(time_ns)
        flow = flows.setdefault(key, _Flow(known=bool(ports) or _DLMS in _ports(seen)))
        take = flow.stream if seen.stream else flow.datagram
        yield from take(seen, time_ns)
    for flow in flows.values():
        yield from flow.rest(time_ns)


_DLMS = 4059


def _ports(seen: Carried) -> tuple[int, int]:
    return seen.source.port, seen.destination.port


def _wanted(seen: Carried, ports: Sequence[int]) -> bool:
    return not ports or any(port in ports for port in _ports(seen))
