"""APDUs that say no: confirmed-service-error and exception-response [asn1]."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import Limits
from ferraris.messaging.dlms.enumerations import (
    AccessError,
    ApplicationReferenceError,
    ConfirmedService,
    DefinitionError,
    ExceptionServiceError,
    HardwareResourceError,
    InitiateError,
    LoadDataSetError,
    OctetEnum,
    ServiceError,
    ServiceErrorChoice,
    StateError,
    TaskError,
    VdeStateError,
)
from ferraris.messaging.dlms.reading import DEFAULT_LIMITS

__all__ = ["ConfirmedServiceError", "ExceptionResponse"]

_REASONS: dict[int, type[OctetEnum]] = {
    ServiceErrorChoice.APPLICATION_REFERENCE: ApplicationReferenceError,
    ServiceErrorChoice.HARDWARE_RESOURCE: HardwareResourceError,
    ServiceErrorChoice.VDE_STATE_ERROR: VdeStateError,
    ServiceErrorChoice.SERVICE: ServiceError,
    ServiceErrorChoice.DEFINITION: DefinitionError,
    ServiceErrorChoice.ACCESS: AccessError,
    ServiceErrorChoice.INITIATE: InitiateError,
    ServiceErrorChoice.LOAD_DATA_SET: LoadDataSetError,
    ServiceErrorChoice.TASK: TaskError,
}


@dataclass(slots=True)
class ConfirmedServiceError:
    """A service failed before it was understood; `value` is a number of the kind `choice`."""

    service: ConfirmedService
    choice: ServiceErrorChoice
    value: int

    @classmethod
    def initiate(cls, reason: InitiateError) -> ConfirmedServiceError:
        """The error that refuses an xDLMS context."""
        return cls(ConfirmedService.INITIATE, ServiceErrorChoice.INITIATE, reason)

    @property
    def reason(self) -> OctetEnum | int:
        """The value as a member of the enumeration that `choice` names."""
        kind = _REASONS.get(self.choice)
        return self.value if kind is None else kind(self.value)

    @property
    def words(self) -> str:
        """The error in words, for example `initiate: pdu-size-too-short`."""
        reason = self.reason
        return f"{self.choice.words}: {reason.words if isinstance(reason, OctetEnum) else reason}"

    def to_octets(self) -> bytes:
        """Encode with tag 0E."""
        return bytes((0x0E, self.service, self.choice, self.value))


@dataclass(slots=True)
class ExceptionResponse:
    """The server cannot serve the APDU at all. The counter is the lowest one it would accept."""

    state_error: StateError
    service_error: ExceptionServiceError
    invocation_counter: int | None = None

    @property
    def words(self) -> str:
        """The error in words, for example `service-unknown, operation-not-possible`."""
        return f"{self.state_error.words}, {self.service_error.words}"

    def to_octets(self) -> bytes:
        """Encode with tag D8."""
        head = bytes((0xD8, self.state_error, self.service_error))
        if self.invocation_counter is None:
            return head
        return head + self.invocation_counter.to_bytes(4, "big")


class UnauthenticatedRefusal(ExceptionResponse):
    """One that came plain into a protected association: anybody may have sent it."""

    __slots__ = ()

    @classmethod
    def of(cls, answer: ExceptionResponse) -> UnauthenticatedRefusal:
        """The same, so marked."""
        return cls(answer.state_error, answer.service_error, answer.invocation_counter)


def decode_confirmed_service_error(
    octets: bytes, limits: Limits = DEFAULT_LIMITS
) -> ConfirmedServiceError:
    """Decode a confirmed-service-error from its tag 0E on."""
    if len(octets) != 4:
        raise _length_error("dlms confirmed-service-error", "4 octets expected", octets, 4)
    return ConfirmedServiceError(
        ConfirmedService(octets[1]), ServiceErrorChoice(octets[2]), octets[3]
    )


def decode_exception_response(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> ExceptionResponse:
    """Decode an exception-response from its tag D8 on; a missing counter is tolerated."""
    size = len(octets)
    if size < 3:
        raise _length_error("dlms exception-response", "3 octets expected", octets, 3)
    state, error = StateError(octets[1]), ExceptionServiceError(octets[2])
    if size == 3:
        return ExceptionResponse(state, error)
    if error is not ExceptionServiceError.INVOCATION_COUNTER_ERROR or size != 7:
        raise _length_error("dlms exception-response", "octets too many or too few", octets, 3)
    return ExceptionResponse(state, error, int.from_bytes(octets[3:7], "big"))


def _length_error(where: str, message: str, octets: bytes, offset: int) -> DecodeError:
    return DecodeError(message, where=where, offset=min(offset, len(octets)), octets=octets)
