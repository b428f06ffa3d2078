"""Copies of a key store that are safe: made while it is in use, put back without reusing a counter.

A copied-back store leases nothing until it is advanced (see `guard`); `restore` does both.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ferraris.core.errors import UsageError
from ferraris.keys.file import check_format, connected, plain_errors
from ferraris.keys.sealing import WrappingToken
from ferraris.keys.store import KeyStore

__all__ = ["DEFAULT_STEP", "backup", "restore"]

DEFAULT_STEP = 1 << 20
"""Counters left out when a copy is put back: two messages a minute for a year."""


def backup(store: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a store, whole and consistent, while others use it; secrets stay sealed in the copy.

    Raises `UsageError` when the target exists or cannot be written.
    """
    place = Path(store)
    if not place.is_file():
        raise UsageError(f"key store {place}: no such file")
    _copy(place, Path(target))


def restore(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    passphrase: str | bytes | None = None,
    *,
    token: WrappingToken | None = None,
    step: int = DEFAULT_STEP,
    replace: bool = False,
) -> KeyStore:
    """Put a copy in place, advance its counters by `step`, and open it.

    The copy is opened first, so a wrong passphrase or a damaged copy changes nothing. Raises
    `UsageError` when the target exists, unless `replace` is set; processes that have that one open
    lease nothing any more.
    """
    place, origin = Path(target), Path(source)
    if place.exists() and not replace:
        raise UsageError(f"key store {place} exists: replace it only when it is lost")
    part = place.with_name(place.name + ".part")
    part.unlink(missing_ok=True)
    if not origin.is_file():
        raise UsageError(f"key store {origin}: no such file")
    _copy(origin, part)
    try:
        KeyStore.open(
            part, passphrase, token=token, mark=place.with_name(part.name + ".mark")
        ).close()
        for rest in ("-wal", "-shm"):
            place.with_name(place.name + rest).unlink(missing_ok=True)
        part.replace(place)
    finally:
        for rest in ("", "-wal", "-shm", ".mark"):
            part.with_name(part.name + rest).unlink(missing_ok=True)
    store = KeyStore.open(place, passphrase, token=token)
    try:
        store.advance(step)
    except BaseException:
        store.close()
        raise
    return store


def _copy(place: Path, target: Path) -> None:
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise UsageError(f"copy of the key store {target}: {error.strerror}") from None
    try:
        with plain_errors(place):
            original = sqlite3.connect(place.absolute().as_uri() + "?mode=rw", uri=True)
            try:
                check_format(place, original)
                _fill(original, target)
            finally:
                original.close()
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _fill(original: sqlite3.Connection, target: Path) -> None:
    copy = connected(target)
    try:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        (sound,) = copy.execute("PRAGMA integrity_check").fetchone()
    finally:
        copy.close()
    if sound != "ok":
        raise UsageError(f"copy of the key store {target}: the original is damaged: {sound}")
