"""Every octet of a telegram with what it says, framing and content, in one list.

Lines with octets are leaves: joined in order they are the telegram.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ferraris.cli.telegram import LLC
from ferraris.core.explain import Line
from ferraris.messaging.dlms.explain import explain as explain_apdu
from ferraris.messaging.dlms.explain_data import tell_data
from ferraris.messaging.dlms.telling import Teller
from ferraris.transport.hdlc.address import unpack_address
from ferraris.transport.hdlc.frame import FLAG, Frame, Kind, parse, receive_number, send_number
from ferraris.transport.wrapper import HEADER_OCTETS

__all__ = ["explained"]


def explained(octets: bytes, protocol: str) -> list[Line]:
    """The lines of a telegram that was read as `protocol`; `offset` counts in the telegram."""
    if protocol == "hdlc":
        return list(_hdlc(octets))
    if protocol == "wrapper":
        return list(_wrapper(octets))
    if protocol == "apdu":
        return list(_llc_and_apdu(octets, 0, 0))
    teller = Teller(octets, "data")
    teller.within(len(octets), tell_data)
    return teller.lines


def _hdlc(octets: bytes) -> Iterator[Line]:
    """Frames that were read before, so their parts are where they should be."""
    position = 0
    begun = b""  # segments of a unit that later frames complete
    while position < len(octets):
        yield Line(position, octets[position : position + 1], 0, "flag")
        position += 1
        if position == len(octets) or octets[position] == FLAG:
            continue
        end = position + ((octets[position] & 7) << 8 | octets[position + 1])
        frame = parse(octets[position:end])
        yield from _frame(octets[position:end], position, frame, begun=bool(begun))
        begun = begun + frame.information if frame.segmented else b""
        position = end


def _frame(content: bytes, start: int, frame: Frame, *, begun: bool) -> Iterator[Line]:
    def line(offset: int, count: int, text: str) -> Line:
        return Line(start + offset, content[offset : offset + count], 1, text)

    to, sender = len(frame.destination), len(frame.source)
    control_at = 2 + to + sender
    length = (content[0] & 7) << 8 | content[1]
    segmented = ", segmented" if frame.segmented else ""
    yield line(0, 2, f"frame format type 3, length {length}{segmented}")
    yield line(2, to, f"destination {unpack_address(frame.destination)}")
    yield line(2 + to, sender, f"source {unpack_address(frame.source)}")
    yield line(control_at, 1, f"control {_control(frame)}")
    if not frame.information:
        yield line(control_at + 1, 2, "frame check sequence, right")
        return
    yield line(control_at + 1, 2, "header check sequence, right")
    information_at = control_at + 3
    size = len(frame.information)
    whole = not begun and not frame.segmented
    if whole and frame.information[:3] in LLC and frame.kind in (Kind.I, Kind.UI):
        yield from _llc_and_apdu(frame.information, start + information_at, 1)
    else:
        part = "part of a segmented unit" if begun or frame.segmented else "information"
        yield line(information_at, size, f"{part}, {size} octets")
    yield line(information_at + size, 2, "frame check sequence, right")


def _control(frame: Frame) -> str:
    words = frame.kind.value
    if frame.kind is Kind.I:
        words += f", N(S) {send_number(frame.control)}"
    if frame.kind in (Kind.I, Kind.RR, Kind.RNR):
        words += f", N(R) {receive_number(frame.control)}"
    return words + (", poll/final" if frame.poll_final else "")


def _wrapper(octets: bytes) -> Iterator[Line]:
    position = 0
    names = ("version", "source port", "destination port", "length")
    while position < len(octets):
        fields = range(position, position + HEADER_OCTETS, 2)
        length = 0
        for at, name in zip(fields, names, strict=True):
            length = int.from_bytes(octets[at : at + 2], "big")
            yield Line(at, octets[at : at + 2], 0, f"{name} {length}")
        position += HEADER_OCTETS
        yield from _llc_and_apdu(octets[position : position + length], position, 1)
        position += length


def _llc_and_apdu(octets: bytes, start: int, depth: int) -> Iterator[Line]:
    if octets[:3] in LLC:
        direction = "to the server" if octets[1] == 0xE6 else "to the client"
        yield Line(start, octets[:3], depth, f"LLC header, {direction}")
        start += 3
        octets = octets[3:]
    for line in explain_apdu(octets):
        yield replace(line, offset=line.offset + start, depth=line.depth + depth)
