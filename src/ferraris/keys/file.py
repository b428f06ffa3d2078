"""The SQLite file of a key store: its tables, its format, its mode, its errors in one line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferraris.core.errors import SecurityError, UsageError
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT

__all__ = [
    "FORMAT_VERSION",
    "SCHEMA",
    "SECOND_FORMAT",
    "check_format",
    "close_to_others",
    "connected",
    "plain_errors",
]

FORMAT_VERSION = 2
_APPLICATION = 0x46455252  # "FERR", so that other programs can tell what the file is
_BUSY_S = 30.0

_FIRST_FORMAT = f"""
CREATE TABLE header(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE secret(
    id TEXT, kind TEXT, mark TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY(id, kind)
) WITHOUT ROWID;
CREATE TABLE counter(
    mark TEXT, direction TEXT,
    following INTEGER NOT NULL CHECK(following BETWEEN 0 AND {COUNTER_LIMIT}),
    PRIMARY KEY(mark, direction)
) WITHOUT ROWID;
CREATE TABLE floor(
    id TEXT, kind TEXT, mark TEXT, direction TEXT,
    height INTEGER NOT NULL CHECK(height BETWEEN -1 AND {COUNTER_LIMIT}),
    PRIMARY KEY(id, kind, mark, direction)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
"""

SECOND_FORMAT = f"""
CREATE TABLE tenant(name TEXT PRIMARY KEY, sealed BLOB) WITHOUT ROWID;
CREATE TABLE renewal(
    id TEXT, kind TEXT, state TEXT NOT NULL, wrapped_under TEXT NOT NULL, PRIMARY KEY(id, kind)
) WITHOUT ROWID;
CREATE TABLE document(
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,
    sealed BLOB NOT NULL, UNIQUE(kind, owner, name)
);
CREATE TABLE guard(
    generation INTEGER NOT NULL,
    first INTEGER NOT NULL CHECK(first BETWEEN 0 AND {COUNTER_LIMIT}),
    epoch INTEGER NOT NULL
);
INSERT INTO guard VALUES(0, 1, 0);
PRAGMA user_version = {FORMAT_VERSION};
"""

SCHEMA = _FIRST_FORMAT + SECOND_FORMAT


def connected(place: Path) -> sqlite3.Connection:
    """A connection that writes through to the disk and leaves no old octets in free pages."""
    connection = sqlite3.connect(
        place.absolute().as_uri() + "?mode=rw",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = 1")
        connection.execute("PRAGMA secure_delete = ON")  # an old header must not stay in free pages
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def check_format(place: Path, connection: sqlite3.Connection) -> int:
    """The format of the file; `UsageError` when it is no key store or a newer one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise UsageError(f"key store {place}: the file is no key store")
    if version > FORMAT_VERSION:
        raise UsageError(
            f"key store {place}: written in format {version}, this version knows "
            f"{FORMAT_VERSION}: update the program"
        )
    return int(version)


def close_to_others(place: Path) -> None:
    """Take the file from group and others, as `create` made it."""
    if os.name != "posix" or not place.stat().st_mode & 0o077:
        return
    try:
        place.chmod(0o600)
    except OSError:
        message = f"key store {place}: others may read it, and its mode cannot be changed to 600"
        raise SecurityError(message) from None


@contextmanager
def plain_errors(place: Path) -> Iterator[None]:
    """Say in one line what SQLite says in its own words."""
    try:
        yield
    except sqlite3.Error as error:
        raise UsageError(f"key store {place}: cannot be used: {error}") from None
    except UnicodeDecodeError:  # a damaged file in the text of SQLite's own message
        raise UsageError(f"key store {place}: the file is damaged") from None
