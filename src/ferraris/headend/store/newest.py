"""Rows have versions; mostly the newest is wanted."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, exists

__all__ = ["is_newest"]


def is_newest(table: Table, days: tuple[int, int] | None = None) -> ColumnElement[bool]:
    """The condition that no row of the same primary key has a higher version.

    `days` are the first and last day that the statement asks for anyhow: said once more,
    PostgreSQL opens only their months.
    """
    newer = table.alias("newer")
    superseded = [newer.c[c.name] == c for c in table.primary_key if c.name != "version"]
    superseded.append(newer.c.version > table.c.version)
    if days is not None:
        superseded.append(newer.c.day.between(*days))
    return ~exists().where(*superseded)
