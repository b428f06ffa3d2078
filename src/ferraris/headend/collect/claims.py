"""Who reads which meter: claims of workers, which hold while the worker shows that it lives.

A worker counts its beats up in the store. Everybody else watches that number by his own steady
clock: one that has not changed for `lease_s` belongs to a dead worker, whose claims return. No
wall clock is compared with another, so none that jumps can lose, double or freeze work. A worker
that could not beat for so long starts no session before it has beaten again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, text, update

from ferraris.headend.collect.gaps import MeterGaps
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT, WORKER
from ferraris.headend.store.upsert import upsert

__all__ = ["Claims", "Rest", "is_over"]

_CLAIM: Final = text(
    """
INSERT INTO contact (tenant, meter, state, worker, tries, not_before_s, reason, message, since_s)
SELECT tenant, id, 'claimed', :worker, 0, 0, '', '', :now FROM meter WHERE id IN :meters ORDER BY id
ON CONFLICT (meter) DO UPDATE SET state = 'claimed', worker = excluded.worker,
  since_s = excluded.since_s
WHERE contact.state = 'waiting'
    AND (:always = 1 OR contact.not_before_s <= :now OR contact.since_s > :now + 1)
  OR contact.state = 'held' AND :always = 1
RETURNING meter
"""
).bindparams(bindparam("meters", expanding=True))


@dataclass(frozen=True, slots=True)
class Rest:
    """How things stand with a meter after a failure."""

    meter: int
    held: bool
    tries: int
    not_before_s: float
    reason: str
    message: str


class Claims:
    """The claims of one worker in the store, and its look at the others.

    `steady` is a monotonic clock in seconds.
    """

    def __init__(
        self, tenant: int, name: str, *, lease_s: float, steady: Callable[[], float]
    ) -> None:
        self._tenant = tenant
        self._name = name
        self._lease_s = lease_s
        self._steady = steady
        self._beaten_s = -lease_s
        self._seen: dict[int, tuple[int, float]] = {}
        self.worker = 0

    @property
    def beat_s(self) -> float:
        """How often to beat."""
        return self._lease_s / 4

    @property
    def fresh(self) -> bool:
        """Whether nobody can have taken this worker for dead."""
        return self._steady() - self._beaten_s < self._lease_s / 2

    def beat(self, connection: Connection, *, now: float) -> list[int]:
        """Show that this worker lives, and return the claims of those that do not.

        Returns the meters that are free again by that. Whoever was taken for dead himself begins
        anew, without claims.
        """
        at_s = self._steady()
        mine = WORKER.c.id == self.worker
        alive = {"beat": WORKER.c.beat + 1, "alive_s": now}
        if (
            not self.worker
            or not connection.execute(update(WORKER).where(mine).values(alive)).rowcount
        ):
            self.worker = self._begin(connection, now)
        freed = self._bury(connection, at_s, now)
        self._beaten_s = at_s
        return freed

    def take_over(self, connection: Connection, *, now: float) -> list[int]:
        """Return the claims of all other workers; only for who knows that none of them lives."""
        others = select(WORKER.c.id).where(
            WORKER.c.tenant == self._tenant, WORKER.c.id != self.worker
        )
        return self._return(connection, connection.execute(others).scalars().all(), now)

    def leave(self, connection: Connection, *, now: float) -> None:
        """Give back what is claimed, and be no worker any more."""
        if self.worker:
            self._return(connection, [self.worker], now)
        self.worker, self._beaten_s = 0, -self._lease_s

    def claim(
        self,
        connection: Connection,
        meters: Collection[int],
        *,
        now: float,
        always: bool = False,
    ) -> set[int]:
        """Claim meters; returns those that were free. `always` disregards pauses and holds."""
        if not meters or not self.worker:
            return set()
        key = {"worker": self.worker, "now": now, "meters": sorted(meters),
               "always": int(always)}  # fmt: skip
        return set(connection.execute(_CLAIM, key).scalars())

    def settle(
        self, connection: Connection, done: Iterable[int], rests: Sequence[Rest], *, now: float
    ) -> None:
        """End claims: meters that are done are free, the others rest.

        What is no longer claimed by this worker stays as it is.
        """
        free = sorted(done)
        mine = (CONTACT.c.worker == self.worker) & (CONTACT.c.state == "claimed")
        if free:
            connection.execute(delete(CONTACT).where(mine, CONTACT.c.meter.in_(free)))
        if rests:
            connection.execute(
                update(CONTACT)
                .where(mine, CONTACT.c.meter == bindparam("which"))
                .values(
                    state=bindparam("how"), worker=None, tries=bindparam("tried"),
                    not_before_s=bindparam("after"), reason=bindparam("why"),
                    message=bindparam("says"), since_s=now,
                ),
                [
                    {"which": each.meter, "how": "held" if each.held else "waiting",
                     "tried": each.tries, "after": each.not_before_s, "why": each.reason,
                     "says": each.message}
                    for each in sorted(rests, key=lambda rest: rest.meter)
                ],
            )  # fmt: skip

    def is_free(self, found: MeterGaps, now: float) -> bool:
        """Whether a meter can be claimed for its gaps at a moment."""
        if found.state == "waiting":
            return is_over(found.since_s, found.not_before_s, now)
        return found.state == ""

    def _begin(self, connection: Connection, now: float) -> int:
        """A row for this worker; the claims of a former one of its name return."""
        former = connection.execute(
            select(WORKER.c.id).where(WORKER.c.name == self._name)
        ).scalars()  # fmt: skip
        self._return(connection, former.all(), now)
        row = {"tenant": self._tenant, "name": self._name, "beat": 1, "alive_s": now}
        upsert(connection, WORKER, [row], key=("name",))
        number = connection.execute(select(WORKER.c.id).where(WORKER.c.name == self._name))
        return int(number.scalar_one())

    def _bury(self, connection: Connection, at_s: float, now: float) -> list[int]:
        dead, seen = [], {}
        rows = connection.execute(
            select(WORKER.c.id, WORKER.c.beat).where(
                WORKER.c.tenant == self._tenant, WORKER.c.id != self.worker
            )
        )
        for number, beat in rows:
            known = self._seen.get(number)
            if known is None or known[0] != beat:
                seen[number] = (beat, at_s)
            elif at_s - known[1] >= self._lease_s:
                dead.append(number)
            else:
                seen[number] = known
        self._seen = seen
        return self._return(connection, dead, now)

    def _return(self, connection: Connection, workers: Sequence[int], now: float) -> list[int]:
        """Free what workers have claimed; what they were doing at meters is unknown."""
        if not workers:
            return []
        theirs = CONTACT.c.worker.in_(workers) & (CONTACT.c.state == "claimed")
        meters = connection.execute(
            select(CONTACT.c.meter).where(theirs).order_by(CONTACT.c.meter)
        ).scalars()
        freed = list(meters)
        connection.execute(delete(CONTACT).where(theirs, CONTACT.c.tries == 0))
        connection.execute(
            update(CONTACT).where(theirs).values(state="waiting", worker=None, since_s=now)
        )
        running = COMMAND.c.worker.in_(workers) & (COMMAND.c.state == "running")
        connection.execute(
            update(COMMAND).where(running, COMMAND.c.changes == 0).values(state="queued")
        )
        connection.execute(
            update(COMMAND)
            .where(running, COMMAND.c.changes == 1)
            .values(state="unknown", ended_s=now, message="the head-end was stopped meanwhile")
        )
        theirs_too = COMMAND.c.worker.in_(workers)
        connection.execute(update(COMMAND).where(theirs_too).values(worker=None))
        connection.execute(delete(WORKER).where(WORKER.c.id.in_(workers)))
        return freed


def is_over(since_s: float, not_before_s: float, now: float) -> bool:
    """Whether a pause is over; one that begins in the future is the work of a clock that jumped."""
    return not_before_s <= now or since_s > now + 1
