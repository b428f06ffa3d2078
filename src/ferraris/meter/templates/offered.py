"""What the associations of templates with logical names offer: services, sizes, protection."""

from __future__ import annotations

from ferraris.messaging.dlms.conformance import Conformance

__all__ = [
    "AUTHENTICATED_AND_ENCRYPTED",
    "MANAGEMENT_SERVICES",
    "MAX_PDU",
    "PUBLIC_SERVICES",
    "SERVICES",
]

MAX_PDU = 2048
AUTHENTICATED_AND_ENCRYPTED = 0x30
PUBLIC_SERVICES = int(
    Conformance.GET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
)
SERVICES = PUBLIC_SERVICES | int(
    Conformance.SET
    | Conformance.ACTION
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.PRIORITY_MANAGEMENT
)
MANAGEMENT_SERVICES = SERVICES | int(Conformance.GENERAL_PROTECTION | Conformance.ACCESS)
