"""What an error is to a client: a problem document (RFC 9457) without internals."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ferraris.core.errors import (
    Error,
    LineError,
    PeerError,
    RefusedError,
    SecurityError,
    UsageError,
)
from ferraris.headend.access.identity import UnknownCallerError
from ferraris.headend.operations.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.operations.once import KeyUsedError
from ferraris.headend.store.records import StoreAwayError, StoreError, StoreFullError
from ferraris.headend.store.sealing import ErasedError

__all__ = ["PROBLEM", "HttpError", "Problem", "problem_of"]

PROBLEM: Final = "application/problem+json"
_LOG: Final = logging.getLogger("ferraris.headend.api")
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document with its further headers."""

    status: int
    title: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self) -> bytes:
        """The document."""
        kind = self.title.lower().replace(" ", "-")
        return msgspec.json.encode(
            {
                "type": f"urn:ferraris:problem:{kind}",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
            }
        )


class HttpError(UsageError):
    """A request that HTTP itself has a word for."""

    def __init__(
        self, status: int, title: str, detail: str, **headers: str
    ) -> None:  # fmt: skip
        super().__init__(detail)
        told = ((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())
        self.problem = Problem(status, title, detail, tuple(told))


# The first that fits decides, so the special ones come before the general ones.
_KINDS: Final[tuple[tuple[type[Error], int, str], ...]] = (
    (UnknownCallerError, 401, "Not signed in"),
    (ForbiddenError, 403, "Not allowed"),
    (NotFoundError, 404, "Not found"),
    (ErasedError, 410, "Erased"),
    (KeyUsedError, 422, "Key used"),
    (ConflictError, 409, "Conflict"),
    (UsageError, 400, "Bad request"),
    (StoreAwayError, 503, "Store away"),
    (StoreFullError, 507, "Store full"),
    (StoreError, 500, "Store failed"),
    (SecurityError, 403, "Refused for security"),
    (RefusedError, 502, "Refused by the peer"),
    (PeerError, 502, "Peer failed"),
    (LineError, 502, "Line failed"),
)
# Their messages tell where the store is.
_SILENT: Final = {
    503: "The store does not answer at the moment; nothing was changed, so try again.",
    507: "The store has no room left; nothing was changed. Who runs the head-end makes room.",
    500: "The store cannot do this; the log of the head-end says why.",
}
_MORE: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {
    401: ((b"www-authenticate", b'Bearer realm="ferraris"'),),
    503: ((b"retry-after", b"2"),),
}


def problem_of(error: Exception) -> Problem:
    """The document of an error; what nobody expected is logged, and told as no more than that."""
    if isinstance(error, HttpError):
        return error.problem
    for kind, status, title in _KINDS:
        if isinstance(error, kind):
            detail = _SILENT.get(status) or _shown(error)
            if status == 500:
                _LOG.error("the store failed: %s", _shown(error))
            return Problem(status, title, detail, _MORE.get(status, ()))
    _LOG.error("internal error: %s", type(error).__name__, exc_info=error)
    return Problem(500, "Internal error", "The head-end failed; its log says where.")


def _shown(error: Any) -> str:
    text = " ".join(str(error.message).split())
    if error.outcome_unknown:
        text = f"unknown: read it back; {text}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
