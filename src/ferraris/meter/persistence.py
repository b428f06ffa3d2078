"""The state of a fleet in a directory: meters go on where they stopped, also after a kill.

What an answer depends on is kept before it leaves: a lease of invocation counters and new keys are
on the disk, a request's counter and all that it changed outlive the process. The rest follows
within a second. Each meter is written as a whole or not at all, and only when it has changed; one
to which nothing has happened takes no room. Every row is sealed under a key of the directory, which
a passphrase seals in turn, if there is one. Nobody may use the directory twice at a time, nor an
older copy of it: its counters would come again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, NamedTuple

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.box import Box
from ferraris.keys.sealing import DEFAULT_COST
from ferraris.meter.behaviour.push_course import PushCourse, PushMemory
from ferraris.meter.behaviour.push_setup import PushList
from ferraris.meter.chunks import Chunks
from ferraris.meter.freezing import form_of
from ferraris.meter.state import State
from ferraris.meter.state_file import (
    FORMAT_VERSION,
    NONCE_OCTETS,
    Identity,
    begin,
    check,
    connected,
    opened_box,
    plain_errors,
)
from ferraris.server.device import ObjectKey

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["FORMAT_VERSION", "Identity", "StateDirectory"]

_FILE = "state.db"
_PERIOD_S = 1.0
_AT_ONCE = 256  # meters in one turn of the loop


class _Counters(NamedTuple):
    """What changes with every ciphered request."""

    following: int
    floors: dict[int, int] | None
    transactions: dict[int, int]


_Courses = dict[ObjectKey, PushMemory]

_STATE, _COUNTERS = form_of(State), form_of(_Counters)
_COURSES, _KEY = form_of(_Courses), form_of(ObjectKey | None)


class StateDirectory:
    """The `Memory` of a fleet in a directory of mode 0700; `open` makes it when it is not there.

    Attributes:
        secret: what the fleet's keys follow from, the same at every start.
    """

    def __init__(self, place: Path, connection: sqlite3.Connection, box: Box) -> None:
        self._place = place
        self._connection = connection
        self._box = box
        self._changed: dict[int, SimulatedMeter] = {}
        self._serials: dict[int, int] = {}
        self._pieces: dict[tuple[int, str], int] = {}
        query = "SELECT number FROM meter UNION SELECT number FROM counter"
        self._known = {number for (number,) in connection.execute(query)}
        self.secret = self._open(self._header()["secret"], "secret")

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        identity: Identity,
        passphrase: bytes | None = None,
        *,
        cost: int = DEFAULT_COST,
    ) -> StateDirectory:
        """Open the state of these meters.

        A new one is sealed by the passphrase; without one its key lies beside it, readable by the
        owner alone. Raises `UsageError` for the state of other meters, for one that another
        simulator uses, for a damaged or newer file; `SecurityError` for a wrong passphrase.
        """
        place = Path(path) / _FILE
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_new = not place.exists()
            if is_new:
                os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise UsageError(f"state {path}: {error.strerror}") from None
        with plain_errors(place):
            connection = connected(place)
            try:
                if is_new or not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    begin(connection, identity, passphrase, cost)
                check(place, connection, identity)
                return cls(place, connection, opened_box(place, connection, passphrase))
            except BaseException:
                connection.close()
                raise

    # -- what a fleet asks for ------------------------------------------------------------

    def knows(self, index: int) -> bool:
        """Whether something was kept of a meter when the directory was opened."""
        return index in self._known

    def recall(self, meter: SimulatedMeter) -> State | None:
        """What a meter remembered when it was kept last."""
        number = meter.index
        if number not in self._known:
            return None
        with plain_errors(self._place):
            db = self._connection
            row = db.execute("SELECT sealed FROM meter WHERE number = ?", (number,)).fetchone()
            counters = db.execute(
                "SELECT sealed FROM counter WHERE number = ?", (number,)
            ).fetchone()
        state = State() if row is None else self._thawed(meter, self._open(row[0], f"{number}"))
        if counters is not None:
            kept = _COUNTERS.thaw(json.loads(self._open(counters[0], f"{number} counters")))
            state.next_counter, state.floors = kept.following, kept.floors
            if kept.transactions:
                state.secure().transactions = kept.transactions
        self._serials[number] = _serial(state)
        return state

    def changed(self, meter: SimulatedMeter) -> None:
        """The state of a meter is about to change."""
        self._changed[meter.index] = meter

    def secure(self, meter: SimulatedMeter, *, on_disk: bool = False) -> None:
        """Write what changed in a meter; new keys always go to the disk."""
        number = meter.index
        is_rekeyed = _serial(meter.state) != self._serials.get(number, 0)
        with self._writing(on_disk=on_disk or is_rekeyed) as db:
            if is_rekeyed:
                self._changed[number] = meter
            if number in self._changed:
                self._write(db, meter)
            else:
                self._write_counters(db, meter)
        self._kept(meter)

    # -- what whoever runs the fleet asks for ---------------------------------------------

    def flush(self, most: int = sys.maxsize) -> int:
        """Write up to `most` meters that have changed; tells how many are left."""
        meters = list(self._changed.values())[:most]
        if meters:
            with self._writing(on_disk=True) as db:
                for meter in meters:
                    self._write(db, meter)
            for meter in meters:
                self._kept(meter)
        return len(self._changed)

    async def keep(self) -> None:
        """`flush` every second until cancelled, a few meters in each turn of the loop."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            while self.flush(_AT_ONCE):
                await asyncio.sleep(0)

    def close(self) -> None:
        """Write everything and let go of the file."""
        self.flush()
        with plain_errors(self._place):
            self._connection.close()

    def __enter__(self) -> StateDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- rows -----------------------------------------------------------------------------

    def _write(self, db: sqlite3.Connection, meter: SimulatedMeter) -> None:
        number, state = meter.index, meter.state
        shape: dict[str, Any] = {"state": _STATE.freeze(state)}
        if state.parts:
            shape["parts"] = [
                [_name(kind), _KEY.freeze(key), form_of(kind).freeze(part)]
                for (kind, key), part in state.parts.items()
            ]
            self._write_pieces(db, number, state)
        if state.courses:
            courses = {key: course.remembered for key, course in state.courses.items()}
            shape["courses"] = _COURSES.freeze(courses)
        octets = json.dumps(shape, separators=(",", ":")).encode("ascii")
        sealed = self._seal(octets, f"{number}")
        db.execute("INSERT OR REPLACE INTO meter VALUES(?, ?)", (number, sealed))
        self._write_counters(db, meter)

    def _write_counters(self, db: sqlite3.Connection, meter: SimulatedMeter) -> None:
        number, state = meter.index, meter.state
        transactions = {} if state.security is None else state.security.transactions
        counters = _Counters(state.next_counter, state.floors, transactions)
        octets = json.dumps(_COUNTERS.freeze(counters), separators=(",", ":")).encode("ascii")
        sealed = self._seal(octets, f"{number} counters")
        db.execute("INSERT OR REPLACE INTO counter VALUES(?, ?)", (number, sealed))

    def _write_pieces(self, db: sqlite3.Connection, number: int, state: State) -> None:
        for place, chunks in _chunks(state):
            key = (number, place)
            if self._pieces.get(key, 0) != chunks.began:
                db.execute("DELETE FROM chunk WHERE number = ? AND place = ?", key)
            rows = [
                (number, place, piece, self._seal(chunks[piece], f"{number} {place} {piece}"))
                for piece in sorted(chunks.fresh)
            ]
            db.executemany("INSERT OR REPLACE INTO chunk VALUES(?, ?, ?, ?)", rows)

    def _kept(self, meter: SimulatedMeter) -> None:
        """What was written of a meter is committed."""
        number = meter.index
        if self._changed.pop(number, None) is None:
            return
        self._serials[number] = _serial(meter.state)
        for place, chunks in _chunks(meter.state):
            self._pieces[number, place] = chunks.began
            chunks.fresh.clear()

    def _thawed(self, meter: SimulatedMeter, octets: bytes) -> State:
        shape = json.loads(octets)
        state: State = _STATE.thaw(shape["state"])
        for name, key, part in shape.get("parts", ()):
            kind = _found(name)
            state.parts = state.parts or {}
            state.parts[kind, _KEY.thaw(key)] = form_of(kind).thaw(part)
        for place, chunks in _chunks(state):
            rows = self._connection.execute(
                "SELECT piece, sealed FROM chunk WHERE number = ? AND place = ?",
                (meter.index, place),
            )
            for piece, sealed in rows:
                plain = self._open(sealed, f"{meter.index} {place} {piece}")
                chunks.put(piece, plain, fresh=False)
        behaviours = meter.fleet.template.behaviours
        for key, kept in _COURSES.thaw(shape.get("courses", [])).items():
            setup = behaviours.get(key)
            if isinstance(setup, PushList):
                state.courses = state.courses or {}
                state.courses[key] = PushCourse(meter, setup)
                state.courses[key].remember(kept)
        return state

    def _header(self) -> dict[str, bytes]:
        return dict(self._connection.execute("SELECT name, value FROM header"))

    def _seal(self, octets: bytes, context: str) -> bytes:
        return self._box.seal(token_bytes(NONCE_OCTETS), octets, context.encode())

    def _open(self, sealed: bytes, context: str) -> bytes:
        try:
            return self._box.open(sealed, context.encode())
        except SecurityError:
            raise SecurityError(f"state {self._place}: altered: {context}") from None

    @contextmanager
    def _writing(self, *, on_disk: bool) -> Iterator[sqlite3.Connection]:
        with plain_errors(self._place):
            db = self._connection
            # In write-ahead mode a commit outlives the process either way.
            db.execute(f"PRAGMA synchronous = {'FULL' if on_disk else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _serial(state: State) -> int:
    return 0 if state.security is None else state.security.serial


def _chunks(state: State) -> Iterator[tuple[str, Chunks]]:
    """Every collection of pieces among the parts, and the name of its place."""
    for (kind, key), part in (state.parts or {}).items():
        if not is_dataclass(part):
            continue
        for field in fields(part):
            found = getattr(part, field.name)
            if isinstance(found, Chunks):
                where = "" if key is None else f"{key[0]}/{key[1].hex()}"
                yield f"{_name(kind)} {where} {field.name}", found


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _found(name: str) -> type:
    """The kind of a part; a module of the meters is imported for it."""
    module, _, qualified = name.partition(":")
    if module not in sys.modules and module.startswith("ferraris.meter."):
        with suppress(ImportError):
            import_module(module)
    kind = getattr(sys.modules.get(module), qualified, None)
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise UsageError(
            f"state: nobody knows {name}: use the version that wrote it, or another directory"
        )
    return kind
