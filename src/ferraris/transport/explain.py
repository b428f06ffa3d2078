"""What each octet of wrapper units means, for people; and what every explanation of framing is.

The lines with octets are leaves: joined they are the input. Nothing is raised; the first thing
that is wrong is kept. Whoever reads a telegram reads it from here, so that what is explained and
what is decoded cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line
from ferraris.transport.hdlc.crc import check_sequence
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import HEADER_OCTETS, unpack

__all__ = ["Adder", "EnclosedApdu", "Explanation", "explain_wrapper"]


@dataclass(slots=True)
class EnclosedApdu:
    """An APDU found inside, as far as it has come.

    `pieces` are the places (offset, count) where it stands in the input, one for each segment.
    Its first `before` octets came earlier, and it is `complete` with its last segment. `ends` are
    source and destination as the link names them.
    """

    octets: bytes
    pieces: list[tuple[int, int]]
    ends: tuple[int, int] = (0, 0)
    before: int = 0
    complete: bool = True
    to_server: bool | None = None


@dataclass(slots=True)
class Explanation:
    """Lines for people, and what is inside for whoever explains further.

    `frames` are the sound HDLC frames, `contents` the places (start, end) of their octets
    between the flags; `error` is the first thing that is wrong.
    """

    lines: list[Line] = field(default_factory=list)
    apdus: list[EnclosedApdu] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    contents: list[tuple[int, int]] = field(default_factory=list)
    error: DecodeError | None = None

    def with_apdus(self, octets: bytes, apdus: Sequence[bytes]) -> bytes:
        """The input with other APDUs of the same lengths, its check sequences made right again."""
        result = bytearray(octets)
        for enclosed, new in zip(self.apdus, apdus, strict=True):
            position = enclosed.before
            for start, count in enclosed.pieces:
                result[start : start + count] = new[position : position + count]
                position += count
        for start, end in self.contents:
            if result[start:end] != octets[start:end]:
                sequence = check_sequence(bytes(result[start : end - 2]))
                result[end - 2 : end] = sequence.to_bytes(2, "little")
        return bytes(result)

    def went_wrong(self, error: DecodeError) -> None:
        """Keep the first error."""
        self.error = self.error or error


def explain_wrapper(octets: bytes) -> Explanation:
    """Explain wrapper units, one after another."""
    found = Explanation()
    add = Adder(found, octets)
    if not octets:
        found.went_wrong(DecodeError("no unit", where="wrapper"))
    while add.position < len(octets):
        start = add.position
        end = start + HEADER_OCTETS + int.from_bytes(octets[start + 6 : start + 8], "big")
        try:
            source, destination, apdu = unpack(octets[start:end])
        except DecodeError as error:
            error.offset += start
            found.went_wrong(error)
            _cut_short(add, error)
            break
        add.heading("wrapper unit")
        add.leaf(2, "version 1")
        add.leaf(2, f"source port {source}")
        add.leaf(2, f"destination port {destination}")
        add.leaf(2, f"length {len(apdu)}")
        if apdu:
            piece = (add.position, len(apdu))
            found.apdus.append(EnclosedApdu(apdu, [piece], (source, destination)))
            add.leaf(len(apdu), f"APDU, {len(apdu)} octets")
        add.depth = 0
    return found


def _cut_short(add: Adder, error: DecodeError) -> None:
    """What is no whole unit; behind a header, the beginning of an APDU."""
    rest = add.octets[add.position :]
    if rest[:2] != b"\0\1" or len(rest) <= HEADER_OCTETS:
        add.leaf(len(rest), f"no wrapper unit: {error.message}")
        return
    add.leaf(HEADER_OCTETS, f"no wrapper unit: {error.message}")
    add.beginning(len(rest) - HEADER_OCTETS)


class Adder:
    """Writes lines one behind the other."""

    def __init__(self, found: Explanation, octets: bytes) -> None:
        self.found = found
        self.octets = octets
        self.position = 0
        self.depth = 0

    def heading(self, text: str) -> None:
        """A line whose parts follow, one level deeper."""
        self.found.lines.append(Line(self.position, b"", self.depth, text))
        self.depth += 1

    def leaf(self, count: int, text: str) -> None:
        """The next octets."""
        octets = self.octets[self.position : self.position + count]
        self.found.lines.append(Line(self.position, octets, self.depth, text))
        self.position += count

    def beginning(self, count: int) -> None:
        """The next octets are the beginning of an APDU and perhaps more."""
        octets = self.octets[self.position : self.position + count]
        self.found.apdus.append(EnclosedApdu(octets, [(self.position, count)], complete=False))
        self.leaf(count, f"beginning of an APDU, {count} octets")
