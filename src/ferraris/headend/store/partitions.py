"""The months of the large tables in PostgreSQL, made when the first row of a month comes.

Dropping a month is one quick step, however many rows it has. Rows of a month that nobody made -
their writer could not wait for it - lie in the default partition, and move when it is made.
SQLite has no partitions: there all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ferraris.headend.store.tables import METADATA

__all__ = [
    "PARTITIONED",
    "ensure_partitions",
    "following",
    "month_of",
    "months_of",
    "partition_days",
]

PARTITIONED: Final = tuple(
    table.name
    for table in METADATA.sorted_tables
    if table.dialect_options["postgresql"]["partition_by"]
)
"""Names of the tables that PostgreSQL keeps by month."""

PATIENCE_MS = 2000
"""How long a writer waits for others that keep it from making a month."""

_EPOCH: Final = date(1970, 1, 1)
_LEAST, _MOST = date(1, 2, 1), date(9999, 11, 30)
_MONTHS: Final = """
SELECT c.relname FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.oid = to_regclass(:parent)
"""


def month_of(day: int) -> tuple[int, int] | None:
    """The year and month of a UTC day; None for one that no calendar has."""
    try:
        found = _EPOCH + timedelta(days=day)
    except OverflowError:
        return None
    return (found.year, found.month) if _LEAST <= found <= _MOST else None


def months_of(connection: Connection, table: str) -> list[tuple[int, int]]:
    """The months that a table has a partition for, in order."""
    names = connection.execute(text(_MONTHS), {"parent": table}).scalars()
    suffixes = (name.removeprefix(f"{table}_") for name in names)
    parts = (suffix.split("_") for suffix in suffixes if suffix != "default")
    return sorted((int(year), int(month)) for year, month in parts)


def partition_days(month: tuple[int, int]) -> tuple[int, int]:
    """The first UTC day of a month, and that of the next one."""
    first = date(*month, 1)
    following = (first + timedelta(days=31)).replace(day=1)
    return (first - _EPOCH).days, (following - _EPOCH).days


def ensure_partitions(connection: Connection, days: Iterable[int]) -> list[tuple[int, int]]:
    """Make the partitions for some UTC days where they are missing; returns the months made.

    The writer remembers which months there are, so it asks once for each (`Catalogue`). A view
    that is open for long, as that of a backup, keeps a month from being made; this waits for it a
    moment and then leaves it: its rows go into the default partition, and move the next time.
    """
    if connection.dialect.name != "postgresql":
        return []
    wanted = {month for month in map(month_of, days) if month is not None}
    made: set[tuple[int, int]] = set()
    for table in PARTITIONED:
        for month in sorted(wanted.difference(months_of(connection, table))):
            made |= {month} if _made(connection, table, month) else set()
    return sorted(made)


def following(month: tuple[int, int]) -> tuple[int, int]:
    """The month after."""
    return (month[0] + month[1] // 12, month[1] % 12 + 1)


def _made(connection: Connection, table: str, month: tuple[int, int]) -> bool:
    before = connection.execute(text("SHOW lock_timeout")).scalar()
    try:
        with connection.begin_nested():
            _wait(connection, f"{PATIENCE_MS}ms")
            made = _make(connection, table, month)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        made = False
    _wait(connection, str(before))
    return made


def _wait(connection: Connection, at_most: str) -> None:
    setting = "SELECT set_config('lock_timeout', :at_most, true)"
    connection.execute(text(setting), {"at_most": at_most})


def _make(connection: Connection, table: str, month: tuple[int, int]) -> bool:
    """Make one partition with the rows that already wait for it.

    Attaching takes a weaker lock than creating it in place: writers of other months go on.
    """
    name = f"{table}_{month[0]:04}_{month[1]:02}"
    lock = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || :name, 0))"
    connection.execute(text(lock), {"name": table})
    if month in months_of(connection, table):
        return False
    first, end = partition_days(month)
    for line in (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM {table}_default WHERE day >= {first} AND day < {end} "  # noqa: S608 - numbers
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
    ):
        connection.exec_driver_sql(line)
    return True
