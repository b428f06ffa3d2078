"""Many rows in few steps: `executemany` in SQLite, binary COPY in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam
from sqlalchemy.dialects import sqlite

from ferraris.headend.store.postgresql_copy import copied, load

__all__ = ["add_absent", "add_all", "add_each", "replace"]

Rows = Sequence[tuple[Any, ...]]
_SQLITE = sqlite.dialect(paramstyle="qmark")


def add_absent(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Rows, key: tuple[str, ...]
) -> set[tuple[Any, ...]]:
    """Insert rows that were looked for and not found; returns the keys of those that went in.

    In PostgreSQL another writer may have been quicker: then a row is left out. In SQLite nobody
    else writes meanwhile.
    """
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        return set(copied(connection, table, names, rows, returning=key))
    connection.exec_driver_sql(_insert(table, names, "abort", ()), list(rows))
    places = [names.index(name) for name in key]
    return {tuple([row[place] for place in places]) for row in rows}


def add_all(connection: Connection, table: Table, names: tuple[str, ...], rows: Rows) -> None:
    """Insert rows of which none can be there yet."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        load(connection, table, names, rows)
    else:
        connection.exec_driver_sql(_insert(table, names, "abort", ()), list(rows))


def add_each(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Rows, told: str
) -> list[Any]:
    """Insert the rows that are new; returns the value of column `told` for each of these."""
    if not rows:
        return []
    if connection.dialect.name == "postgresql":
        return [row[0] for row in copied(connection, table, names, rows, returning=(told,))]
    statement, place = _insert(table, names, "ignore", ()), names.index(told)
    return [row[place] for row in rows if connection.exec_driver_sql(statement, row).rowcount]


def replace(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Rows, key: tuple[str, ...]
) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        copied(connection, table, names, rows, replacing=key)
    else:
        connection.exec_driver_sql(_insert(table, names, "replace", key), list(rows))


@lru_cache(maxsize=64)
def _insert(table: Table, names: tuple[str, ...], conflict: str, key: tuple[str, ...]) -> str:
    statement = sqlite.insert(table).values({name: bindparam(name) for name in names})
    if conflict == "ignore":
        statement = statement.on_conflict_do_nothing()
    elif conflict == "replace":
        others = {name: statement.excluded[name] for name in names if name not in key}
        statement = statement.on_conflict_do_update(index_elements=key, set_=others)
    compiled = statement.compile(dialect=_SQLITE)
    if tuple(compiled.positiontup or ()) != names:
        raise AssertionError("columns are given in the order of the table")
    return str(compiled)
