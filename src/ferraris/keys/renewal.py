"""Renewing a meter's keys: prepare, wrap and send, prove, activate - or return to the old ones.

Every step is one transaction of the store and is on the disk before it returns, so a process that
dies anywhere leaves a state to go on from: what a meter may have been told is never forgotten
before another key has been proved.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from secrets import token_bytes
from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.crypto.wrap import wrap
from ferraris.data.readings import Operation, Outcome
from ferraris.keys.keys import RENEWED, check_name
from ferraris.keys.states import TRIED, Happening, Stage, State, step
from ferraris.keys.store import KeyStore
from ferraris.keys.tables import delete_secret
from ferraris.keys.wallet import token_label, token_reference

__all__ = ["KEY_IDS", "KeyTransfer", "Renewal", "Renewals"]

KEY_IDS = {"encryption_key": 0, "broadcast_key": 1, "authentication_key": 2, "master_key": 3}
"""Numbers of the keys in `key_transfer` and `key_agreement` [facts-g]."""

_MASTER = "master_key"
_OUTCOMES = {
    State.SETTLED: Outcome.DONE,
    State.PREPARED: Outcome.PENDING,
    State.ASKED: Outcome.UNKNOWN,
    State.SENT: Outcome.UNKNOWN,
    State.ACCEPTED: Outcome.PENDING,
}


class KeyTransfer(NamedTuple):
    """One element of a key transfer: number of the key, and the key wrapped under the master."""

    key_id: int
    wrapped: bytes


class Renewal(NamedTuple):
    """How far the renewal of one key of one meter is."""

    id: str
    kind: str
    state: State


class Renewals:
    """Renews `encryption_key`, `authentication_key`, `broadcast_key` and `master_key` by meter.

    Kinds that travel in one request are named together: the meter takes all or none. Raises
    `UsageError` for a step that the state does not allow.
    """

    def __init__(self, store: KeyStore, entropy: Callable[[int], bytes] = token_bytes) -> None:
        self._store = store
        self._entropy = entropy

    def state(self, key_id: str, kind: str) -> State:
        """Where one key stands."""
        with self._store._reading() as db:
            return _state(db, check_name(key_id), _renewed(kind))

    def unsettled(self) -> list[Renewal]:
        """Every key that is on its way, in order."""
        with self._store._reading() as db:
            rows = db.execute("SELECT id, kind, state FROM renewal ORDER BY id, kind").fetchall()
        return [Renewal(key_id, kind, State(state)) for key_id, kind, state in rows]

    def operation(self, key_id: str, kinds: Sequence[str]) -> Operation:
        """The renewal as an operation on the meter; its outcome may be unknown.

        The outcome of several keys is that of the one known least.
        """
        states = [self.state(key_id, kind) for kind in kinds]
        outcomes = [_OUTCOMES[state] for state in states]
        order = (Outcome.UNKNOWN, Outcome.PENDING, Outcome.DONE)
        outcome = min(outcomes, key=order.index, default=Outcome.DONE)
        reason = ", ".join(
            f"{kind} {state.value}" for kind, state in zip(kinds, states, strict=True)
        )
        return Operation(key_id, "renew keys", (("kinds", tuple(kinds)),), outcome, reason)

    def kinds_to_try(self, key_id: str, kind: str) -> list[str]:
        """Kinds in the store whose values the meter may have, the likeliest first.

        Each is good for `get`, `lease` and `floor`: a new key has counters of its own.
        """
        with self._store._reading() as db:
            stages = TRIED[_state(db, check_name(key_id), _renewed(kind))]
            return [
                stage.value + kind for stage in stages if _is_kept(db, key_id, stage.value + kind)
            ]

    def prepare(self, key_id: str, kinds: Iterable[str], octets: int | None = None) -> None:
        """Make the next keys from entropy, 16 or 32 octets, otherwise as long as the current ones.

        A next key that the meter has not heard of is replaced. Where the current key lies in a
        token, so does the next.
        """
        with self._store._writing() as db:
            for kind in kinds:
                self._step(db, key_id, kind, Happening.PREPARE)
                is_first = octets is not None and not _is_kept(db, key_id, kind)
                current = b"" if is_first else self._store._read_secret(db, key_id, kind)
                self._write(db, key_id, Stage.NEXT, kind, self._made(key_id, current, octets))

    def discard(self, key_id: str, kinds: Iterable[str]) -> None:
        """Forget next keys that the meter has not heard of."""
        with self._store._writing() as db:
            for kind in kinds:
                self._step(db, key_id, kind, Happening.DISCARD)
                delete_secret(db, key_id, Stage.NEXT.value + kind)

    def send(self, key_id: str, kinds: Iterable[str]) -> list[KeyTransfer]:
        """The next keys wrapped for `key_transfer`; from here on the outcome is unknown.

        They are wrapped under the master key, or under the next one when the meter has accepted
        that; a new master key itself is always wrapped under the old one. Raises `UsageError` while
        the outcome of a new master key is unknown.
        """
        chosen = [_renewed(kind) for kind in kinds]
        with self._store._writing() as db:
            under = self._wrapping_stage(db, key_id, chosen)
            master = self._store._read_secret(db, key_id, under.value + _MASTER)
            sent = []
            for kind in chosen:
                key = self._store._read_secret(db, key_id, Stage.NEXT.value + kind)
                self._step(db, key_id, kind, Happening.SEND, under)
                sent.append(KeyTransfer(KEY_IDS[kind], self._wrapped(master, key)))
            return sent

    def ask(self, key_id: str, kind: str) -> None:
        """An agreement is asked for: without the meter's answer nobody knows the new key."""
        with self._store._writing() as db:
            self._step(db, key_id, kind, Happening.ASK)

    def agreed(self, key_id: str, kind: str, key: bytes) -> None:
        """The key that was agreed on, from the meter's verified answer."""
        with self._store._writing() as db:
            self._step(db, key_id, kind, Happening.AGREE)
            self._write(db, key_id, Stage.NEXT, kind, key)

    def accepted(self, key_id: str, kinds: Iterable[str]) -> None:
        """The meter took the transfer; under a new master key that proves the master key too."""
        with self._store._writing() as db:
            for kind in kinds:
                under = _wrapped_under(db, key_id, _renewed(kind))
                self._step(db, key_id, kind, Happening.ACCEPT)
                if under is Stage.NEXT and _state(db, key_id, _MASTER) is State.ACCEPTED:
                    self._activate(db, key_id, _MASTER)

    def refused(self, key_id: str, kinds: Iterable[str]) -> None:
        """The meter refused: the current keys stay, the next ones may be sent again."""
        self._steps(key_id, kinds, Happening.REFUSE)

    def proved(self, key_id: str, kinds: Iterable[str]) -> None:
        """An answer verified under the next keys: they are the current ones now.

        The old values are kept as previous ones until the next renewal, or `forget_previous`.
        """
        with self._store._writing() as db:
            for kind in kinds:
                self._activate(db, key_id, kind)

    def not_followed(self, key_id: str, kinds: Iterable[str]) -> None:
        """An answer verified under the current keys, none under the next: the meter has the old.

        The next keys stay prepared and may be sent again.
        """
        self._steps(key_id, kinds, Happening.PROVE_OLD)

    def went_back(self, key_id: str, kinds: Iterable[str]) -> None:
        """An answer verified under the previous keys: they are current again, the others next."""
        with self._store._writing() as db:
            for kind in kinds:
                previous = self._store._read_secret(db, key_id, Stage.PREVIOUS.value + kind)
                self._step(db, key_id, kind, Happening.PROVE_PREVIOUS)
                current = self._store._read_secret(db, key_id, kind)
                self._write(db, key_id, Stage.NEXT, kind, current)
                _move_floors(db, key_id, kind, Stage.NEXT.value + kind)
                self._write(db, key_id, Stage.CURRENT, kind, previous)
                _move_floors(db, key_id, Stage.PREVIOUS.value + kind, kind)
                delete_secret(db, key_id, Stage.PREVIOUS.value + kind)

    def forget_previous(self, key_id: str, kinds: Iterable[str]) -> None:
        """Delete the previous values; the meter has used the new ones for long enough."""
        with self._store._writing() as db:
            for kind in kinds:
                delete_secret(db, check_name(key_id), Stage.PREVIOUS.value + _renewed(kind))

    def _steps(self, key_id: str, kinds: Iterable[str], happening: Happening) -> None:
        with self._store._writing() as db:
            for kind in kinds:
                self._step(db, key_id, kind, happening)

    def _step(
        self,
        db: sqlite3.Connection,
        key_id: str,
        kind: str,
        happening: Happening,
        under: Stage = Stage.CURRENT,
    ) -> None:
        what = f"the {_renewed(kind)} of {check_name(key_id)!r}"
        following = step(_state(db, key_id, kind), happening, what)
        if following is State.SETTLED:
            db.execute("DELETE FROM renewal WHERE id = ? AND kind = ?", (key_id, kind))
            return
        row = (key_id, kind, following.value, under.name)
        db.execute("INSERT OR REPLACE INTO renewal VALUES(?, ?, ?, ?)", row)

    def _activate(self, db: sqlite3.Connection, key_id: str, kind: str) -> None:
        following = self._store._read_secret(db, key_id, Stage.NEXT.value + kind)
        self._step(db, key_id, kind, Happening.PROVE_NEW)
        if _is_kept(db, key_id, kind):
            current = self._store._read_secret(db, key_id, kind)
            self._write(db, key_id, Stage.PREVIOUS, kind, current)
            _move_floors(db, key_id, kind, Stage.PREVIOUS.value + kind)
        self._write(db, key_id, Stage.CURRENT, kind, following)
        _move_floors(db, key_id, Stage.NEXT.value + kind, kind)
        delete_secret(db, key_id, Stage.NEXT.value + kind)

    def _made(self, key_id: str, current: bytes, octets: int | None) -> bytes:
        """A key of entropy, or what stands for a new one in the token."""
        label = token_label(current)
        size = octets or (
            len(current) if label is None else self._store.token_keys().key_octets(label)
        )
        if size not in (16, 32):
            raise UsageError(f"a key has 16 or 32 octets, not {size}")
        if label is None:
            return self._entropy(size)
        made = f"{key_id} {self._entropy(8).hex()}"
        self._store.token_keys().make_master_key(made, size)
        return token_reference(made)

    def _wrapped(self, master: bytes, key: bytes) -> bytes:
        under, label = token_label(master), token_label(key)
        if under is None:
            if label is not None:
                raise UsageError("a key in a token is wrapped by one in a token alone")
            return wrap(master, key)
        token = self._store.token_keys()
        return token.wrap(key, under) if label is None else token.wrap_key(label, under)

    def _wrapping_stage(self, db: sqlite3.Connection, key_id: str, kinds: list[str]) -> Stage:
        state = _state(db, check_name(key_id), _MASTER)
        if _MASTER in kinds or state not in (State.SENT, State.ASKED, State.ACCEPTED):
            return Stage.CURRENT
        if state is State.ACCEPTED:
            return Stage.NEXT
        raise UsageError(f"whether {key_id!r} has its new master key is unknown: settle that first")

    def _write(
        self, db: sqlite3.Connection, key_id: str, stage: Stage, kind: str, key: bytes
    ) -> None:
        self._store._write_secret(db, key_id, stage.value + kind, key)


def _renewed(kind: str) -> str:
    if kind not in RENEWED:
        raise UsageError(f"{kind!r} is not renewed; {', '.join(RENEWED)} are")
    return kind


def _state(db: sqlite3.Connection, key_id: str, kind: str) -> State:
    query = "SELECT state FROM renewal WHERE id = ? AND kind = ?"
    row = db.execute(query, (key_id, kind)).fetchone()
    return State.SETTLED if row is None else State(row[0])


def _wrapped_under(db: sqlite3.Connection, key_id: str, kind: str) -> Stage:
    query = "SELECT wrapped_under FROM renewal WHERE id = ? AND kind = ?"
    row = db.execute(query, (key_id, kind)).fetchone()
    return Stage.CURRENT if row is None else Stage[row[0]]


def _is_kept(db: sqlite3.Connection, key_id: str, kind: str) -> bool:
    query = "SELECT 1 FROM secret WHERE id = ? AND kind = ?"
    return db.execute(query, (key_id, kind)).fetchone() is not None


def _move_floors(db: sqlite3.Connection, key_id: str, old: str, new: str) -> None:
    """Floors follow a value to its new kind; they are told apart by its mark."""
    db.execute(
        "INSERT INTO floor SELECT id, ?, mark, direction, height FROM floor "
        "WHERE id = ? AND kind = ? "
        "ON CONFLICT DO UPDATE SET height = max(height, excluded.height)",
        (new, key_id, old),
    )
