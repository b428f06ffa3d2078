"""Tenants: whose meters these are. What one has, another does not see."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, select

from ferraris.core.errors import UsageError
from ferraris.headend.errors import NotFoundError
from ferraris.headend.inventory.checking import check_name
from ferraris.headend.store.tables.inventory import GROUP, TENANT
from ferraris.headend.store.upsert import add

__all__ = ["BUILT_IN", "key_id", "tenant_name", "tenant_number", "tenants", "transport_key_id"]

BUILT_IN: Final[Mapping[str, str]] = MappingProxyType(
    {"all": '{"all":[]}', "active": '{"state":["active"]}'}
)
"""Groups that every tenant has, and their queries."""

_TENANT_CHARACTERS = 50
_TRANSPORT = "transport:"


def tenant_number(connection: Connection, name: str, *, make: bool = False) -> int:
    """The number of a tenant; with `make` there is one afterwards, and its built-in groups."""
    wanted = select(TENANT.c.id).where(TENANT.c.name == name)
    found = connection.execute(wanted).scalar()
    if not make:
        if found is None:
            raise NotFoundError(f"no tenant {name!r}")
        return int(found)
    if found is None:
        if len(check_name(name, "name of a tenant")) > _TENANT_CHARACTERS:
            raise UsageError(f"the name of a tenant has at most {_TENANT_CHARACTERS} characters")
        add(connection, TENANT, [{"name": name}])
        found = connection.execute(wanted).scalar_one()
    rows = [
        {"tenant": found, "name": group, "query": query, "built_in": 1}
        for group, query in BUILT_IN.items()
    ]
    add(connection, GROUP, rows)
    return int(found)


def tenant_name(connection: Connection, number: int) -> str:
    """The name of a tenant."""
    return str(connection.execute(select(TENANT.c.name).where(TENANT.c.id == number)).scalar_one())


def tenants(connection: Connection) -> dict[str, int]:
    """All tenants and their numbers, by name."""
    rows = connection.execute(select(TENANT.c.name, TENANT.c.id).order_by(TENANT.c.name))
    return {row.name: row.id for row in rows}


def key_id(tenant: str, external_id: str) -> str:
    """The id of a meter's secrets in the key store: below the tenant's own key."""
    return f"{tenant}/{external_id}"


def transport_key_id(tenant: str, name: str) -> str:
    """The id of a transport key in the key store, where it is kept as a `master_key`."""
    return f"{tenant}/{_TRANSPORT}{check_name(name, 'name of a transport key')}"
