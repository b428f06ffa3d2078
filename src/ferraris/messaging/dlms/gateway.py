"""The prefix by which a gateway reaches devices behind it; outermost, around any APDU [memory]."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS, ApduReader, octet_string

__all__ = ["GatewayRequest", "GatewayResponse"]


@dataclass(slots=True)
class GatewayRequest:
    """An APDU for the device with this physical address in network 0..255."""

    network_id: int
    physical_device_address: bytes
    apdu: bytes

    def to_octets(self) -> bytes:
        """Encode with tag E6."""
        address = octet_string(self.physical_device_address)
        return bytes((0xE6, self.network_id)) + address + self.apdu


@dataclass(slots=True)
class GatewayResponse:
    """An APDU from the device with this physical address in network 0..255."""

    network_id: int
    physical_device_address: bytes
    apdu: bytes

    def to_octets(self) -> bytes:
        """Encode with tag E7."""
        address = octet_string(self.physical_device_address)
        return bytes((0xE7, self.network_id)) + address + self.apdu


def decode_request(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GatewayRequest:
    """Decode a gateway request from its tag E6 on; the APDU within stays as it is."""
    return GatewayRequest(*_parts(octets, "dlms gateway-request", limits))


def decode_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> GatewayResponse:
    """Decode a gateway response from its tag E7 on; the APDU within stays as it is."""
    return GatewayResponse(*_parts(octets, "dlms gateway-response", limits))


def _parts(octets: bytes, where: str, limits: Limits) -> tuple[int, bytes, bytes]:
    reader = ApduReader(octets, where, limits, 1)
    network = reader.u8()
    address = reader.octet_string()
    if not reader.remaining:
        raise reader.error("an APDU expected, none left")
    return network, address, reader.rest()
