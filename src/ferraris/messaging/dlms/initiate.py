"""xDLMS InitiateRequest and InitiateResponse: what an association may do and how large [asn1]."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS, ApduReader, octet_string

__all__ = [
    "DLMS_VERSION",
    "VAA_NAME_LOGICAL_NAMES",
    "VAA_NAME_SHORT_NAMES",
    "InitiateRequest",
    "InitiateResponse",
]

DLMS_VERSION = 6
VAA_NAME_LOGICAL_NAMES = 0x0007
VAA_NAME_SHORT_NAMES = 0xFA00

_CONFORMANCE_TAG = b"\x5f\x1f\x04\x00"  # BER island: [APPLICATION 31], 4 octets, no unused bits


@dataclass(slots=True)
class InitiateRequest:
    """The client's proposal. A PDU size of 0 means no limit; the dedicated key is never shown."""

    proposed_conformance: Conformance | int
    client_max_receive_pdu_size: int = 0xFFFF
    dedicated_key: bytes | None = field(default=None, repr=False)
    response_allowed: bool = True
    proposed_quality_of_service: int | None = None
    proposed_dlms_version_number: int = DLMS_VERSION

    def to_octets(self) -> bytes:
        """Encode with tag 01."""
        key = self.dedicated_key
        return b"".join(
            (
                b"\x01\x00" if key is None else b"\x01\x01" + octet_string(key),
                b"\x00" if self.response_allowed else b"\x01\x00",
                _quality_octets(self.proposed_quality_of_service),
                bytes((self.proposed_dlms_version_number,)),
                _CONFORMANCE_TAG,
                int(self.proposed_conformance).to_bytes(3, "big"),
                self.client_max_receive_pdu_size.to_bytes(2, "big"),
            )
        )


@dataclass(slots=True)
class InitiateResponse:
    """The server's answer: the conformance both have, and the size of what it can receive."""

    negotiated_conformance: Conformance | int
    server_max_receive_pdu_size: int = 0xFFFF
    vaa_name: int = VAA_NAME_LOGICAL_NAMES
    negotiated_quality_of_service: int | None = None
    negotiated_dlms_version_number: int = DLMS_VERSION

    def to_octets(self) -> bytes:
        """Encode with tag 08."""
        return b"".join(
            (
                b"\x08",
                _quality_octets(self.negotiated_quality_of_service),
                bytes((self.negotiated_dlms_version_number,)),
                _CONFORMANCE_TAG,
                int(self.negotiated_conformance).to_bytes(3, "big"),
                self.server_max_receive_pdu_size.to_bytes(2, "big"),
                self.vaa_name.to_bytes(2, "big"),
            )
        )


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> InitiateRequest:
    """Decode an InitiateRequest from its tag 01 on."""
    if len(octets) == 14 and octets[1:4] == b"\0\0\0" and octets[5:9] == _CONFORMANCE_TAG:
        return InitiateRequest(
            Conformance(int.from_bytes(octets[9:12], "big")),
            octets[12] << 8 | octets[13],
            None,
            True,
            None,
            octets[4],
        )
    reader = ApduReader(octets, "dlms initiate-request", limits, 1)
    key = reader.octet_string() if reader.present() else None
    response_allowed = reader.boolean() if reader.present() else True
    quality = reader.i8() if reader.present() else None
    version = reader.u8()
    conformance = _conformance(reader)
    size = reader.u16()
    reader.finish()
    return InitiateRequest(conformance, size, key, response_allowed, quality, version)


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> InitiateResponse:
    """Decode an InitiateResponse from its tag 08 on."""
    if len(octets) == 14 and octets[1] == 0 and octets[3:7] == _CONFORMANCE_TAG:
        return InitiateResponse(
            Conformance(int.from_bytes(octets[7:10], "big")),
            octets[10] << 8 | octets[11],
            octets[12] << 8 | octets[13],
            None,
            octets[2],
        )
    reader = ApduReader(octets, "dlms initiate-response", limits, 1)
    quality = reader.i8() if reader.present() else None
    version = reader.u8()
    conformance = _conformance(reader)
    size = reader.u16()
    name = reader.u16()
    reader.finish()
    return InitiateResponse(conformance, size, name, quality, version)


def _quality_octets(quality: int | None) -> bytes:
    return b"\x00" if quality is None else bytes((1, quality & 0xFF))


def _conformance(reader: ApduReader) -> Conformance:
    """Read the BER island `5F 1F 04 00 xx xx xx`, or its one-octet tag `5F 04 00` [facts-g]."""
    start = reader.position
    if reader.u8() != 0x5F:
        reader.position = start
        raise reader.error("conformance expected (5f)")
    if reader.peek() == 0x1F:
        reader.take(1)
    if reader.take(2) != b"\x04\x00":
        raise DecodeError(
            "conformance of 24 bits expected (04 00)",
            where=reader.where,
            offset=reader.position - 2,
            octets=reader.octets[start : start + 8],
        )
    return Conformance.from_octets(reader.take(3))
