"""Binary COPY of PostgreSQL, through its driver once that is loaded."""
# ruff: noqa: S608 - all names are those of the schema

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Double, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

__all__ = ["copied", "driver_error", "load", "wrapped"]

_KINDS: tuple[tuple[type, str], ...] = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Double, "float8"),
    (LargeBinary, "bytea"),
)


def copied(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    returning: tuple[str, ...] = (),
    replacing: tuple[str, ...] = (),
) -> list[tuple[Any, ...]]:
    """Copy rows into a table by way of a temporary one, and return columns of those that went in.

    A row that breaks a rule of uniqueness is left out; with `replacing` - the columns of the
    unique key - it takes the place of the other.
    """
    make, copy, move, kinds = _statements(table, names, returning, replacing)
    raw = connection.connection.dbapi_connection
    try:
        with raw.cursor() as cursor:  # type: ignore[union-attr] # it is open
            cursor.execute(make)
            with cursor.copy(copy) as stream:
                stream.set_types(kinds)
                for row in rows:
                    stream.write_row(row)
            cursor.execute(move)
            return cursor.fetchall() if returning else []
    except driver_error(connection) as error:
        raise wrapped(connection, error) from error


def load(
    connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Copy rows that are new into a table, in one statement, so they may refer to each other."""
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, names))
    raw = connection.connection.dbapi_connection
    try:
        with (
            raw.cursor() as cursor,  # type: ignore[union-attr] # it is open
            cursor.copy(f"COPY {quote(table.name)} ({columns}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types([_kind(table, name) for name in names])
            for row in rows:
                copy.write_row(row)
    except driver_error(connection) as error:
        raise wrapped(connection, error) from error


@lru_cache(maxsize=64)
def _statements(
    table: Table, names: tuple[str, ...], returning: tuple[str, ...], replacing: tuple[str, ...]
) -> tuple[str, str, str, list[str]]:
    columns = ", ".join(names)
    waiting = f"ferraris_new_{table.name}"
    make = (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {waiting} ON COMMIT DELETE ROWS AS "
        f"SELECT {columns} FROM {table.name} WITH NO DATA"
    )
    copy = f"COPY {waiting} ({columns}) FROM STDIN (FORMAT BINARY)"
    conflict = "DO NOTHING"
    if replacing:
        others = ", ".join(f"{name} = excluded.{name}" for name in names if name not in replacing)
        conflict = f"({', '.join(replacing)}) DO UPDATE SET {others}"
    move = (
        f"WITH moved AS (DELETE FROM {waiting} RETURNING *) "
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM moved "
        f"ON CONFLICT {conflict}" + (f" RETURNING {', '.join(returning)}" if returning else "")
    )
    return make, copy, move, [_kind(table, name) for name in names]


def _kind(table: Table, name: str) -> str:
    return next((known for kind, known in _KINDS if isinstance(table.c[name].type, kind)), "text")


def driver_error(connection: Connection) -> type[Exception]:
    """What the driver raises; its package is loaded where there is such a database, not here."""
    return connection.dialect.loaded_dbapi.Error


def wrapped(connection: Connection, error: Exception) -> Exception:
    """The error as SQLAlchemy's own statements raise it; a lost connection leaves the pool."""
    raw = connection.connection.dbapi_connection
    lost = raw is None or bool(getattr(raw, "closed", True)) or bool(getattr(raw, "broken", False))
    if lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        None,
        None,
        error,
        driver_error(connection),
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )
