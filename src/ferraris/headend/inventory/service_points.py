"""Service points, where energy is delivered, and customers, for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.checking import check_name, check_value
from ferraris.headend.store.tables.inventory import CUSTOMER, SERVICE_POINT

__all__ = [
    "Customer",
    "ServicePoint",
    "change_service_point",
    "create_customer",
    "create_service_point",
    "customer",
    "customers",
    "service_point",
    "service_points",
]


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """Where energy is delivered; its local days are those of `zone`."""

    name: str
    zone: str = "UTC"
    commodity: str = "electricity"
    number: int = 0


@dataclass(frozen=True, slots=True)
class Customer:
    """For whom: what the utility calls them, and when they were erased."""

    name: str
    erased_s: float | None = None
    number: int = 0


def create_service_point(
    connection: Connection,
    tenant: int,
    name: str,
    *,
    zone: str = "UTC",
    commodity: str = "electricity",
) -> ServicePoint:
    """Add a service point; `ConflictError` when the name is taken."""
    row = {
        "name": check_name(name),
        "zone": check_value("zone", zone),
        "commodity": check_value("medium", commodity),
    }
    try:
        made = connection.execute(
            insert(SERVICE_POINT).values(tenant=tenant, **row).returning(SERVICE_POINT.c.id)
        )
    except IntegrityError:
        raise ConflictError(f"there is a service point {name!r} already") from None
    return ServicePoint(**row, number=made.scalar_one())


def change_service_point(
    connection: Connection, tenant: int, name: str, changes: Mapping[str, Any]
) -> ServicePoint:
    """Give a service point another zone or commodity."""
    found = service_point(connection, tenant, name)
    wrong = sorted(changes.keys() - {"zone", "commodity"})
    if wrong:
        raise UsageError(f"{wrong[0]} of a service point cannot be changed")
    checks = {"zone": "zone", "commodity": "medium"}
    values = {key: check_value(checks[key], value) for key, value in changes.items()}
    if values:
        query = update(SERVICE_POINT).where(SERVICE_POINT.c.id == found.number)
        connection.execute(query.values(**values))
    return service_point(connection, tenant, name)


def service_point(connection: Connection, tenant: int, name: str) -> ServicePoint:
    """A service point; `NotFoundError` when the tenant has no such."""
    table = SERVICE_POINT.c
    row = connection.execute(
        select(SERVICE_POINT).where(table.tenant == tenant, table.name == name)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no service point {name!r}")
    return ServicePoint(row.name, row.zone, row.commodity, row.id)


def service_points(
    connection: Connection, tenant: int, *, after: str = "", limit: int = 100
) -> list[ServicePoint]:
    """Service points in the order of their names, those behind `after`."""
    table = SERVICE_POINT.c
    rows = connection.execute(
        select(SERVICE_POINT)
        .where(table.tenant == tenant, table.name > after)
        .order_by(table.name)
        .limit(limit)
    )
    return [ServicePoint(row.name, row.zone, row.commodity, row.id) for row in rows]


def create_customer(connection: Connection, tenant: int, name: str) -> Customer:
    """Add a customer; `ConflictError` when the name is taken, also by one who was erased."""
    try:
        made = connection.execute(
            insert(CUSTOMER).values(tenant=tenant, name=check_name(name)).returning(CUSTOMER.c.id)
        )
    except IntegrityError:
        raise ConflictError(f"there is a customer {name!r} already, or was") from None
    return Customer(name, None, made.scalar_one())


def customer(connection: Connection, tenant: int, name: str) -> Customer:
    """A customer; `NotFoundError` when the tenant has no such."""
    row = connection.execute(
        select(CUSTOMER).where(CUSTOMER.c.tenant == tenant, CUSTOMER.c.name == name)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no customer {name!r}")
    return Customer(row.name, row.erased_s, row.id)


def customers(
    connection: Connection, tenant: int, *, after: str = "", limit: int = 100
) -> list[Customer]:
    """Customers in the order of their names, those behind `after`."""
    rows = connection.execute(
        select(CUSTOMER)
        .where(CUSTOMER.c.tenant == tenant, CUSTOMER.c.name > after)
        .order_by(CUSTOMER.c.name)
        .limit(limit)
    )
    return [Customer(row.name, row.erased_s, row.id) for row in rows]
