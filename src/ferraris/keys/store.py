"""The key store: secrets and counters in one encrypted file that many processes share.

Secrets are sealed one by one under a random data key or their tenant's, which is sealed under the
data key; that one under a key made from the passphrase, or by a token. What is open is which ids
and kinds exist and how far the counters are. A lease is written, flushed to the disk and only then
handed out, so a process that dies burns values and never repeats one. An older copy of the file
leases nothing until `advance`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from threading import RLock

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box
from ferraris.keys.file import (
    FORMAT_VERSION,
    SCHEMA,
    SECOND_FORMAT,
    check_format,
    close_to_others,
    connected,
    plain_errors,
)
from ferraris.keys.guard import Mark, mark_place, read_mark, write_mark
from ferraris.keys.keys import Entry, check_kind, check_name
from ferraris.keys.sealing import (
    DEFAULT_COST,
    HEADER_NAMES,
    Sealing,
    WrappingToken,
    new_sealing,
    unsealed,
)
from ferraris.keys.tables import Tables, delete_secret
from ferraris.keys.tenants import Tenants
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT

__all__ = ["FORMAT_VERSION", "KeyStore"]


class KeyStore(Tables):
    """`Keys` in an SQLite file of mode 0600; make one with `create`, later with `open`.

    Threads and processes may share the file. Every method raises `UsageError` when the file cannot
    be read or written.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        data_key: bytes,
        *,
        mark: Path,
        token: WrappingToken | None = None,
    ) -> None:
        self._path = path
        self._connection = connection
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._lock = RLock()
        self._mark_place = mark
        self._token = token
        self._hold(data_key)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        passphrase: str | bytes | None = None,
        *,
        token: WrappingToken | None = None,
        mark: str | os.PathLike[str] | None = None,
        cost: int = DEFAULT_COST,
    ) -> KeyStore:
        """Make a new store; `UsageError` when the file exists, was lost, or no passphrase is given.

        The data key is sealed by the passphrase or by the token. `cost` is scrypt's n, a power of
        two; the default takes about 0.1 s and 32 MiB. `mark` is the file that tells older copies,
        otherwise the path with `.mark` behind it.
        """
        place = Path(path)
        beside = mark_place(place) if mark is None else Path(mark)
        if beside.exists() and not place.exists():
            raise UsageError(
                f"key store {place} was lost, its mark {beside} is here: restore a copy, or delete "
                "the mark when no key of it is used again"
            )
        sealing = new_sealing(passphrase, token, cost)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise UsageError(f"key store {place}: {error.strerror}") from None
        data_key = token_bytes(32)
        try:
            with plain_errors(place):
                connection = connected(place)
                connection.executescript("BEGIN IMMEDIATE;" + SCHEMA)
                _write_header(connection, sealing, data_key)
                name = _begin(connection, data_key)
                connection.execute("COMMIT")
            write_mark(beside, Mark(name, 0))
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return cls(place, connection, data_key, mark=beside, token=token)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        passphrase: str | bytes | None = None,
        *,
        token: WrappingToken | None = None,
        mark: str | os.PathLike[str] | None = None,
    ) -> KeyStore:
        """Open an existing store by its passphrase or its token.

        With a passphrase, `token` is where private keys lie. Raises `SecurityError` for a wrong
        passphrase or token, `UsageError` for a file that is missing, is no key store, is damaged,
        or was written by a newer version.
        """
        place = Path(path)
        if not place.is_file():
            raise UsageError(f"key store {place}: no such file")
        close_to_others(place)
        beside = mark_place(place) if mark is None else Path(mark)
        with plain_errors(place):
            connection = connected(place)
            try:
                version = check_format(place, connection)
                stored = dict(connection.execute("SELECT name, value FROM header"))
                data_key = unsealed(place, stored, passphrase, token)
                if version < FORMAT_VERSION:
                    _update(connection, data_key, beside)
                return cls(place, connection, data_key, mark=beside, token=token)
            except BaseException:
                connection.close()
                raise

    def put(self, key_id: str, kind: str, secret: bytes) -> None:
        """Keep a secret, in place of an older one."""
        self.put_many(((key_id, kind, secret),))

    def put_many(self, secrets: Iterable[tuple[str, str, bytes]]) -> None:
        """`put` for many (id, kind, secret) at the price of one; all of them or none."""
        checked = [
            (check_name(key_id), check_kind(kind), secret) for key_id, kind, secret in secrets
        ]
        with self._writing() as db:
            for key_id, kind, secret in checked:
                self._write_secret(db, key_id, kind, bytes(secret))

    def get(self, key_id: str, kind: str) -> bytes:
        """The secret; `UsageError` when there is none, `SecurityError` when it was altered."""
        check_name(key_id)
        check_kind(kind)
        with self._reading() as db:
            return self._read_secret(db, key_id, kind)

    def delete(self, key_id: str, kind: str) -> None:
        """Forget a secret; its counters stay. Unknown ones are ignored."""
        with self._writing() as db:
            delete_secret(db, check_name(key_id), check_kind(kind))

    def entries(self) -> list[Entry]:
        """What is kept, in order, without the secrets."""
        with self._reading() as db:
            rows = db.execute("SELECT id, kind FROM secret ORDER BY id, kind")
            return [Entry(*row) for row in rows]

    @property
    def restored(self) -> bool:
        """Is this an older copy of the file, or a file without its mark? It leases nothing then."""
        with self._reading() as db:
            return self._is_behind(db)

    def advance(self, step: int) -> None:
        """Leave out `step` values of every counter: after an older copy of the file came back.

        Choose more than was used since that copy was made, of any key; values above 2**32 spend the
        key. Keys without a counter in this copy begin later too. The store leases again afterwards.
        """
        if step < 0:
            raise UsageError("counters only advance")
        step = min(step, COUNTER_LIMIT)
        with self._lock:
            with self._writing() as db:
                query = "UPDATE counter SET following = min(following + ?, ?)"
                db.execute(query, (step, COUNTER_LIMIT))
                mark = read_mark(self._mark_place)
                reached = mark.generation if mark is not None and mark.store == self._name else 0
                db.execute(
                    "UPDATE guard SET first = min(first + ?, ?), "
                    "generation = max(generation, ?) + 1",
                    (step, COUNTER_LIMIT, reached),
                )
                (generation,) = db.execute("SELECT generation FROM guard").fetchone()
            write_mark(self._mark_place, Mark(self._name, generation))

    def change_passphrase(self, passphrase: str | bytes, *, cost: int = DEFAULT_COST) -> None:
        """Seal the data key under a new passphrase; the secrets stay as they are.

        Copies of the file made before still open with the old one.
        """
        self._reseal(new_sealing(passphrase, None, cost), self._data_key)

    def change_token(self, token: WrappingToken) -> None:
        """Seal the data key by a token from now on, in place of a passphrase or another token."""
        self._reseal(new_sealing(None, token), self._data_key)
        self._token = token

    def rotate(
        self,
        passphrase: str | bytes | None = None,
        *,
        token: WrappingToken | None = None,
        cost: int = DEFAULT_COST,
    ) -> None:
        """Renew the data key and the tenants' keys, and seal everything anew; all of it or nothing.

        Other processes that have the file open are told to open it again. Counters stay. Copies of
        the file made before still open as they did.
        """
        self._reseal(new_sealing(passphrase, token, cost), token_bytes(32))

    def close(self) -> None:
        """Let go of the file and the keys."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> KeyStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"KeyStore({str(self._path)!r})"

    def create_tenant(self, name: str) -> None:
        """Give secrets whose id begins with `name` and a slash a key of their own."""
        with self._writing() as db:
            self._tenants.create(db, check_name(name))

    def destroy_tenant(self, name: str) -> None:
        """Destroy a tenant's key and with it every secret of theirs; nothing brings them back.

        Copies of the file made before still hold them.
        """
        with self._writing() as db:
            self._tenants.destroy(db, check_name(name))
        self._truncate()

    def tenants(self) -> list[str]:
        """Tenants whose keys are there."""
        with self._reading() as db:
            return self._tenants.names(db)

    def _hold(self, data_key: bytes) -> None:
        self._data_key = data_key
        self._box = Box(data_key)
        self._tenants = Tenants(self._box)
        rows = dict(self._connection.execute("SELECT name, value FROM header"))
        try:
            self._mark_key = self._box.open(rows["mark_key"], b"mark key")
            self._name = str(rows["name"])
        except (KeyError, TypeError, SecurityError):
            raise UsageError(f"key store {self._path}: the header is damaged") from None
        (self._epoch,) = self._connection.execute("SELECT epoch FROM guard").fetchone()

    def _reseal(self, sealing: Sealing, data_key: bytes) -> None:
        fresh = data_key != self._data_key
        with self._writing() as db:
            names = json.dumps(HEADER_NAMES)
            db.execute(
                "DELETE FROM header WHERE name IN (SELECT value FROM json_each(?))", (names,)
            )
            _write_header(db, sealing, data_key)
            if fresh:
                box = Box(data_key)
                self._tenants.renew(db, box)
                self._reseal_documents(db, box)
                sealed = box.seal(token_bytes(12), self._mark_key, b"mark key")
                db.execute("UPDATE header SET value = ? WHERE name = 'mark_key'", (sealed,))
                db.execute("UPDATE guard SET epoch = epoch + 1")
        self._truncate()
        if fresh:
            with self._lock, plain_errors(self._path):
                self._hold(data_key)

    def _truncate(self) -> None:
        """Let nothing of what was overwritten stay in the write-ahead log."""
        with self._lock, plain_errors(self._path):
            self._db().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _db(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            # SQLite forbids a connection to cross a fork; it is kept, never used or closed here.
            self._inherited.append(self._connection)
            self._connection = connected(self._path)
            self._process = os.getpid()
        return self._connection

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        with self._lock, plain_errors(self._path):
            yield self._db()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, plain_errors(self._path):
            db = self._db()
            db.execute("BEGIN IMMEDIATE")
            try:
                self._check_epoch(db)
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, plain_errors(self._path):
            db = self._db()
            db.execute("BEGIN")
            try:
                self._check_epoch(db)
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _leasing(self) -> Iterator[None]:
        """A write of counters: refused to an older copy, and marked beside the file afterwards."""
        with self._lock:
            with self._writing() as db:
                if self._is_behind(db):
                    raise SecurityError(
                        f"key store {self._path}: an older copy of the file, or one without its "
                        f"mark {self._mark_place}: its counters were used since; advance it first"
                    )
                db.execute("UPDATE guard SET generation = generation + 1")
                (generation,) = db.execute("SELECT generation FROM guard").fetchone()
                yield
            mark = read_mark(self._mark_place)
            if mark is None or mark.generation < generation:
                write_mark(self._mark_place, Mark(self._name, generation))

    def _is_behind(self, db: sqlite3.Connection) -> bool:
        (generation,) = db.execute("SELECT generation FROM guard").fetchone()
        mark = read_mark(self._mark_place)
        return mark is None or mark.store != self._name or mark.generation > generation

    def _check_epoch(self, db: sqlite3.Connection) -> None:
        (epoch,) = db.execute("SELECT epoch FROM guard").fetchone()
        if epoch != self._epoch:
            raise UsageError(f"key store {self._path}: its keys were rotated: open it again")


def _write_header(connection: sqlite3.Connection, sealing: Sealing, data_key: bytes) -> None:
    connection.executemany("INSERT INTO header VALUES(?, ?)", sealing.seal(data_key).items())


def _begin(connection: sqlite3.Connection, data_key: bytes) -> str:
    """Name the store, and give the marks of its keys a key that outlives the data key."""
    # Stores of the first format have this one; it may as well be that of new ones.
    mark_key = blake2b(key=data_key, digest_size=32, person=b"ferraris mark").digest()
    sealed = Box(data_key).seal(token_bytes(12), mark_key, b"mark key")
    name = token_bytes(16).hex()
    rows = [("mark_key", sealed), ("name", name)]
    connection.executemany("INSERT INTO header VALUES(?, ?)", rows)
    return name


def _update(connection: sqlite3.Connection, data_key: bytes, mark: Path) -> None:
    """Bring a file of the first format to the second; two processes may try it at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < FORMAT_VERSION:
            for statement in SECOND_FORMAT.strip().split(";\n"):
                connection.execute(statement)
            write_mark(mark, Mark(_begin(connection, data_key), 0))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
