"""The open database behind the store: SQLite or PostgreSQL, its transactions and its errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ferraris.core.errors import UsageError
from ferraris.headend.store.records import StoreAwayError, StoreError

__all__ = ["Engine", "url_of"]

_POOL = 8
_WRITING = "ferraris_writing"
_AWAY = "the database does not answer; what was committed is safe, and the rest is tried again"
# Classes of SQLSTATE that pass by themselves: connection lost, operator intervention.
_AWAY_CLASSES = ("08", "57")
_TEXTS = {
    "53100": "no room left for the database; free some space, nothing is lost",
    "55P03": "another program keeps the store locked",
    "40001": "another program was quicker",
    "40P01": "another program was quicker",
    "28P01": "the database refuses the password",
    "3D000": "there is no such database",
}


def url_of(location: str | Path) -> URL:
    """The URL of `sqlite:///relative`, `sqlite:////absolute`, a plain path or `postgresql://…`.

    Raises `UsageError` for any other scheme, and for one that cannot be read.
    """
    text = str(location)
    if "://" not in text:
        return URL.create("sqlite+pysqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError("not the URL of a database", where="store") from None
    if url.drivername == "sqlite" and url.database:
        return url.set(drivername="sqlite+pysqlite")
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise UsageError(
        f"no store at {url.drivername}://…, only sqlite:///FILE, postgresql://… or a file name",
        where="store",
    )


class Engine:
    """A pool of connections; safe to use from several threads, and by several processes.

    A commit is on the disk when it returns. Use `reading` for one consistent view and
    `transaction` for changes: rooms take the `Connection` of the caller's transaction, so that
    what belongs together - and its line in the audit log - is written together.
    """

    def __init__(self, location: str | Path, *, wait_s: float = 30.0, pool: int = _POOL) -> None:
        self.url = url_of(location)
        self.is_postgresql = self.url.get_backend_name() == "postgresql"
        self.location = self.url.database or ""
        if self.is_postgresql:
            self.location = self.url.set(drivername="postgresql").render_as_string()
        options = _postgresql(wait_s) if self.is_postgresql else _sqlite(wait_s)
        self.sqlalchemy = create_engine(
            self.url, pool_size=pool, max_overflow=pool, pool_timeout=wait_s, **options
        )
        if not self.is_postgresql:
            event.listen(self.sqlalchemy, "connect", _set_up)
            event.listen(self.sqlalchemy, "begin", _begin)

    def close(self) -> None:
        """Close all connections; nothing that was committed depends on them."""
        self.sqlalchemy.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; database errors become `StoreError`."""
        with self._explaining(), self.sqlalchemy.connect() as connection:
            if self.is_postgresql:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing: commits at the end, rolls back on any exception.

        In SQLite one writes at a time, and the others wait; in PostgreSQL they meet at rows.
        """
        with self._explaining(), self.sqlalchemy.connect() as connection:
            if not self.is_postgresql:
                connection = connection.execution_options(**{_WRITING: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explained(error) from error
        except PoolTimeout as error:
            raise StoreAwayError("too many wait for the store", where="store") from error
        except SQLAlchemyError as error:
            text = f"{self.location}: {type(error).__name__}: {str(error).splitlines()[0]}"
            raise StoreError(text, where="store") from error

    def _explained(self, error: DBAPIError) -> StoreError:
        kind = _sqlite_fault if not self.is_postgresql else _postgresql_fault
        text, away = kind(error)
        made = StoreAwayError if away else StoreError
        return made(f"{self.location}: {text}", where="store")


def _sqlite(wait_s: float) -> dict[str, Any]:
    return {"connect_args": {"timeout": wait_s, "check_same_thread": False}}


def _postgresql(wait_s: float) -> dict[str, Any]:
    patience_s = max(2, int(min(wait_s, 10)))
    return {"connect_args": {"connect_timeout": patience_s, "application_name": "ferraris"}}


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" is ours
    for line in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {line}")


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _sqlite_fault(error: DBAPIError) -> tuple[str, bool]:
    original = error.orig
    code = getattr(original, "sqlite_errorname", "") or type(original).__name__
    if code.startswith("SQLITE_FULL"):
        text = "no room left for the store; free some space and run again, nothing is lost"
    elif code.startswith("SQLITE_IOERR"):
        text = "the disk refuses to read or write the store (full, over quota or failing)"
    elif code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another program keeps the store locked ({code})", True
    elif code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        text = "the file is damaged or not a store"
    else:
        text = str(original)
    return f"{text} ({code})", False


def _postgresql_fault(error: DBAPIError) -> tuple[str, bool]:
    state = getattr(error.orig, "sqlstate", None) or ""
    away = error.connection_invalidated or not state or state.startswith(_AWAY_CLASSES)
    if away:
        return f"{_AWAY} ({state or type(error.orig).__name__})", True
    text = _TEXTS.get(state)
    if text is None:
        text = type(error.orig).__name__
        with contextlib.suppress(IndexError):  # the first line has no values; the detail would
            text += f": {str(error.orig).splitlines()[0]}"
    return f"{text} ({state})", state in ("40001", "40P01", "55P03")
