"""Whether the database itself is sound: its pages, its references, its rules, its months."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, ForeignKey, Table, func, select, text

from ferraris.headend.store.migrations import head, revision_of
from ferraris.headend.store.tables import METADATA

__all__ = ["faults_of_structure"]

_INVALID: Final = """
SELECT 'rule ' || c.conname || ' of ' || c.conrelid::regclass || ' was never proved'
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname = current_schema() AND NOT c.convalidated
UNION ALL
SELECT 'index ' || i.indexrelid::regclass || ' cannot be used'
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready)
UNION ALL
SELECT checksum_failures || ' pages of the database fail their checksum'
FROM pg_stat_database WHERE datname = current_database() AND checksum_failures > 0
"""
_SEQUENCE: Final = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)"


def faults_of_structure(connection: Connection) -> Iterator[str]:
    """What is wrong with the database beneath the store, a sentence each."""
    found = revision_of(connection)
    if found != head():
        yield f"the schema is of revision {found}, this program's is {head()}"
        return
    if connection.dialect.name == "postgresql":
        yield from connection.execute(text(_INVALID)).scalars()
        yield from _orphans(connection)
        yield from _sequences(connection)
        return
    for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if line != "ok":
            yield str(line)
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"table {table} row {row} refers to a missing row of {parent}"


def _orphans(connection: Connection) -> Iterator[str]:
    """Rows that refer to nothing: PostgreSQL would not let them in, so something else made them."""
    for table in METADATA.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            if count := _missing(connection, table, key):
                parent = key.column.table.name
                yield f"table {table.name}: {count} rows refer to missing rows of {parent}"


def _missing(connection: Connection, table: Table, key: ForeignKey) -> int:
    parent = key.column.table.alias("parent")
    there = select(parent.c.id).where(parent.c.id == key.parent).exists()
    wanted = select(func.count()).select_from(table).where(key.parent.is_not(None), ~there)
    return int(connection.execute(wanted).scalar_one())


def _sequences(connection: Connection) -> Iterator[str]:
    """Numbers that the database would give a second time."""
    for table in METADATA.sorted_tables:
        if [column.name for column in table.primary_key] != ["id"]:
            continue
        last = connection.execute(text(_SEQUENCE), {"name": table.name}).scalar() or 0
        newest = connection.execute(select(func.max(table.c.id))).scalar() or 0
        if newest > last:
            yield f"table {table.name}: the next number would be {last + 1}, there is {newest}"
