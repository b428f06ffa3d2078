"""What validation must look at again: marks, made in the transaction that brings what is new.

A mark that is there already is marked once more, so whoever is at work on it notices.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Insert
from sqlalchemy.dialects import postgresql, sqlite

from ferraris.headend.store.tables.validated import VEE_DUE

__all__ = ["mark_due"]

_KEY = (VEE_DUE.c.meter, VEE_DUE.c.profile, VEE_DUE.c.day)


def mark_due(
    connection: Connection,
    tenant: int,
    keys: Iterable[tuple[int, int, int]],
    *,
    reason: str,
    at_s: float,
    local: bool = False,
) -> int:
    """Mark (meter, profile, day) as due; returns how many.

    Claims of it end: whoever is at work on it has not seen what is new.
    The day is the UTC day of a block that is new; with `local` it is one local day and no other.
    """
    rows = [
        {
            "tenant": tenant,
            "meter": meter,
            "profile": profile,
            "day": day,
            "local": int(local),
            "reason": reason,
            "since_s": at_s,
            "marks": 1,
        }
        for meter, profile, day in sorted(set(keys))  # one order for all, or two would wait
    ]  # fmt: skip
    if rows:
        connection.execute(_statement(connection), rows)
    return len(rows)


def _statement(connection: Connection) -> Insert:
    """A block's mark reaches whatever a local day's does, so it stays when both meet."""
    if connection.dialect.name == "postgresql":
        made = postgresql.insert(VEE_DUE)
        return made.on_conflict_do_update(index_elements=_KEY, set_=_again(made.excluded))
    plain = sqlite.insert(VEE_DUE)
    return plain.on_conflict_do_update(index_elements=_KEY, set_=_again(plain.excluded))


def _again(new: object) -> dict[str, object]:
    given = {name: getattr(new, name) for name in ("reason", "since_s", "local")}
    return given | {
        "local": VEE_DUE.c.local * given["local"],
        "marks": VEE_DUE.c.marks + 1,
        "claimed_until_s": None,
    }
