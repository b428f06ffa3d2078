"""Readings that are there before their customer is known come under the customer's key, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, select

from ferraris.headend.privacy.edges import hand_over
from ferraris.headend.privacy.holding import Assigned, assignments, holder_of
from ferraris.headend.privacy.sealer import CustomerSealer
from ferraris.headend.store.blocks import DAY_S, day_of
from ferraris.headend.store.tables.readings import BLOCK, REGISTER_READ, UNDATED
from ferraris.headend.store.tables.validated import FINAL

__all__ = ["take_over"]


def take_over(connection: Connection, sealer: CustomerSealer, meter: int) -> int:
    """Seal a meter's readings under the keys of those whose they are by now; returns how many.

    For when an assignment is noted late, or put right, in the same transaction. The key store is
    asked only where there is something to seal; what was erased stays erased.
    """
    assigned = assignments(connection, [meter]).get(meter, [])
    done = 0
    for table, row, holder in list(_others(connection, meter, assigned)):
        if not done:  # makes the keys, of customers of this transaction as well
            days = {day for one in assigned for day in _beginning(one)}
            sealer.holders(connection, [(meter, day) for day in days])
        same = and_(*(column == getattr(row, column.name) for column in table.primary_key))
        whole = connection.execute(select(table).where(same)).one()
        done += hand_over(connection, sealer, table, whole, holder)
    return done


def _others(
    connection: Connection, meter: int, assigned: list[Assigned]
) -> Iterator[tuple[Table, Row[Any], int]]:
    """Places of bodies, without the bodies, that do not lie under their holder's key."""
    for one in assigned:
        for table in (BLOCK, REGISTER_READ, FINAL):
            days = table.c.day.between(one.since_s // DAY_S, (one.until_s - 1) // DAY_S)
            for row in _places(connection, table, table.c.day, meter, days):
                holder = holder_of(assigned, row.told)
                if holder not in (0, row.seal):
                    yield table, row, holder
        when = UNDATED.c.stored_s
        stored = when.between(one.since_s - DAY_S, one.until_s + DAY_S)
        for row in _places(connection, UNDATED, when, meter, stored):
            holder = holder_of(assigned, day_of(row.told))
            if holder not in (0, row.seal):
                yield UNDATED, row, holder


def _places(
    connection: Connection,
    table: Table,
    when: ColumnElement[Any],
    meter: int,
    within: ColumnElement[bool],
) -> Sequence[Row[Any]]:
    wanted: Select[Any] = select(*table.primary_key, table.c.seal, when.label("told"))
    return connection.execute(wanted.where(table.c.meter == meter, within)).all()


def _beginning(one: Assigned) -> tuple[int, int]:
    day = one.since_s // DAY_S
    return day, day + 1
