"""The messages that open a session: request, identification, option select.

All are one line of 7-bit characters that ends with CR LF; parity is not in here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferraris.core.errors import DecodeError, UsageError

__all__ = [
    "ACK",
    "BAUD_RATES",
    "LONGEST",
    "NAK",
    "STX",
    "Identification",
    "OptionSelect",
    "Request",
]

_WHERE = "iec62056-21"

STX, ACK, NAK = 0x02, 0x06, 0x15

BAUD_RATES = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Speeds of modes C and E by their identification character; 7 to 9 are reserved [iec21-facts]."""

LONGEST = 64
"""Characters of a line that we take; the standard's own lines are shorter [computed]."""

_MODE_B = "ABCDEFGHI"
_REQUEST = re.compile(rb"/\?([0-9A-Za-z ]{0,32})!\r\n")
_IDENTIFICATION = re.compile(
    rb"/([A-Za-z]{2}[A-Za-z])([!-.0-~])((?:\\[!-.0-~])*)([ -.0-~]*)\r\n", re.DOTALL
)
_OPTION = re.compile(rb"\x06([0-9])([0-9A-I])([0-9])\r\n")
_ADDRESS = re.compile(r"[0-9A-Za-z ]{0,32}")


@dataclass(frozen=True, slots=True)
class Request:
    """The reader's request; `address` is up to 32 letters and digits, empty for any device."""

    address: str = ""

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            text = "the address of a device has up to 32 letters and digits"
            raise UsageError(text, where=_WHERE)

    def to_octets(self) -> bytes:
        """Write the line."""
        return f"/?{self.address}!\r\n".encode("ascii")

    @classmethod
    def from_octets(cls, octets: bytes) -> Request:
        """Read one line; `DecodeError` when it is no request."""
        found = _REQUEST.fullmatch(octets)
        if found is None:
            raise DecodeError("this is no request", where=_WHERE, octets=octets)
        return cls(found[1].decode("ascii"))

    def is_for(self, address: str) -> bool:
        """Whether a device with this address is meant; leading zeros do not count [iec21-facts]."""
        return not self.address or self.address.lstrip("0") == address.lstrip("0")


@dataclass(frozen=True, slots=True)
class Identification:
    """A meter's answer.

    Attributes:
        manufacturer: three letters; a third one in lower case promises a quick reaction.
        speed: the identification character that says speed and mode.
        capabilities: characters that each followed a backslash; "2" is HDLC, mode E.
        identification: the meter's type, by its manufacturer.
    """

    manufacturer: str
    speed: str
    capabilities: str
    identification: str

    @property
    def baud(self) -> int | None:
        """The speed offered in modes C and E; None when the character says none."""
        return BAUD_RATES.get(self.speed)

    @property
    def mode(self) -> str:
        """The mode that it offers: E with HDLC, else C, B or A by the identification character."""
        if "2" in self.capabilities:
            return "E"
        if self.speed.isdigit():
            return "C"
        return "B" if self.speed in _MODE_B else "A"

    def to_octets(self) -> bytes:
        """Write the line."""
        capabilities = "".join(f"\\{each}" for each in self.capabilities)
        line = f"/{self.manufacturer}{self.speed}{capabilities}{self.identification}\r\n"
        return line.encode("ascii")

    @classmethod
    def from_octets(cls, octets: bytes) -> Identification:
        """Read one line; `DecodeError` when it is no identification."""
        found = _IDENTIFICATION.fullmatch(octets)
        if found is None:
            raise DecodeError("this is no identification", where=_WHERE, octets=octets)
        maker, speed, capabilities, name = (part.decode("ascii") for part in found.groups())
        return cls(maker, speed, capabilities.replace("\\", ""), name.strip())


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """The reader's choice, and its confirmation by a meter of mode E: protocol, speed, mode."""

    protocol: str
    speed: str
    mode: str

    @property
    def is_hdlc(self) -> bool:
        """HDLC, binary: mode E [iec21-facts]."""
        return self.protocol == "2" and self.mode == "2"

    def to_octets(self) -> bytes:
        """Write the line."""
        return bytes((ACK,)) + f"{self.protocol}{self.speed}{self.mode}\r\n".encode("ascii")

    @classmethod
    def from_octets(cls, octets: bytes) -> OptionSelect:
        """Read one line; `DecodeError` when it is no option select."""
        found = _OPTION.fullmatch(octets)
        if found is None:
            raise DecodeError("this is no option select", where=_WHERE, octets=octets)
        return cls(*(part.decode("ascii") for part in found.groups()))
