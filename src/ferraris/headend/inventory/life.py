"""Life-cycle moves: each leaves a row that says when, why and by whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.audit import Audit
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.assignments import release
from ferraris.headend.inventory.naming import chunks, some
from ferraris.headend.inventory.states import State, check_step
from ferraris.headend.store.changes import note_many
from ferraris.headend.store.tables.inventory import LIFE, METER

__all__ = ["Moved", "life_of", "move", "move_many"]

_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """One step of a life; `before` is None for the first."""

    before: State | None
    after: State
    at_s: float
    reason: str
    by: str


def move(
    connection: Connection,
    meter: int,
    to: State | str,
    *,
    reason: str,
    by: str,
    at_s: float,
    audit: Audit | None = None,
) -> None:
    """Move a meter (row) to another state; see `move_many`."""
    tenant = connection.execute(select(METER.c.tenant).where(METER.c.id == meter)).scalar()
    if tenant is None:
        raise NotFoundError("no such meter")
    move_many(connection, int(tenant), (meter,), to, reason=reason, by=by, at_s=at_s, audit=audit)


def move_many(
    connection: Connection,
    tenant: int,
    meters: Iterable[int],
    to: State | str,
    *,
    reason: str,
    by: str,
    at_s: float,
    audit: Audit | None = None,
) -> None:
    """Move meters (rows) to another state, all or none.

    Raises `ConflictError` for a step that the table of states does not have, and for retiring a
    host before what stands behind it. Who is retired measures for nobody any more. `audit` writes
    a line; operations leave it out, since theirs is written anyway.
    """
    after = _state(to)
    if len(reason) > _REASON_CHARACTERS:
        raise UsageError(f"a reason has at most {_REASON_CHARACTERS} characters")
    rows = _locked(connection, tenant, meters)
    for row in rows:
        check_step(State(row.state), after, row.external_id)
    numbers = [row.id for row in rows]
    if after is State.RETIRED:
        _check_hosts(connection, numbers)
        release(connection, numbers, int(at_s))
    for some_numbers in chunks(numbers):
        connection.execute(
            update(METER)
            .where(METER.c.id.in_(some_numbers))
            .values(state=after.value, version=METER.c.version + 1, changed_s=int(at_s))
        )
    step = {"tenant": tenant, "after": after.value, "at_s": at_s, "reason": reason, "by": by}
    if rows:
        connection.execute(
            insert(LIFE), [{**step, "meter": row.id, "before": row.state} for row in rows]
        )
    names = [row.external_id for row in rows]
    note_many(connection, tenant, "meter", names, at_s=at_s, detail={"state": after.value})
    if audit is not None and names:
        audit(
            connection,
            tenant=tenant,
            principal=by,
            action="move meter",
            subject=some(names),
            detail={"to": after.value, "meters": len(names), "reason": reason},
            at_s=at_s,
        )


def life_of(connection: Connection, meter: int) -> list[Moved]:
    """All steps of a meter (row), oldest first."""
    rows = connection.execute(select(LIFE).where(LIFE.c.meter == meter).order_by(LIFE.c.id))
    return [
        Moved(
            State(row.before) if row.before else None,
            State(row.after),
            row.at_s,
            row.reason,
            row.by,
        )
        for row in rows
    ]


def _state(to: State | str) -> State:
    try:
        return State(to)
    except ValueError:
        words = ", ".join(State)
        raise UsageError(f"no state {to!r}; there are {words}") from None


def _locked(connection: Connection, tenant: int, meters: Iterable[int]) -> list[Any]:
    """The rows, which nobody else moves before this transaction ends."""
    wanted = sorted(set(meters))
    rows: list[Any] = []
    for some_numbers in chunks(wanted):
        rows += connection.execute(
            select(METER.c.id, METER.c.external_id, METER.c.state)
            .where(METER.c.tenant == tenant, METER.c.id.in_(some_numbers))
            .order_by(METER.c.id)
            .with_for_update()
        )
    if len(rows) != len(wanted):
        raise NotFoundError("one of the meters is not there")
    return rows


def _check_hosts(connection: Connection, numbers: list[int]) -> None:
    retiring = set(numbers)
    for some_numbers in chunks(numbers):
        rows = connection.execute(
            select(METER.c.id, METER.c.external_id).where(
                METER.c.behind.in_(some_numbers), METER.c.state != State.RETIRED.value
            )
        )
        left = [name for number, name in rows if number not in retiring]
        if left:
            raise ConflictError(f"{some(left)} still stand behind: retire or move them first")
