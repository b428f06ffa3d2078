"""What a round of the night came to, counted in the store."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ferraris.headend.demo.told import Success
from ferraris.headend.store.tables.collecting import PLAN, READ_SUCCESS
from ferraris.headend.store.tables.validated import FINAL

__all__ = ["finals_of", "success_of"]


def success_of(connection: Connection, tenant: int, plan_name: str, day: int) -> Success:
    """Read success of a day under a plan."""
    plan = select(PLAN.c.id).where(PLAN.c.tenant == tenant, PLAN.c.name == plan_name)
    columns = READ_SUCCESS.c
    sums = [func.coalesce(func.sum(c), 0) for c in (columns.due, columns.in_time, columns.late)]
    row = connection.execute(
        select(*sums).where(columns.plan == plan.scalar_subquery(), columns.day == day)
    ).one()
    return Success(*(int(value) for value in row))


def finals_of(connection: Connection, tenant: int, day: int) -> dict[str, int]:
    """Final values of a day by how good they are, newest versions."""
    # By a window: without statistics PostgreSQL would look for newer versions one by one.
    names = ("intervals", "estimated", "suspect", "missing")
    turn = func.row_number().over(
        partition_by=(FINAL.c.meter, FINAL.c.profile, FINAL.c.channel),
        order_by=FINAL.c.version.desc(),
    )
    versions = (
        select(*(FINAL.c[name] for name in names), turn.label("turn"))
        .where(FINAL.c.tenant == tenant, FINAL.c.day == day)
        .subquery()
    )
    sums = [func.coalesce(func.sum(versions.c[name]), 0) for name in names]
    row = connection.execute(select(*sums).where(versions.c.turn == 1)).one()
    values, estimated, suspect, missing = (int(value) for value in row)
    return {
        "values": values, "estimated": estimated, "suspect": suspect, "missing": missing,
    }  # fmt: skip
