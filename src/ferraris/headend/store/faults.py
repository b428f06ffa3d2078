"""What the errors of the two databases mean, in words that somebody can act on."""

from __future__ import annotations

import contextlib
import re
from typing import Final

from sqlalchemy.exc import DBAPIError

from ferraris.headend.store.records import (
    StoreAwayError,
    StoreConflictError,
    StoreError,
    StoreFullError,
)

__all__ = ["Trouble", "explained"]

_AWAY: Final = (
    "the database does not answer; what was committed is safe, and the rest is tried again"
)
_FAILED: Final = (
    "the database server has failed, or is starting; its log says why (a full disk of its "
    "write-ahead log does that). What was committed is safe, and the rest is tried again"
)
_ROOM: Final = (
    "{disk} has no room left: free some or add some. Nothing is lost, and the head-end goes on "
    "by itself when there is room"
)
# Classes of SQLSTATE that pass by themselves: connection lost, operator intervention.
_AWAY_CLASSES: Final = ("08", "57")
_KINDS: Final[dict[str, tuple[type[StoreError], str]]] = {
    "57P02": (StoreAwayError, _FAILED),
    "57P03": (StoreAwayError, _FAILED),
    "55P03": (StoreAwayError, "another program keeps the store locked"),
    "40001": (StoreConflictError, "another program was quicker"),
    "40P01": (StoreConflictError, "another program was quicker, and waited for this one"),
    "28P01": (StoreError, "the database refuses the password"),
    "3D000": (StoreError, "there is no such database"),
}
_NO_ROOM: Final = "53100"
_FILE: Final = re.compile(r'file "([^"]{1,200})"')
# What SQLite says of a disk that is full, over quota, or refuses for another reason.
_SQLITE_WRITES: Final = tuple(
    f"SQLITE_IOERR_{what}" for what in ("WRITE", "FSYNC", "SHMSIZE", "SHMOPEN", "SHMMAP")
)


class Trouble:
    """What kept an engine from its work: the newest `StoreFullError` or `StoreAwayError`.

    `times` counts them, so that whoever looks now and then sees new ones. Conflicts of two writers
    are no trouble.
    """

    def __init__(self) -> None:
        self.error: StoreError | None = None
        self.times = 0

    def failed(self, error: StoreError) -> None:
        """A statement failed; safe to call from any thread."""
        is_one = isinstance(error, StoreFullError | StoreAwayError)
        if is_one and not isinstance(error, StoreConflictError):
            self.error = error
            self.times += 1


def explained(error: DBAPIError, location: str, *, is_postgresql: bool) -> StoreError:
    """The error of a driver as ours, with its code; of values it tells none."""
    kind, text, code = (_postgresql if is_postgresql else _sqlite)(error)
    return kind(f"{location}: {text} ({code})", where="store")


def _sqlite(error: DBAPIError) -> tuple[type[StoreError], str, str]:
    original = error.orig
    code = getattr(original, "sqlite_errorname", "") or type(original).__name__
    if code.startswith("SQLITE_FULL"):
        return StoreFullError, _ROOM.format(disk="the disk of the store"), code
    if code.startswith(_SQLITE_WRITES):
        disk = "the disk of the store is failing, over quota, or"
        return StoreFullError, _ROOM.format(disk=disk), code
    if code.startswith("SQLITE_IOERR"):
        return StoreError, "the disk refuses to read or write the store (is it failing?)", code
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreAwayError, "another program keeps the store locked", code
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreError, "the file is damaged or not a store", code
    return StoreError, str(original), code


def _postgresql(error: DBAPIError) -> tuple[type[StoreError], str, str]:
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == _NO_ROOM:
        return StoreFullError, _ROOM.format(disk=_disk(error)), state
    if state in _KINDS:
        return *_KINDS[state], state
    if error.connection_invalidated or not state or state.startswith(_AWAY_CLASSES):
        return StoreAwayError, _AWAY, state or type(error.orig).__name__
    text = type(error.orig).__name__
    with contextlib.suppress(IndexError):  # the first line has no values; the detail would
        text += f": {str(error.orig).splitlines()[0]}"
    return StoreError, text, state


def _disk(error: DBAPIError) -> str:
    """Which disk of the server: a tablespace's, that of its log of changes, or of its data."""
    found = _FILE.search(str(error.orig))
    file = found[1] if found else ""
    if file.startswith("pg_wal"):
        return f"the disk of the database server's write-ahead log ({file})"
    if file.startswith("pg_tblspc"):
        return f"the disk of one of the database server's tablespaces ({file})"
    return f"the disk of the database server's data directory ({file or 'data_directory'})"
