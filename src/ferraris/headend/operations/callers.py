"""Callers that no grant describes: who works at the machine of the store itself."""

from __future__ import annotations

from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Caller

__all__ = ["local_caller"]


def local_caller(user: str, tenant: int) -> Caller:
    """Who can open the store can do everything; the audit log tells their name."""
    return Caller(f"local:{user}", tenant, dict.fromkeys(Right))
