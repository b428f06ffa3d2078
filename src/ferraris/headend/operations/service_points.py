"""Operations on service points, customers, and who measures for whom.

Names of customers are shown to those who may see readings, and each look is audited.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from sqlalchemy import select

from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, page
from ferraris.headend.operations.privacy import sealer_of
from ferraris.headend.privacy import take_over
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "AssignmentDocument",
    "AssignmentView",
    "CustomerDocument",
    "CustomerView",
    "Ending",
    "ServicePointChange",
    "ServicePointDocument",
    "ServicePointView",
    "add_customer",
    "add_service_point",
    "assign_meter",
    "change_service_point",
    "end_assignment",
    "list_assignments",
    "list_customers",
    "list_service_points",
    "withdraw_assignment",
]


@dataclass(frozen=True, slots=True)
class ServicePointView:
    """Where energy is delivered; its local days are those of its zone."""

    service_point: str
    zone: str
    commodity: str


@dataclass(frozen=True, slots=True)
class ServicePointDocument:
    """A service point to be added."""

    service_point: str
    zone: Annotated[str, "IANA name."] = "UTC"
    commodity: Annotated[str, "electricity, gas, water, heat, cooling or other."] = "electricity"


@dataclass(frozen=True, slots=True)
class ServicePointChange:
    """What shall be different; what is left out stays."""

    zone: str | None = None
    commodity: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """For whom energy is delivered, as the utility calls them."""

    customer: str
    erased: datetime | None


@dataclass(frozen=True, slots=True)
class CustomerDocument:
    """A customer to be added: a number or pseudonym rather than a name."""

    customer: str


@dataclass(frozen=True, slots=True)
class AssignmentView:
    """A meter measures for a service point; `customer` is left out for who may not see it."""

    service_point: str
    meter: str
    since: datetime
    until: datetime | None
    customer: str | None


@dataclass(frozen=True, slots=True)
class AssignmentDocument:
    """From when a meter measures for a service point; what did so before ends then."""

    service_point: str
    meter: str
    since: datetime
    customer: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """When the assignment of a service point ends."""

    until: datetime


@operation("GET /service-points", command="service-points list", right=Right.SEE_METERS)
def list_service_points(desk: Desk, after: str = "", limit: int = 100) -> Page[ServicePointView]:
    """List service points in the order of their names."""
    desk.demand_everywhere(Right.SEE_METERS)
    found = inventory.service_points(
        desk.connection, desk.tenant, after=after, limit=checked_limit(limit) + 1
    )
    return page(found, limit, _point, lambda each: each.name)


@operation("POST /service-points", command="service-points add", right=Right.MANAGE_METERS)
def add_service_point(desk: Desk, body: ServicePointDocument) -> ServicePointView:
    """Add a service point."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = body.service_point
    made = inventory.create_service_point(
        desk.connection,
        desk.tenant,
        body.service_point,
        zone=body.zone,
        commodity=body.commodity,
    )
    return _point(made)


@operation(
    "PATCH /service-points/{service_point}",
    command="service-points change",
    right=Right.MANAGE_METERS,
)
def change_service_point(
    desk: Desk, service_point: str, body: ServicePointChange
) -> ServicePointView:
    """Change the zone or the commodity of a service point."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    given = {"zone": body.zone, "commodity": body.commodity}
    values = {name: value for name, value in given.items() if value is not None}
    desk.detail |= values
    made = inventory.change_service_point(desk.connection, desk.tenant, service_point, values)
    return _point(made)


@operation("GET /customers", command="customers list", right=Right.SEE_READINGS)
def list_customers(desk: Desk, after: str = "", limit: int = 100) -> Page[CustomerView]:
    """List customers in the order of their names; the look is audited."""
    desk.demand_everywhere(Right.SEE_READINGS)
    desk.looks["customers"] = {}
    found = inventory.customers(
        desk.connection, desk.tenant, after=after, limit=checked_limit(limit) + 1
    )
    return page(found, limit, _customer, lambda each: each.name)


@operation("POST /customers", command="customers add", right=Right.MANAGE_METERS)
def add_customer(desk: Desk, body: CustomerDocument) -> CustomerView:
    """Add a customer."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = body.customer
    return _customer(inventory.create_customer(desk.connection, desk.tenant, body.customer))


@operation("GET /assignments", command="assignments list", right=Right.SEE_METERS)
def list_assignments(
    desk: Desk,
    service_point: str = "",
    meter: str = "",
    customer: Annotated[str, "For those who may see all readings."] = "",
    limit: int = 100,
) -> list[AssignmentView]:
    """List who measured for whom and when, oldest first; names of customers are audited."""
    if meter:
        desk.meter(meter, Right.SEE_METERS)
    if customer:
        desk.demand_everywhere(Right.SEE_READINGS)
        desk.looks[customer] = {}
    found = inventory.assignments(
        desk.connection,
        desk.tenant,
        service_point=service_point or None,
        meter=meter or None,
        customer=customer or None,
        where=desk.visible(Right.SEE_METERS),
        limit=checked_limit(limit),
    )
    if service_point and not found and desk.caller.rights[Right.SEE_METERS] is not None:
        # Whether there is one is not for those who see some meters, and none of its own.
        raise NotFoundError(f"no service point {service_point!r}")
    open_to = _readable(desk, {each.meter for each in found})
    shown = [_assignment(each, open_to) for each in found]
    desk.looks |= {each.customer: {} for each in shown if each.customer is not None}
    return shown


@operation("POST /assignments", command="assignments add", right=Right.MANAGE_METERS)
def assign_meter(desk: Desk, body: AssignmentDocument) -> AssignmentView:
    """Let a meter measure for a service point and a customer, in place of what did before."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = f"{body.service_point}/{body.meter}"
    made = inventory.assign(
        desk.connection,
        desk.tenant,
        body.service_point,
        body.meter,
        customer=body.customer,
        since_s=_seconds(body.since),
        until_s=None if body.until is None else _seconds(body.until),
        at_s=desk.now,
    )
    if body.customer is not None:  # what was read before this was noted is theirs as well
        number = inventory.meter_number(desk.connection, desk.tenant, body.meter)
        desk.detail["sealed"] = take_over(desk.connection, sealer_of(desk), number)
    return _assignment(made, {body.meter})


@operation(
    "POST /service-points/{service_point}/end", command="assignments end", right=Right.MANAGE_METERS
)
def end_assignment(desk: Desk, service_point: str, body: Ending) -> AssignmentView:
    """End what measures for a service point."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    until_s = _seconds(body.until)
    made = inventory.end(desk.connection, desk.tenant, service_point, until_s, at_s=desk.now)
    desk.detail["meter"] = made.meter
    return _assignment(made, set())


@operation(
    "DELETE /service-points/{service_point}/assignments/{since}",
    command="assignments withdraw",
    right=Right.MANAGE_METERS,
)
def withdraw_assignment(desk: Desk, service_point: str, since: datetime) -> None:
    """Take back an assignment that never was."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    inventory.withdraw(desk.connection, desk.tenant, service_point, _seconds(since), at_s=desk.now)


def _readable(desk: Desk, meters: set[str]) -> set[str]:
    """Those of the meters whose readings the caller may see."""
    if Right.SEE_READINGS not in desk.caller.rights or not meters:
        return set()
    where = desk.visible(Right.SEE_READINGS) & METER.c.external_id.in_(meters)
    return set(desk.connection.execute(select(METER.c.external_id).where(where)).scalars())


def _seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _point(each: inventory.ServicePoint) -> ServicePointView:
    return ServicePointView(each.name, each.zone, each.commodity)


def _customer(each: inventory.Customer) -> CustomerView:
    erased = None if each.erased_s is None else datetime.fromtimestamp(each.erased_s, UTC)
    return CustomerView(each.name, erased)


def _assignment(each: inventory.Assignment, open_to: set[str]) -> AssignmentView:
    return AssignmentView(
        each.service_point,
        each.meter,
        datetime.fromtimestamp(each.since_s, UTC),
        None if each.until_s is None else datetime.fromtimestamp(each.until_s, UTC),
        each.customer if each.meter in open_to else None,
    )
