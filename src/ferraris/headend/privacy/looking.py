"""Looks at readings of customers: whether one has to be noted, what is noted, and where it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, or_, select

from ferraris.headend.audit.looked_at import AMONG, means
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import SERVICE_POINT_METER as ASSIGNMENT

__all__ = ["Looked", "concerns_customer", "look_detail", "looks_at"]

_PERIOD: Final = "readings"
_WINDOW: Final = 500


class Looked(NamedTuple):
    """A line that means a meter; `period` is from when the readings were, None where unsaid."""

    at_s: float
    action: str
    period: tuple[int, int] | None


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


def looks_at(connection: Connection, tenant: int, meter: int, name: str) -> Iterator[Looked]:
    """The lines of what was done that mean a meter, by its name or among others, oldest first."""
    wanted = select(AUDIT.c.at_s, AUDIT.c.action, AUDIT.c.subject, AUDIT.c.detail).where(
        AUDIT.c.tenant == tenant,
        AUDIT.c.outcome == "done",
        or_(AUDIT.c.subject == name, AUDIT.c.detail.contains(f'"{AMONG}":"')),
    )
    meant: dict[str, bool] = {}
    for row in connection.execute(wanted.order_by(AUDIT.c.at_s, AUDIT.c.chain, AUDIT.c.sequence)):
        detail = json.loads(row.detail or "{}")
        among = detail.get(AMONG)
        if among is not None and among not in meant:
            meant[among] = means(connection, tenant, among, meter)
        # A group may have the name of a meter.
        if row.subject == name if among is None else meant[among]:
            yield Looked(float(row.at_s), row.action, _period_of(detail))


def _period_of(detail: Mapping[str, Any]) -> tuple[int, int] | None:
    found = detail.get(_PERIOD)
    if not isinstance(found, list) or len(found) != 2:
        return None
    return int(found[0]), int(found[1])
