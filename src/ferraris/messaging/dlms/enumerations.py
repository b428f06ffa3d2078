"""Enumerations of the DLMS/COSEM services: results, errors and diagnostics [asn1].

Every octet decodes: a value that the standard does not assign becomes a member named
`UNASSIGNED_<n>` which compares and encodes like its number.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Self

__all__ = [
    "AccessError",
    "ActionResult",
    "ApplicationReferenceError",
    "AssociationResult",
    "ConfirmedService",
    "DataAccessResult",
    "DefinitionError",
    "ExceptionServiceError",
    "HardwareResourceError",
    "InitiateError",
    "LoadDataSetError",
    "OctetEnum",
    "ReleaseRequestReason",
    "ReleaseResponseReason",
    "ServiceError",
    "ServiceErrorChoice",
    "ServiceProviderDiagnostic",
    "ServiceUserDiagnostic",
    "SourceDiagnostic",
    "StateError",
    "TaskError",
    "VdeStateError",
]


class OctetEnum(IntEnum):
    """An enumeration of one octet in which unassigned values survive."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        member: Any = int.__new__(cls, value)
        member._name_ = f"UNASSIGNED_{value}"
        member._value_ = value
        return member  # type: ignore[no-any-return] # built by int.__new__ as enum itself does

    @classmethod
    def table(cls) -> tuple[Self, ...]:
        """Members by octet, all 256: the fast way from an octet to its member."""
        return tuple(cls(octet) for octet in range(256))

    @property
    def words(self) -> str:
        """The name in the standard's spelling, for example `object-undefined`."""
        return self.name.lower().replace("_", "-")


class DataAccessResult(OctetEnum):
    """Data-Access-Result of GET, SET, READ, WRITE and ACCESS [asn1]."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionResult(OctetEnum):
    """Action-Result of ACTION and ACCESS [asn1]."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class AssociationResult(OctetEnum):
    """Association-result of the AARE [asn1]."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class ServiceUserDiagnostic(OctetEnum):
    """Associate-source-diagnostic, acse-service-user [asn1]."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 10
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ServiceProviderDiagnostic(OctetEnum):
    """Associate-source-diagnostic, acse-service-provider [asn1]."""

    NULL = 0
    NO_REASON_GIVEN = 1
    NO_COMMON_ACSE_VERSION = 2


SourceDiagnostic = ServiceUserDiagnostic | ServiceProviderDiagnostic
"""Either source of the diagnostic; the type tells which, the numbers overlap."""


class ReleaseRequestReason(OctetEnum):
    """Reason of the RLRQ [asn1]."""

    NORMAL = 0
    URGENT = 1
    USER_DEFINED = 30


class ReleaseResponseReason(OctetEnum):
    """Reason of the RLRE [asn1]."""

    NORMAL = 0
    NOT_FINISHED = 1
    USER_DEFINED = 30


class StateError(OctetEnum):
    """State-error of the exception-response [asn1]."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ExceptionServiceError(OctetEnum):
    """Service-error of the exception-response; 4 to 6 since Green Book 8.3 [asn1]."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


class ConfirmedService(OctetEnum):
    """The service a confirmed-service-error speaks of; others are legacy [asn1]."""

    INITIATE = 1
    READ = 5
    WRITE = 6


class ServiceErrorChoice(OctetEnum):
    """The kind of error inside a confirmed-service-error [asn1]."""

    APPLICATION_REFERENCE = 0
    HARDWARE_RESOURCE = 1
    VDE_STATE_ERROR = 2
    SERVICE = 3
    DEFINITION = 4
    ACCESS = 5
    INITIATE = 6
    LOAD_DATA_SET = 7
    CHANGE_SCOPE = 8
    TASK = 9
    OTHER = 10


class ApplicationReferenceError(OctetEnum):
    """Confirmed-service-error, application-reference [asn1]."""

    OTHER = 0
    TIME_ELAPSED = 1
    APPLICATION_UNREACHABLE = 2
    APPLICATION_REFERENCE_INVALID = 3
    APPLICATION_CONTEXT_UNSUPPORTED = 4
    PROVIDER_COMMUNICATION_ERROR = 5
    DECIPHERING_ERROR = 6


class HardwareResourceError(OctetEnum):
    """Confirmed-service-error, hardware-resource [asn1]."""

    OTHER = 0
    MEMORY_UNAVAILABLE = 1
    PROCESSOR_RESOURCE_UNAVAILABLE = 2
    MASS_STORAGE_UNAVAILABLE = 3
    OTHER_RESOURCE_UNAVAILABLE = 4


class VdeStateError(OctetEnum):
    """Confirmed-service-error, vde-state-error [asn1]."""

    OTHER = 0
    NO_DLMS_CONTEXT = 1
    LOADING_DATA_SET = 2
    STATUS_NOCHANGE = 3
    STATUS_INOPERABLE = 4


class ServiceError(OctetEnum):
    """Confirmed-service-error, service [asn1]."""

    OTHER = 0
    PDU_SIZE = 1
    SERVICE_UNSUPPORTED = 2


class DefinitionError(OctetEnum):
    """Confirmed-service-error, definition [asn1]."""

    OTHER = 0
    OBJECT_UNDEFINED = 1
    OBJECT_CLASS_INCONSISTENT = 2
    OBJECT_ATTRIBUTE_INCONSISTENT = 3


class AccessError(OctetEnum):
    """Confirmed-service-error, access [asn1]."""

    OTHER = 0
    SCOPE_OF_ACCESS_VIOLATED = 1
    OBJECT_ACCESS_VIOLATED = 2
    HARDWARE_FAULT = 3
    OBJECT_UNAVAILABLE = 4


class InitiateError(OctetEnum):
    """Confirmed-service-error, initiate [asn1]."""

    OTHER = 0
    DLMS_VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_SIZE_TOO_SHORT = 3
    REFUSED_BY_THE_VDE_HANDLER = 4


class LoadDataSetError(OctetEnum):
    """Confirmed-service-error, load-data-set; the single values are named by number only [asn1]."""

    OTHER = 0


class TaskError(OctetEnum):
    """Confirmed-service-error, task; the single values are named by number only [asn1]."""

    OTHER = 0
