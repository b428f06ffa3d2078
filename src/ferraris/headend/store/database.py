"""The open database: one connection, its transactions, its errors and its catalogue of names."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferraris.core.errors import UsageError
from ferraris.headend.store import statements as sql
from ferraris.headend.store.records import ChannelKey, StoreError
from ferraris.headend.store.schema import migrate

__all__ = ["Database", "location_of"]

_SCHEME = "sqlite:///"


def location_of(location: str | Path) -> str:
    """The file of `sqlite:///relative`, `sqlite:////absolute` or a plain path."""
    text = str(location)
    if text.startswith(_SCHEME):
        return text[len(_SCHEME) :] or ":memory:"
    if "://" in text:
        scheme = text.split("://", 1)[0]
        raise UsageError(f"no store for {scheme}://, only sqlite:/// or a file name", where="store")
    return text


class Database:
    """One SQLite file in WAL mode; safe to use from several threads, one at a time.

    A commit is on the disk when it returns (`synchronous=FULL`): batching makes that cheap.
    """

    def __init__(self, path: str, tenant: str, wait_s: float) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=wait_s, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"cannot open {path}: {error}", where="store") from error
        try:
            with self.reading() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA temp_store = MEMORY")
                migrate(connection)
            self.tenant = self._tenant(tenant)
        except BaseException:
            self._connection.close()
            raise
        self._profiles: dict[str, int] = {}
        self._layouts: dict[tuple[ChannelKey, ...], int] = {}
        self._channels: dict[int, tuple[ChannelKey, ...]] = {}

    def close(self) -> None:
        """Close the file; nothing that was committed depends on it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for reading; database errors become `StoreError`."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise _explained(error, self.path) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: commits at the end, rolls back on any exception."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # What was learnt inside may not exist any more.
                self._profiles.clear()
                self._layouts.clear()
                self._channels.clear()
                if connection.in_transaction:  # a full disk has already rolled back by itself
                    connection.execute("ROLLBACK")
                raise

    def profile(self, obis: str) -> int | None:
        """The number of a profile, or None while nothing knows it."""
        with self.reading() as connection:
            row = connection.execute(sql.PROFILE, (self.tenant, obis)).fetchone()
        return int(row[0]) if row else None

    def make_profile(self, connection: sqlite3.Connection, obis: str) -> int:
        """The number of a profile, given when new; inside a transaction."""
        found = self._profiles.get(obis)
        if found is None:
            row = connection.execute(sql.PROFILE, (self.tenant, obis)).fetchone()
            found = row[0] if row else _added(connection, sql.ADD_PROFILE, self.tenant, obis)
            self._profiles[obis] = found
        return found

    def make_layout(self, connection: sqlite3.Connection, channels: tuple[ChannelKey, ...]) -> int:
        """The number of an ordered set of channels, given when new; inside a transaction."""
        found = self._layouts.get(channels)
        if found is None:
            numbers = json.dumps([self._make_channel(connection, key) for key in channels])
            row = connection.execute(sql.LAYOUT, (self.tenant, numbers)).fetchone()
            found = row[0] if row else _added(connection, sql.ADD_LAYOUT, self.tenant, numbers)
            self._layouts[channels] = found
        return found

    def channels_of(self, connection: sqlite3.Connection, layout: int) -> tuple[ChannelKey, ...]:
        """The channels of a layout, in column order."""
        found = self._channels.get(layout)
        if found is None:
            rows = connection.execute(sql.CHANNELS_OF, (layout,))
            found = self._channels[layout] = tuple(ChannelKey(*row) for row in rows)
        return found

    def _make_channel(self, connection: sqlite3.Connection, key: ChannelKey) -> int:
        row = connection.execute(sql.CHANNEL, (self.tenant, *key)).fetchone()
        return int(row[0]) if row else _added(connection, sql.ADD_CHANNEL, self.tenant, *key)

    def _tenant(self, name: str) -> int:
        with self.reading() as connection:
            row = connection.execute(sql.TENANT, (name,)).fetchone()
            if row is None:
                connection.execute(sql.ADD_TENANT, (name,))
                row = connection.execute(sql.TENANT, (name,)).fetchone()
        return int(row[0])


def _added(connection: sqlite3.Connection, statement: str, *values: object) -> int:
    return int(connection.execute(statement, values).lastrowid or 0)


def _explained(error: sqlite3.Error, path: str) -> StoreError:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith("SQLITE_FULL"):
        text = "no room left for the store; free some space and run again, nothing is lost"
    elif code.startswith("SQLITE_IOERR"):
        text = "the disk refuses to read or write the store (full, over quota or failing)"
    elif code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        text = "another program keeps the store locked"
    elif code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        text = "the file is damaged or not a store"
    else:
        text = str(error)
    return StoreError(f"{path}: {text} ({code or type(error).__name__})", where="store")
