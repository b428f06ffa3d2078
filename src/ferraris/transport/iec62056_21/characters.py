"""Characters of 7 bits with even parity, made and proven by the port or by ourselves.

Many ports, and all pseudo-terminals, know 8 bits only. A character then carries its parity as its
highest bit, and we make and prove it here.
"""

from __future__ import annotations

from ferraris.core.layer import LineSettings

__all__ = ["DAMAGED", "START_BAUD", "proven", "sent", "start_settings"]

DAMAGED = 0x7F
"""What stands for a character with a wrong parity: DEL, which no message contains."""

START_BAUD = 300
"""Speed at which every session begins [iec21-facts]."""

_EVEN = bytes(octet ^ (octet.bit_count() & 1) << 7 for octet in range(128)) * 2
_STRICT = bytes(octet & 0x7F if octet.bit_count() % 2 == 0 else DAMAGED for octet in range(256))
# A port that proves parity gives 7 bits. One that does not know 7 bits gives 8 with the parity.
_LENIENT = bytes(range(128)) + _STRICT[128:]


def start_settings(software: bool) -> LineSettings:
    """The settings of the line at the start: 300 baud, 7E1, or 8 bits if parity is ours."""
    return LineSettings(START_BAUD) if software else LineSettings(START_BAUD, 7, "E")


def sent(octets: bytes, software: bool) -> bytes:
    """7-bit characters as the port gets them: it adds the parity, or we do."""
    return octets.translate(_EVEN) if software else octets


def proven(octets: bytes, software: bool) -> bytes:
    """The 7-bit characters of what came; `DAMAGED` for those whose parity is wrong."""
    return octets.translate(_STRICT if software else _LENIENT)
