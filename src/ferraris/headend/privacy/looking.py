"""Looks at readings of customers: whether one has to be noted, and what is noted of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from ferraris.headend.store.tables.inventory import SERVICE_POINT_METER as ASSIGNMENT

__all__ = ["concerns_customer", "look_detail", "period_of"]

_PERIOD: Final = "readings"
_WINDOW: Final = 500


def concerns_customer(
    connection: Connection, meters: Collection[int], since_s: int, until_s: int
) -> bool:
    """Whether any of the meters measured for a customer in the time between."""
    numbers = list(meters)
    for at in range(0, len(numbers), _WINDOW):
        found = connection.execute(
            select(ASSIGNMENT.c.meter)
            .where(
                ASSIGNMENT.c.meter.in_(numbers[at : at + _WINDOW]),
                ASSIGNMENT.c.customer.is_not(None),
                ASSIGNMENT.c.since_s < until_s,
                or_(ASSIGNMENT.c.until_s.is_(None), ASSIGNMENT.c.until_s > since_s),
            )
            .limit(1)
        ).scalar()
        if found is not None:
            return True
    return False


def look_detail(since_s: int, until_s: int) -> dict[str, Any]:
    """What the line of a look says: from when the readings were; whose they were is its subject."""
    return {_PERIOD: [since_s, until_s]}


def period_of(detail: Mapping[str, Any]) -> tuple[int, int] | None:
    """The time that a line of the audit log speaks of; None for a line that is no look."""
    found = detail.get(_PERIOD)
    if not isinstance(found, list) or len(found) != 2:
        return None
    return int(found[0]), int(found[1])
