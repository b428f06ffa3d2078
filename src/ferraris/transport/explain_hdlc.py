"""What each octet of HDLC frames means, for people, whatever the octets."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import DecodeError
from ferraris.transport.explain import Adder, EnclosedApdu, Explanation
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_stations,
    read_address,
    unpack_address,
)
from ferraris.transport.hdlc.crc import check_sequence, sound
from ferraris.transport.hdlc.frame import (
    FLAG,
    SHORTEST_CONTENT,
    Frame,
    Kind,
    parse,
    receive_number,
    send_number,
)
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE

__all__ = ["Segments", "explain_hdlc"]

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
_LONGEST_APDU = 1 << 17
"""Segments are put together up to here, in octets."""


def explain_hdlc(octets: bytes, segments: Segments | None = None) -> Explanation:
    """Explain HDLC frames, sound or not, and name what lies between them.

    `segments` remembers APDUs that frames of earlier calls have begun.
    """
    found = Explanation()
    segments = Segments() if segments is None else segments
    segments.next_input()
    add = Adder(found, octets)
    while add.position < len(octets):
        end = _end_of_content(octets, add.position)
        if end is None:
            _stray(add, segments)
            continue
        start = add.position
        shared = octets[start] != FLAG
        content = octets[start if shared else start + 1 : end]
        _frame(add, content, segments, shared=shared)
        add.depth = 0
    if not found.contents:
        found.went_wrong(DecodeError("no frame", where="hdlc", octets=octets))
    return found


def _end_of_content(octets: bytes, position: int) -> int | None:
    """Where the content of a frame that begins here ends: at a flag, where its length says."""
    start = position + 1 if octets[position] == FLAG else position
    if start == position and (position == 0 or octets[position - 1] != FLAG):
        return None
    if start + SHORTEST_CONTENT > len(octets) or octets[start] & 0xF0 != 0xA0:
        return None
    end = start + ((octets[start] & 7) << 8 | octets[start + 1])
    return end if end - start >= SHORTEST_CONTENT and octets[end : end + 1] == b"~" else None


def _stray(add: Adder, segments: Segments) -> None:
    """Octets up to where the next frame may begin."""
    octets, start = add.octets, add.position
    end = start + 1
    while end < len(octets) and _end_of_content(octets, end) is None:
        end += 1
    stray = octets[start:end]
    if not stray.strip(b"~"):
        add.leaf(end - start, "flag" if len(stray) == 1 else "flags")
        return
    bare = stray.lstrip(b"~")
    error = _what_is_wrong(bare)
    error.offset += end - len(bare)
    add.found.went_wrong(error)
    _doubtful(add, segments, end - start, f"no frame: {error.message}")


def _doubtful(add: Adder, segments: Segments, count: int, text: str) -> None:
    """Octets of a damaged frame: behind an LLC header, or after a segment, stands an APDU."""
    octets = add.octets[add.position : add.position + count]
    header = max(octets.find(LLC_COMMAND), octets.find(LLC_RESPONSE))
    if header >= 0 and header + 3 < count:
        if header:
            add.leaf(header, text)
        add.leaf(3, "LLC header, as it seems")
        add.beginning(count - header - 3)
        return
    apdu = segments.add_doubtful(add.position, octets)
    if apdu is not None and len(apdu.pieces) == 1:
        add.found.apdus.append(apdu)
    add.leaf(count, text if apdu is None else f"part of an APDU, as it seems; {text}")


def _what_is_wrong(stray: bytes) -> DecodeError:
    try:
        parse(stray[:-1] if stray[-1:] == b"~" else stray)
    except DecodeError as error:
        return error
    return DecodeError("a flag (7e) was expected", where="hdlc")


class Segments:
    """APDUs in segments, by the ends of the link; kept where frames come one by one."""

    def __init__(self) -> None:
        self._begun: dict[tuple[Kind, bytes, bytes], EnclosedApdu] = {}

    def add(self, frame: Frame, offset: int, octets: bytes, to_server: bool | None) -> EnclosedApdu:
        """Take a piece; the APDU as far as it is known, the same object while it goes on."""
        key = (frame.kind, frame.destination, frame.source)
        apdu = self._begun.pop(key, None)
        if apdu is None:
            ends = (_logical(frame.source), _logical(frame.destination))
            apdu = EnclosedApdu(b"", [], ends, to_server=to_server)
        apdu.octets += octets
        apdu.pieces.append((offset, len(octets)))
        apdu.complete = not frame.segmented
        if frame.segmented and len(apdu.octets) <= _LONGEST_APDU:
            self._begun[key] = apdu
        return apdu

    def add_doubtful(self, offset: int, octets: bytes) -> EnclosedApdu | None:
        """Octets of a damaged frame, which may go on with the APDU begun last, if there is one."""
        if not self._begun:
            return None
        apdu = next(reversed(self._begun.values()))
        if len(apdu.octets) > _LONGEST_APDU:
            return None
        apdu.octets += octets
        apdu.pieces.append((offset, len(octets)))
        return apdu

    def goes_on(self, frame: Frame) -> bool:
        """Is this frame the continuation of an APDU?"""
        return (frame.kind, frame.destination, frame.source) in self._begun

    @property
    def pending(self) -> bool:
        """Has any APDU begun that is not complete?"""
        return bool(self._begun)

    def next_input(self) -> None:
        """What has come so far stands no longer in the input that follows."""
        self._begun = {
            key: EnclosedApdu(apdu.octets, [], apdu.ends, len(apdu.octets), False, apdu.to_server)
            for key, apdu in self._begun.items()
        }

    def copy(self) -> Segments:
        """The same state, to try something."""
        other = Segments()
        other._begun = dict(self._begun)
        return other


def _frame(add: Adder, content: bytes, segments: Segments, *, shared: bool) -> None:
    """A frame whose length is right; flags, and the fields as far as they can be told."""
    begin = add.position if shared else add.position + 1
    try:
        frame = parse(content)
    except DecodeError as error:
        error.offset += begin
        add.found.went_wrong(error)
        add.heading("HDLC frame, damaged")
        if not shared:
            add.leaf(1, "flag")
        _damaged(add, content, error, segments)
    else:
        add.found.frames.append(frame)
        add.heading(f"HDLC frame, {frame.kind.value}")
        if not shared:
            add.leaf(1, "flag")
        _sound_frame(add, frame, segments)
    add.found.contents.append((begin, begin + len(content)))
    add.leaf(1, "flag")


def _format(content: bytes) -> str:
    goes_on = " segmented: goes on," if content[0] & 0x08 else ""
    return f"format type 3,{goes_on} {(content[0] & 7) << 8 | content[1]} octets"


def _sound_frame(add: Adder, frame: Frame, segments: Segments) -> None:
    add.leaf(2, _format(add.octets[add.position : add.position + 2]))
    to_server = _goes_to_server(frame)
    add.leaf(len(frame.destination), f"destination: {_station(frame.destination, to_server)}")
    from_server = None if to_server is None else not to_server
    add.leaf(len(frame.source), f"source: {_station(frame.source, from_server)}")
    add.leaf(1, _control(frame))
    if frame.information:
        add.leaf(2, "header check sequence, right")
        _information(add, frame, segments, to_server)
    add.leaf(2, "frame check sequence, right")


def _damaged(add: Adder, content: bytes, error: DecodeError, segments: Segments) -> None:
    """The fields of a frame with a wrong check sequence, as they seem to be."""
    end = len(content) - 2
    try:
        source_at = read_address(content, 2, end)
        control_at = read_address(content, source_at, end)
    except DecodeError:
        add.leaf(len(content), f"not understood: {error.message}")
        return
    frame = Frame(content[2:source_at], content[source_at:control_at], content[control_at])
    add.leaf(2, _format(content))
    add.leaf(source_at - 2, f"destination: {_station(frame.destination, None)}")
    add.leaf(control_at - source_at, f"source: {_station(frame.source, None)}")
    add.leaf(1, _control(frame))
    if control_at + 3 < end:
        right = sound(content[: control_at + 3])
        add.leaf(2, f"header check sequence, {_verdict(right, content[: control_at + 1])}")
        size = end - control_at - 3
        _doubtful(add, segments, size, f"information, {size} octets, not to be relied on")
    elif control_at + 1 < end:
        add.leaf(end - control_at - 1, "left over")
    add.leaf(2, f"frame check sequence, {_verdict(sound(content), content[:end])}")


def _verdict(right: bool, covered: bytes) -> str:
    if right:
        return "right"
    return f"wrong: {check_sequence(covered).to_bytes(2, 'little').hex()} would be right"


def _goes_to_server(frame: Frame) -> bool | None:
    """True for the client's frames, False for the server's, None when nothing tells."""
    if frame.kind in _COMMANDS or frame.information[:3] == LLC_COMMAND:
        return True
    if frame.kind in _RESPONSES or frame.information[:3] == LLC_RESPONSE:
        return False
    if len(frame.destination) != len(frame.source):
        return len(frame.destination) > len(frame.source)
    return None


def _logical(address: bytes) -> int:
    return unpack_address(address).logical


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


def _information(add: Adder, frame: Frame, segments: Segments, to_server: bool | None) -> None:
    explainers: dict[Kind, Callable[[Adder, bytes], None]] = {
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
    going_on = segments.goes_on(frame)
    if not going_on and information[:3] in {LLC_COMMAND, LLC_RESPONSE}:
        command = information[:3] == LLC_COMMAND
        add.leaf(3, f"LLC header, {'command of a client' if command else 'response of a server'}")
        information = information[3:]
    if not information and not going_on and not frame.segmented:
        return
    apdu = segments.add(frame, add.position, information, to_server)
    if len(apdu.pieces) == 1:
        add.found.apdus.append(apdu)
    if information:
        part = "part of an " if going_on or frame.segmented else ""
        add.leaf(len(information), f"{part}APDU, {len(information)} octets")


def _negotiation(add: Adder, information: bytes) -> None:
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


def _rejection(add: Adder, information: bytes) -> None:
    if len(information) != 3:
        add.leaf(len(information), "reason of rejection")
        return
    add.leaf(1, f"control field rejected: {information[0]:02X}")
    numbers = information[1]
    add.leaf(1, f"V(S) {numbers >> 1 & 7}, V(R) {numbers >> 5}")
    reasons = [text for bit, text in _REASONS.items() if information[2] & bit]
    add.leaf(1, "reason: " + (", ".join(reasons) or "none given"))
