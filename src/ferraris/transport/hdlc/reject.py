"""FRMR: which frame a secondary rejects, and why [memory].

Three octets: the control field rejected; V(S) and V(R) of whoever rejects, and whether the frame
was a response; the reasons as bits. With sequence numbers of three bits, as here.
"""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from ferraris.core.errors import DecodeError

__all__ = ["Reason", "Rejection", "words_of_rejection"]

_OCTETS = 3
_RESPONSE = 0x10


class Reason(IntFlag):
    """Why a frame is rejected: the bits W, X, Y and Z."""

    UNKNOWN_CONTROL = 1
    INFORMATION_NOT_PERMITTED = 2
    INFORMATION_TOO_LONG = 4
    WRONG_RECEIVE_NUMBER = 8


_WORDS = {
    Reason.UNKNOWN_CONTROL: "its control field is unknown",
    Reason.INFORMATION_NOT_PERMITTED: "it must not carry information",
    Reason.INFORMATION_TOO_LONG: "its information field is too long",
    Reason.WRONG_RECEIVE_NUMBER: "its N(R) acknowledges what was not sent",
}


class Rejection(NamedTuple):
    """The information field of an FRMR; `control` is that of the rejected frame."""

    control: int
    send_number: int
    receive_number: int
    reasons: Reason
    response: bool = False

    def to_octets(self) -> bytes:
        """The three octets."""
        numbers = self.receive_number << 5 | self.send_number << 1
        return bytes((self.control, numbers | (_RESPONSE if self.response else 0), self.reasons))

    @classmethod
    def from_octets(cls, octets: bytes) -> Rejection:
        """Read an information field; `DecodeError` when it has not three octets."""
        if len(octets) != _OCTETS:
            text = f"the reasons of a rejection have 3 octets, not {len(octets)}"
            raise DecodeError(text, where="hdlc", octets=octets)
        control, numbers, reasons = octets
        response = numbers & _RESPONSE != 0
        return cls(control, numbers >> 1 & 7, numbers >> 5, Reason(reasons & 15), response)

    def __str__(self) -> str:
        words = " and ".join(text for reason, text in _WORDS.items() if reason in self.reasons)
        return (
            f"the frame with control {self.control:02X} is rejected: {words or 'no reason given'} "
            f"(V(S) {self.send_number}, V(R) {self.receive_number})"
        )


def words_of_rejection(octets: bytes) -> str:
    """What the information field of an FRMR says, also when it is none."""
    try:
        return str(Rejection.from_octets(octets))
    except DecodeError:
        return f"a frame is rejected, with {len(octets)} octets instead of the 3 of a reason"
