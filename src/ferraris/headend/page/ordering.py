"""Reading a meter now: an operator's command, put before all plans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.plan import REGISTERS, Item
from ferraris.headend.operations import Caller, ConflictError, Desk, House, Operation
from ferraris.headend.operations.collecting import NewCommand, put_new_command
from ferraris.headend.operations.performing import perform
from ferraris.headend.store.tables.collecting import ITEM, PLAN_ITEM, PLAN_METER

__all__ = ["read_now"]

_KIND: Final = "read registers"
_PATIENCE_S: Final = 900
_USUAL: Final = ("0-0:1.0.0*255", "1-0:1.8.0*255", "1-0:2.8.0*255")
_MOST: Final = 200


def read_now(house: House, caller: Caller, external_id: str) -> None:
    """Ask for the registers that the meter's plans want.

    Raises `ForbiddenError`, `NotFoundError`, and `ConflictError` for a meter that is not active.
    """
    with house.engine.reading() as connection:
        desk = Desk(house, caller, connection)
        desk.demand(Right.COMMAND)
        meter = desk.meter(external_id, Right.COMMAND)
        if meter.state != "active":
            raise ConflictError(f"{external_id} is {meter.state}: only active meters are read")
        names = _names(connection, meter)
    until = datetime.fromtimestamp(house.clock() + _PATIENCE_S, UTC)
    command = NewCommand(_KIND, {"names": names}, not_after=until)
    operation: Operation = put_new_command.operation  # type: ignore[attr-defined]
    perform(house, caller, operation, {"meter": external_id, "body": command})


def _names(connection: Connection, meter: Any) -> list[str]:
    """The registers of all plans of the meter, or else those that every meter has."""
    rows = connection.execute(
        select(ITEM.c.name)
        .join(PLAN_ITEM, PLAN_ITEM.c.item == ITEM.c.id)
        .join(PLAN_METER, PLAN_METER.c.plan == PLAN_ITEM.c.plan)
        .where(
            PLAN_METER.c.meter == meter.id,
            PLAN_METER.c.until_day.is_(None),
            ITEM.c.kind == REGISTERS,
        )
        .order_by(ITEM.c.id)
    )
    wanted = [name for row in rows for name in Item(REGISTERS, row.name).registers]
    return list(dict.fromkeys(wanted))[:_MOST] or list(_USUAL)
