"""One HDLC frame: format, addresses, control, information and their check sequences [hdlc-quoted].

The content of a frame is what stands between its flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ferraris.core.errors import DecodeError, UsageError
from ferraris.transport.hdlc.address import read_address
from ferraris.transport.hdlc.crc import check_sequence, sound

__all__ = [
    "FLAG",
    "LONGEST_CONTENT",
    "POLL_FINAL",
    "SHORTEST_CONTENT",
    "Frame",
    "Kind",
    "information_control",
    "parse",
    "receive_number",
    "send_number",
    "supervisory_control",
]

FLAG = 0x7E
LONGEST_CONTENT = 0x7FF
"""What eleven bits of length can say, in octets."""

SHORTEST_CONTENT = 7
"""Format, two addresses of one octet, control, check sequence."""

POLL_FINAL = 0x10
"""The bit by which a primary polls and a secondary ends its turn."""

_WHERE = "hdlc"
_FORMAT_TYPE = 0xA0  # frame format type 3, in the upper half of the first octet
_SEGMENTED = 0x08


class Kind(Enum):
    """What the control field says, in the standard's names.

    REJ belongs to HDLC, but not to its normal response mode here: a station obeys one and sends
    none, since every turn ends with what was received anyway [memory].
    """

    I = "I"  # noqa: E741 - the standard's name
    RR = "RR"
    RNR = "RNR"
    REJ = "REJ"
    SNRM = "SNRM"
    DISC = "DISC"
    UA = "UA"
    DM = "DM"
    FRMR = "FRMR"
    UI = "UI"
    UNKNOWN = "unknown"

    @property
    def control(self) -> int:
        """The control octet without numbers and without poll or final."""
        return _CONTROL[self]


_CONTROL = {
    Kind.I: 0x00,
    Kind.RR: 0x01,
    Kind.RNR: 0x05,
    Kind.REJ: 0x09,
    Kind.SNRM: 0x83,
    Kind.DISC: 0x43,
    Kind.UA: 0x63,
    Kind.DM: 0x0F,
    Kind.FRMR: 0x87,
    Kind.UI: 0x03,
}


_SUPERVISORY = {_CONTROL[kind]: kind for kind in (Kind.RR, Kind.RNR, Kind.REJ)}


def _kind_of(control: int) -> Kind:
    if control & 0x01 == 0:
        return Kind.I
    if control & 0x03 == 0x01:
        return _SUPERVISORY.get(control & 0x0F, Kind.UNKNOWN)
    bare = control & ~POLL_FINAL
    return next((kind for kind, octet in _CONTROL.items() if octet == bare), Kind.UNKNOWN)


_KINDS = tuple(_kind_of(control) for control in range(256))


def information_control(sent: int, expected: int, poll: bool) -> int:
    """Control of an I frame: N(S), N(R) and the poll or final bit."""
    return expected << 5 | sent << 1 | (POLL_FINAL if poll else 0)


def supervisory_control(kind: Kind, expected: int, poll: bool) -> int:
    """Control of an RR or RNR frame: N(R) and the poll or final bit."""
    return expected << 5 | kind.control | (POLL_FINAL if poll else 0)


def send_number(control: int) -> int:
    """N(S) of an I frame."""
    return control >> 1 & 7


def receive_number(control: int) -> int:
    """N(R) of an I, RR, RNR or REJ frame."""
    return control >> 5


@dataclass(slots=True)
class Frame:
    """A frame; the addresses are octets as they stand on the wire."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind:
        """What the control field says."""
        return _KINDS[self.control]

    @property
    def poll_final(self) -> bool:
        """Poll in a command, final in a response."""
        return self.control & POLL_FINAL != 0

    def to_octets(self) -> bytes:
        """The frame with its flags; `UsageError` when the information is too long."""
        header_octets = 3 + len(self.destination) + len(self.source)
        length = header_octets + 2
        if self.information:
            length += len(self.information) + 2
        if length > LONGEST_CONTENT:
            raise UsageError(f"{len(self.information)} octets do not fit into a frame")
        high = _FORMAT_TYPE | (_SEGMENTED if self.segmented else 0) | length >> 8
        content = (
            bytes((high, length & 0xFF)) + self.destination + self.source + bytes((self.control,))
        )
        content += check_sequence(content).to_bytes(2, "little")
        if self.information:
            content += self.information
            content += check_sequence(content).to_bytes(2, "little")
        return b"~" + content + b"~"


def parse(content: bytes) -> Frame:
    """Take the content of a frame apart; `DecodeError` unless every part is right."""
    size = len(content)
    if size < SHORTEST_CONTENT:
        raise _error(f"{size} octets are too few for a frame", 0, content)
    first = content[0]
    if first & 0xF0 != _FORMAT_TYPE:
        raise _error("not frame format type 3", 0, content)
    if (first & 7) << 8 | content[1] != size:
        raise _error(f"length {(first & 7) << 8 | content[1]} announced, {size} there", 0, content)
    if not sound(content):
        raise _error("the frame check sequence is wrong", size - 2, content)
    end = size - 2
    # Clients have one octet, which is by far the most usual: no call for those.
    source_at = 3 if content[2] & 1 else read_address(content, 2, end)
    control_at = source_at + 1 if content[source_at] & 1 else read_address(content, source_at, end)
    if control_at >= end:
        raise _error("no control field", control_at, content)
    information_at = control_at + 3
    if information_at >= end:
        if control_at + 1 != end:
            raise _error("octets after the control field", control_at + 1, content)
        information = b""
    else:
        if not sound(content[:information_at]):
            raise _error("the header check sequence is wrong", control_at + 1, content)
        information = content[information_at:end]
    return Frame(
        content[2:source_at],
        content[source_at:control_at],
        content[control_at],
        information,
        first & _SEGMENTED != 0,
    )


def _error(message: str, offset: int, content: bytes) -> DecodeError:
    return DecodeError(message, where=_WHERE, offset=offset, octets=content)
