"""Who is not known, or not who it says: counted by identity and reason, in bounded room.

Whatever a flood of strangers sends, a process holds so many of them in memory, the table so many
rows, and one host so many identities; all beyond are counted together. The audit log has a line of
each row, written with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from ferraris.headend.audit import Audit
from ferraris.headend.registration.recognition import Reason
from ferraris.headend.store.changes import note
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import STRANGER
from ferraris.headend.store.upsert import add

__all__ = ["OTHERS", "Bounds", "Strangers"]

OTHERS = "(others)"
"""The identity under which strangers beyond the bounds are counted."""

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much room strangers get."""

    waiting: int = 1000
    """Identities in memory that are not yet written."""
    of_a_host: int = 100
    """Identities that one host may bring."""
    rows: int = 10_000
    """Rows of a tenant in the table."""
    hosts: int = 10_000
    """Hosts whose identities are counted one by one."""


@dataclass(slots=True)
class _Seen:
    peer: str
    message: str
    first_s: float
    last_s: float
    times: int = 1


class Strangers:
    """Takes note of strangers, in any thread; `flush` writes what came since."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        bounds: Bounds | None = None,
        *,
        journal: Audit | None = None,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._seen: dict[tuple[int, str, str], _Seen] = {}
        self._of_host: dict[str, set[str]] = {}
        self.total = 0
        """How often somebody was turned away, in this process."""

    def take_note(
        self, tenant: int, identity: str, reason: Reason, *, peer: str = "", message: str = ""
    ) -> None:
        """Somebody came: `identity` is a title in hex or what it said, `peer` where it is."""
        now, name = self._clock(), _printable(identity) or "(says nothing)"
        with self._lock:
            self.total += 1
            if not self._may_have_a_name(_host(peer), name):
                name = OTHERS
            key = (tenant, name, reason.value)
            seen = self._seen.get(key)
            if seen is None and len(self._seen) >= self._bounds.waiting:
                key = (tenant, OTHERS, reason.value)
                seen = self._seen.get(key)
            if seen is None:
                self._seen[key] = _Seen(_printable(peer), _printable(message), now, now)
                return
            seen.peer, seen.message = _printable(peer), _printable(message)
            seen.last_s, seen.times = now, seen.times + 1

    def flush(self) -> int:
        """Write what came since the last time, in one transaction; returns how many rows."""
        with self._lock:
            taken, self._seen = self._seen, {}
        if not taken:
            return 0
        try:
            self._engine.repeated(lambda connection: self._write(connection, taken))
        except BaseException:
            self._give_back(taken)
            raise
        return len(taken)

    def _may_have_a_name(self, host: str, name: str) -> bool:
        names = self._of_host.get(host)
        if names is None:
            if len(self._of_host) >= self._bounds.hosts:
                self._of_host.clear()  # who comes still is counted anew
            names = self._of_host[host] = set()
        if name in names:
            return True
        if len(names) >= self._bounds.of_a_host:
            return False
        names.add(name)
        return True

    def _give_back(self, taken: dict[tuple[int, str, str], _Seen]) -> None:
        with self._lock:
            for key, seen in taken.items():
                newer = self._seen.get(key)
                if newer is None:
                    self._seen[key] = seen
                else:
                    newer.first_s, newer.times = seen.first_s, newer.times + seen.times

    def _write(self, connection: Connection, taken: dict[tuple[int, str, str], _Seen]) -> None:
        room: dict[int, int] = {}
        for (tenant, identity, reason), seen in taken.items():
            if tenant not in room:
                room[tenant] = self._bounds.rows - _rows(connection, tenant)
            if _count_again(connection, (tenant, identity, reason), seen):
                continue
            if room[tenant] <= 0 and identity != OTHERS:
                identity = OTHERS
                if _count_again(connection, (tenant, identity, reason), seen):
                    continue
            room[tenant] -= 1
            if _add(connection, (tenant, identity, reason), seen) and self._journal is not None:
                self._journal(
                    connection,
                    tenant=tenant,
                    principal="intake",
                    action="stranger: turn away",
                    subject=identity,
                    outcome="refused",
                    detail={"reason": reason, "peer": seen.peer, "message": seen.message},
                    at_s=seen.last_s,
                )


def _rows(connection: Connection, tenant: int) -> int:
    query = select(func.count()).select_from(STRANGER).where(STRANGER.c.tenant == tenant)
    return int(connection.execute(query).scalar() or 0)


def _count_again(connection: Connection, key: tuple[int, str, str], seen: _Seen) -> bool:
    tenant, identity, reason = key
    changed = connection.execute(
        update(STRANGER)
        .where(
            STRANGER.c.tenant == tenant,
            STRANGER.c.identity == identity,
            STRANGER.c.reason == reason,
        )
        .values(
            times=STRANGER.c.times + seen.times,
            last_s=seen.last_s,
            peer=seen.peer,
            message=seen.message,
        )
    )
    return bool(changed.rowcount)


def _add(connection: Connection, key: tuple[int, str, str], seen: _Seen) -> bool:
    """Whether there is a new row."""
    tenant, identity, reason = key
    values: dict[str, Any] = {
        "tenant": tenant,
        "identity": identity,
        "reason": reason,
        "peer": seen.peer,
        "message": seen.message,
        "first_s": seen.first_s,
        "last_s": seen.last_s,
        "times": seen.times,
    }
    if not add(connection, STRANGER, [values]):  # another process was quicker
        _count_again(connection, key, seen)
        return False
    detail = {"reason": reason, "peer": seen.peer}
    note(connection, tenant, "stranger", identity, at_s=seen.last_s, detail=detail)
    return True


def _host(peer: str) -> str:
    """The host of `udp://192.0.2.7:4059`, `192.0.2.7:4059` or `[2001:db8::7]:4059`."""
    return peer.rpartition("//")[2].rpartition(":")[0]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "·" for c in text[:_LONGEST])
