"""The gap list of one plan: what is expected minus what is there. It is the work queue.

Nothing fills or empties it: a gap is derived from the plan and the blocks whenever somebody asks.
Only what a gap is waiting for - a worker, a time, a human - is kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any

from ferraris.headend.store import statements as sql
from ferraris.headend.store.database import Database
from ferraris.headend.store.exchange import canonical
from ferraris.headend.store.records import Held, Plan, Work

__all__ = ["GapList"]

_WINDOW = 256
_STATE, _TRIES, _REASON = 5, 9, 10
_Row = tuple[Any, ...]


class GapList:
    """The gaps of one plan on given UTC days, and the claims of one worker on them."""

    def __init__(self, database: Database, plan_id: int, plan: Plan, worker: str) -> None:
        self.plan_id = plan_id
        self.plan = plan
        self._database = database
        self._worker_name = worker
        self._worker: int | None = None
        self._profile = database.profile(canonical(plan.profile)) if plan.profile else None

    def keep_alive(self, until_s: float) -> None:
        """Say that this worker lives until then; its claims hold as long."""
        with self._database.transaction() as connection:
            row = connection.execute(
                sql.PUT_WORKER, (self._database.tenant, self._worker_name, until_s)
            ).fetchone()
        self._worker = int(row[0])

    def claim(
        self,
        days: Sequence[int],
        now: float,
        limit: int,
        after: int = 0,
        among: Collection[int] | None = None,
    ) -> tuple[list[Work], int | None]:
        """Claim the gaps of up to `limit` meters numbered above `after`, and among these.

        Returns the work and the meter to go on after, or None at the end of the list.
        """
        taken: list[Work] = []
        with self._database.transaction() as connection:
            for work, meter in self._walk(connection, days, now, after):
                if work is None or (among is not None and work.meter not in among):
                    continue
                for day in work.days:
                    connection.execute(
                        sql.PUT_CLAIM,
                        (self._database.tenant, self.plan_id, work.meter, day, "claimed",
                         self._worker, work.tries, now, ""),
                    )  # fmt: skip
                taken.append(work)
                if len(taken) >= limit:
                    return taken, meter
        return taken, None

    def open_gaps(self, days: Sequence[int]) -> list[Work]:
        """All gaps, claimed, waiting and held ones included; for reports."""
        with self._database.reading() as connection:
            return [
                work
                for work, _ in self._walk(connection, days, None, 0)
                if work is not None
            ]  # fmt: skip

    def held(self) -> list[Held]:
        """The gaps that wait for a human."""
        with self._database.reading() as connection:
            key = (self._database.tenant, self.plan_id)
            return [Held(*row) for row in connection.execute(sql.HELD, key)]

    def release(self) -> int:
        """Give waiting and held gaps back to the queue at once; returns how many."""
        with self._database.transaction() as connection:
            key = (self._database.tenant, self.plan_id)
            return connection.execute(sql.RELEASE, key).rowcount

    def take_over(self) -> int:
        """Void every worker's claims; only for who knows that no other worker lives."""
        with self._database.transaction() as connection:
            return connection.execute(sql.DROP_ALL_CLAIMS, (self._database.tenant,)).rowcount

    def leave(self) -> None:
        """Give back what this worker has claimed and not settled."""
        if self._worker is None:
            return
        with self._database.transaction() as connection:
            connection.execute(sql.DROP_WORKER_CLAIMS, (self._worker,))
            connection.execute(sql.DROP_WORKER, (self._worker,))
        self._worker = None

    def others_until(self) -> float | None:
        """Until when other workers' claims hold at the latest; None when there are none."""
        with self._database.reading() as connection:
            row = connection.execute(
                sql.FOREIGN_CLAIMS_END,
                (self._database.tenant, self.plan_id, self._worker or 0),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def _walk(
        self, connection: Any, days: Sequence[int], now: float | None, after: int
    ) -> Iterator[tuple[Work | None, int]]:
        """Meters with their gaps in order, in windows so that memory stays bounded."""
        if not days:
            return
        wanted = json.dumps(sorted(days))
        while True:
            window = connection.execute(
                sql.CANDIDATES, (self.plan_id, after, max(days), _WINDOW)
            ).fetchall()
            if not window:
                return
            rows = connection.execute(
                sql.GAPS,
                (self.plan_id, self._profile, self.plan.rows_a_day, bool(self.plan.registers),
                 wanted, window[0][0], window[-1][0]),
            ).fetchall()  # fmt: skip
            for meter, gaps in groupby(rows, key=lambda row: int(row[0])):
                yield self._of_meter(meter, list(gaps), now), meter
            after = window[-1][0]

    def _of_meter(self, meter: int, gaps: list[_Row], now: float | None) -> Work | None:
        free = [row for row in gaps if now is None or self._free(row, now)]
        if not free:
            return None
        return Work(
            meter=meter,
            external_id=free[0][1],
            days=tuple(row[2] for row in free),
            profile_days=tuple(row[2] for row in free if row[3]),
            registers=any(row[4] for row in free),
            tries=max(row[_TRIES] for row in free),
            reason=max(row[_REASON] for row in free),
        )

    def _free(self, row: _Row, now: float) -> bool:
        state, not_before_s, alive_until_s, worker = row[_STATE:_TRIES]
        if state is None:
            return True
        if state == "waiting":
            return bool(not_before_s <= now)
        if state == "held" or worker == self._worker:
            return False
        return alive_until_s is None or bool(alive_until_s <= now)
