"""Which meter measured for which service point and customer, and when.

At any moment a service point has at most one meter, and a meter measures for at most one. The
first second belongs to an assignment, the last does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.naming import chunks, meter_number
from ferraris.headend.inventory.service_points import customer as known_customer
from ferraris.headend.inventory.service_points import service_point as known_point
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
)

__all__ = [
    "Assignment",
    "assign",
    "assignments",
    "end",
    "holder_at",
    "meter_at",
    "release",
    "withdraw",
]

_OURS = SERVICE_POINT_METER.c


@dataclass(frozen=True, slots=True)
class Assignment:
    """A meter that measured for a service point and a customer; `until_s` None: it still does."""

    service_point: str
    meter: str
    customer: str | None
    since_s: int
    until_s: int | None


def assign(
    connection: Connection,
    tenant: int,
    service_point: str,
    meter: str,
    *,
    customer: str | None = None,
    since_s: int,
    until_s: int | None = None,
    at_s: float,
) -> Assignment:
    """Let a meter measure for a service point and a customer from a moment on.

    The assignment of the service point that still ran ends there: a meter exchange, or a new
    customer. Raises `ConflictError` for any other overlap at the service point or of the meter.
    """
    if until_s is not None and until_s <= since_s:
        raise UsageError("an assignment ends after it begins")
    point = known_point(connection, tenant, service_point)
    number = meter_number(connection, tenant, meter)
    holder = None if customer is None else known_customer(connection, tenant, customer)
    if holder is not None and holder.erased_s is not None:
        raise ConflictError(f"the customer {customer!r} was erased")
    _lock(connection, point.number, number)
    connection.execute(
        update(SERVICE_POINT_METER)
        .where(
            _OURS.service_point == point.number,
            _OURS.since_s < since_s,
            _OURS.until_s.is_(None),
        )
        .values(until_s=since_s)
    )
    clash = (_OURS.service_point == point.number) | (_OURS.meter == number)
    overlap = or_(_OURS.until_s.is_(None), _OURS.until_s > since_s)
    if until_s is not None:
        overlap &= _OURS.since_s < until_s
    for other in _listed(connection, _OURS.tenant == tenant, clash, overlap, limit=1):
        raise ConflictError(
            f"{other.meter} measures for {other.service_point} from {other.since_s} "
            + ("on" if other.until_s is None else f"to {other.until_s}")
            + " (epoch seconds): end or withdraw that first"
        )
    connection.execute(
        insert(SERVICE_POINT_METER).values(
            tenant=tenant,
            service_point=point.number,
            since_s=since_s,
            until_s=until_s,
            meter=number,
            customer=None if holder is None else holder.number,
        )
    )
    note(connection, tenant, "meter", meter, at_s=at_s, detail={"changed": ["assignment"]})
    return Assignment(service_point, meter, customer, since_s, until_s)


def end(
    connection: Connection, tenant: int, service_point: str, until_s: int, *, at_s: float
) -> Assignment:
    """End the assignment of a service point that still runs; `NotFoundError` when none does."""
    point = known_point(connection, tenant, service_point)
    _lock(connection, point.number)
    here = _OURS.service_point == point.number
    running = _listed(connection, here, _OURS.until_s.is_(None), limit=1)
    if not running:
        raise NotFoundError(f"nothing measures for {service_point!r} at present")
    found = running[0]
    if until_s <= found.since_s:
        raise UsageError("an assignment ends after it begins; withdraw what never was")
    connection.execute(
        update(SERVICE_POINT_METER).where(here, _OURS.until_s.is_(None)).values(until_s=until_s)
    )
    note(connection, tenant, "meter", found.meter, at_s=at_s, detail={"changed": ["assignment"]})
    return Assignment(found.service_point, found.meter, found.customer, found.since_s, until_s)


def withdraw(
    connection: Connection, tenant: int, service_point: str, since_s: int, *, at_s: float
) -> None:
    """Take back an assignment that never was; what ended where it began stays ended."""
    point = known_point(connection, tenant, service_point)
    this = (_OURS.service_point == point.number) & (_OURS.since_s == since_s)
    found = _listed(connection, this, limit=1)
    if not found:
        raise NotFoundError(f"no assignment of {service_point!r} begins then")
    connection.execute(delete(SERVICE_POINT_METER).where(this))
    detail = {"changed": ["assignment"]}
    note(connection, tenant, "meter", found[0].meter, at_s=at_s, detail=detail)


def release(connection: Connection, meters: Iterable[int], at_s: int) -> None:
    """End what meters (rows) still measure for; an assignment of the future is withdrawn."""
    for some_numbers in chunks(meters):
        mine = _OURS.meter.in_(some_numbers)
        connection.execute(delete(SERVICE_POINT_METER).where(mine, _OURS.since_s >= at_s))
        running = or_(_OURS.until_s.is_(None), _OURS.until_s > at_s)
        connection.execute(update(SERVICE_POINT_METER).where(mine, running).values(until_s=at_s))


def holder_at(connection: Connection, meter: int, at_s: float) -> Assignment | None:
    """For whom and where a meter (row) measured at a moment."""
    found = _listed(connection, _OURS.meter == meter, _at(at_s), limit=1)
    return found[0] if found else None


def meter_at(
    connection: Connection, tenant: int, service_point: str, at_s: float
) -> Assignment | None:
    """What measured for a service point at a moment."""
    point = known_point(connection, tenant, service_point)
    found = _listed(connection, _OURS.service_point == point.number, _at(at_s), limit=1)
    return found[0] if found else None


def assignments(
    connection: Connection,
    tenant: int,
    *,
    service_point: str | None = None,
    meter: str | None = None,
    customer: str | None = None,
    where: ColumnElement[bool] | None = None,
    limit: int = 1000,
) -> list[Assignment]:
    """Assignments of a service point, a meter or a customer, oldest first.

    `where` is a condition on the table of meters.
    """
    conditions: list[ColumnElement[bool]] = [_OURS.tenant == tenant]
    if where is not None:
        conditions.append(where)
    if service_point is not None:
        point = known_point(connection, tenant, service_point)
        conditions.append(_OURS.service_point == point.number)
    if meter is not None:
        conditions.append(_OURS.meter == meter_number(connection, tenant, meter))
    if customer is not None:
        conditions.append(_OURS.customer == known_customer(connection, tenant, customer).number)
    return _listed(connection, *conditions, limit=limit)


def _at(at_s: float) -> ColumnElement[bool]:
    return (_OURS.since_s <= at_s) & or_(_OURS.until_s.is_(None), _OURS.until_s > at_s)


def _lock(connection: Connection, point: int, meter: int | None = None) -> None:
    """Let nobody else assign here before this transaction ends."""
    query = select(SERVICE_POINT.c.id).where(SERVICE_POINT.c.id == point)
    connection.execute(query.with_for_update(key_share=True))
    if meter is not None:
        other = select(METER.c.id).where(METER.c.id == meter)
        connection.execute(other.with_for_update(key_share=True))


def _listed(
    connection: Connection, *conditions: ColumnElement[bool], limit: int
) -> list[Assignment]:
    statement = (
        select(
            SERVICE_POINT.c.name.label("service_point"),
            METER.c.external_id.label("meter"),
            CUSTOMER.c.name.label("customer"),
            _OURS.since_s,
            _OURS.until_s,
        )
        .select_from(SERVICE_POINT_METER)
        .join(SERVICE_POINT, _OURS.service_point == SERVICE_POINT.c.id)
        .join(METER, _OURS.meter == METER.c.id)
        .outerjoin(CUSTOMER, _OURS.customer == CUSTOMER.c.id)
        .where(*conditions)
        .order_by(_OURS.since_s, SERVICE_POINT.c.name)
        .limit(limit)
    )
    rows: list[Any] = list(connection.execute(statement))
    return [Assignment(*row) for row in rows]
