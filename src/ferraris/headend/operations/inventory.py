"""Operations on meters: the list, one of them, its life, and what many should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from sqlalchemy import ColumnElement, func, select

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.meter_documents import (
    QUERY,
    Awake,
    MeterChange,
    MeterDocument,
    MeterLine,
    MeterView,
    Move,
    Moved,
    MoveMany,
    Placing,
    StateCount,
    Touched,
    Wanted,
)
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, page
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "Awake",
    "MeterChange",
    "MeterDocument",
    "MeterLine",
    "MeterView",
    "Move",
    "MoveMany",
    "Moved",
    "Placing",
    "StateCount",
    "Touched",
    "Wanted",
    "add_meter",
    "change_meter",
    "count_meters",
    "list_meters",
    "move_meter",
    "move_meters",
    "place_meters",
    "set_hours",
    "show_life",
    "show_meter",
    "want_software",
]

_CLEARED: Final = ("node", "behind")


@operation("GET /meters", command="meters list", right=Right.SEE_METERS)
def list_meters(
    desk: Desk,
    query: Annotated[str, QUERY] = "",
    group: Annotated[str, "Only the members of a group."] = "",
    after: str = "",
    limit: int = 100,
) -> Page[MeterLine]:
    """List meters in the order of their ids."""
    found = inventory.meters(
        desk.connection,
        desk.tenant,
        where=_selected(desk, Right.SEE_METERS, query, group),
        after=after,
        limit=checked_limit(limit) + 1,
    )
    return page(found, limit, _line, lambda each: each.external_id)


@operation("GET /meter-counts", command="meters count", right=Right.SEE_METERS)
def count_meters(
    desk: Desk, query: Annotated[str, QUERY] = "", group: str = ""
) -> list[StateCount]:
    """Count meters by their states."""
    statement = (
        select(METER.c.state, func.count())
        .where(_selected(desk, Right.SEE_METERS, query, group))
        .group_by(METER.c.state)
    )
    counted = {row[0]: row[1] for row in desk.connection.execute(statement)}
    return [StateCount(state, counted.get(state, 0)) for state in inventory.State]


@operation("GET /meters/{meter}", command="meters show", right=Right.SEE_METERS)
def show_meter(desk: Desk, meter: str) -> MeterView:
    """Show a meter."""
    desk.meter(meter, Right.SEE_METERS)
    return _view(inventory.meter(desk.connection, desk.tenant, meter))


@operation("POST /meters", command="meters add", right=Right.MANAGE_METERS)
def add_meter(desk: Desk, body: MeterDocument) -> MeterView:
    """Add a meter, which is known then and nothing more."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    desk.subject = body.meter
    values = {each.name: getattr(body, each.name) for each in fields(body)}
    values["external_id"] = values.pop("meter")
    new = inventory.NewMeter(**_read(values))
    who = desk.caller.name
    inventory.enrol(desk.connection, desk.tenant, [new], at_s=desk.now, by=who, reason="added")
    return _view(inventory.meter(desk.connection, desk.tenant, body.meter))


@operation("PATCH /meters/{meter}", command="meters change", right=Right.MANAGE_METERS)
def change_meter(desk: Desk, meter: str, body: MeterChange) -> MeterView:
    """Change what the inventory has of a meter."""
    desk.meter(meter, Right.MANAGE_METERS)
    values = {
        each.name: value
        for each in fields(body)
        if each.name != "version" and (value := getattr(body, each.name)) is not None
    }
    for name in _CLEARED:
        if values.get(name) == "":
            values[name] = None
    if values.get("behind") is not None:
        desk.meter(values["behind"], Right.MANAGE_METERS)
    desk.detail["fields"] = sorted(values)
    changed = inventory.change(
        desk.connection, desk.tenant, meter, _read(values), at_s=desk.now, version=body.version
    )
    return _view(changed)


@operation("POST /meters/{meter}/move", command="meters move", right=Right.MANAGE_METERS)
def move_meter(desk: Desk, meter: str, body: Move) -> MeterView:
    """Let the life of a meter go on: known, installed, active, suspended, retired."""
    row = desk.meter(meter, Right.MANAGE_METERS)
    desk.detail |= {"to": body.to, "reason": body.reason}
    _move(desk, [row.id], body.to, body.reason)
    return _view(inventory.meter(desk.connection, desk.tenant, meter))


@operation("POST /meters/move", command="meters move-many", right=Right.MANAGE_METERS)
def move_meters(desk: Desk, body: MoveMany) -> Touched:
    """Let the lives of all meters that a query finds go on, or of none."""
    numbers = _numbers(desk, body.query)
    desk.detail |= {"to": body.to, "reason": body.reason, "meters": len(numbers)}
    _move(desk, numbers, body.to, body.reason)
    return Touched(len(numbers))


@operation("GET /meters/{meter}/life", command="meters life", right=Right.SEE_METERS)
def show_life(desk: Desk, meter: str) -> list[Moved]:
    """Show every step in the life of a meter, with its reason."""
    row = desk.meter(meter, Right.SEE_METERS)
    return [
        Moved(each.before or "", each.after, _moment(each.at_s), each.reason, each.by)
        for each in inventory.life_of(desk.connection, row.id)
    ]


@operation("POST /meters/place", command="meters place", right=Right.MANAGE_METERS)
def place_meters(desk: Desk, body: Placing) -> Touched:
    """Move the meters that a query finds, and what is behind them, to another node."""
    numbers = _numbers(desk, body.query, METER.c.behind.is_(None))
    desk.detail |= {"node": body.node, "meters": len(numbers)}
    inventory.place(desk.connection, desk.tenant, numbers, body.node or None, at_s=desk.now)
    return Touched(len(numbers))


@operation("POST /meters/want", command="meters want", right=Right.MANAGE_METERS)
def want_software(desk: Desk, body: Wanted) -> Touched:
    """Tell which firmware or configuration the meters that a query finds should have."""
    numbers = _numbers(desk, body.query)
    wanted = {"firmware": body.firmware, "configuration": body.configuration}
    desk.detail |= {key: value for key, value in wanted.items() if value is not None}
    desk.detail["meters"] = len(numbers)
    inventory.set_wanted(desk.connection, desk.tenant, numbers, **wanted, at_s=desk.now)
    return Touched(len(numbers))


@operation("POST /meters/awake", command="meters awake", right=Right.MANAGE_METERS)
def set_hours(desk: Desk, body: Awake) -> Touched:
    """Tell at which hours the meters that a query finds can be called."""
    numbers = _numbers(desk, body.query)
    desk.detail |= {"awake": body.awake, "meters": len(numbers)}
    inventory.set_awake(desk.connection, desk.tenant, numbers, body.awake, at_s=desk.now)
    return Touched(len(numbers))


def _selected(desk: Desk, right: Right, query: str, group: str = "") -> ColumnElement[bool]:
    found = desk.visible(right)
    if query:
        found &= inventory.condition_of(inventory.parse_query(query), desk.tenant)
    if group:
        found &= METER.c.id.in_(inventory.group_selection(desk.connection, desk.tenant, group))
    return found


def _numbers(desk: Desk, query: str, *further: ColumnElement[bool]) -> list[int]:
    if not query.strip():
        raise UsageError("query: which meters? all of them is all")
    desk.subject = query[:200]
    statement = select(METER.c.id).where(_selected(desk, Right.MANAGE_METERS, query), *further)
    return list(desk.connection.execute(statement.order_by(METER.c.id)).scalars())


def _move(desk: Desk, numbers: list[int], to: str, reason: str) -> None:
    inventory.move_many(
        desk.connection,
        desk.tenant,
        numbers,
        to,
        reason=reason,
        by=desk.caller.name,
        at_s=desk.now,
    )


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(values)
    if "system_title" in read:
        try:
            read["system_title"] = bytes.fromhex(read["system_title"])
        except ValueError:
            raise UsageError("system_title: 16 hexadecimal digits") from None
    return read


def _line(each: inventory.Meter) -> MeterLine:
    return MeterLine(
        each.external_id,
        each.kind,
        each.state,
        each.maker,
        each.model,
        each.serial_number,
        each.medium,
        each.node,
        each.behind,
        each.channel,
        each.contact,
        each.firmware,
        _heard(each),
        each.version,
    )


def _view(each: inventory.Meter) -> MeterView:
    values: dict[str, Any] = {
        place.name: getattr(each, place.name)
        for place in fields(MeterView)
        if hasattr(each, place.name)
    }
    values |= {
        "meter": each.external_id,
        "system_title": each.system_title.hex(),
        "labels": dict(each.labels),
        "created": _moment(each.created_s),
        "changed": _moment(each.changed_s),
        "heard": _heard(each),
    }
    return MeterView(**values)


def _heard(each: inventory.Meter) -> datetime | None:
    return None if each.heard_s is None else _moment(each.heard_s)


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
