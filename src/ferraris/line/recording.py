"""Recording what passes on a line, as pcapng, without passwords and keys.

Both ends of our own sessions and relays between others record here. Every frame or wrapper unit
becomes one packet, with IP and TCP or UDP headers made for it, or bare for a serial line. What is
secret is replaced by asterisks of the same number and check sequences are made right again, hence
a capture may be handed on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ferraris.core.explain import Line
from ferraris.core.layer import Closed, Deliver, Layer, LineSettings, Notice
from ferraris.core.pcapng import (
    LINK_RAW_IP,
    LINK_USER0,
    interface_block,
    packet_block,
    section_block,
)
from ferraris.line.packets import ACK, FIN, PSH, SYN, Place, tcp_packet, udp_packet
from ferraris.line.units import Units
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.explain import conceal
from ferraris.transport.explain import explain_wrapper
from ferraris.transport.explain_hdlc import Segments, explain_hdlc

__all__ = ["Recorded", "Recording", "Tap", "without_secrets"]

In = TypeVar("In")
Out = TypeVar("Out")

Words = Callable[[bytes], Sequence[Line]]
"""Explains units that belong together; see `Recording`."""

_EXAMPLES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
"""Addresses of client and meter where nobody knows them; reserved by RFC 5737 and RFC 3849."""

_NOBODY = Place(_EXAMPLES[4][0], 49152)
_WITHOUT_ADDRESS = ("serial", "modem")
_MOST_HELD = 256
_LONGEST_SEGMENT = 32768
_LONGEST_COMMENT = 16000
_CONCEALED = "passwords and keys are asterisks here; check sequences were made right again"
_INTERFACES = {
    LINK_RAW_IP: ("ip", "The headers were made for what was carried."),
    LINK_USER0: (
        "serial",
        "A serial line: HDLC frames with their flags, or mode E lines, one a packet. Inbound is "
        "what the meter sends.",
    ),
}


def _version(place: Place) -> int | None:
    """Of the IP address; None for a name."""
    try:
        return ipaddress.ip_address(place.address).version
    except ValueError:
        return None


def without_secrets(octets: bytes) -> bytes:
    """Frames or wrapper units with asterisks in place of passwords and keys."""
    found = explain_wrapper(octets) if octets[:2] == b"\0\1" else explain_hdlc(octets)
    if not found.apdus:
        return _mode_e_without_password(octets)
    return found.with_apdus(octets, [conceal(apdu.octets) for apdu in found.apdus])


def _mode_e_without_password(octets: bytes) -> bytes:
    """A password command of mode C, `SOH P1 STX (…) ETX BCC`, with its check made right."""
    start = octets.find(b"\x01P")
    begin, end = octets.find(b"(", start), octets.rfind(b")")
    if start < 0 or begin < start:
        return octets
    end = len(octets) if end < begin else end
    result = bytearray(octets)
    result[begin + 1 : end] = b"*" * (end - begin - 1)
    if octets[end + 1 : end + 2] == b"\x03" and len(octets) > end + 2:
        check = 0
        for octet in result[start + 1 : end + 2]:
            check ^= octet
        result[end + 2] = check
    return bytes(result)


@dataclass(slots=True)
class _Unit:
    """A unit on its way into the capture."""

    time_ns: int
    to_meter: bool
    octets: bytes


class Recording:
    """A capture being written.

    `write` takes its octets, whole blocks each time; `clock_ns` tells nanoseconds since 1970.
    `words` explains units for comments, `about` is said at the beginning.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        clock_ns: Callable[[], int],
        *,
        words: Callable[[], Words] | None = None,
        about: str = "",
    ) -> None:
        self.clock_ns = clock_ns
        self.words = words
        self.packets = 0
        """Packets written so far that carry something."""
        self._write = write
        self._interfaces: list[int] = []
        self._tapped: dict[Recorded, None] = {}  # in the order in which they came
        self._taps = 0
        write(section_block("ferraris", about))

    def tcp(self, client: Place, meter: Place) -> Recorded:
        """A connection from `client` to `meter`."""
        return Recorded(self, _Tcp(self, client, meter))

    def udp(self, client: Place, meter: Place) -> Recorded:
        """Datagrams between `client` and `meter`."""

        def put(unit: _Unit, comment: str) -> None:
            source, destination = (client, meter) if unit.to_meter else (meter, client)
            self.packet(LINK_RAW_IP, unit, udp_packet(source, destination, unit.octets), comment)

        return Recorded(self, put, datagrams=True)

    def serial(self) -> Recorded:
        """What passes on a serial line."""

        def put(unit: _Unit, comment: str) -> None:
            self.packet(LINK_USER0, unit, unit.octets, comment)

        return Recorded(self, put)

    def tap(self, endpoint: Endpoint, layer: Layer[In, Out, bytes]) -> Tap[In, Out]:
        """Record what our own `layer` says to the meter at `endpoint`; see `ferraris.connect`."""
        client = _NOBODY._replace(port=_NOBODY.port + self._taps % 16384)
        recorded = self.between(client, endpoint)
        self._taps += 1
        self._tapped[recorded] = None
        return Tap(layer, recorded, self._forget)

    def between(self, client: Place, endpoint: Endpoint) -> Recorded:
        """What a client and the meter at `endpoint` say to each other, on whichever line.

        Addresses that nobody here knows, such as those of names, are those of examples.
        """
        if endpoint.line in _WITHOUT_ADDRESS:
            return self.serial()
        meter = Place(endpoint.host.partition("%")[0], endpoint.port)
        if _version(meter) is None:
            meter = meter._replace(address=_EXAMPLES[_version(client) or 4][1])
        if _version(client) != _version(meter):
            client = client._replace(address=_EXAMPLES[_version(meter) or 4][0])
        return (self.udp if endpoint.line == "udp" else self.tcp)(client, meter)

    def close(self) -> None:
        """Write what taps have held back."""
        for recorded in self._tapped:
            recorded.close()
        self._tapped.clear()

    def _forget(self, recorded: Recorded) -> None:
        """It is closed and written."""
        self._tapped.pop(recorded, None)

    def packet(self, link: int, unit: _Unit, octets: bytes, comment: str) -> None:
        """Write one packet; its link is described with the first, since some readers take one."""
        self.packets += bool(unit.octets)
        block = b""
        if link not in self._interfaces:
            self._interfaces.append(link)
            block = interface_block(link, *_INTERFACES[link])
        number, inbound = self._interfaces.index(link), not unit.to_meter
        block += packet_block(number, unit.time_ns, octets, comment=comment, inbound=inbound)
        self._write(block)


class _Tcp:
    """Makes a connection around units: three packets to open it, one for each, and its end."""

    def __init__(self, recording: Recording, client: Place, meter: Place) -> None:
        self._recording = recording
        self._places = {True: client, False: meter}
        self._sent = {True: 0, False: 0}
        self._opened = False

    def __call__(self, unit: _Unit, comment: str) -> None:
        if not self._opened:
            self._opened = True
            self._bare(unit, True, SYN)
            self._bare(unit, False, SYN | ACK)
            self._bare(unit, True, ACK)
        for start in range(0, len(unit.octets), _LONGEST_SEGMENT):
            part = unit.octets[start : start + _LONGEST_SEGMENT]
            self._put(_Unit(unit.time_ns, unit.to_meter, part), PSH | ACK, comment)
            comment = "goes on"

    def close(self, time_ns: int) -> None:
        """Both ends say that it is over."""
        if self._opened:
            unit = _Unit(time_ns, True, b"")
            self._bare(unit, True, FIN | ACK)
            self._bare(unit, False, FIN | ACK)
            self._bare(unit, True, ACK)
            self._opened = False

    def _bare(self, unit: _Unit, to_meter: bool, flags: int) -> None:
        self._put(_Unit(unit.time_ns, to_meter, b""), flags, "")

    def _put(self, unit: _Unit, flags: int, comment: str) -> None:
        way = unit.to_meter
        acknowledged = self._sent[not way] if flags & ACK else 0
        packet = tcp_packet(
            self._places[way],
            self._places[not way],
            unit.octets,
            flags=flags,
            sequence=self._sent[way],
            acknowledged=acknowledged,
        )
        self._sent[way] += len(unit.octets) + bool(flags & (SYN | FIN))
        self._recording.packet(LINK_RAW_IP, unit, packet, comment)


class Recorded:
    """One connection, line or pair of ends in a capture.

    Units wait until the APDU that they carry in segments is complete: only then is it known what
    in them is secret.
    """

    def __init__(
        self,
        recording: Recording,
        put: Callable[[_Unit, str], None],
        *,
        datagrams: bool = False,
    ) -> None:
        self._recording = recording
        self._put = put
        self._units = None if datagrams else {True: Units(), False: Units()}
        self._held: list[_Unit] = []
        self._segments = Segments()
        self._words = None if recording.words is None else recording.words()

    def to_meter(self, octets: bytes) -> None:
        """The client has sent these."""
        self._take(octets, True)

    def from_meter(self, octets: bytes) -> None:
        """The meter has sent these."""
        self._take(octets, False)

    def close(self) -> None:
        """Write what was held back, and the end of the connection."""
        now = self._recording.clock_ns()
        if self._units is not None:
            for way, units in self._units.items():
                if rest := units.rest():
                    self._held.append(_Unit(now, way, rest))
        self._release()
        if isinstance(self._put, _Tcp):
            self._put.close(now)

    def _take(self, octets: bytes, to_meter: bool) -> None:
        now = self._recording.clock_ns()
        units = [octets] if self._units is None else self._units[to_meter].feed(octets)
        for unit in units:
            self._held.append(_Unit(now, to_meter, unit))
            if self._is_whole() or len(self._held) >= _MOST_HELD:
                self._release()

    def _is_whole(self) -> bool:
        """Does no APDU go on in the next segment?"""
        if self._held[-1].octets[:2] == b"\0\1":
            return True
        found = explain_hdlc(self._held[-1].octets, self._segments)
        return found.error is not None or not self._segments.pending

    def _release(self) -> None:
        held, self._held = self._held, []
        self._segments = Segments()
        if not held:
            return
        joined = b"".join(unit.octets for unit in held)
        concealed = without_secrets(joined)
        lines = [] if self._words is None else self._words(joined)
        comments = _comments(lines, [len(unit.octets) for unit in held])
        position = 0
        for unit, comment in zip(held, comments, strict=True):
            original, end = unit.octets, position + len(unit.octets)
            unit.octets, position = concealed[position:end], end
            if unit.octets != original:
                comment = f"{_CONCEALED}\n{comment}".rstrip()
            self._put(unit, comment)


def _comments(lines: Sequence[Line], sizes: Sequence[int]) -> list[str]:
    """What is said of each unit, in words; lines stay with the octets that they explain."""
    texts: list[list[str]] = [[] for _ in sizes]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    index = 0
    for line in lines:
        if not line.deciphered:
            while index + 1 < len(sizes) and line.offset >= ends[index]:
                index += 1
        texts[index].append("  " * line.depth + line.text)
    return ["\n".join(text)[:_LONGEST_COMMENT] for text in texts]


class Tap(Generic[In, Out]):
    """A stack of layers; what goes from it to the line and comes back is recorded."""

    def __init__(
        self,
        layer: Layer[In, Out, bytes],
        recorded: Recorded,
        on_closed: Callable[[Recorded], None] | None = None,
    ) -> None:
        self._layer = layer
        self._recorded = recorded
        self._on_closed = on_closed

    @property
    def room(self) -> bool:
        return self._layer.room

    @property
    def expects(self) -> bool:
        return self._layer.expects

    @property
    def connectionless(self) -> bool:
        return self._layer.connectionless

    @property
    def deadline(self) -> float | None:
        return self._layer.deadline

    def open(self, now: float) -> None:
        self._layer.open(now)

    def close(self, now: float) -> None:
        self._layer.close(now)

    def cancel(self, now: float) -> None:
        self._layer.cancel(now)

    def send(self, unit: In, now: float) -> None:
        self._layer.send(unit, now)

    def receive(self, unit: bytes, now: float) -> None:
        self._recorded.from_meter(unit)
        self._layer.receive(unit, now)

    def notice(self, what: Notice, now: float) -> None:
        self._layer.notice(what, now)

    def wake(self, now: float) -> None:
        self._layer.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        unit = self._layer.transmit(now, expecting)
        if type(unit) is bytes:
            self._recorded.to_meter(unit)
        return unit

    def event(self) -> Deliver[Out] | Notice | None:
        what = self._layer.event()
        if type(what) is Closed:
            self._recorded.close()
            if self._on_closed is not None:
                self._on_closed(self._recorded)
        return what
