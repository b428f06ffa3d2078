"""UI frames: units that nobody acknowledges, in one frame or cut into several.

They carry pushes and broadcasts. UI frames have no numbers: a segment that is lost leaves a unit
that whoever reads it finds damaged.
"""

from __future__ import annotations

from ferraris.core.errors import DecodeError
from ferraris.transport.hdlc.frame import Frame, Kind
from ferraris.transport.hdlc.parameters import DEFAULT
from ferraris.transport.hdlc.sequence import Reassembly

__all__ = ["Unconfirmed", "unconfirmed_frames"]


def unconfirmed_frames(
    destination: bytes,
    source: bytes,
    llc: bytes,
    apdu: bytes,
    max_information: int = DEFAULT.max_transmit,
) -> list[bytes]:
    """The frames that carry one unit, in order; without a link every station takes 128 octets."""
    unit = llc + apdu
    control = Kind.UI.control
    return [
        Frame(
            destination,
            source,
            control,
            unit[start : start + max_information],
            start + max_information < len(unit),
        ).to_octets()
        for start in range(0, len(unit), max_information)
    ]


class Unconfirmed:
    """Puts units together that came in UI frames, one sender at a time; `limit` in octets.

    A first segment from anybody ends what has begun: the rest of that is lost.
    """

    def __init__(self, llc: bytes, limit: int) -> None:
        self._llc = llc
        self._reassembly = Reassembly(llc, limit)
        self._ends = (b"", b"")  # destination and source of what has begun

    def reset(self) -> None:
        """Forget what came in part."""
        self._reassembly.reset()

    def add(self, frame: Frame) -> bytes | None:
        """Take one frame; the APDU when it is complete.

        `DecodeError` for a wrong LLC, beyond the limit, and for the rest of a unit whose beginning
        was not heard.
        """
        ends = (frame.destination, frame.source)
        if ends != self._ends or frame.information.startswith(self._llc):
            self._reassembly.reset()
            self._ends = ends
        if not self._reassembly.partial and not frame.information.startswith(self._llc):
            text = f"no LLC header {self._llc.hex()} in a UI frame, and nothing to go on with"
            raise DecodeError(text, where="hdlc", octets=frame.information[:8])
        return self._reassembly.add(frame.information, frame.segmented)
