"""What is new, told to whoever watches: a line in the transaction that made it so.

The lines stand in a table, so watchers of all processes see them, in the order of their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, func, select

from ferraris.headend.store.bulk import add_all
from ferraris.headend.store.tables.access import CHANGE

__all__ = [
    "Change",
    "changes_after",
    "forget_changes",
    "newest_change",
    "newest_of",
    "note",
    "note_many",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One line: `kind` as the table lists them, `subject` a name, `detail` small and public."""

    number: int
    kind: str
    subject: str
    detail: Mapping[str, Any]
    at_s: float


def note(
    connection: Connection,
    tenant: int,
    kind: str,
    subject: str,
    *,
    at_s: float,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Tell a change, in the transaction that makes it; no readings and no secrets."""
    note_many(connection, tenant, kind, (subject,), at_s=at_s, detail=detail)


def note_many(
    connection: Connection,
    tenant: int,
    kind: str,
    subjects: Iterable[str],
    *,
    at_s: float,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Tell the same change of many, a line for each."""
    text = json.dumps(detail or {}, separators=(",", ":"))
    lines = [(tenant, kind, subject, text, float(at_s)) for subject in subjects]
    add_all(connection, CHANGE, ("tenant", "kind", "subject", "detail", "at_s"), lines)


def newest_change(connection: Connection) -> int:
    """The number of the newest line of all tenants; 0 when there is none."""
    return int(connection.execute(select(func.max(CHANGE.c.id))).scalar() or 0)


def changes_after(
    connection: Connection, tenant: int, number: int, most: int = 1000
) -> list[Change]:  # fmt: skip
    """The lines of a tenant after the given number, in order."""
    rows = connection.execute(
        select(CHANGE)
        .where(CHANGE.c.tenant == tenant, CHANGE.c.id > number)
        .order_by(CHANGE.c.id)
        .limit(most)
    )
    return [
        Change(row.id, row.kind, row.subject, json.loads(row.detail), row.at_s)
        for row in rows
    ]  # fmt: skip


def newest_of(
    connection: Connection, tenant: int, kinds: Collection[str], after: int
) -> tuple[int, int]:
    """The newest line of a tenant after a number, and the newest of these kinds; 0 for none."""
    newest, wanted = connection.execute(
        select(
            func.max(CHANGE.c.id), func.max(case((CHANGE.c.kind.in_(kinds), CHANGE.c.id)))
        ).where(CHANGE.c.id > after, CHANGE.c.tenant == tenant)
    ).one()
    return int(newest or 0), int(wanted or 0)


def forget_changes(connection: Connection, before_s: float) -> int:
    """Drop lines older than a moment; returns how many."""
    return connection.execute(delete(CHANGE).where(CHANGE.c.at_s < before_s)).rowcount
