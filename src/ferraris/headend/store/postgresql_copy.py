"""Binary COPY of PostgreSQL: the only place that speaks to its driver."""
# ruff: noqa: S608 - all names are those of the schema

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Connection, Double, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

__all__ = ["copied"]

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
    except psycopg.Error as error:
        raise _wrapped(connection, error) from error


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
    kinds = [
        next((name for kind, name in _KINDS if isinstance(table.c[column].type, kind)), "text")
        for column in names
    ]
    return make, copy, move, kinds


def _wrapped(connection: Connection, error: psycopg.Error) -> Exception:
    """The error as SQLAlchemy's own statements raise it; a lost connection leaves the pool."""
    raw = connection.connection.dbapi_connection
    lost = raw is None or bool(getattr(raw, "closed", True)) or bool(getattr(raw, "broken", False))
    if lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        None,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )
