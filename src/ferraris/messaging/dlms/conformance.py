"""The conformance block: which services an association may use."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

from ferraris.core.errors import DecodeError

__all__ = ["Conformance"]

_CACHED_COMBINATIONS = 4096


class Conformance(IntFlag):
    """Twenty-four bits, bit 0 first on the wire and so the highest of the number [asn1].

    Bits 0 and 7 are reserved and are kept as they came.
    """

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE0_SUPPORTED_WITH_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE0_SUPPORTED_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET_OR_READ = 1 << 12
    BLOCK_TRANSFER_WITH_SET_OR_WRITE = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0

    @classmethod
    def _missing_(cls, value: object) -> Any:
        # The enum machinery keeps every combination it ever saw; peers choose them, so bound it.
        member = super()._missing_(value)
        known = cls._value2member_map_
        if len(known) > _CACHED_COMBINATIONS:
            known.pop(value, None)
        return member

    @classmethod
    def from_octets(cls, octets: bytes) -> Conformance:
        """From the three octets of the bit string; `DecodeError` for another length."""
        if len(octets) != 3:
            raise DecodeError("three octets expected", where="conformance", octets=octets)
        return cls(int.from_bytes(octets, "big"))

    def to_octets(self) -> bytes:
        """The three octets of the bit string."""
        return int(self).to_bytes(3, "big")

    @property
    def bits(self) -> tuple[int, ...]:
        """Numbers of the bits set, counted as the standard does: 0 is the first on the wire."""
        return tuple(bit for bit in range(24) if self & (1 << (23 - bit)))

    @property
    def words(self) -> str:
        """The services in words, for example `get, set, selective-access`."""
        names = [
            member.name.lower().replace("_", "-")
            for member in sorted(Conformance, reverse=True)
            if member.name and self & member
        ]
        return ", ".join(names) or "none"
