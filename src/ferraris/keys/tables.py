"""Rows of a key store's file: secrets, counters, floors and documents, inside its transactions."""

from __future__ import annotations

import json
import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box
from ferraris.keys.keys import check_kind, check_name
from ferraris.keys.ledger import nameless_mark
from ferraris.keys.tenants import Tenants, secret_context
from ferraris.keys.transactions import TransactionLedger
from ferraris.keys.wallet import Document, Wallet

__all__ = ["Tables", "delete_secret"]

_DESTROYED = "destroyed"


class Tables(TransactionLedger, Wallet):
    """Reads and writes rows; who opens the file and how its keys are sealed is the store's part."""

    _path: Path
    _connection: sqlite3.Connection
    _box: Box
    _tenants: Tenants
    _mark_key: bytes
    _seen: tuple[int, int, int] | None = None
    _destroyed = 0

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Exclusive, all or nothing, durable when left."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """One consistent view."""

    @abstractmethod
    def _looking(self) -> AbstractContextManager[sqlite3.Connection]:
        """The connection for one statement."""

    @abstractmethod
    def _truncate(self) -> None:
        """Let nothing of what was overwritten stay in the file."""

    def make_missing(
        self,
        key_ids: Iterable[str],
        kind: str,
        octets: int = 32,
        entropy: Callable[[int], bytes] = token_bytes,
    ) -> dict[str, bytes]:
        """The secrets of many ids at the price of one; where there is none it is made, once.

        Processes that ask for the same id at the same time are given the same secret.
        """
        wanted = [check_name(key_id) for key_id in key_ids]
        check_kind(kind)
        with self._reading() as db:
            found = self._read_secrets(db, wanted, kind)
        if len(found) < len(set(wanted)):
            with self._writing() as db:
                found = self._read_secrets(db, wanted, kind)
                for key_id in wanted:
                    if key_id not in found:
                        found[key_id] = secret = entropy(octets)
                        self._write_secret(db, key_id, kind, secret)
        return found

    def destroy(self, key_id: str, kind: str, remains: bytes) -> None:
        """Forget a secret for good; `remains` stands in its place and tells that it was here.

        Nothing of the secret stays in the file; copies made before still hold it.
        """
        check_name(key_id)
        check_kind(kind)
        with self._writing() as db:
            self._write_secret(db, key_id, kind, remains)
            db.execute(
                "INSERT INTO header VALUES(?, 1) ON CONFLICT DO UPDATE SET value = value + 1",
                (_DESTROYED,),
            )
        self._truncate()

    def destructions(self) -> int:
        """How many secrets were destroyed; quickly, so that it can be asked before each use."""
        with self._looking() as db:
            (version,) = db.execute("PRAGMA data_version").fetchone()
            seen = (id(db), version, db.total_changes)
            if seen != self._seen:  # something was written since, by us or by others
                query = "SELECT value FROM header WHERE name = ?"
                row = db.execute(query, (_DESTROYED,)).fetchone()
                self._destroyed = 0 if row is None else int(row[0])
                self._seen = seen
            return self._destroyed

    def _read_secret(self, db: sqlite3.Connection, key_id: str, kind: str) -> bytes:
        query = "SELECT sealed FROM secret WHERE id = ? AND kind = ?"
        row = db.execute(query, (key_id, kind)).fetchone()
        if row is None:
            self._tenants.box(db, key_id)  # says when the tenant was destroyed
            raise UsageError(f"no {kind} is kept for {key_id!r}")
        try:
            return self._tenants.box(db, key_id).open(row[0], secret_context(key_id, kind))
        except (SecurityError, TypeError):
            message = f"key store {self._path}: the {kind} of {key_id!r} was altered"
            raise SecurityError(message) from None

    def _write_secret(self, db: sqlite3.Connection, key_id: str, kind: str, secret: bytes) -> None:
        mark = self._mark(secret)
        box = self._tenants.box(db, key_id)
        sealed = box.seal(token_bytes(12), secret, secret_context(key_id, kind))
        known = "SELECT 1 FROM secret WHERE id = ? AND kind = ?"
        if db.execute(known, (key_id, kind)).fetchone() is None:
            _adopt(db, key_id, kind, mark)
        row = (key_id, kind, mark, sealed)
        db.execute("INSERT OR REPLACE INTO secret VALUES(?, ?, ?, ?)", row)

    def _read_secrets(
        self, db: sqlite3.Connection, key_ids: Iterable[str], kind: str
    ) -> dict[str, bytes]:
        """Those that there are."""
        query = (
            "SELECT id, sealed FROM secret "
            "WHERE kind = ? AND id IN (SELECT value FROM json_each(?))"
        )
        found = {}
        for key_id, sealed in db.execute(query, (kind, json.dumps(list(key_ids)))).fetchall():
            try:
                box = self._tenants.box(db, key_id)
                found[key_id] = box.open(sealed, secret_context(key_id, kind))
            except (SecurityError, TypeError):
                message = f"key store {self._path}: the {kind} of {key_id!r} was altered"
                raise SecurityError(message) from None
        return found

    def _mark(self, secret: bytes) -> str:
        # Keyed, so that the file does not confirm a guess at a weak secret.
        return blake2b(secret, key=self._mark_key, digest_size=16).hexdigest()

    def _first(self) -> int:
        (first,) = self._connection.execute("SELECT first FROM guard").fetchone()
        return int(first)

    def _marks(self, key_ids: list[str], kind: str) -> dict[str, str]:
        query = (
            "SELECT id, mark FROM secret WHERE kind = ? AND id IN (SELECT value FROM json_each(?))"
        )
        known = dict(self._connection.execute(query, (kind, json.dumps(key_ids))))
        return {key_id: known.get(key_id) or nameless_mark(key_id, kind) for key_id in key_ids}

    def _following(self, marks: Iterable[str], direction: str) -> dict[str, int]:
        query = (
            "SELECT mark, following FROM counter "
            "WHERE direction = ? AND mark IN (SELECT value FROM json_each(?))"
        )
        return dict(self._connection.execute(query, (direction, json.dumps(list(marks)))))

    def _set_following(self, following: Mapping[str, int], direction: str) -> None:
        rows = [(mark, direction, value) for mark, value in following.items()]
        self._connection.executemany("INSERT OR REPLACE INTO counter VALUES(?, ?, ?)", rows)

    def _floors(self, marks: Mapping[str, str], direction: str, kind: str) -> dict[str, int]:
        query = (
            "SELECT id, mark, height FROM floor "
            "WHERE kind = ? AND direction = ? AND id IN (SELECT value FROM json_each(?))"
        )
        rows = self._connection.execute(query, (kind, direction, json.dumps(list(marks))))
        return {key_id: height for key_id, mark, height in rows if marks[key_id] == mark}

    def _set_floors(self, floors: Mapping[tuple[str, str], int], direction: str, kind: str) -> None:
        rows = [(key_id, kind, mark, direction, value) for (key_id, mark), value in floors.items()]
        self._connection.executemany("INSERT OR REPLACE INTO floor VALUES(?, ?, ?, ?, ?)", rows)

    def _heights_of(self, key_id: str, kind: str, direction: str) -> dict[str, int]:
        query = "SELECT mark, height FROM floor WHERE id = ? AND kind = ? AND direction = ?"
        return dict(self._connection.execute(query, (key_id, kind, direction)))

    def _keep_documents(self, documents: Iterable[tuple[str, str, str, bytes]]) -> None:
        with self._writing() as db:
            (last,) = db.execute("SELECT coalesce(max(number), 0) FROM document").fetchone()
            for number, (kind, owner, name, octets) in enumerate(documents, last + 1):
                db.execute(
                    "DELETE FROM document WHERE kind = ? AND owner = ? AND name = ?",
                    (kind, owner, name),
                )
                document = Document(number, kind, owner, name)
                sealed = self._box.seal(token_bytes(12), octets, document.context)
                db.execute("INSERT INTO document VALUES(?, ?, ?, ?, ?)", (*document, sealed))

    def _documents(self, kind: str, owner: str | None = None) -> list[tuple[Document, bytes]]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT number, kind, owner, name, sealed FROM document "
                "WHERE kind = ? AND owner = coalesce(?, owner) ORDER BY number",
                (kind, owner),
            ).fetchall()
        return [self._opened_document(row) for row in rows]

    def _drop_document(self, kind: str, owner: str, name: str) -> None:
        with self._writing() as db:
            db.execute(
                "DELETE FROM document WHERE kind = ? AND owner = ? AND name = ?",
                (kind, owner, name),
            )

    def _opened_document(self, row: tuple[int, str, str, str, bytes]) -> tuple[Document, bytes]:
        document = Document(*row[:4])
        try:
            return document, self._box.open(row[4], document.context)
        except (SecurityError, TypeError):
            message = f"key store {self._path}: a {document.kind} of {document.owner} was altered"
            raise SecurityError(message) from None

    def _reseal_documents(self, db: sqlite3.Connection, box: Box) -> None:
        rows = db.execute("SELECT number, kind, owner, name, sealed FROM document").fetchall()
        for row in rows:
            document, octets = self._opened_document(row)
            sealed = box.seal(token_bytes(12), octets, document.context)
            db.execute("UPDATE document SET sealed = ? WHERE number = ?", (sealed, document.number))


def delete_secret(db: sqlite3.Connection, key_id: str, kind: str) -> None:
    """Forget a secret; unknown ones are ignored."""
    db.execute("DELETE FROM secret WHERE id = ? AND kind = ?", (key_id, kind))


def _adopt(db: sqlite3.Connection, key_id: str, kind: str, mark: str) -> None:
    """Pass counters and floors that the id had without a secret to its first one."""
    nameless = nameless_mark(key_id, kind)
    db.execute(
        "INSERT INTO counter SELECT ?, direction, following FROM counter WHERE mark = ? "
        "ON CONFLICT DO UPDATE SET following = max(following, excluded.following)",
        (mark, nameless),
    )
    db.execute(
        "INSERT INTO floor SELECT id, kind, ?, direction, height FROM floor "
        "WHERE id = ? AND kind = ? AND mark = ? "
        "ON CONFLICT DO UPDATE SET height = max(height, excluded.height)",
        (mark, key_id, kind, nameless),
    )
