"""What is new, for those who watch: one look at the store for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, func, or_, select

from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Caller
from ferraris.headend.store.changes import Change
from ferraris.headend.store.tables.access import CHANGE
from ferraris.headend.store.tables.inventory import METER

__all__ = ["RIGHTS", "Look", "Watch", "earlier", "for_caller"]

_MOST: Final = 1000
_PATIENCE_S: Final = 60.0

RIGHTS: Final = {
    "meter": Right.SEE_METERS,
    "session": Right.SEE_METERS,
    "success": Right.SEE_METERS,
    "alarm": Right.SEE_METERS,
    "command": Right.SEE_METERS,
    "stranger": Right.SEE_METERS,
    "plan": Right.SEE_METERS,
    "readings": Right.SEE_READINGS,
    "vee": Right.SEE_READINGS,
    "audit": Right.SEE_AUDIT,
}
"""Which right each kind of change needs."""

_OF_METERS: Final = frozenset({"meter", "session", "alarm", "command", "readings", "vee"})


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, by tenant; all up to `safe` has been seen by now. There may be `more`.

    In PostgreSQL a line with a lower number can appear after one with a higher number, because
    their transactions ended in that order. `safe` stays below such numbers: whoever goes on from
    it misses nothing, and sees some lines twice.
    """

    changes: dict[int, list[Change]]
    safe: int
    more: bool = False


@dataclass(slots=True)
class Watch:
    """Looks for what is new since the look before; numbers that are left out are looked for again.

    A number that does not appear within a minute was rolled back.
    """

    monotonic: Callable[[], float]
    last: int = -1
    left_out: dict[int, float] = field(default_factory=dict)

    def look(self, connection: Connection) -> Look:
        """Look once; the first look finds nothing, but where to begin."""
        now = self.monotonic()
        if self.last < 0:
            self._begin(connection, now)
            return Look({}, self._safe())
        wanted = CHANGE.c.id > self.last
        if self.left_out:
            wanted = or_(wanted, CHANGE.c.id.in_(list(self.left_out)))
        rows = connection.execute(
            select(CHANGE).where(wanted).order_by(CHANGE.c.id).limit(_MOST)
        ).all()
        found: dict[int, list[Change]] = {}
        for row in rows:
            change = Change(row.id, row.kind, row.subject, json.loads(row.detail), row.at_s)
            found.setdefault(row.tenant, []).append(change)
            if row.id > self.last:
                self._leave_out(range(self.last + 1, row.id), now)
                self.last = row.id
            else:
                self.left_out.pop(row.id, None)
        for number in [n for n, since in self.left_out.items() if now - since > _PATIENCE_S]:
            del self.left_out[number]
        return Look(found, self._safe(), len(rows) == _MOST)

    def _begin(self, connection: Connection, now: float) -> None:
        self.last = int(connection.execute(select(func.max(CHANGE.c.id))).scalar() or 0)
        recent = range(max(1, self.last - _MOST), self.last + 1)
        there = set(
            connection.execute(select(CHANGE.c.id).where(CHANGE.c.id >= recent.start)).scalars()
        )
        first = min(there, default=self.last)
        self._leave_out((n for n in recent if n > first and n not in there), now)

    def _leave_out(self, numbers: Iterable[int], now: float) -> None:
        for number in numbers:
            if len(self.left_out) >= _MOST:
                return
            self.left_out[number] = now

    def _safe(self) -> int:
        return min(self.left_out, default=self.last + 1) - 1


def earlier(connection: Connection, tenant: int, after: int, until: int) -> list[Change]:
    """The next lines of a tenant after a number and up to another, in order; a thousand at most."""
    rows = connection.execute(
        select(CHANGE)
        .where(CHANGE.c.tenant == tenant, CHANGE.c.id > after, CHANGE.c.id <= until)
        .order_by(CHANGE.c.id)
        .limit(_MOST)
    )
    return [Change(row.id, row.kind, row.subject, json.loads(row.detail), row.at_s) for row in rows]


def for_caller(connection: Connection, caller: Caller, changes: list[Change]) -> list[Change]:
    """Those that the caller may see: by right, and by meter where a right holds for some only.

    A line that speaks of many meters at once says to such a caller that something is new, no more.
    """
    kept = []
    scoped: dict[Right, set[str]] = {}
    for change in changes:
        right = RIGHTS.get(change.kind)
        if right is None or right not in caller.rights:
            continue
        if caller.rights[right] is None:
            kept.append(change)
        elif change.kind in _OF_METERS:
            if right not in scoped:
                scoped[right] = _visible(connection, caller, right, changes)
            if not change.subject:
                kept.append(replace(change, detail={}))
            elif _meter_of(change) in scoped[right]:
                kept.append(change)
    return kept


def _meter_of(change: Change) -> str:
    """The meter that a line is about: a command is known by its number."""
    return str(change.detail.get("meter", change.subject))


def _visible(
    connection: Connection, caller: Caller, right: Right, changes: list[Change]
) -> set[str]:
    among = caller.rights[right]
    assert among is not None
    subjects = {_meter_of(change) for change in changes if RIGHTS.get(change.kind) is right}
    return set(
        connection.execute(
            select(METER.c.external_id).where(
                METER.c.tenant == caller.tenant,
                METER.c.external_id.in_(subjects),
                METER.c.id.in_(among),
            )
        ).scalars()
    )
