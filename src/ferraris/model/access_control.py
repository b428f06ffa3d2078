"""Interface classes for access and management: associations, SAP assignment, security set-up."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from ferraris.data.kinds import BitString
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    BitStringType,
    Choice,
    DataType,
    Enum,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    Null,
    OctetString,
    Structure,
    Unsigned,
    VisibleString,
)
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    optional,
    static,
)
from ferraris.model.object_list import (
    AccessRight,
    AttributeAccess,
    BriefObject,
    BriefObjectListType,
    MethodAccess,
    ObjectListElement,
    ObjectListType,
    ObjectListTypeV0,
)
from ferraris.model.references import ObjectIdentity, ObjectIdentityType

__all__ = [
    "AccessRight",
    "AssociatedPartners",
    "AssociationLn",
    "AssociationLnV1",
    "AssociationLnV2",
    "AssociationLnV3",
    "AssociationStatus",
    "AttributeAccess",
    "BriefObject",
    "BriefObjectListType",
    "Certificate",
    "CertificateBySerial",
    "CertificateIdentification",
    "CertificateOfEntity",
    "KeyAgreement",
    "KeyIdentifier",
    "KeyPairUsage",
    "KeyTransfer",
    "MethodAccess",
    "ObjectIdentity",
    "ObjectListElement",
    "ObjectListType",
    "SapAssignment",
    "SapAssignmentItem",
    "SecurityPolicy",
    "SecuritySetup",
    "SecuritySetupV1",
    "User",
    "XdlmsContext",
]


_SELECTORS: dict[int, DataType[Any]] = {
    1: Null,
    2: ArrayOf(LongUnsigned),
    3: ArrayOf(ObjectIdentityType),
    4: ObjectIdentityType,
}


class AssociatedPartners(NamedTuple):
    """Addresses of the two ends of an association."""

    client_sap: int
    server_sap: int


class XdlmsContext(NamedTuple):
    """What the association negotiated; sizes in octets."""

    conformance: BitString
    max_receive_pdu_size: int
    max_send_pdu_size: int
    dlms_version_number: int
    quality_of_service: int
    cyphering_info: bytes


class AssociationStatus(IntEnum):
    """State of an association [facts-g]."""

    NON_ASSOCIATED = 0
    ASSOCIATION_PENDING = 1
    ASSOCIATED = 2


class User(NamedTuple):
    """A person or system behind the client."""

    user_id: int
    user_name: str


_USER = Structure(User, Unsigned, VisibleString)


class AssociationLn(
    InterfaceClass,
    class_id=15,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x60,
):
    """Association LN: who may see and do what in this association.

    The two names are carried as an octet-string by most meters, as a structure by some. The secret
    can be written, never read.
    """

    object_list = Attribute(2, ObjectListTypeV0, static, selectors=_SELECTORS)
    associated_partners_id = Attribute(3, Structure(AssociatedPartners, Integer, LongUnsigned))
    application_context_name = Attribute(4, AnyData)
    xdlms_context_info = Attribute(
        5,
        Structure(
            XdlmsContext,
            BitStringType(24),
            LongUnsigned,
            LongUnsigned,
            Unsigned,
            Integer,
            OctetString,
        ),
    )
    authentication_mechanism_name = Attribute(6, AnyData)
    secret = Attribute(7, OctetString)
    association_status = Attribute(8, Enum(AssociationStatus), dynamic)
    reply_to_hls_authentication = Method(1, OctetString, optional, returns=OctetString)
    change_hls_secret = Method(2, OctetString, optional)
    add_object = Method(3, ObjectListTypeV0.element, optional)
    remove_object = Method(4, ObjectListTypeV0.element, optional)


class AssociationLnV1(AssociationLn, version=1, provenance="two-sources", first_method=0x60):
    """Association LN: rights of methods as an enumeration, and a security set-up."""

    object_list = Attribute(2, ObjectListType, static, selectors=_SELECTORS)
    security_setup_reference = Attribute(9, LogicalName, static)
    add_object = Method(3, ObjectListType.element, optional)
    remove_object = Method(4, ObjectListType.element, optional)


class AssociationLnV2(AssociationLnV1, version=2, provenance="two-sources", first_method=0x60):
    """Association LN: with users."""

    user_list = Attribute(10, ArrayOf(_USER), static)
    current_user = Attribute(11, _USER, dynamic)
    add_user = Method(5, _USER, optional)
    remove_user = Method(6, _USER, optional)


class AssociationLnV3(AssociationLnV2, version=3, provenance="one-source", first_method=0x60):
    """Association LN: rights as bits, requests and responses protected separately."""


class SapAssignmentItem(NamedTuple):
    """One logical device of the physical device."""

    sap: int
    logical_device_name: bytes


class SapAssignment(
    InterfaceClass,
    class_id=17,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x20,
):
    """SAP assignment: which logical device answers at which address."""

    sap_assignment_list = Attribute(
        2, ArrayOf(Structure(SapAssignmentItem, LongUnsigned, OctetString)), static
    )
    connect_logical_device = Method(
        1, Structure(SapAssignmentItem, LongUnsigned, OctetString), optional
    )


class SecurityPolicy(IntEnum):
    """What a version 0 security set-up demands of every message [facts-g]."""

    NOTHING = 0
    AUTHENTICATED = 1
    ENCRYPTED = 2
    AUTHENTICATED_AND_ENCRYPTED = 3


class KeyIdentifier(IntEnum):
    """Which key a key transfer replaces [facts-g]."""

    GLOBAL_UNICAST_ENCRYPTION = 0
    GLOBAL_BROADCAST_ENCRYPTION = 1
    AUTHENTICATION = 2
    MASTER = 3


class KeyTransfer(NamedTuple):
    """A new key, wrapped by the master key."""

    key_id: KeyIdentifier | int
    wrapped_key: bytes


class SecuritySetup(
    InterfaceClass,
    class_id=64,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x30,
):
    """Security set-up: policy, suite and system titles of an association."""

    security_policy = Attribute(2, Enum(SecurityPolicy), static)
    security_suite = Attribute(3, EnumCode, static)
    client_system_title = Attribute(4, OctetString, dynamic)
    server_system_title = Attribute(5, OctetString, static)
    security_activate = Method(1, Enum(SecurityPolicy), optional)
    key_transfer = Method(
        2, ArrayOf(Structure(KeyTransfer, Enum(KeyIdentifier), OctetString)), optional
    )


class Certificate(NamedTuple):
    """What a security set-up shows of one certificate."""

    entity: int
    certificate_type: int
    serial_number: bytes
    issuer: bytes
    subject: bytes
    subject_alt_name: bytes


class KeyPairUsage(IntEnum):
    """What a key pair, or its certificate, is for [facts-g]."""

    SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2


class KeyAgreement(NamedTuple):
    """A key to be agreed: `key_data` is an ephemeral public key, and its signature behind it."""

    key_id: KeyIdentifier | int
    key_data: bytes


class CertificateOfEntity(NamedTuple):
    """A certificate by whose it is: 0 server, 1 client, 2 authority, 3 other, and what for."""

    entity: int
    certificate_type: int
    system_title: bytes


class CertificateBySerial(NamedTuple):
    """A certificate by its serial number and issuer."""

    serial_number: bytes
    issuer: bytes


class CertificateIdentification(NamedTuple):
    """Which certificate is meant: 0 by entity, 1 by serial number."""

    identification_type: int
    identification: CertificateOfEntity | CertificateBySerial


_KEY_AGREEMENT = ArrayOf(Structure(KeyAgreement, Enum(KeyIdentifier), OctetString))
_CERTIFICATE_IDENTIFICATION = Structure(
    CertificateIdentification,
    EnumCode,
    Choice(
        Structure(CertificateOfEntity, EnumCode, EnumCode, OctetString),
        Structure(CertificateBySerial, OctetString, OctetString),
    ),
)


class SecuritySetupV1(SecuritySetup, version=1, provenance="one-source", first_method=0x30):
    """Security set-up: policy as bits (2 to 7 of the octet), certificates and key agreement.

    A request for a certificate is PKCS#10, a certificate X.509, both as DER.
    """

    security_policy: Attribute[int] = Attribute(2, EnumCode, static)
    certificates = Attribute(
        6,
        ArrayOf(
            Structure(
                Certificate,
                EnumCode,
                EnumCode,
                OctetString,
                OctetString,
                OctetString,
                OctetString,
            )
        ),
        dynamic,
    )
    security_activate: Method[int, None] = Method(1, EnumCode, optional)
    key_agreement = Method(3, _KEY_AGREEMENT, optional, returns=_KEY_AGREEMENT)
    generate_key_pair = Method(4, Enum(KeyPairUsage), optional)
    generate_certificate_request = Method(5, Enum(KeyPairUsage), optional, returns=OctetString)
    import_certificate = Method(6, OctetString, optional)
    export_certificate = Method(7, _CERTIFICATE_IDENTIFICATION, optional, returns=OctetString)
    remove_certificate = Method(8, _CERTIFICATE_IDENTIFICATION, optional)
