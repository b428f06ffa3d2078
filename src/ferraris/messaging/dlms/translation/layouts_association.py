"""The table of APDUs: opening and closing an association, and errors [asn1]."""

from __future__ import annotations

from ferraris.messaging.dlms import (
    acse,
    errors,
    initiate,
)
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    ExceptionServiceError,
    ReleaseRequestReason,
    ReleaseResponseReason,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
    StateError,
)
from ferraris.messaging.dlms.translation.building import (
    I8,
    I64,
    OCTETS,
    Layout,
    single,
)
from ferraris.messaging.dlms.translation.kinds import (
    FLAG,
    SHORT,
    U8,
    U16,
    U32,
    BitsKind,
    ConformanceKind,
    Enumeration,
    Name,
)
from ferraris.messaging.dlms.translation.nested import NESTED
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Choice,
    Field,
    any_value,
    of_type,
)
from ferraris.messaging.dlms.translation.special import (
    AuthenticationValue,
    Requirements,
    ServiceErrorPart,
)

__all__ = ["ASSOCIATION"]

_USER_INFORMATION = Field("user_information", "user-information", NESTED, absent=None)
_CONTEXT_NAME = Field(
    "application_context", "application-context-name", Name(acse.ApplicationContext)
)
_MECHANISM = Field("mechanism", "mechanism-name", Name(acse.Mechanism), absent=None)
_PROTOCOL_VERSION = Field("protocol_version", "protocol-version", BitsKind(), absent=None)
_IMPLEMENTATION = Field(
    "implementation_information", "implementation-information", OCTETS, absent=None
)


def _names_of(whose: str) -> tuple[Field, ...]:
    """Title, qualifier and invocation identifiers of the `called`, `calling` or `responding`."""
    return (
        Field(f"{whose}_ap_title", f"{whose}-AP-title", OCTETS, absent=None),
        Field(f"{whose}_ae_qualifier", f"{whose}-AE-qualifier", OCTETS, absent=None),
        Field(f"{whose}_ap_invocation_id", f"{whose}-AP-invocation-id", I64, absent=None),
        Field(f"{whose}_ae_invocation_id", f"{whose}-AE-invocation-id", I64, absent=None),
    )


_DIAGNOSTIC = Choice(
    (
        Alternative(
            "acse-service-user", of_type(ServiceUserDiagnostic), Enumeration(ServiceUserDiagnostic)
        ),
        Alternative("acse-service-provider", any_value, Enumeration(ServiceProviderDiagnostic)),
    )
)
_ACSE: tuple[tuple[type, Layout], ...] = (
    single(
        acse.Aarq,
        "aarq",
        _PROTOCOL_VERSION,
        _CONTEXT_NAME,
        *_names_of("called"),
        *_names_of("calling"),
        Requirements("sender_acse_requirements", "sender-acse-requirements"),
        _MECHANISM,
        AuthenticationValue("calling_authentication_value", "calling-authentication-value"),
        _IMPLEMENTATION,
        _USER_INFORMATION,
    ),
    single(
        acse.Aare,
        "aare",
        _PROTOCOL_VERSION,
        _CONTEXT_NAME,
        Field("result", "result", Enumeration(AssociationResult)),
        Field("diagnostic", "result-source-diagnostic", _DIAGNOSTIC),
        *_names_of("responding"),
        Requirements("responder_acse_requirements", "responder-acse-requirements"),
        _MECHANISM,
        AuthenticationValue("responding_authentication_value", "responding-authentication-value"),
        _IMPLEMENTATION,
        _USER_INFORMATION,
    ),
    single(
        acse.Rlrq,
        "rlrq",
        Field("reason", "reason", Enumeration(ReleaseRequestReason), absent=None),
        _USER_INFORMATION,
    ),
    single(
        acse.Rlre,
        "rlre",
        Field("reason", "reason", Enumeration(ReleaseResponseReason), absent=None),
        _USER_INFORMATION,
    ),
)
_INITIATE: tuple[tuple[type, Layout], ...] = (
    single(
        initiate.InitiateRequest,
        "initiateRequest",
        Field("dedicated_key", "dedicated-key", OCTETS, absent=None),
        Field("response_allowed", "response-allowed", FLAG, absent=True, always=True),
        Field("proposed_quality_of_service", "proposed-quality-of-service", I8, absent=None),
        Field("proposed_dlms_version_number", "proposed-dlms-version-number", U8),
        Field("proposed_conformance", "proposed-conformance", ConformanceKind()),
        Field("client_max_receive_pdu_size", "client-max-receive-pdu-size", U16),
    ),
    single(
        initiate.InitiateResponse,
        "initiateResponse",
        Field("negotiated_quality_of_service", "negotiated-quality-of-service", I8, absent=None),
        Field("negotiated_dlms_version_number", "negotiated-dlms-version-number", U8),
        Field("negotiated_conformance", "negotiated-conformance", ConformanceKind()),
        Field("server_max_receive_pdu_size", "server-max-receive-pdu-size", U16),
        Field("vaa_name", "vaa-name", SHORT),
    ),
    single(errors.ConfirmedServiceError, "confirmedServiceError", ServiceErrorPart()),
    single(
        errors.ExceptionResponse,
        "exception-response",
        Field("state_error", "state-error", Enumeration(StateError)),
        Field("service_error", "service-error", Enumeration(ExceptionServiceError)),
        Field("invocation_counter", "invocation-counter", U32, absent=None),
    ),
)

ASSOCIATION = (*_ACSE, *_INITIATE)
