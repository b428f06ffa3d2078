"""The open database behind the store: SQLite or PostgreSQL, its transactions and its errors."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ferraris.core.errors import UsageError
from ferraris.headend.store.faults import Trouble, explained
from ferraris.headend.store.records import StoreAwayError, StoreConflictError, StoreError

__all__ = ["Engine", "url_of"]

_POOL = 8
_WRITING = "ferraris_writing"
_TRIES = 6
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.5

Made = TypeVar("Made")


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
    what belongs together - and its line in the audit log - is written together. `trouble` is what
    kept it from its work.
    """

    def __init__(self, location: str | Path, *, wait_s: float = 30.0, pool: int = _POOL) -> None:
        self.url = url_of(location)
        self.trouble = Trouble()
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

    def repeated(self, work: Callable[[Connection], Made], *, tries: int = _TRIES) -> Made:
        """Do a unit of work in a transaction of its own, whole once more where others were quicker.

        Only `StoreConflictError` is answered so, at most `tries` times with pauses drawn by lot, so
        that two who were in each other's way do not meet again. `work` must be able to stand being
        called anew: what it did was undone.
        """
        longest_s = _FIRST_PAUSE_S
        for _ in range(tries - 1):
            try:
                with self.transaction() as connection:
                    return work(connection)
            except StoreConflictError:
                time.sleep(random.uniform(0, longest_s))  # noqa: S311 - no secret
                longest_s = min(4 * longest_s, _LONGEST_PAUSE_S)
        with self.transaction() as connection:
            return work(connection)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            found = explained(error, self.location, is_postgresql=self.is_postgresql)
            self.trouble.failed(found)
            raise found from error
        except PoolTimeout as error:
            raise StoreAwayError("too many wait for the store", where="store") from error
        except SQLAlchemyError as error:
            text = f"{self.location}: {type(error).__name__}: {str(error).splitlines()[0]}"
            raise StoreError(text, where="store") from error


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
