"""What the head-end can be asked for, declared once: API and command line follow from it."""

from __future__ import annotations

from ferraris.headend.operations.desk import Caller, Desk, House
from ferraris.headend.operations.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.operations.operation import Operation, operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.operations.streams import Stream

__all__ = [
    "Caller",
    "ConflictError",
    "Desk",
    "ForbiddenError",
    "House",
    "NotFoundError",
    "Operation",
    "Page",
    "Stream",
    "checked_limit",
    "number_after",
    "operation",
    "page",
]
