"""Callers that no grant describes: who works at the machine of the store itself."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Caller
from ferraris.headend.store.tables.inventory import TENANT

__all__ = ["local_caller", "tenant_of"]


def tenant_of(connection: Connection, name: str) -> int:
    """The number of a tenant; `UsageError` when the store has none of that name."""
    found = connection.execute(select(TENANT.c.id).where(TENANT.c.name == name)).scalar()
    if found is None:
        raise UsageError(f"the store has no tenant {name!r}")
    return int(found)


def local_caller(connection: Connection, user: str, tenant: str) -> Caller:
    """Who can open the store can do everything; the audit log tells their name."""
    return Caller(f"local:{user}", tenant_of(connection, tenant), dict.fromkeys(Right))
