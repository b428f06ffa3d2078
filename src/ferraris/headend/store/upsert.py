"""Rows that may be there already: written if new, or put in the place of the old ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["add", "adding", "raising", "upsert", "upserting"]


def add(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that break no rule of uniqueness; returns how many were new."""
    if not rows:
        return 0
    return connection.execute(adding(connection, table), _plain(rows)).rowcount


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
    update: Sequence[str] | None = None,
) -> int:
    """Insert rows, or change those that are there; returns how many were written.

    `key` are the columns of the unique constraint that decides (the primary key unless given),
    `update` those that change: all others that the first row names. All rows name the same
    columns, and no two have one key.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    statement = upserting(connection, table, names, key=key, update=update)
    return connection.execute(statement, _plain(rows)).rowcount


def adding(connection: Connection, table: Table) -> Any:
    """The statement of `add`, for who wants its `returning`."""
    return _insert(connection, table).on_conflict_do_nothing()


def upserting(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    *,
    key: Sequence[str] = (),
    update: Sequence[str] | None = None,
) -> Any:
    """The statement of `upsert` for rows with the columns `names`."""
    keys = list(key) or [column.name for column in table.primary_key]
    changed = [name for name in names if name not in keys] if update is None else list(update)
    statement = _insert(connection, table)
    if not changed:
        return statement.on_conflict_do_nothing(index_elements=keys)
    given = {name: statement.excluded[name] for name in changed}
    return statement.on_conflict_do_update(index_elements=keys, set_=given)


def raising(connection: Connection, table: Table, values: Mapping[str, Any]) -> Any:
    """The statement that begins an alarm, or counts one up that lasts; its `times` come back."""
    statement = _insert(connection, table).values(dict(values))
    return statement.on_conflict_do_update(
        index_elements=["tenant", "meter", "name"],
        index_where=table.c.cleared_s.is_(None),
        set_={"last_s": statement.excluded.last_s, "times": table.c.times + 1},
    ).returning(table.c.times)


def _insert(connection: Connection, table: Table) -> Any:
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    return made.execution_options(preserve_rowcount=True)  # psycopg tells -1 without


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
