"""Why an operation says no, beside `UsageError` for a request that cannot be understood."""

from __future__ import annotations

from ferraris.headend.errors import ConflictError, ForbiddenError, NotFoundError

__all__ = ["ConflictError", "ForbiddenError", "NotFoundError"]
