"""The check sequence of HDLC: CRC-16/X.25 at C speed [x25-crc].

The standard library's `crc_hqx` is the same polynomial with the bits the other way round: reversed
octets go in, a reversed result comes out. `fastcrc` is ten times faster and used when installed;
both give the same.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable

__all__ = ["check_sequence", "portable_check_sequence", "portable_sound", "sound"]

_START = 0xFFFF
_RESIDUE = 0x1D0F  # of octets followed by their own check sequence, bits reversed [x25-crc]
_FINISHED_RESIDUE = 0x0F47  # the same, bits in order and inverted

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def portable_check_sequence(octets: bytes) -> int:
    """The check sequence by the standard library; low octet first on the wire."""
    register = crc_hqx(octets.translate(_REVERSED), _START)
    return (_REVERSED[register & 0xFF] << 8 | _REVERSED[register >> 8]) ^ 0xFFFF


def portable_sound(octets: bytes) -> bool:
    """Do the octets end with their own check sequence? By the standard library."""
    return crc_hqx(octets.translate(_REVERSED), _START) == _RESIDUE


def _fastest() -> tuple[Callable[[bytes], int], Callable[[bytes], bool]]:
    try:
        from fastcrc import crc16  # noqa: PLC0415 - optional
    except ImportError:
        return portable_check_sequence, portable_sound
    compute: Callable[[bytes], int] = crc16.ibm_sdlc

    def fast_sound(octets: bytes) -> bool:
        return compute(octets) == _FINISHED_RESIDUE

    return compute, fast_sound


check_sequence, sound = _fastest()
