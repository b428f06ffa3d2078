"""Element names of the DLMS UA's XML schema COSEMpdu, and what each name rests on.

The schema is made from the same ASN.1 as the APDUs, so its names are those of the ASN.1 [asn1].
`WEAK` lists the names that rest on less, and those that are ours since the schema has no place for
what they say.
"""

from __future__ import annotations

from ferraris.data.kinds import Tag
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL

__all__ = [
    "ACSE_ROOT",
    "CIPHERED",
    "CONFORMANCE",
    "DATA_KINDS",
    "DATA_ROOT",
    "NAMESPACE",
    "WEAK",
    "XDLMS_ROOT",
]

NAMESPACE = "http://www.dlms.com/COSEMpdu"
"""The namespace of all elements [facts-g]."""

ACSE_ROOT = "aCSE-APDU"
XDLMS_ROOT = "xDLMS-APDU"
DATA_ROOT = "Data"

CONFORMANCE = (
    "reserved-zero",
    "general-protection",
    "general-block-transfer",
    "read",
    "write",
    "unconfirmed-write",
    "delta-value-encoding",
    "reserved-seven",
    "attribute0-supported-with-set",
    "priority-mgmt-supported",
    "attribute0-supported-with-get",
    "block-transfer-with-get-or-read",
    "block-transfer-with-set-or-write",
    "block-transfer-with-action",
    "multiple-references",
    "information-report",
    "data-notification",
    "access",
    "parameterized-access",
    "get",
    "set",
    "selective-access",
    "event-notification",
    "action",
)
"""Names of the conformance bits, bit 0 first."""

_OLD = {
    0x01: "initiateRequest",
    0x05: "readRequest",
    0x06: "writeRequest",
    0x08: "initiateResponse",
    0x0C: "readResponse",
    0x0D: "writeResponse",
    0x0E: "confirmedServiceError",
    0x16: "unconfirmedWriteRequest",
    0x18: "informationReportRequest",
}
_NEW = {
    0xC0: "get-request",
    0xC1: "set-request",
    0xC2: "event-notification-request",
    0xC3: "action-request",
    0xC4: "get-response",
    0xC5: "set-response",
    0xC7: "action-response",
}
_PLAIN = _OLD | _NEW

CIPHERED: dict[int, str] = {GLOBAL[tag]: f"glo-{name}" for tag, name in _PLAIN.items()} | {
    DEDICATED[tag]: f"ded-{name}" for tag, name in _PLAIN.items()
}
"""Service-specific ciphered APDUs by tag."""

DATA_KINDS: dict[int, str] = {tag.value: tag.name.lower().replace("_", "-") for tag in Tag}
DATA_KINDS[0] = "null-data"
"""Data by tag."""

WEAK: dict[str, str] = {
    # Names of the elements of lists, and of the two roots, as one implementation writes them.
    "Cosem-Attribute-Descriptor-With-Selection": "facts-g",
    "Variable-Access-Specification": "facts-g",
    "Access-Request-Specification": "facts-g",
    "Data": "facts-g",
    "aCSE-APDU": "facts-g",
    "xDLMS-APDU": "facts-g",
    # By analogy with those: read nowhere. [memory]
    "Cosem-Method-Descriptor": "memory",
    "Action-Response-With-Optional-Data": "memory",
    "Access-Response-Specification": "memory",
    "data-notification-confirm": "memory",
    "reserved-zero": "memory",
    "reserved-seven": "memory",
    "charstring": "facts-g",
    "bitstring": "memory",
    "delta-value-encoding": "facts-g",
    # Reserved for gateways without a layout in the schema.
    "gateway-request": "facts-g",
    "gateway-response": "facts-g",
    "network-id": "facts-g",
    "physical-device-address": "facts-g",
    # Ours: what octets can say and the schema cannot.
    "apdu": "ours",
    "choice": "ours",
    "cosem-time": "ours",
    "date-time-tagged": "ours",
    "encoded": "ours",
    "hex": "ours",
    "invocation-counter": "ours",
    "not-canonical": "ours",
    "octets": "ours",
    "plain": "ours",
    "security-control": "ours",
}
"""Names that do not stand in the ASN.1: `facts-g` one implementation, `memory`, or `ours`."""
