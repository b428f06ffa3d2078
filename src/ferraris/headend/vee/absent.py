"""Days of which nothing came at all: they get estimates, too, once nobody expects them any more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, exists, select
from sqlalchemy.orm import aliased

from ferraris.headend.store.due import mark_due
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.claims import NOTHING_CAME
from ferraris.headend.vee.local_days import DAY_S

__all__ = ["mark_absent"]

_KNOWN_DAYS = 14
_LET_BE = ("known", "suspended", "retired")


def mark_absent(connection: Connection, now: float, patience_s: float, days: int = 3) -> int:
    """Mark the last `days` that ended longer ago than that, of profiles that had final days before.

    Not those of meters that are suspended or retired, or not installed yet. Returns how many.
    """
    last = int((now - patience_s) // DAY_S) - 1
    marked = 0
    for day in range(last - days + 1, last + 1):
        marked += _mark(connection, day, now)
    return marked


def _mark(connection: Connection, day: int, now: float) -> int:
    there = aliased(FINAL)
    query = (
        select(FINAL.c.tenant, FINAL.c.meter, FINAL.c.profile)
        .distinct()
        .join(METER, METER.c.id == FINAL.c.meter)
        .where(
            FINAL.c.day.between(day - _KNOWN_DAYS, day - 1),
            METER.c.state.not_in(_LET_BE),
            ~exists().where(
                and_(
                    there.c.meter == FINAL.c.meter,
                    there.c.profile == FINAL.c.profile,
                    there.c.day == day,
                )
            ),
        )
    )
    tenants: dict[int, set[tuple[int, int, int]]] = {}
    for tenant, meter, profile in connection.execute(query):
        tenants.setdefault(tenant, set()).add((meter, profile, day))
    return sum(_put(connection, tenant, keys, now) for tenant, keys in sorted(tenants.items()))


def _put(
    connection: Connection, tenant: int, keys: Collection[tuple[int, int, int]], now: float
) -> int:  # fmt: skip
    return mark_due(connection, tenant, keys, reason=NOTHING_CAME, at_s=now, local=True)
