"""What the head-end can be asked for, declared once: API and command line follow from it."""

from __future__ import annotations

from ferraris.headend.operations.desk import Caller, Desk, House
from ferraris.headend.operations.errors import ConflictError, ForbiddenError, NotFoundError
from ferraris.headend.operations.operation import Operation, operation

__all__ = [
    "Caller",
    "ConflictError",
    "Desk",
    "ForbiddenError",
    "House",
    "NotFoundError",
    "Operation",
    "operation",
]
