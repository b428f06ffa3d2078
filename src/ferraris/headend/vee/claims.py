"""Who is at what: due days are claimed for a while, so two heads do not do the same work.

A claim only spares work. That nothing is lost rests on `marks`: a due day goes when what was made
of it is written, and only if nobody has marked it again since it was claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)

from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.validated import VEE_DUE

__all__ = [
    "NOTHING_CAME",
    "Due",
    "claim",
    "count_due",
    "give_back",
    "next_tenant",
    "settle",
    "unsettle",
]

NOTHING_CAME = "nothing came"
"""Reason of a day that is wanted although there are no readings of it."""

_WINDOW = 500  # lines of one statement
_KEY = (VEE_DUE.c.meter, VEE_DUE.c.profile, VEE_DUE.c.day)


class Due(NamedTuple):
    """One claimed line of the queue; `day` is the UTC day of a block, or `local`."""

    tenant: int
    meter: int
    profile: int
    day: int
    local: bool
    reason: str
    since_s: float
    marks: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What makes the line this one."""
        return self.meter, self.profile, self.day


def next_tenant(connection: Connection, now: float) -> int | None:
    """A tenant with due days that nobody is at; None when there is none."""
    query = select(VEE_DUE.c.tenant).where(_free(now)).order_by(VEE_DUE.c.tenant).limit(1)
    return connection.execute(query).scalar()


def claim(
    connection: Connection, tenant: int, most: int, *, now: float, lease_s: float
) -> list[Due]:  # fmt: skip
    """Claim up to `most` due days of a tenant until `lease_s` from now."""
    among = (
        select(*_KEY)
        .where(VEE_DUE.c.tenant == tenant, _free(now))
        .order_by(*_KEY)  # whole meters, as adjacent days touch each other
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(VEE_DUE)
        .where(tuple_(*_KEY).in_(among))
        .values(claimed_until_s=now + lease_s)
        .returning(
            VEE_DUE.c.tenant,
            VEE_DUE.c.meter,
            VEE_DUE.c.profile,
            VEE_DUE.c.day,
            VEE_DUE.c.local,
            VEE_DUE.c.reason,
            VEE_DUE.c.since_s,
            VEE_DUE.c.marks,
        )
    )
    found = [Due(*row)._replace(local=bool(row.local)) for row in rows]
    return sorted(found, key=lambda due: due.key)


def settle(connection: Connection, done: Sequence[Due]) -> set[tuple[int, int, int]]:
    """Take done days off the queue; returns the keys of those that were marked again meanwhile.

    Nor does it wait for whoever is about to mark one: two that wait for each other would not end.
    """
    return {due.key for due in done} - _delete(connection, done)


def unsettle(connection: Connection, keys: Iterable[tuple[int, int, int]]) -> None:
    """Mark claimed days of others once more, so that they run again; waits for nobody."""
    for key in _locked(connection, sorted(keys)):
        connection.execute(
            update(VEE_DUE)
            .where(tuple_(*_KEY).in_([key]))
            .values(marks=VEE_DUE.c.marks + 1, claimed_until_s=None)
        )


def give_back(connection: Connection, keys: Iterable[tuple[int, int, int]]) -> None:
    """Free claimed days for whoever comes next."""
    rows = [{"m": meter, "p": profile, "d": day} for meter, profile, day in sorted(keys)]
    if rows:
        connection.execute(
            update(VEE_DUE)
            .where(
                VEE_DUE.c.meter == bindparam("m"),
                VEE_DUE.c.profile == bindparam("p"),
                VEE_DUE.c.day == bindparam("d"),
            )
            .values(claimed_until_s=None),
            rows,
        )


def count_due(connection: Connection, among: ColumnElement[bool]) -> int:
    """How many days of meters wait, claimed ones included; `among` is a condition on `meter`."""
    query = select(func.count()).select_from(VEE_DUE).join(METER, METER.c.id == VEE_DUE.c.meter)
    return int(connection.execute(query.where(among)).scalar_one())


def _free(now: float) -> ColumnElement[bool]:
    return or_(VEE_DUE.c.claimed_until_s.is_(None), VEE_DUE.c.claimed_until_s <= now)


def _delete(connection: Connection, done: Sequence[Due]) -> set[tuple[int, int, int]]:
    """Delete the lines that are as they were claimed; their keys."""
    found: set[tuple[int, int, int]] = set()
    for start in range(0, len(done), _WINDOW):
        some = done[start : start + _WINDOW]
        unchanged = tuple_(*_KEY, VEE_DUE.c.marks, VEE_DUE.c.since_s).in_(
            [(*due.key, due.marks, due.since_s) for due in some]
        )
        keys = _locked(connection, [due.key for due in some], unchanged)
        if keys:
            connection.execute(delete(VEE_DUE).where(tuple_(*_KEY).in_(keys)))
        found.update(keys)
    return found


def _locked(
    connection: Connection,
    keys: Sequence[tuple[int, int, int]],
    where: ColumnElement[bool] | None = None,
) -> list[tuple[int, int, int]]:
    """Lock the lines that nobody else has locked; their keys."""
    if not keys:
        return []
    query = select(*_KEY).where(tuple_(*_KEY).in_(keys) if where is None else where)
    rows = connection.execute(query.order_by(*_KEY).with_for_update(skip_locked=True))
    return [(row[0], row[1], row[2]) for row in rows]
