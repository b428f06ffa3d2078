"""The file of a state directory: how it begins, for whom it is, what seals it, who uses it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import NamedTuple

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box
from ferraris.keys.sealing import new_sealing, unsealed

__all__ = [
    "FORMAT_VERSION",
    "NONCE_OCTETS",
    "Identity",
    "begin",
    "check",
    "connected",
    "opened_box",
    "plain_errors",
]

FORMAT_VERSION = 1
NONCE_OCTETS = 12
_APPLICATION = 0x4645524D  # "FERM"
_SECRET_OCTETS = 32

_SCHEMA = f"""
CREATE TABLE header(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE meter(number INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE counter(number INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE chunk(
    number INTEGER, place TEXT, piece INTEGER, sealed BLOB NOT NULL,
    PRIMARY KEY(number, place, piece)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT_VERSION};
"""


class Identity(NamedTuple):
    """What a state belongs to: it means nothing to meters of another kind or seed."""

    template: str
    suite: int
    seed: int


def connected(place: Path) -> sqlite3.Connection:
    """A connection that nobody else has; `sqlite3.OperationalError` while somebody does."""
    connection = sqlite3.connect(
        place.absolute().as_uri() + "?mode=rw",
        uri=True,
        timeout=0.0,
        isolation_level=None,
        check_same_thread=False,  # a loop in a thread of its own may close it
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # two simulators, one counter twice
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN IMMEDIATE")  # takes the lock, which stays
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def begin(
    connection: sqlite3.Connection, identity: Identity, passphrase: bytes | None, cost: int
) -> None:
    """Write the tables and the header, with a fresh key and a fresh secret."""
    data_key = token_bytes(32)
    if passphrase is None:
        rows = {"open_key": data_key}
    else:
        rows = new_sealing(passphrase, None, cost).seal(data_key)
    secret = token_bytes(_SECRET_OCTETS)
    rows["secret"] = Box(data_key).seal(token_bytes(NONCE_OCTETS), secret, b"secret")
    rows["identity"] = json.dumps(identity).encode()
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA)
    connection.executemany("INSERT INTO header VALUES(?, ?)", rows.items())
    connection.execute("COMMIT")


def check(place: Path, connection: sqlite3.Connection, identity: Identity) -> None:
    """Raise `UsageError` unless the file is the state of these meters, in this format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise UsageError(f"state {place}: the file is no state of simulated meters")
    if version != FORMAT_VERSION:
        raise UsageError(
            f"state {place}: written in format {version}, this version knows {FORMAT_VERSION}: "
            "use the version that wrote it, or another directory"
        )
    query = "SELECT value FROM header WHERE name = 'identity'"
    try:
        kept = Identity(*json.loads(connection.execute(query).fetchone()[0]))
    except (TypeError, ValueError):
        raise UsageError(f"state {place}: the header is damaged") from None
    for name, theirs, ours in zip(Identity._fields, kept, identity, strict=True):
        if theirs != ours:
            raise UsageError(
                f"state {place}: of meters with {name} {theirs}, not {ours}: "
                f"start them with {name} {theirs}, or take another directory"
            )


def opened_box(place: Path, connection: sqlite3.Connection, passphrase: bytes | None) -> Box:
    """What opens the rows; raises `UsageError` or `SecurityError` for the wrong way to open it."""
    header = dict(connection.execute("SELECT name, value FROM header"))
    data_key = header.get("open_key")
    if data_key is not None:
        if passphrase is not None:
            raise UsageError(
                f"state {place}: made without a passphrase: open it without one, or begin another"
            )
        return Box(data_key)
    if passphrase is None:
        raise UsageError(f"state {place}: sealed by a passphrase: give it")
    try:
        return Box(unsealed(place, header, passphrase, None))
    except SecurityError:
        message = f"state {place}: wrong passphrase, or an altered file"
        raise SecurityError(message) from None


@contextmanager
def plain_errors(place: Path) -> Iterator[None]:
    """Say in one line what SQLite says in its own words."""
    try:
        yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise UsageError(f"state {place}: another simulator uses it: stop it first") from None
        raise UsageError(f"state {place}: cannot be used: {error}") from None
