"""The key store: secrets and counters in one encrypted file that many processes share.

Secrets are sealed one by one under a random data key, which is sealed under a key made from the
passphrase; what is open is which ids and kinds exist and how far the counters are. A lease is
written, flushed to the disk and only then handed out, so a process that dies burns values and never
repeats one. Restoring an old copy of the file sets the counters back: call `advance` afterwards.
"""

from __future__ import annotations

import json
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from threading import RLock

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box, passphrase_key
from ferraris.keys.keys import Entry, check_kind, check_name
from ferraris.keys.ledger import Ledger, nameless_mark
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT

__all__ = ["FORMAT_VERSION", "KeyStore"]

FORMAT_VERSION = 1
_APPLICATION = 0x46455252  # "FERR", so that other programs can tell what the file is
_DEFAULT_COST = 1 << 15
_BUSY_S = 30.0

_SCHEMA = f"""
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
PRAGMA user_version = {FORMAT_VERSION};
"""


class KeyStore(Ledger):
    """`Keys` in an SQLite file of mode 0600; make one with `create`, later with `open`.

    Threads and processes may share the file. Every method raises `UsageError` when the file cannot
    be read or written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, data_key: bytes) -> None:
        self._path = path
        self._connection = connection
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._lock = RLock()
        self._box = Box(data_key)
        self._data_key = data_key
        self._mark_key = blake2b(key=data_key, digest_size=32, person=b"ferraris mark").digest()

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], passphrase: str | bytes, *, cost: int = _DEFAULT_COST
    ) -> KeyStore:
        """Make a new store; `UsageError` when the file exists or the passphrase is empty.

        `cost` is scrypt's n, a power of two; the default takes about 0.1 s and 32 MiB.
        """
        place = Path(path)
        sealing = _Header.make(passphrase, cost)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise UsageError(f"key store {place}: {error.strerror}") from None
        data_key = token_bytes(32)
        try:
            with _plain_errors(place):
                connection = _connect(place)
                connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA)
                _write_header(connection, sealing, data_key)
                connection.execute("COMMIT")
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return cls(place, connection, data_key)

    @classmethod
    def open(cls, path: str | os.PathLike[str], passphrase: str | bytes) -> KeyStore:
        """Open an existing store.

        Raises `SecurityError` for a wrong passphrase, `UsageError` for a file that is missing, is
        no key store, is damaged, or was written by a newer version.
        """
        place = Path(path)
        if not place.is_file():
            raise UsageError(f"key store {place}: no such file")
        _close_to_others(place)
        with _plain_errors(place):
            connection = _connect(place)
            try:
                _check_format(place, connection)
                stored = dict(connection.execute("SELECT name, value FROM header"))
                header, sealed = _Header.read(place, stored, passphrase)
                try:
                    data_key = header.box.open(sealed, header.context)
                except SecurityError:
                    message = f"key store {place}: wrong passphrase, or an altered file"
                    raise SecurityError(message) from None
            except BaseException:
                connection.close()
                raise
        return cls(place, connection, data_key)

    def put(self, key_id: str, kind: str, secret: bytes) -> None:
        """Keep a secret, in place of an older one."""
        self.put_many(((key_id, kind, secret),))

    def put_many(self, secrets: Iterable[tuple[str, str, bytes]]) -> None:
        """`put` for many (id, kind, secret) at the price of one; all of them or none."""
        rows = [
            (
                check_name(key_id),
                check_kind(kind),
                self._mark(secret),
                self._box.seal(token_bytes(12), bytes(secret), _context(key_id, kind)),
            )
            for key_id, kind, secret in secrets
        ]
        with self._writing() as db:
            for key_id, kind, mark, _ in rows:
                known = "SELECT 1 FROM secret WHERE id = ? AND kind = ?"
                if db.execute(known, (key_id, kind)).fetchone() is None:
                    _adopt(db, key_id, kind, mark)
            db.executemany("INSERT OR REPLACE INTO secret VALUES(?, ?, ?, ?)", rows)

    def get(self, key_id: str, kind: str) -> bytes:
        """The secret; `UsageError` when there is none, `SecurityError` when it was altered."""
        check_name(key_id)
        check_kind(kind)
        with self._reading() as db:
            query = "SELECT sealed FROM secret WHERE id = ? AND kind = ?"
            row = db.execute(query, (key_id, kind)).fetchone()
        if row is None:
            raise UsageError(f"no {kind} is kept for {key_id!r}")
        try:
            return self._box.open(row[0], _context(key_id, kind))
        except (SecurityError, TypeError):
            message = f"key store {self._path}: the {kind} of {key_id!r} was altered"
            raise SecurityError(message) from None

    def delete(self, key_id: str, kind: str) -> None:
        """Forget a secret; its counters stay. Unknown ones are ignored."""
        with self._writing() as db:
            query = "DELETE FROM secret WHERE id = ? AND kind = ?"
            db.execute(query, (check_name(key_id), check_kind(kind)))

    def entries(self) -> list[Entry]:
        """What is kept, in order, without the secrets."""
        with self._reading() as db:
            rows = db.execute("SELECT id, kind FROM secret ORDER BY id, kind")
            return [Entry(*row) for row in rows]

    def advance(self, step: int) -> None:
        """Leave out `step` values of every counter: after an older copy of the file came back.

        Choose more than was used since that copy was made; values above 2**32 spend the key.
        """
        if step < 0:
            raise UsageError("counters only advance")
        with self._writing() as db:
            query = "UPDATE counter SET following = min(following + ?, ?)"
            db.execute(query, (min(step, COUNTER_LIMIT), COUNTER_LIMIT))

    def change_passphrase(self, passphrase: str | bytes, *, cost: int = _DEFAULT_COST) -> None:
        """Seal the data key under a new passphrase; the secrets stay as they are.

        Copies of the file made before still open with the old one.
        """
        sealing = _Header.make(passphrase, cost)
        with self._writing() as db:
            db.execute("DELETE FROM header")
            _write_header(db, sealing, self._data_key)
        with self._lock, _plain_errors(self._path):
            self._db().execute("PRAGMA wal_checkpoint(TRUNCATE)")

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

    def _mark(self, secret: bytes) -> str:
        # Keyed, so that the file does not confirm a guess at a weak secret.
        return blake2b(secret, key=self._mark_key, digest_size=16).hexdigest()

    def _db(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            # SQLite forbids a connection to cross a fork; it is kept, never used or closed here.
            self._inherited.append(self._connection)
            self._connection = _connect(self._path)
            self._process = os.getpid()
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _plain_errors(self._path):
            db = self._db()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _plain_errors(self._path):
            db = self._db()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

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


class _Header:
    """How the passphrase becomes a key: parameters, salt, and the box under that key."""

    def __init__(self, passphrase: str | bytes, cost: int, block: int, parallel: int, salt: bytes):
        octets = (
            unicodedata.normalize("NFKC", passphrase).encode()
            if isinstance(passphrase, str)
            else bytes(passphrase)
        )
        if not octets:
            raise UsageError("a key store needs a passphrase")
        self.parameters = json.dumps({"n": cost, "r": block, "p": parallel}).encode()
        self.salt = salt
        self.context = b"ferraris key store\x00" + self.parameters + b"\x00" + salt
        self.box = Box(passphrase_key(octets, salt, cost=cost, block_size=block, parallel=parallel))

    @classmethod
    def make(cls, passphrase: str | bytes, cost: int) -> _Header:
        return cls(passphrase, cost, 8, 1, token_bytes(16))

    @classmethod
    def read(
        cls, place: Path, stored: dict[str, bytes], passphrase: str | bytes
    ) -> tuple[_Header, bytes]:
        try:
            numbers = json.loads(stored["scrypt"])
            cost, block, parallel = (int(numbers[name]) for name in "nrp")
            salt, sealed = stored["salt"], stored["data_key"]
        except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
            raise UsageError(f"key store {place}: the header is damaged") from None
        if not isinstance(salt, bytes) or not isinstance(sealed, bytes):
            raise UsageError(f"key store {place}: the header is damaged")
        return cls(passphrase, cost, block, parallel, salt), sealed


def _write_header(connection: sqlite3.Connection, header: _Header, data_key: bytes) -> None:
    sealed = header.box.seal(token_bytes(12), data_key, header.context)
    rows = [("scrypt", header.parameters), ("salt", header.salt), ("data_key", sealed)]
    connection.executemany("INSERT INTO header VALUES(?, ?)", rows)


def _connect(place: Path) -> sqlite3.Connection:
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


def _check_format(place: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise UsageError(f"key store {place}: the file is no key store")
    if version > FORMAT_VERSION:
        raise UsageError(
            f"key store {place}: written in format {version}, this version knows "
            f"{FORMAT_VERSION}: update the program"
        )


def _close_to_others(place: Path) -> None:
    """Take the file from group and others, as `create` made it."""
    if os.name != "posix" or not place.stat().st_mode & 0o077:
        return
    try:
        place.chmod(0o600)
    except OSError:
        message = f"key store {place}: others may read it, and its mode cannot be changed to 600"
        raise SecurityError(message) from None


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


def _context(key_id: str, kind: str) -> bytes:
    return f"{kind}\x00{key_id}".encode()


@contextmanager
def _plain_errors(place: Path) -> Iterator[None]:
    """Say in one line what SQLite says in its own words."""
    try:
        yield
    except sqlite3.Error as error:
        raise UsageError(f"key store {place}: cannot be used: {error}") from None
    except UnicodeDecodeError:  # a damaged file in the text of SQLite's own message
        raise UsageError(f"key store {place}: the file is damaged") from None
