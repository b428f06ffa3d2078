"""Putting a backup into an empty store, in the same or in the other back end."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, func, select, text
from sqlalchemy.exc import NoSuchTableError

from ferraris.core.errors import UsageError
from ferraris.headend.store.backing_up import BackupSummary, summary_of
from ferraris.headend.store.backup_file import (
    Manifest,
    TableEntry,
    opened,
    read_manifest,
    read_rows,
)
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import head, is_known, migrate, revision_of
from ferraris.headend.store.partitions import PARTITIONED, ensure_partitions, month_of
from ferraris.headend.store.partitions import partition_days as days_of
from ferraris.headend.store.postgresql_copy import load
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables import METADATA

__all__ = ["restore", "rows_in"]

Progress = Callable[[str, int], None]

_STEP: Final = 500
_COUNTED: Final = frozenset(
    name
    for name, table in METADATA.tables.items()
    if table.dialect_options["sqlite"]["autoincrement"]
)
_NEXT: Final = "SELECT setval(pg_get_serial_sequence(:name, 'id'), :newest)"
_SET: Final = "UPDATE sqlite_sequence SET seq = :newest WHERE name = :name"
_ADD: Final = (
    "INSERT INTO sqlite_sequence (name, seq) SELECT :name, :newest "
    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)"
)


def restore(
    engine: Engine, file: str | Path, *, progress: Progress | None = None
) -> BackupSummary:  # fmt: skip
    """Put a backup into a store that has no rows yet, and bring it up to date.

    First the whole file is read and proved, then everything is written in one transaction: a
    damaged file, or a failure on the way, leaves the store empty. Raises `StoreError` for a file
    that is damaged or of a newer program, and `UsageError` for a store that is not empty.
    """
    path = Path(file)
    try:
        with path.open("rb") as octets, opened(octets, "r") as archive:
            manifest = read_manifest(archive)
            months = _proved(archive, manifest)
            _emptied(engine, manifest)
            with engine.transaction() as connection:
                _Restoring(connection, archive, progress).whole(manifest, months)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", where="restore") from error
    migrate(engine)
    return summary_of(manifest, path)


def rows_in(file: str | Path, table: str) -> int:
    """How many rows of a table a backup has; raises `StoreError` for a file that is none."""
    path = Path(file)
    try:
        with path.open("rb") as octets, opened(octets, "r") as archive:
            entries = read_manifest(archive).tables
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", where="restore") from error
    return sum(entry.rows for entry in entries if entry.name == table)


def _proved(archive: zipfile.ZipFile, manifest: Manifest) -> list[int]:
    """Read everything once; returns a day of each month that has rows in a partitioned table."""
    if not is_known(manifest.revision):
        raise StoreError(
            f"the backup is of revision {manifest.revision}, which this program does not know: "
            "a newer one made it",
            where="restore",
        )
    months: set[tuple[int, int]] = set()
    for entry in manifest.tables:
        place = entry.columns.index("day") if entry.name in PARTITIONED else None
        for row in read_rows(archive, entry):
            day = 0 if place is None else row[place]
            if place is not None and isinstance(day, int) and (month := month_of(day)):
                months.add(month)
    return [days_of(month)[0] for month in sorted(months)]


def _emptied(engine: Engine, manifest: Manifest) -> None:
    """Make the tables of the backup's revision where there are none, and see that all are empty."""
    with engine.reading() as connection:
        fresh = revision_of(connection) is None
    if fresh:
        migrate(engine, manifest.revision)
    with engine.reading() as connection:
        if revision_of(connection) != manifest.revision:
            raise UsageError("a backup is restored into a new, empty database", where="restore")
        for entry in manifest.tables:
            table = _table(connection, manifest, entry.name)
            if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
                raise UsageError(
                    f"the store is not empty (table {entry.name}): a backup is restored into a "
                    "new, empty database",
                    where="restore",
                )


def _table(connection: Connection, manifest: Manifest, name: str) -> Table:
    """A table as it was in the backup's revision."""
    if manifest.revision == head() and name in METADATA.tables:
        return METADATA.tables[name]
    try:
        return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
    except NoSuchTableError:
        raise StoreError(f"the backup has an unknown table {name}", where="restore") from None


@dataclass(slots=True)
class _Restoring:
    connection: Connection
    archive: zipfile.ZipFile
    progress: Progress | None

    def whole(self, manifest: Manifest, months: Iterable[int]) -> None:
        if self.connection.dialect.name == "sqlite":
            self.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        ensure_partitions(self.connection, months)
        for entry in manifest.tables:
            table = _table(self.connection, manifest, entry.name)
            if unknown := set(entry.columns) - {column.name for column in table.columns}:
                raise StoreError(
                    f"the backup has unknown columns in {entry.name}: {', '.join(sorted(unknown))}",
                    where="restore",
                )
            self._rows(table, entry.columns, read_rows(self.archive, entry))
            self._number(table, entry)
            if self.progress is not None:
                self.progress(entry.name, entry.rows)

    def _rows(self, table: Table, names: Sequence[str], rows: Iterator[list[Any]]) -> None:
        if self.connection.dialect.name == "postgresql":
            load(self.connection, table, names, rows)
            return
        quote = self.connection.dialect.identifier_preparer.quote
        columns, marks = ", ".join(map(quote, names)), ", ".join("?" * len(names))
        statement = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({marks})"  # noqa: S608
        while window := list(map(tuple, islice(rows, _STEP))):
            self.connection.exec_driver_sql(statement, window)

    def _number(self, table: Table, entry: TableEntry) -> None:
        """Go on with numbers where the backup's store was."""
        if [column.name for column in table.primary_key] != ["id"]:
            return
        newest = self.connection.execute(select(func.max(table.c.id))).scalar() or 0
        values = {"name": table.name, "newest": max(newest, entry.newest)}
        if not values["newest"]:
            return
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(text(_NEXT), values)
        elif entry.name in _COUNTED:
            self.connection.execute(text(_ADD), values)
            self.connection.execute(text(_SET), values)
