"""Meters as the rooms tell of them: the list, and one meter's life, events and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, or_, select

from ferraris.data.readings import Event, Reading
from ferraris.headend.access.rights import Right
from ferraris.headend.page.look import Look
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    LIFE,
    METER,
    NODE,
    SERVICE_POINT,
    SERVICE_POINT_METER,
)
from ferraris.headend.store.tables.readings import REGISTER_READ

__all__ = [
    "Listed",
    "Point",
    "Session",
    "Step",
    "archive",
    "events",
    "listed",
    "node_name",
    "point",
    "registers",
    "sessions",
    "steps",
]

_DAY_S: Final = 86_400
_EVENT_DAYS: Final = 90
_READ_DAYS: Final = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of meters."""

    meter: str
    state: str
    node: str
    model: str
    firmware: str
    firmware_wanted: str
    heard_s: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """Where a meter measures, for whom, and in which zone; `customer` only for who may know."""

    name: str
    customer: str
    zone: str
    since_s: int


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with a meter."""

    started_s: float
    ended_s: float
    occasion: str
    outcome: str
    message: str
    intervals: int
    registers: int
    events: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a meter's life."""

    before: str
    after: str
    at_s: float
    reason: str
    by: str


def listed(
    look: Look, search: str, state: str, after: str, limit: int
) -> tuple[int, list[Listed], str]:
    """How many meters fit, those of a page in the order of their ids, and where it goes on."""
    fits = [look.desk.visible(Right.SEE_METERS)]
    if search:
        pattern = "%" + search.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        columns = (METER.c.external_id, METER.c.serial_number, METER.c.model, NODE.c.name)
        fits.append(
            or_(*(func.lower(column).like(pattern.lower(), escape="!") for column in columns))
        )
    if state:
        fits.append(METER.c.state == state)
    joined = METER.outerjoin(NODE, NODE.c.id == METER.c.node)
    count = look.connection.execute(
        select(func.count()).select_from(joined).where(*fits)
    ).scalar_one()
    query = (
        select(METER, NODE.c.name.label("node_name"))
        .select_from(joined)
        .where(*fits)
        .order_by(METER.c.external_id)
        .limit(limit + 1)
    )
    if after:
        query = query.where(METER.c.external_id > after)
    rows = look.connection.execute(query).all()
    found = [
        Listed(
            row.external_id,
            row.state,
            row.node_name or "",
            row.model,
            row.firmware,
            row.firmware_wanted,
            row.heard_s,
        )
        for row in rows[:limit]
    ]
    return int(count), found, found[-1].meter if len(rows) > limit else ""


def node_name(look: Look, meter: Any) -> str:
    """The segment at which a meter hangs."""
    if meter.node is None:
        return ""
    found = look.connection.execute(select(NODE.c.name).where(NODE.c.id == meter.node)).scalar()
    return str(found or "")


def point(look: Look, meter: Any) -> Point | None:
    """The service point at which a meter measures now."""
    row = look.connection.execute(
        select(
            SERVICE_POINT.c.name,
            SERVICE_POINT.c.zone,
            SERVICE_POINT_METER.c.since_s,
            CUSTOMER.c.name.label("customer"),
        )
        .select_from(SERVICE_POINT_METER)
        .join(SERVICE_POINT, SERVICE_POINT.c.id == SERVICE_POINT_METER.c.service_point)
        .outerjoin(CUSTOMER, CUSTOMER.c.id == SERVICE_POINT_METER.c.customer)
        .where(
            SERVICE_POINT_METER.c.meter == meter.id,
            SERVICE_POINT_METER.c.since_s <= look.now,
            or_(SERVICE_POINT_METER.c.until_s.is_(None), SERVICE_POINT_METER.c.until_s > look.now),
        )
        .order_by(SERVICE_POINT_METER.c.since_s.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    customer = row.customer or ""
    if not look.may(Right.SEE_READINGS):
        customer = ""
    return Point(row.name, customer, row.zone, row.since_s)


def archive(look: Look) -> Archive:
    """The readings of the caller's tenant."""
    return Archive(look.house.engine, look.caller.tenant)


def registers(look: Look, meter: Any) -> Sequence[Reading]:
    """The last read of every register, in the order of their names."""
    newest = look.connection.execute(
        select(func.max(REGISTER_READ.c.read_s)).where(REGISTER_READ.c.meter == meter.id)
    ).scalar()
    if newest is None:
        return []
    since = newest - _READ_DAYS * _DAY_S
    found = archive(look).registers(look.connection, meter.id, since, newest + 1)
    last = {str(reading.name): reading for reading in found}
    return [last[name] for name in sorted(last)]


def events(look: Look, meter: Any, limit: int) -> Sequence[Event]:
    """The newest events of the last months, the newest first."""
    until = int(look.now) + _DAY_S
    found = archive(look).events(look.connection, meter.id, until - _EVENT_DAYS * _DAY_S, until)
    return list(reversed(found[-limit:]))


def sessions(look: Look, meter: Any, limit: int) -> Sequence[Session]:
    """The last conversations, the newest first."""
    rows = look.connection.execute(
        select(SESSION)
        .where(SESSION.c.meter == meter.id)
        .order_by(SESSION.c.started_s.desc(), SESSION.c.id.desc())
        .limit(limit)
    )
    return [
        Session(
            row.started_s,
            row.ended_s,
            row.occasion,
            row.outcome,
            row.message,
            row.intervals,
            row.registers,
            row.events,
        )
        for row in rows
    ]


def steps(look: Look, meter: Any) -> Sequence[Step]:
    """The life of a meter, the newest step first."""
    rows = look.connection.execute(
        select(LIFE).where(LIFE.c.meter == meter.id).order_by(LIFE.c.id.desc())
    )
    return [Step(row.before or "", row.after, row.at_s, row.reason, row.by) for row in rows]
