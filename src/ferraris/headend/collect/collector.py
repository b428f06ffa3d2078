"""The collector: takes gaps from the store, reads meters side by side, gives the store the rest.

Queues are bounded, so a slow disk slows the reading instead of filling the memory. A meter's work
is done when the transaction that holds it has committed; whatever ends a run - cancellation, a
full disk, a killed process - leaves the other gaps open for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from ferraris.core.errors import UsageError
from ferraris.headend.collect.meter_face import OpenMeter
from ferraris.headend.collect.policy import RetryPolicy
from ferraris.headend.collect.session import read_meter
from ferraris.headend.store.blocks import day_of
from ferraris.headend.store.gaps import GapList
from ferraris.headend.store.records import Plan, Result, Stored, Work
from ferraris.headend.store.store import Store

__all__ = ["Collector", "Limits", "Progress", "Summary", "last_complete_day"]

_LOOK_AGAIN_S = 1.0

Target = TypeVar("Target")
Offload = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: `read` and `failed` meters of `meters`, and what they brought."""

    meters: int
    read: int
    failed: int
    registers: int
    intervals: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: `read` meters have no gap left, `failed` ones have, `failures` says why.

    `registers` and `intervals` (profile rows) count what this run added to the store.
    """

    meters: int
    read: int
    failed: int
    registers: int
    intervals: int
    duration_s: float
    failures: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int | float]:
        """The figures of the summary line, in its order."""
        names = ("meters", "read", "failed", "registers", "intervals", "duration_s")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a run does at once, and how long its claims outlive it."""

    concurrency: int = 200
    batch: int = 256
    """Most meters of one transaction and of one claim."""
    linger_s: float = 0.1
    """How long a finished meter may wait for others to share its transaction."""
    lease_s: float = 30.0
    """A killed collector's claims return after so long."""


def last_complete_day(now: float) -> int:
    """The last UTC day (since 1970-01-01) that is over at `now`."""
    return day_of(int(now)) - 1 if int(now) % 86_400 else day_of(int(now))


class Collector(Generic[Target]):
    """Reads what a plan expects of its meters for some UTC days, and stores it.

    `targets` gives for each enrolled meter what `open_meter` needs to reach it. `clock` is UTC in
    epoch seconds; `sleep` and `offload` (which runs a function away from the event loop) can be
    replaced for virtual time. `exclusive` voids the claims of all other workers at the start: for
    a store that only this process writes.
    """

    def __init__(
        self,
        store: Store,
        open_meter: OpenMeter[Target],
        targets: Mapping[str, Target],
        plan: Plan,
        *,
        days: Sequence[int] | None = None,
        limits: Limits | None = None,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Offload = asyncio.to_thread,
        progress: Callable[[Progress], None] | None = None,
        exclusive: bool = False,
        worker: str = "",
    ) -> None:
        self._store = store
        self._open_meter = open_meter
        self._targets = targets
        self._plan = plan
        self._days = days
        self._limits = limits or Limits()
        self._policy = policy or RetryPolicy()
        self._clock = clock
        self._sleep = sleep
        self._offload = offload
        self._progress = progress
        self._exclusive = exclusive
        self._worker = worker or f"{os.getpid()}-{os.urandom(6).hex()}"

    async def run(self) -> Summary:
        """Read until every gap is filled, given up or held; returns what was done.

        Raises `StoreError` when the store fails and `UsageError` for targets that are not enrolled.
        """
        run = _Run(self)
        try:
            return await run.whole()
        finally:
            run.wind_up()

    # `_Run` is the other half of this class; it has no life of its own.
    def _begin(self) -> tuple[GapList, list[int], frozenset[int]]:
        if self._limits.concurrency < 1 or self._limits.batch < 1:
            raise UsageError("concurrency and batch must be at least 1", where="collector")
        days = sorted(self._days or (last_complete_day(self._clock()),))
        gaps = self._store.plan(self._plan, self._targets, worker=self._worker)
        known = self._store.numbers()
        gaps.keep_alive(self._clock() + self._limits.lease_s)
        if self._exclusive:
            gaps.take_over()
        return gaps, days, frozenset(known[name] for name in self._targets)


class _Run:
    """The state of one run: queues, counts, and the results that are not yet committed."""

    def __init__(self, collector: Collector[Any]) -> None:
        self._c = collector
        self._limits = collector._limits
        self._started_s = collector._clock()
        self._gaps: GapList | None = None
        self._days: list[int] = []
        self._meters: frozenset[int] = frozenset()
        self._ready: asyncio.Queue[Work] = asyncio.Queue(self._limits.batch)
        self._results: asyncio.Queue[Result] = asyncio.Queue(self._limits.batch)
        self._batch: list[Result] = []
        self._committing: asyncio.Future[Stored] | None = None
        self._open = 0
        self._idle = asyncio.Event()
        self._retry_at: dict[int, float] = {}
        self._failed: set[int] = set()
        self._read = 0
        self._intervals = 0
        self._registers = 0

    async def whole(self) -> Summary:
        self._gaps, self._days, self._meters = await self._c._offload(self._c._begin)
        feeder = asyncio.create_task(self._feed(self._gaps))
        helpers = [
            asyncio.create_task(self._write(self._gaps)),
            asyncio.create_task(self._keep_alive(self._gaps)),
        ]
        size = min(self._limits.concurrency, max(1, len(self._meters)))
        helpers += [asyncio.create_task(self._work()) for _ in range(size)]
        tasks = [feeder, *helpers]
        try:
            # The helpers never end by themselves: one that does has failed.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._committing is not None:
                await asyncio.wait([self._committing])
        summary: Summary = await self._c._offload(self._summary, self._gaps)
        return summary

    def wind_up(self) -> None:
        """Commit what is complete and give back the rest; never waits, so nothing can cut in."""
        if self._gaps is None:
            return
        committing, rest = self._committing, list(self._batch)
        if committing is not None and not (committing.done() and _failed(committing)):
            rest = []  # it commits by itself, if it has not done so already
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                rest.append(self._results.get_nowait())
        try:
            if rest:
                self._c._store.commit(self._gaps, rest, self._c._clock())
        finally:
            self._gaps.leave()

    async def _feed(self, gaps: GapList) -> None:
        """Claim in batches until nothing is due, nothing will be, and no other has claims left."""
        while True:
            start_s = self._c._clock()
            found = await self._feed_once(gaps)
            if self._open:
                await self._idle.wait()
            if not found:  # what was due at the start and not there has gone to another worker
                late = [meter for meter, at in self._retry_at.items() if at <= start_s]
                for meter in late:
                    del self._retry_at[meter]
            until = min(self._retry_at.values(), default=None)
            if until is None and not found:
                others = await self._c._offload(gaps.others_until)
                if others is None or others <= start_s:  # lapsed claims would have been found
                    return
                # They may end well before their claims do: look again soon.
                until = min(others, self._c._clock() + _LOOK_AGAIN_S)
            if until is not None and until > self._c._clock():
                await self._c._sleep(until - self._c._clock())

    async def _feed_once(self, gaps: GapList) -> bool:
        """Go through the gap list once; tells whether anything was due."""
        after: int | None = 0
        found = False
        while after is not None:
            now, limit = self._c._clock(), self._limits.batch
            work, after = await self._c._offload(
                gaps.claim, self._days, now, limit, after, self._meters
            )
            for item in work:
                found = True
                self._open += 1
                self._idle.clear()
                self._retry_at.pop(item.meter, None)
                self._failed.discard(item.meter)
                await self._ready.put(item)
        return found

    async def _work(self) -> None:
        collector = self._c
        while True:
            work = await self._ready.get()
            target = collector._targets[work.external_id]
            result = await read_meter(
                partial(collector._open_meter, target),
                work,
                collector._plan,
                collector._policy,
                collector._clock,
            )
            await self._results.put(result)

    async def _write(self, gaps: GapList) -> None:
        """Group commit: what finishes within a moment shares one transaction."""
        while True:
            self._batch.append(await self._results.get())
            if self._results.qsize() < self._limits.batch and self._open > 1:
                await self._c._sleep(self._limits.linger_s)
            while len(self._batch) < self._limits.batch and not self._results.empty():
                self._batch.append(self._results.get_nowait())
            self._committing = asyncio.ensure_future(
                self._c._offload(self._c._store.commit, gaps, self._batch, self._c._clock())
            )
            stored = await asyncio.shield(self._committing)
            self._settled(self._batch, stored)
            self._committing, self._batch = None, []

    def _settled(self, batch: Sequence[Result], stored: Stored) -> None:
        for result in batch:
            waiting = [item for item in result.deferred if not item.held and item.tries]
            if result.outcome == "done":
                self._read += 1
            elif waiting:
                self._retry_at[result.work.meter] = min(item.not_before_s for item in waiting)
            else:
                self._failed.add(result.work.meter)
        self._intervals += stored.intervals
        self._registers += stored.registers
        self._open -= len(batch)
        if self._c._progress is not None:
            self._c._progress(
                Progress(len(self._meters), self._read, len(self._failed),
                         self._registers, self._intervals)
            )  # fmt: skip
        if not self._open:
            self._idle.set()

    async def _keep_alive(self, gaps: GapList) -> None:
        while True:
            await self._c._sleep(self._limits.lease_s / 3)
            await self._c._offload(gaps.keep_alive, self._c._clock() + self._limits.lease_s)

    def _summary(self, gaps: GapList) -> Summary:
        reasons = Counter(
            work.reason or "unread"
            for work in gaps.open_gaps(self._days)
            if work.meter in self._meters and work.reason != "short"
        )
        failed = reasons.total()
        return Summary(
            meters=len(self._meters),
            read=len(self._meters) - failed,
            failed=failed,
            registers=self._registers,
            intervals=self._intervals,
            duration_s=round(self._c._clock() - self._started_s, 3),
            failures=dict(reasons),
        )


def _failed(future: asyncio.Future[Stored]) -> bool:
    return future.cancelled() or future.exception() is not None
