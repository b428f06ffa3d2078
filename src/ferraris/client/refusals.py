"""What a meter's no means, in words that a person can act on."""

from __future__ import annotations

from ferraris.core.errors import Error, RefusedError, SequenceError
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult, OctetEnum
from ferraris.messaging.dlms.errors import (
    ConfirmedServiceError,
    ExceptionResponse,
    UnauthenticatedRefusal,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor

__all__ = ["UnprovenRefusalError", "refused", "strange"]


class UnprovenRefusalError(RefusedError):
    """A no that came unprotected into a protected association: anybody may have said it."""


_HINTS = {
    DataAccessResult.OBJECT_UNDEFINED: "no such object for this client; `browse` lists them",
    DataAccessResult.OBJECT_UNAVAILABLE: "not available to this client, or not now",
    DataAccessResult.READ_WRITE_DENIED: "this client has no right to it",
    DataAccessResult.OBJECT_CLASS_INCONSISTENT: "the object is of another class",
    DataAccessResult.TYPE_UNMATCHED: "the value has another type than the meter expects",
    DataAccessResult.SCOPE_OF_ACCESS_VIOLATED: "this client has no right to it",
}


def refused(
    target: AttributeDescriptor | MethodDescriptor, reason: DataAccessResult | ActionResult
) -> RefusedError:
    """The error behind a result that is not success."""
    hint = _HINTS.get(DataAccessResult(int(reason)), "")
    words = reason.words if isinstance(reason, OctetEnum) else str(reason)
    text = f"the meter refused {_shown(target)}: {words}"
    return RefusedError(f"{text} ({hint})" if hint else text, reason=reason, where="client")


def strange(target: AttributeDescriptor | MethodDescriptor, answer: Apdu) -> Error:
    """The error behind an answer that is none."""
    if isinstance(answer, ExceptionResponse):
        text = f"the meter did not serve {_shown(target)}: {answer.words}"
        if isinstance(answer, UnauthenticatedRefusal):
            text += " (this answer came unprotected: anybody on the line may have sent it)"
            return UnprovenRefusalError(text, reason=answer.service_error, where="client")
        return RefusedError(text, reason=answer.service_error, where="client")
    if isinstance(answer, ConfirmedServiceError):
        return RefusedError(
            f"the meter did not serve {_shown(target)}: {answer.words}",
            reason=answer.reason,
            where="client",
        )
    return SequenceError(
        f"{type(answer).__name__} does not answer {_shown(target)}", where="client"
    )


def _shown(target: AttributeDescriptor | MethodDescriptor) -> str:
    a, b, c, d, e, f = target.logical_name
    what = "attribute" if isinstance(target, AttributeDescriptor) else "method"
    return f"{a}-{b}:{c}.{d}.{e}*{f} {what} {target[2]} (class {target.class_id})"
