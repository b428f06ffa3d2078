"""Tenants of one store: the ids `NAME/...` are sealed under a key of their own.

Destroying that key destroys every secret under it, at once and for good. The name stays as that of
somebody destroyed, so that nothing is put there by mistake.
"""

from __future__ import annotations

import sqlite3
from secrets import token_bytes

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box

__all__ = ["Tenants", "secret_context"]


def secret_context(key_id: str, kind: str) -> bytes:
    """What binds a sealed secret to its place."""
    return f"{kind}\x00{key_id}".encode()


class Tenants:
    """Finds the box of each id; every call runs inside a transaction of the store."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._opened: dict[bytes, Box] = {}  # by the sealed key, so that a renewed one is read anew

    def box(self, db: sqlite3.Connection, key_id: str) -> Box:
        """The tenant's box for an id of theirs, the store's for others.

        Raises `UsageError` when the tenant was destroyed, `SecurityError` when the key was altered.
        """
        name, slash, _ = key_id.partition("/")
        if not slash:
            return self._box
        row = db.execute("SELECT sealed FROM tenant WHERE name = ?", (name,)).fetchone()
        if row is None:
            return self._box
        if row[0] is None:
            raise UsageError(f"the tenant {name!r} was destroyed, and its secrets with it")
        return self._open(name, row[0])

    def names(self, db: sqlite3.Connection) -> list[str]:
        """Tenants that live."""
        query = "SELECT name FROM tenant WHERE sealed IS NOT NULL ORDER BY name"
        return [name for (name,) in db.execute(query)]

    def create(self, db: sqlite3.Connection, name: str) -> None:
        """A new tenant; secrets that bear the name already pass under the new key."""
        if "/" in name:
            raise UsageError("the name of a tenant has no slash")
        if db.execute("SELECT 1 FROM tenant WHERE name = ?", (name,)).fetchone() is not None:
            raise UsageError(f"the tenant {name!r} exists, or was destroyed")
        key = token_bytes(32)
        db.execute("INSERT INTO tenant VALUES(?, ?)", (name, _sealed(self._box, name, key)))
        _move(db, name, self._box, Box(key))

    def destroy(self, db: sqlite3.Connection, name: str) -> None:
        """Forget the key and everything under it; `UsageError` for an unknown name."""
        if name not in self.names(db):
            raise UsageError(f"there is no tenant {name!r}")
        self._opened.clear()
        db.execute("UPDATE tenant SET sealed = NULL WHERE name = ?", (name,))
        for table in ("secret", "renewal"):
            db.execute(f"DELETE FROM {table} WHERE substr(id, 1, ?) = ?", _prefix(name))  # noqa: S608

    def renew(self, db: sqlite3.Connection, box: Box) -> None:
        """New keys for all tenants, sealed by `box`; all secrets of the store are sealed anew."""
        fresh: dict[str, Box] = {}
        former = {name: self._former(db, name) for name in self.names(db)}
        for name in former:
            key = token_bytes(32)
            fresh[name] = Box(key)
            row = (_sealed(box, name, key), name)
            db.execute("UPDATE tenant SET sealed = ? WHERE name = ?", row)
        for key_id, kind, sealed in db.execute("SELECT id, kind, sealed FROM secret").fetchall():
            name, slash, _ = key_id.partition("/")
            old = former.get(name, self._box) if slash else self._box
            new = fresh.get(name, box) if slash else box
            _reseal(db, (key_id, kind, sealed), old, new)

    def _former(self, db: sqlite3.Connection, name: str) -> Box:
        row = db.execute("SELECT sealed FROM tenant WHERE name = ?", (name,)).fetchone()
        return self._open(name, row[0])

    def _open(self, name: str, sealed: bytes) -> Box:
        box = self._opened.get(sealed)
        if box is None:
            try:
                box = Box(self._box.open(sealed, _context(name)))
            except (SecurityError, TypeError):
                raise SecurityError(f"the key of tenant {name!r} was altered") from None
            self._opened[sealed] = box
        return box


def _sealed(box: Box, name: str, key: bytes) -> bytes:
    return box.seal(token_bytes(12), key, _context(name))


def _context(name: str) -> bytes:
    return b"tenant\x00" + name.encode()


def _prefix(name: str) -> tuple[int, str]:
    return len(name) + 1, f"{name}/"


def _move(db: sqlite3.Connection, name: str, old: Box, new: Box) -> None:
    query = "SELECT id, kind, sealed FROM secret WHERE substr(id, 1, ?) = ?"
    for key_id, kind, sealed in db.execute(query, _prefix(name)).fetchall():
        _reseal(db, (key_id, kind, sealed), old, new)


def _reseal(db: sqlite3.Connection, row: tuple[str, str, bytes], old: Box, new: Box) -> None:
    key_id, kind, sealed = row
    context = secret_context(key_id, kind)
    try:
        plain = old.open(sealed, context)
    except (SecurityError, TypeError):
        raise SecurityError(f"the {kind} of {key_id!r} was altered: delete it first") from None
    anew = new.seal(token_bytes(12), plain, context)
    query = "UPDATE secret SET sealed = ? WHERE id = ? AND kind = ?"
    db.execute(query, (anew, key_id, kind))
