"""Writing a backup while others work: one consistent view of the store, in one file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Connection, Table, func, select, text

from ferraris.core.errors import UsageError
from ferraris.headend.store.backup_file import (
    FORMAT,
    VERSION,
    Manifest,
    TableEntry,
    opened,
    write_manifest,
    write_rows,
)
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import head, revision_of
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables import METADATA

__all__ = ["BackupSummary", "back_up", "summary_of"]

Progress = Callable[[str, int], None]
"""Told the table and its rows when it is done."""

_STEP: Final = 500
_LAST: Final = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)"
_AUTOINCREMENT: Final = "SELECT seq FROM sqlite_sequence WHERE name = :name"


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds; `made_s` is when, `octets` the size of its file."""

    tables: int
    rows: int
    octets: int
    revision: str
    made_s: float


def back_up(
    engine: Engine, file: str | Path, *, now: float, progress: Progress | None = None
) -> BackupSummary:
    """Write all that the store holds into a new file; it is there wholly or not at all.

    The keys of the meters and customers are not in it: they are in the key store. Raises
    `UsageError` when the file exists, `StoreError` when it cannot be written.
    """
    with _made(Path(file)) as out, engine.reading() as connection:
        revision = revision_of(connection)
        if revision != head():
            raise StoreError(f"the store is of revision {revision}, not {head()}", where="backup")
        with opened(out, "w") as archive:
            entries = []
            for table in METADATA.sorted_tables:
                rows = connection.execute(select(table).execution_options(yield_per=_STEP))
                count, proof = write_rows(archive, table.name, rows)
                newest = _newest(connection, table)
                names = [str(column.name) for column in table.columns]
                entries.append(TableEntry(str(table.name), names, count, proof, newest))
                if progress is not None:
                    progress(table.name, count)
            manifest = Manifest(FORMAT, VERSION, revision, now, entries)
            write_manifest(archive, manifest)
    return summary_of(manifest, Path(file))


def summary_of(manifest: Manifest, file: Path) -> BackupSummary:
    """The figures of a backup."""
    rows = sum(entry.rows for entry in manifest.tables)
    size = file.stat().st_size
    return BackupSummary(len(manifest.tables), rows, size, manifest.revision, manifest.made_s)


@contextmanager
def _made(file: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is complete and on the disk; only its owner reads it."""
    if file.exists():
        raise UsageError(f"{file} exists already", where="backup")
    making = file.with_name(f".{file.name}.part")
    try:
        making.unlink(missing_ok=True)
        with os.fdopen(os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        making.rename(file)
        _sync_folder(file.parent)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}", where="backup") from error
    finally:
        with contextlib.suppress(OSError):
            making.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not all systems open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _newest(connection: Connection, table: Table) -> int:
    """The highest number given so far: rows that are gone must not come back under it."""
    if [column.name for column in table.primary_key] != ["id"]:
        return 0
    if connection.dialect.name == "postgresql":
        found = connection.execute(text(_LAST), {"name": table.name}).scalar()
    elif table.dialect_options["sqlite"]["autoincrement"]:
        found = connection.execute(text(_AUTOINCREMENT), {"name": table.name}).scalar()
    else:
        found = connection.execute(select(func.max(table.c.id))).scalar()
    return int(found or 0)
