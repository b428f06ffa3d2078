"""What each octet of a wrapper unit or an HDLC frame means, for people.

The leaves of the lines - those that no deeper line follows - joined together are the input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line
from ferraris.transport.hdlc.address import HdlcAddress, is_all_stations, unpack_address
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, Kind, parse, receive_number, send_number
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
from ferraris.transport.wrapper import HEADER_OCTETS, unpack

__all__ = ["EnclosedApdu", "Explanation", "explain_hdlc", "explain_wrapper"]

_COMMANDS = {Kind.SNRM, Kind.DISC}
_RESPONSES = {Kind.UA, Kind.DM, Kind.FRMR}
_PARAMETERS = {
    5: "maximum information field, transmit",
    6: "maximum information field, receive",
    7: "window, transmit",
    8: "window, receive",
}
_REASONS = {
    1: "unknown control field",
    2: "information not permitted",
    4: "information too long",
    8: "wrong N(R)",
}


@dataclass(slots=True, frozen=True)
class EnclosedApdu:
    """An APDU found inside: `offset` of its first octet in the input, all its octets.

    `contiguous` is False when it was put together from several frames: its octets then do not
    stand in one piece behind `offset`.
    """

    offset: int
    octets: bytes
    contiguous: bool = True


@dataclass(slots=True)
class Explanation:
    """Lines for people, and the APDUs inside for whoever explains further."""

    lines: list[Line] = field(default_factory=list)
    apdus: list[EnclosedApdu] = field(default_factory=list)


def explain_wrapper(octets: bytes) -> Explanation:
    """Explain wrapper units, one after another; `DecodeError` when the octets are none."""
    found = Explanation()
    position = 0
    while position < len(octets) or not octets:
        end = position + HEADER_OCTETS + int.from_bytes(octets[position + 6 : position + 8], "big")
        try:
            source, destination, apdu = unpack(octets[position:end])
        except DecodeError as error:
            error.offset += position
            raise
        add = _Adder(found.lines, octets, position, 0)
        add.group(end - position, "wrapper unit")
        add.leaf(2, "version 1")
        add.leaf(2, f"source port {source}")
        add.leaf(2, f"destination port {destination}")
        add.leaf(2, f"length {len(apdu)}")
        if apdu:
            found.apdus.append(EnclosedApdu(add.position, apdu))
            add.leaf(len(apdu), f"APDU, {len(apdu)} octets")
        position = end
    return found


def explain_hdlc(octets: bytes) -> Explanation:
    """Explain HDLC frames and name what lies between them.

    `DecodeError` when no frame is sound; it says what is wrong with the first.
    """
    deframer = Deframer()
    contents = deframer.feed(octets, 0.0) + deframer.finish()
    if not contents:
        start = octets.find(b"~") + 1
        parse(octets[start:-1] if octets[-1:] == b"~" else octets[start:])
        raise DecodeError("no complete frame", where="hdlc", octets=octets)
    found = Explanation()
    parts = _Parts()
    position = 0
    for content in contents:
        frame = parse(content)
        start = octets.find(content + b"~", max(1, position))
        if start - 1 > position:
            _stray(found.lines, octets, position, start - 1)
        shared = start == position
        begin = start if shared else start - 1
        end = start + len(content) + 1
        add = _Adder(found.lines, octets, begin, 0)
        add.group(end - begin, f"HDLC frame, {frame.kind.value}")
        if not shared:
            add.leaf(1, "flag")
        _explain_frame(add, frame, parts, found.apdus)
        add.leaf(1, "flag")
        position = end
    if position < len(octets):
        _stray(found.lines, octets, position, len(octets))
    return found


class _Adder:
    """Writes lines one behind the other."""

    def __init__(self, lines: list[Line], octets: bytes, position: int, depth: int) -> None:
        self.lines = lines
        self.octets = octets
        self.position = position
        self.depth = depth

    def group(self, count: int, text: str) -> None:
        """A line whose parts follow, one level deeper."""
        octets = self.octets[self.position : self.position + count]
        self.lines.append(Line(self.position, octets, self.depth, text))
        self.depth += 1

    def leaf(self, count: int, text: str) -> None:
        """The next octets."""
        octets = self.octets[self.position : self.position + count]
        self.lines.append(Line(self.position, octets, self.depth, text))
        self.position += count


class _Parts:
    """APDUs in segments, those of I frames and those of UI frames apart."""

    def __init__(self) -> None:
        self._begun: dict[tuple[Kind, bytes, bytes], tuple[int, bytes]] = {}

    def goes_on(self, frame: Frame) -> bool:
        """Is this frame the continuation of an APDU?"""
        return (frame.kind, frame.destination, frame.source) in self._begun

    def add(self, frame: Frame, offset: int, octets: bytes) -> EnclosedApdu | None:
        """Take a piece; the APDU when it is complete."""
        key = (frame.kind, frame.destination, frame.source)
        begun = self._begun.pop(key, None)
        start, before = begun or (offset, b"")
        if frame.segmented:
            self._begun[key] = (start, before + octets)
            return None
        return EnclosedApdu(start, before + octets, begun is None)


def _stray(lines: list[Line], octets: bytes, start: int, end: int) -> None:
    text = "flags" if not octets[start:end].strip(b"~") else "no sound frame"
    lines.append(Line(start, octets[start:end], 0, text))


def _explain_frame(add: _Adder, frame: Frame, parts: _Parts, apdus: list[EnclosedApdu]) -> None:
    goes_on = " segmented: goes on," if frame.segmented else ""
    size = int.from_bytes(add.octets[add.position : add.position + 2], "big") & 0x7FF
    add.leaf(2, f"format type 3,{goes_on} {size} octets")
    to_server = _goes_to_server(frame)
    add.leaf(len(frame.destination), f"destination: {_station(frame.destination, to_server)}")
    from_server = None if to_server is None else not to_server
    add.leaf(len(frame.source), f"source: {_station(frame.source, from_server)}")
    add.leaf(1, _control(frame))
    if frame.information:
        add.leaf(2, "header check sequence, right")
        _information(add, frame, parts, apdus)
    add.leaf(2, "frame check sequence, right")


def _goes_to_server(frame: Frame) -> bool | None:
    """True for the client's frames, False for the server's, None when nothing tells."""
    if frame.kind in _COMMANDS or frame.information[:3] == LLC_COMMAND:
        return True
    if frame.kind in _RESPONSES or frame.information[:3] == LLC_RESPONSE:
        return False
    if len(frame.destination) != len(frame.source):
        return len(frame.destination) > len(frame.source)
    return None


def _station(octets: bytes, is_server: bool | None) -> str:
    logical, physical = unpack_address(octets)
    if is_server is None:
        return f"address {HdlcAddress(logical, physical)}"
    if not is_server:
        return f"client {logical}"
    text = "all logical devices" if is_all_stations(logical) else f"logical device {logical}"
    if physical is None:
        return text
    whole = "all physical devices" if is_all_stations(physical) else f"physical device {physical}"
    return f"{text}, {whole}"


def _control(frame: Frame) -> str:
    kind, control = frame.kind, frame.control
    text = f"control: {kind.value}"
    if kind is Kind.I:
        text += f", N(S) {send_number(control)}"
    if kind in {Kind.I, Kind.RR, Kind.RNR}:
        text += f", N(R) {receive_number(control)}"
    if frame.poll_final:
        text += ", poll" if kind in _COMMANDS else ", final" if kind in _RESPONSES else ", P/F"
    return text


def _information(add: _Adder, frame: Frame, parts: _Parts, apdus: list[EnclosedApdu]) -> None:
    explainers: dict[Kind, Callable[[_Adder, bytes], None]] = {
        Kind.SNRM: _negotiation,
        Kind.UA: _negotiation,
        Kind.FRMR: _rejection,
    }
    information = frame.information
    if frame.kind in explainers:
        explainers[frame.kind](add, information)
        return
    if frame.kind not in {Kind.I, Kind.UI}:
        add.leaf(len(information), "information")
        return
    going_on = parts.goes_on(frame)
    if not going_on and information[:3] in {LLC_COMMAND, LLC_RESPONSE}:
        command = information[:3] == LLC_COMMAND
        add.leaf(3, f"LLC, {'command of a client' if command else 'response of a server'}")
        information = information[3:]
    apdu = parts.add(frame, add.position, information)
    if information:
        part = "" if not going_on and not frame.segmented else "part of an "
        add.leaf(len(information), f"{part}APDU, {len(information)} octets")
    if apdu is not None and apdu.octets:
        apdus.append(apdu)


def _negotiation(add: _Adder, information: bytes) -> None:
    try:
        Parameters.from_octets(information)
    except DecodeError as error:
        add.leaf(len(information), f"parameters that make no sense: {error.message}")
        return
    add.leaf(1, "format 81, negotiation of parameters")
    end = add.position + len(information) - 1
    while add.position < end:
        group = add.octets[add.position]
        if group == 0xF0:
            add.leaf(end - add.position, "user data")
            break
        size = add.octets[add.position + 1]
        add.leaf(2, f"group {group:02X}, {size} octets")
        stop = add.position + size
        if group != 0x80 and size:
            add.leaf(size, "parameters of another group")
        while add.position < stop:
            identifier, length = add.octets[add.position : add.position + 2]
            value = int.from_bytes(add.octets[add.position + 2 : add.position + 2 + length], "big")
            add.leaf(2 + length, f"{_PARAMETERS.get(identifier, 'unknown parameter')}: {value}")


def _rejection(add: _Adder, information: bytes) -> None:
    if len(information) != 3:
        add.leaf(len(information), "reason of rejection")
        return
    add.leaf(1, f"control field rejected: {information[0]:02X}")
    numbers = information[1]
    add.leaf(1, f"V(S) {numbers >> 1 & 7}, V(R) {numbers >> 5}")
    reasons = [text for bit, text in _REASONS.items() if information[2] & bit]
    add.leaf(1, "reason: " + (", ".join(reasons) or "none given"))
