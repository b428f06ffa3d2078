"""Why a room of the head-end says no, beside `UsageError` for what cannot be understood."""

from __future__ import annotations

from ferraris.core.errors import SecurityError, UsageError

__all__ = ["ConflictError", "ForbiddenError", "NotFoundError"]


class NotFoundError(UsageError):
    """There is no such thing, or the caller may not know that there is."""


class ConflictError(UsageError):
    """The request fits a state that is no longer there, or something that exists already."""


class ForbiddenError(SecurityError):
    """The caller is known and has no right to this."""
