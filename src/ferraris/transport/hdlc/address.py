"""HDLC addresses: one octet for clients; one, two or four for servers [hdlc-quoted].

Seven bits of each octet count, its lowest bit ends the address. A server's address has an upper
half, the logical device, and a lower half, the physical device.
"""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import DecodeError, UsageError
from ferraris.transport.addresses import ALL_STATIONS

__all__ = [
    "ALL_STATIONS_LONG",
    "CALLING_DEVICE",
    "CALLING_DEVICE_LONG",
    "HdlcAddress",
    "is_all_devices",
    "is_all_stations",
    "is_calling_device",
    "pack_address",
    "read_address",
    "unpack_address",
]

ALL_STATIONS_LONG = 0x3FFF
"""All stations, in a half of two octets. [hdlc-quoted]"""

CALLING_DEVICE, CALLING_DEVICE_LONG = 0x7E, 0x3FFE
"""The device that has called the client, in a lower half of one or two octets. [memory]"""

_WHERE = "hdlc"
_LONGEST = 4


class HdlcAddress(NamedTuple):
    """A station: `logical` is the client or the logical device, `physical` the device if named."""

    logical: int
    physical: int | None = None

    def __str__(self) -> str:
        if self.physical is None:
            return str(self.logical)
        return f"{self.logical} in device {self.physical}"


def is_all_stations(value: int | None) -> bool:
    """Does this half mean everybody?"""
    return value in {ALL_STATIONS, ALL_STATIONS_LONG}


def is_all_devices(physical: int | None, *, octets: int) -> bool:
    """Does this lower half of an address of `octets` octets mean every device on the line?

    In two octets of its own it has a value for that, and 0x7F is a device like others.
    """
    return physical == (ALL_STATIONS_LONG if octets == _LONGEST else ALL_STATIONS)


def is_calling_device(physical: int | None, *, octets: int) -> bool:
    """Does this lower half of an address of `octets` octets mean the device that has called?"""
    return physical == (CALLING_DEVICE_LONG if octets == _LONGEST else CALLING_DEVICE)


def pack_address(logical: int, physical: int | None = None, *, length: int | None = None) -> bytes:
    """The octets of an address, the shortest form that fits or that of `length` octets.

    `UsageError` when no form fits: a half above 127 needs four octets and so a physical address.
    """
    if length is None:
        length = 1 if physical is None else 2
        if max(logical, physical or 0) > 0x7F and physical is not None:
            length = 4
    if length not in {1, 2, 4} or (physical is None) != (length == 1):
        raise UsageError(f"no address of {length} octets for {HdlcAddress(logical, physical)}")
    halves = [logical] if physical is None else [logical, physical]
    if length == _LONGEST and logical == ALL_STATIONS:
        halves[0] = ALL_STATIONS_LONG
    bits = 14 if length == 4 else 7
    if not all(0 <= half < 1 << bits for half in halves):
        raise UsageError(f"{HdlcAddress(logical, physical)} needs more than {length} octets")
    octets = bytearray()
    for half in halves:
        if length == 4:
            octets.append(half >> 7 << 1)
        octets.append((half & 0x7F) << 1)
    octets[-1] |= 1
    return bytes(octets)


def read_address(octets: bytes, position: int, end: int) -> int:
    """Where the address that begins at `position` ends; `DecodeError` for an impossible length."""
    stop = min(end, position + _LONGEST)
    for index in range(position, stop):
        if octets[index] & 1:
            if index - position == 2:
                break
            return index + 1
    raise DecodeError(
        "an address has 1, 2 or 4 octets", where=_WHERE, offset=position, octets=octets[:12]
    )


def unpack_address(octets: bytes) -> HdlcAddress:
    """What the octets of one whole address mean; `DecodeError` when they are none."""
    if read_address(octets, 0, len(octets)) != len(octets):
        raise DecodeError("octets after an address", where=_WHERE, octets=octets)
    bits = [octet >> 1 for octet in octets]
    if len(bits) == 1:
        return HdlcAddress(bits[0])
    if len(bits) == 2:
        return HdlcAddress(bits[0], bits[1])
    return HdlcAddress(bits[0] << 7 | bits[1], bits[2] << 7 | bits[3])
