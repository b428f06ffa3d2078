"""Writing the audit log: lines join the transaction of what they speak of, and its chain."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, Protocol, TypedDict, Unpack
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, event, insert, select, update
from sqlalchemy import text as sql

from ferraris.headend.audit.line import BEGINNING, Line, canonical, line_hash, plain
from ferraris.headend.store import changes
from ferraris.headend.store.tables.access import AUDIT, CHAIN

__all__ = ["Audit", "Journal", "Told"]


class Told(TypedDict):
    """What a line says; no secrets and no readings in `detail`.

    `tenant` 0 is for what concerns none, such as an unknown caller. `outcome` is "done" unless it
    was refused or has failed.
    """

    tenant: int
    principal: str
    action: str
    subject: str
    at_s: float
    outcome: NotRequired[str]
    detail: NotRequired[Mapping[str, Any] | None]


class Audit(Protocol):
    """Writes a line in the caller's transaction: `Journal.write`, or what stands in its place."""

    def __call__(self, connection: Connection, **told: Unpack[Told]) -> None:
        """Add the line."""


@dataclass(slots=True)
class _Waiting:
    """The lines of one open transaction, and how many there were at each open savepoint."""

    lines: list[Line] = field(default_factory=list)
    savepoints: list[int] = field(default_factory=list)


class Journal:
    """One chain of the audit log; a process has one, and all its threads write to it.

    Lines wait until their transaction commits. Only then they take the head of the chain, which
    stays taken until that commit is done, so a transaction that is rolled back leaves no trace and
    no gap, and no transaction waits for another while it still has work to do.
    """

    def __init__(self, chain: str | None = None) -> None:
        """`chain` must be new; by default it is drawn by lot."""
        self.chain = chain or secrets.token_hex(8)
        self._waiting: WeakKeyDictionary[Connection, _Waiting] = WeakKeyDictionary()

    def write(self, connection: Connection, **told: Unpack[Told]) -> None:
        """Add a line to the caller's transaction."""
        detail = told.get("detail")
        text = canonical(dict(detail)) if detail else "{}"
        line = Line(
            told["tenant"],
            float(told["at_s"]),
            plain(told["principal"]),
            plain(told["action"]),
            plain(told["subject"]),
            told.get("outcome", "done"),
            text if len(text) <= _MOST_DETAIL else '{"cut":true}',
        )
        waiting = self._waiting.get(connection)
        if waiting is None:
            waiting = self._waiting[connection] = _Waiting()
            self._listen(connection)
        waiting.lines.append(line)

    def _listen(self, connection: Connection) -> None:
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "rollback", self._rollback)
        event.listen(connection, "savepoint", self._savepoint)
        event.listen(connection, "release_savepoint", self._release_savepoint)
        event.listen(connection, "rollback_savepoint", self._rollback_savepoint)

    def _rollback(self, connection: Connection) -> None:
        self._waiting[connection] = _Waiting()

    def _savepoint(self, connection: Connection, _: None) -> None:
        waiting = self._waiting[connection]
        waiting.savepoints.append(len(waiting.lines))

    def _release_savepoint(self, connection: Connection, _: str, __: None) -> None:
        # Those from before the first line are not known here.
        if savepoints := self._waiting[connection].savepoints:
            savepoints.pop()

    def _rollback_savepoint(self, connection: Connection, _: str, __: None) -> None:
        waiting = self._waiting[connection]
        del waiting.lines[waiting.savepoints.pop() if waiting.savepoints else 0 :]

    def _commit(self, connection: Connection) -> None:
        waiting = self._waiting[connection]
        lines, self._waiting[connection] = waiting.lines, _Waiting()
        if lines:
            append(connection, self.chain, lines)


_MOST_DETAIL = 4000


def append(connection: Connection, chain: str, lines: list[Line]) -> None:
    """Put lines at the end of a chain; its row is held until the transaction ends."""
    sequence, head = _take_head(connection, chain, lines[0].at_s)
    rows = []
    for line in lines:
        sequence += 1
        head = line_hash(head, chain, sequence, line)
        rows.append(
            {
                "chain": chain,
                "sequence": sequence,
                "tenant": line.tenant,
                "at_s": line.at_s,
                "principal": line.principal,
                "action": line.action,
                "subject": line.subject,
                "outcome": line.outcome,
                "detail": line.detail,
                "hash": head,
            }
        )
        if line.tenant:
            told = {"principal": line.principal, "outcome": line.outcome, "subject": line.subject}
            changes.note(connection, line.tenant, "audit", line.action, at_s=line.at_s, detail=told)
    connection.execute(insert(AUDIT), rows)
    connection.execute(
        update(CHAIN).where(CHAIN.c.chain == chain).values(sequence=sequence, hash=head)
    )


def _take_head(connection: Connection, chain: str, at_s: float) -> tuple[int, bytes]:
    head = select(CHAIN.c.sequence, CHAIN.c.hash).where(CHAIN.c.chain == chain).with_for_update()
    found = connection.execute(head).one_or_none()
    if found is None:
        connection.execute(_OPEN, {"chain": chain, "none": BEGINNING, "at_s": at_s})
        found = connection.execute(head).one()
    return found.sequence, bytes(found.hash)


# Two threads may open a chain at once: one waits for the other here, and goes on from its lines.
_OPEN = sql(
    "INSERT INTO audit_chain (chain, sequence, hash, anchored, forgotten_hash, opened_s)"
    " VALUES (:chain, 0, :none, 0, :none, :at_s) ON CONFLICT (chain) DO NOTHING"
)
