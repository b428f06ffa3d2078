"""Group commit: what finishes within a moment shares one transaction.

Results wait in memory while the store is away. They are bounded by what was claimed, since nothing
is claimed without the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from ferraris.headend.collect.commands import finish_commands
from ferraris.headend.collect.ground import Ground
from ferraris.headend.collect.job import Job
from ferraris.headend.collect.session import Report
from ferraris.headend.collect.storing import Settled, store_reports

__all__ = ["Writer"]

_LOOK_S: Final = 0.05


class Writer:
    """Stores the reports of jobs; `settled` is called with each batch once it is durable."""

    def __init__(self, ground: Ground, settled: Callable[[Sequence[Job], Settled], None]) -> None:
        self._ground = ground
        self._settled = settled
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._batch: list[Job] = []
        self._committing: asyncio.Future[Settled] | None = None
        self.busy: Callable[[], bool] = lambda: True

    def put(self, job: Job) -> None:
        """Store the report of a job soon."""
        self._queue.put_nowait(job)

    async def run(self) -> None:
        """Write until cancelled."""
        settings = self._ground.settings
        while True:
            self._batch.append(await self._queue.get())
            if self._queue.qsize() < settings.batch and self.busy():
                await asyncio.sleep(settings.linger_s)
            self._fill()
            self._committing = asyncio.ensure_future(
                self._ground.write(self._commit, list(self._batch))
            )
            settled = await asyncio.shield(self._committing)
            batch, self._batch, self._committing = self._batch, [], None
            self._tell(batch, settled)

    async def finish(self) -> None:
        """Write what is complete, once, without patience; for the end of the process."""
        if self._committing is not None:
            await self._end_commit(self._committing)
            self._committing = None
        self._fill(everything=True)
        if self._batch:
            settled = await self._ground.write_now(self._commit, list(self._batch))
            batch, self._batch = self._batch, []
            self._tell(batch, settled)

    async def _end_commit(self, committing: asyncio.Future[Settled]) -> None:
        """Wait for the transaction under way, lest it be written twice, but not for a store that
        is away."""
        while not committing.done() and self._ground.away_since_s is None:
            await asyncio.wait([committing], timeout=_LOOK_S)
        if committing.done() and committing.exception() is None:
            batch, self._batch = self._batch, []
            self._tell(batch, committing.result())
            return
        committing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await committing

    def _fill(self, *, everything: bool = False) -> None:
        most = self._ground.settings.batch
        with contextlib.suppress(asyncio.QueueEmpty):
            while everything or len(self._batch) < most:
                self._batch.append(self._queue.get_nowait())

    def _tell(self, batch: Sequence[Job], settled: Settled) -> None:
        self._settled(batch, settled)
        for job in batch:
            if job.stored is not None and not job.stored.done():
                job.stored.set_result(None)

    def _commit(self, connection: Connection, batch: Sequence[Job]) -> Settled:
        ground, now = self._ground, self._ground.clock()
        whole = Settled()
        for job in batch:
            if job.endings:
                finish_commands(connection, ground.tenant, job.endings, now=now)
        for work, jobs in _by_work(batch):
            settled = store_reports(
                connection,
                ground.archive,
                ground.claims,
                [report for job in jobs for report in _reports(job)],
                work,
                policy=ground.settings.policy,
                now=now,
            )
            whole.add(settled)
        return whole


def _reports(job: Job) -> list[Report]:
    """What came of a job, and of what was read with it."""
    return [] if job.report is None else [job.report, *job.report.behind]


def _by_work(batch: Sequence[Job]) -> list[tuple[Any, list[Job]]]:
    """Jobs that were found under the same plans at the same time belong together."""
    groups: dict[int, tuple[Any, list[Job]]] = {}
    for job in batch:
        groups.setdefault(id(job.work), (job.work, []))[1].append(job)
    return list(groups.values())
