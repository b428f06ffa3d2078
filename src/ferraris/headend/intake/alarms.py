"""Alarms of meters in the store: raised, repeated, over; acknowledged by somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.readings import ALARM

__all__ = ["LAST_GASP", "Signal", "acknowledge", "signal"]

LAST_GASP = "last gasp"
"""The alarm of a meter that lost its power; over when it is heard again."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a meter said at a moment: which alarms it has, and which it says it has not."""

    meter: int
    external_id: str
    at_s: float
    alarms: Mapping[str, bool]


def signal(
    connection: Connection, tenant: int, signals: Iterable[Signal], *, source: str = "push"
) -> int:
    """Raise, repeat and clear, in the order given; returns how many alarms were raised.

    An alarm that lasts is one row, however often it is told. One that was acknowledged and is not
    over stays acknowledged.
    """
    told = list(signals)
    raised = 0
    lasting = _lasting(connection, tenant, {each.meter for each in told})
    for each in told:
        for name, is_on in each.alarms.items():
            key = (each.meter, name)
            number = lasting.get(key)
            if is_on and number is None:
                lasting[key] = _raise(connection, tenant, each, name, source)
                raised += 1
            elif is_on:
                connection.execute(
                    update(ALARM)
                    .where(ALARM.c.id == number)
                    .values(last_s=each.at_s, times=ALARM.c.times + 1)
                )
            elif number is not None:
                connection.execute(
                    update(ALARM).where(ALARM.c.id == number).values(cleared_s=each.at_s)
                )
                del lasting[key]
                _tell(connection, tenant, each, name, "cleared")
    return raised


def acknowledge(connection: Connection, tenant: int, number: int, by: str, at_s: float) -> bool:
    """Somebody has seen it; False when there is no such alarm or somebody had before."""
    changed = connection.execute(
        update(ALARM)
        .where(ALARM.c.tenant == tenant, ALARM.c.id == number, ALARM.c.acknowledged_s.is_(None))
        .values(acknowledged_s=at_s, acknowledged_by=by)
    )
    return bool(changed.rowcount)


def _lasting(connection: Connection, tenant: int, meters: set[int]) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    listed = sorted(meters)
    for start in range(0, len(listed), 500):
        rows = connection.execute(
            select(ALARM.c.id, ALARM.c.meter, ALARM.c.name).where(
                ALARM.c.tenant == tenant,
                ALARM.c.meter.in_(listed[start : start + 500]),
                ALARM.c.cleared_s.is_(None),
            )
        )
        found |= {(row.meter, row.name): row.id for row in rows}
    return found


def _raise(connection: Connection, tenant: int, told: Signal, name: str, source: str) -> int:
    values: dict[str, Any] = {
        "tenant": tenant,
        "meter": told.meter,
        "name": name,
        "source": source,
        "raised_s": told.at_s,
        "last_s": told.at_s,
        "times": 1,
    }
    number = connection.execute(insert(ALARM).values(values).returning(ALARM.c.id)).scalar_one()
    _tell(connection, tenant, told, name, "raised")
    return int(number)


def _tell(connection: Connection, tenant: int, told: Signal, name: str, what: str) -> None:
    detail = {"alarm": name, "state": what}
    note(connection, tenant, "alarm", told.external_id, at_s=told.at_s, detail=detail)
