"""What a serial line is set to, and how a URL says it; ports themselves are opened elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferraris.core.errors import UsageError
from ferraris.core.layer import LineSettings
from ferraris.line.url import Endpoint

__all__ = ["PortSettings", "port_settings"]

_WHERE = "serial"
_PARITIES = ("N", "E", "O")


@dataclass(frozen=True, slots=True)
class PortSettings:
    """A port and how it begins.

    Attributes:
        path: of the device, such as "/dev/ttyUSB0" or "COM3".
        line: speed in baud, data bits and parity at the beginning; layers may change them.
        stop_bits: 1 or 2; layers do not change them.
        direction: RS-485 by hand: RTS is high while we send and low while we listen.
    """

    path: str
    line: LineSettings = field(default_factory=lambda: LineSettings(9600))
    stop_bits: int = 1
    direction: bool = False

    def seconds(self, octets: int, line: LineSettings) -> float:
        """How long so many octets are on the wire with these settings."""
        bits = 1 + line.data_bits + (line.parity != "N") + self.stop_bits
        return octets * bits / line.baud


def port_settings(endpoint: Endpoint) -> PortSettings:
    """The settings that a `serial:` or `modem:` URL asks for.

    Options: `baud` (9600), `bits` (7 or 8), `parity` (N, E, O), `stop` (1 or 2), `rs485` (1: RTS
    gives the direction). Raises `UsageError`.
    """
    baud = endpoint.number("baud", 9600) or 0
    if not 0 < baud <= 4_000_000:
        raise UsageError(f"baud={baud} is no speed of a line", where=_WHERE)
    bits = endpoint.number("bits", 8) or 0
    if bits not in (7, 8):
        raise UsageError(f"bits={bits}: a character has 7 or 8", where=_WHERE)
    parity = endpoint.options.get("parity", "N").upper()
    if parity not in _PARITIES:
        raise UsageError(f"parity is one of {', '.join(_PARITIES)}", where=_WHERE)
    stop = endpoint.number("stop", 1) or 0
    if stop not in (1, 2):
        raise UsageError(f"stop={stop}: there are 1 or 2 stop bits", where=_WHERE)
    direction = bool(endpoint.number("rs485", 0))
    return PortSettings(endpoint.host, LineSettings(baud, bits, parity), stop, direction)
