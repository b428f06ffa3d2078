"""What SNRM and UA negotiate: sizes of the information field and windows [hdlc-quoted]."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import UsageError
from ferraris.core.octets import Reader

__all__ = ["DEFAULT", "LONGEST_INFORMATION", "Parameters"]

LONGEST_INFORMATION = 2030
"""The largest information field that may be proposed, octets."""

_LARGEST_WINDOW = 7
_FORMAT, _GROUP, _USER_DATA = 0x81, 0x80, 0xF0
_MAX_TRANSMIT, _MAX_RECEIVE, _WINDOW_TRANSMIT, _WINDOW_RECEIVE = 5, 6, 7, 8


@dataclass(frozen=True, slots=True)
class Parameters:
    """One station's own view: its transmitting and its receiving side.

    Information fields 1 to 2030 octets, the LLC counted; windows 1 to 7 frames. `UsageError` for
    others.
    """

    max_transmit: int = 128
    max_receive: int = 128
    window_transmit: int = 1
    window_receive: int = 1

    def __post_init__(self) -> None:
        for size in (self.max_transmit, self.max_receive):
            if not 1 <= size <= LONGEST_INFORMATION:
                raise UsageError(f"information fields have 1 to 2030 octets, not {size}")
        for window in (self.window_transmit, self.window_receive):
            if not 1 <= window <= _LARGEST_WINDOW:
                raise UsageError(f"windows have 1 to 7 frames, not {window}")

    def to_octets(self) -> bytes:
        """The information field of an SNRM or UA that states all four values."""
        values = b"".join(
            bytes((identifier, len(value))) + value
            for identifier, value in (
                (_MAX_TRANSMIT, _size(self.max_transmit)),
                (_MAX_RECEIVE, _size(self.max_receive)),
                (_WINDOW_TRANSMIT, self.window_transmit.to_bytes(4, "big")),
                (_WINDOW_RECEIVE, self.window_receive.to_bytes(4, "big")),
            )
        )
        return bytes((_FORMAT, _GROUP, len(values))) + values

    @classmethod
    def from_octets(cls, octets: bytes) -> Parameters:
        """Read the information field of an SNRM or UA; what it leaves out has its default.

        Other groups are skipped; sizes and windows beyond the largest are cut to it. `DecodeError`
        for anything else.
        """
        found: dict[int, int] = {}
        reader = Reader(octets, where="hdlc")
        if octets and reader.u8() != _FORMAT:
            raise reader.error("not a negotiation of HDLC parameters")
        while reader.remaining:
            group = reader.u8()
            if group == _USER_DATA:
                break
            values = reader.restrict(reader.u8())
            while group == _GROUP and values.remaining:
                identifier = values.u8()
                value = values.restrict(values.u8())
                if not 1 <= value.remaining <= 4:
                    raise value.error("a parameter has 1 to 4 octets")
                number = int.from_bytes(value.rest(), "big")
                if number == 0:
                    raise value.error("a parameter of 0")
                found[identifier] = number
        return cls(
            min(found.get(_MAX_TRANSMIT, 128), LONGEST_INFORMATION),
            min(found.get(_MAX_RECEIVE, 128), LONGEST_INFORMATION),
            min(found.get(_WINDOW_TRANSMIT, 1), _LARGEST_WINDOW),
            min(found.get(_WINDOW_RECEIVE, 1), _LARGEST_WINDOW),
        )

    def agree(self, peer: Parameters) -> Parameters:
        """What holds for us once the peer has stated its side: the smaller of each pair."""
        return Parameters(
            min(self.max_transmit, peer.max_receive),
            min(self.max_receive, peer.max_transmit),
            min(self.window_transmit, peer.window_receive),
            min(self.window_receive, peer.window_transmit),
        )


DEFAULT = Parameters()


def _size(value: int) -> bytes:
    return value.to_bytes(1 if value < 256 else 2, "big")
