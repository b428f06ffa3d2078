"""The collection: the part of a head-end that reads meters, night after night.

What is missing is found in the store and what was read is put there, so whatever ends it -
cancellation, a full disk, a killed process - leaves the rest to the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, event

from ferraris.core.errors import UsageError
from ferraris.headend.collect.claims import Claims
from ferraris.headend.collect.command_kinds import CommandKinds
from ferraris.headend.collect.commands import behind_of, commands_of, start_commands
from ferraris.headend.collect.feeder import Feeder
from ferraris.headend.collect.gaps import MeterGaps
from ferraris.headend.collect.ground import Ground, Offload
from ferraris.headend.collect.job import Job
from ferraris.headend.collect.meter_face import MeterFace, OpenMeter
from ferraris.headend.collect.operators import Operators
from ferraris.headend.collect.plans import Members, gap_list, no_groups
from ferraris.headend.collect.sessions import Sessions
from ferraris.headend.collect.settings import CollectionSettings, Progress, Summary
from ferraris.headend.collect.standard_kinds import standard_kinds
from ferraris.headend.collect.storing import Settled
from ferraris.headend.collect.tallies import Tallies
from ferraris.headend.collect.target import Target
from ferraris.headend.collect.visits import targets_of, visits_of
from ferraris.headend.collect.writer import Writer
from ferraris.headend.observe.observer import Observer
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.changes import newest_change, newest_of

__all__ = ["Collection"]

_SHORT = "short"
_CLAIMED_ELSEWHERE_S = 30.0


class Collection:
    """Reads the meters of a tenant as its plans say; `run` goes on until it is cancelled.

    Args:
        archive: where readings go, and the tenant.
        open_meter: reaches a meter.
        members: the groups of the inventory.
        kinds: what operators can command.
        prepare: called with meters that are to be read soon, away from the event loop.
        progress: told after every transaction.
        observer: hears of every session whose readings are stored.
        clock: UTC in epoch seconds; `steady` is monotonic, for everything that lasts.
        offload: runs a function away from the event loop.
        exclusive: void the claims of all other workers at the start; only for a store that no
            other process collects into.
        worker: a name for this process; one that comes back takes its claims over at once.
    """

    def __init__(
        self,
        archive: Archive,
        open_meter: OpenMeter,
        *,
        settings: CollectionSettings | None = None,
        members: Members = no_groups,
        kinds: CommandKinds | None = None,
        prepare: Callable[[Iterable[Target]], Any] | None = None,
        progress: Callable[[Progress], None] | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        offload: Offload = asyncio.to_thread,
        exclusive: bool = False,
        worker: str = "",
    ) -> None:
        self._settings = settings or CollectionSettings()
        if self._settings.concurrency < 1 or self._settings.batch < 1:
            raise UsageError("concurrency and batch must be at least 1", where="collect")
        self.kinds = kinds or standard_kinds()
        name = worker or f"{os.getpid()}-{os.urandom(6).hex()}"
        claims = Claims(archive.tenant, name, lease_s=self._settings.lease_s, steady=steady)
        self._ground = Ground(
            archive.engine, archive, claims, self._settings, clock=clock, steady=steady,
            offload=offload,
        )  # fmt: skip
        self._open_meter, self._prepare, self._members = open_meter, prepare, members
        self._progress, self._observer = progress, observer
        self._exclusive = exclusive
        self._parts: _Parts | None = None

    async def run(self) -> None:
        """Collect until cancelled; then stop within a moment and give back what is not done.

        Raises `StoreError` for what waiting does not heal, such as a full disk.
        """
        async with self._working() as parts:
            await parts.until_failure(
                parts.rounds(), parts.attend(), parts.operators.run(), parts.tallies.run()
            )

    async def run_once(self) -> Summary:
        """Read what is due under the plans that are open now, and tell what came of it.

        It ends when every gap is filled, held or left to a later time.
        """
        started_s = self._ground.steady()
        async with self._working() as parts:
            await parts.until_failure(parts.once())
            await parts.tallies.count(everything=True)
            missing = await self._ground.read(parts.missing)
        counts = parts.counts
        failed = missing.total()
        return Summary(
            meters=counts.meters,
            read=counts.meters - failed,
            failed=failed,
            registers=counts.registers,
            intervals=counts.intervals,
            duration_s=round(self._ground.steady() - started_s, 3),
            failures=dict(missing),
        )

    def wake(self) -> None:
        """Look for commands at once."""
        if self._parts is not None:
            self._parts.operators.wake()

    def wake_after_commit(self, connection: Connection) -> None:
        """Look for commands as soon as a transaction of this process has committed."""
        event.listen(connection, "commit", lambda _: self._wake_from_anywhere(), once=True)

    def _wake_from_anywhere(self) -> None:
        parts = self._parts
        if parts is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                parts.loop.call_soon_threadsafe(parts.operators.wake)

    def touched(self, days: Iterable[int]) -> None:
        """Readings of these UTC days came in another way: read success is counted again."""
        if self._parts is not None:
            self._parts.tallies.touched(days)

    async def serve(self, meter: int, face: MeterFace, *, occasion: str = "call") -> bool:
        """Do with a meter that called or woke up all that is due, whatever the hour.

        `face` is the open association; closing it is the caller's affair. Returns when everything
        is stored. False when another worker is at this meter.
        """
        if self._parts is None:
            raise UsageError("the collection does not run", where="collect")
        return await self._parts.serve(meter, face, occasion)

    async def appeared(self, meter: int) -> None:
        """A sleepy meter was heard: it is read now, as long as it is awake."""
        if self._parts is not None:
            await self._parts.appeared(meter)

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[_Parts]:
        if self._parts is not None:
            raise UsageError("the collection runs already", where="collect")
        parts = self._parts = _Parts(self)
        try:
            await parts.begin(exclusive=self._exclusive)
            yield parts
        finally:
            self._parts = None
            await parts.end()


class _Parts:
    """The parts of a collection while it runs."""

    def __init__(self, collection: Collection) -> None:
        self._ground = ground = collection._ground
        self._settings = collection._settings
        self._progress, self._observer = collection._progress, collection._observer
        self._once = False
        self.loop = asyncio.get_running_loop()
        self.sessions = Sessions(
            ground, collection._open_meter, collection.kinds, collection._prepare
        )
        self.feeder = Feeder(ground, self.sessions, collection._members)
        self.operators = Operators(ground, self.sessions)
        self.writer = Writer(ground, self._stored)
        self.writer.busy = lambda: len(self.sessions.jobs) > 1
        self.sessions.writer = self.writer
        self.tallies = Tallies(ground, self.feeder)
        self.counts = Progress(0, 0, 0, 0, 0)
        self._given_up: set[int] = set()
        self._served: set[int] = set()  # meters that have called
        self._retry_at: dict[int, float] = {}
        self._soonest_s = math.inf
        self._refreshed_s = -math.inf
        self._woken = asyncio.Event()

    # -- beginning and end ------------------------------------------------------------------

    async def begin(self, *, exclusive: bool) -> None:
        await self._ground.write(self._first_beat, exclusive)
        await self._refresh()

    async def end(self) -> None:
        """Stop sessions, write what is complete, give back the rest."""
        await self.sessions.stop()
        try:
            await self.writer.finish()
        finally:
            await self._ground.write_now(self._left)

    async def until_failure(self, *works: Any) -> None:
        """Run works and what keeps them going until the first one ends; that one may fail."""
        keeping = [self.writer.run(), self._beat()]
        tasks = [asyncio.ensure_future(each) for each in (*works, *keeping)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _first_beat(self, connection: Connection, exclusive: bool) -> None:
        claims, now = self._ground.claims, self._ground.clock()
        claims.beat(connection, now=now)
        if exclusive:
            claims.take_over(connection, now=now)

    def _left(self, connection: Connection) -> None:
        self._ground.claims.leave(connection, now=self._ground.clock())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._ground.claims.beat_s)
            if await self._ground.write(self._beaten):
                self._woken.set()

    def _beaten(self, connection: Connection) -> list[int]:
        return self._ground.claims.beat(connection, now=self._ground.clock())

    # -- rounds -----------------------------------------------------------------------------

    async def rounds(self) -> None:
        """Go through the gap list again and again while windows are open."""
        while True:
            if self._ground.steady() - self._refreshed_s >= self._settings.members_s:
                await self._refresh()
            open_before = len(self.feeder.at_work())
            await self.feeder.walk()
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s(open_before)):
                    await self._woken.wait()

    async def attend(self) -> None:
        """Go through it at once when somebody changed a plan or a meter."""
        seen = await self._ground.read(newest_change)
        while True:
            await asyncio.sleep(self._settings.attend_s)
            newest, wanted = await self._ground.read(
                newest_of, self._ground.tenant, ("meter", "plan"), seen
            )
            seen = max(seen, newest)
            if wanted:
                self._refreshed_s = -math.inf
                self._woken.set()

    async def once(self) -> None:
        """Go through the gap list until nothing is left that can be done now."""
        self._once, self.feeder.passed_over = True, self._given_up
        while True:
            entered = await self.feeder.walk()
            while self.sessions.jobs:
                if self.sessions.limiter.waiting and self.sessions.limiter.is_stuck():
                    return  # whatever is left waits for a part of the network to come back
                await self.sessions.changed_within(1.0)
            if entered or self.feeder.forgot:
                continue
            now = self._ground.clock()
            ahead = [at for meter, at in self._retry_at.items() if meter not in self._given_up]
            if not ahead:
                if not await self._ground.read(self._others_at_work):
                    return
                ahead = [now + 1.0]  # others may end well, or be dead
            await asyncio.sleep(max(0.0, min(ahead) - now) + 1e-3)
            now = self._ground.clock()
            self._retry_at = {m: at for m, at in self._retry_at.items() if at > now}

    async def _refresh(self) -> None:
        await self.feeder.refresh()
        self._refreshed_s = self._ground.steady()
        members = await self._ground.read(self._members)
        self.counts = replace(self.counts, meters=members)

    def _pause_s(self, open_plans: int) -> float:
        """Until when nothing changes by itself."""
        now = self._ground.clock()
        pauses = [self._settings.members_s]
        if open_plans:
            pauses.append(self._settings.round_s)
        for known in self.feeder.plans:
            pauses.append(known.plan.next_opening(now).start_s - now + 0.05)
        if self._soonest_s > now:
            pauses.append(self._soonest_s - now)
        else:
            self._soonest_s = math.inf
        return max(0.05, min(pauses))

    def _others_at_work(self, connection: Connection) -> bool:
        """Whether another worker has claimed meters that have gaps."""
        work = self.feeder.at_work()
        for window in gap_list(connection, self._ground.tenant, work).windows(connection):
            if any(found.state == "claimed" for found in window):
                return True
        return False

    def _members(self, connection: Connection) -> int:
        return self.tallies.members(connection)

    def missing(self, connection: Connection) -> Counter[str]:
        """Why meters are not read; a day that a meter has not all rows of is no failure."""
        work, reasons = self.feeder.at_work(), Counter[str]()
        now = self._ground.clock()
        for window in gap_list(connection, self._ground.tenant, work).windows(connection):
            for found in window:
                why, _ = found.why(now)
                whys = {gap.reason or why or "unread" for gap in found.gaps} - {_SHORT}
                if whys:
                    reasons[min(whys)] += 1
        return reasons

    # -- what came of jobs ------------------------------------------------------------------

    def _stored(self, batch: Sequence[Job], settled: Settled) -> None:
        for job in batch:
            self.sessions.leave(job)
            states = {ending.state for ending in job.endings}
            if "unknown" in states:
                self.operators.left_unknown(job.meter)
            elif job.unknown and len(job.endings) >= len(job.unknown):
                self.operators.known_again(job.meter)
            elif job.unknown:
                self.operators.left_unknown(job.meter)
        for job in batch:
            self._retry_at.pop(job.meter, None)
            at_s = settled.resting.get(job.meter, -1.0)
            tried = job.found.tries + 1 >= self._settings.tries
            is_asleep = settled.reasons.get(job.meter) == "asleep"
            if at_s is None or (at_s > 0 and (tried or is_asleep)):
                self._given_up.add(job.meter)
            elif at_s > 0:
                self._retry_at[job.meter] = at_s
            else:
                self._given_up.discard(job.meter)
        self._wait_for(settled)
        counts = self.counts
        self.counts = Progress(
            counts.meters,
            counts.read + len(settled.filled),
            len(self._given_up),
            counts.registers + settled.registers,
            counts.intervals + settled.intervals,
        )
        self.tallies.touched(settled.days)
        if self._observer is not None:
            for seen in settled.seen:
                self._observer.session(seen)
        if self._progress is not None:
            self._progress(self.counts)

    def _wait_for(self, settled: Settled) -> None:
        """Remember when the next meter is to be tried again; rounds sleep no longer than that."""
        times = (*settled.resting.values(), *settled.lacking.values())
        soonest = min((at for at in times if at is not None), default=None)
        if soonest is not None and not self._once:
            self._soonest_s = min(self._soonest_s, soonest)
            self._woken.set()

    # -- meters that come by themselves -----------------------------------------------------

    async def serve(self, meter: int, face: MeterFace, occasion: str) -> bool:
        ground = self._ground
        until_s = ground.steady() + _CLAIMED_ELSEWHERE_S
        while meter in self._served or self._in_session(meter):
            if ground.steady() > until_s:
                return False
            await self.sessions.changed_within(0.5)
        self._served.add(meter)
        try:
            return await self._serve(meter, face, occasion)
        finally:
            self._served.discard(meter)

    def _in_session(self, meter: int) -> bool:
        """Whether this process is at a meter; a job that only waits for its turn makes way."""
        job = self.sessions.jobs.get(meter)
        return job is not None and not self.sessions.hold(job)

    async def _serve(self, meter: int, face: MeterFace, occasion: str) -> bool:
        job = self.sessions.jobs.get(meter)
        if job is None:
            job = await self._ground.write(self._claimed_for_call, meter)
            if job is None:
                return False
            self.sessions.jobs[meter] = job
        else:
            await self._ground.write(self._fill_for_call, job)
        job.occasion = occasion
        job.stored = asyncio.get_running_loop().create_future()

        @asynccontextmanager
        async def opened(_: Target) -> AsyncIterator[MeterFace]:
            yield face

        try:
            await self.sessions.converse(job, opened)
        except asyncio.CancelledError:
            self.sessions.leave(job)
            raise
        self.writer.put(job)
        await job.stored
        return True

    async def appeared(self, meter: int) -> None:
        if meter in self.sessions.jobs:
            return
        job = await self._ground.write(self._claimed_for_call, meter)
        if job is not None:
            await self.sessions.prepare([job.found.target])
            self.sessions.enter(job)

    def _claimed_for_call(self, connection: Connection, meter: int) -> Job | None:
        ground, now = self._ground, self._ground.clock()
        target = targets_of(connection, ground.tenant, [meter]).get(meter)
        if target is None:
            raise UsageError("there is no such meter", where="collect")
        if not ground.claims.claim(connection, [meter], now=now, always=True):
            return None
        job = Job(MeterGaps(target, priority=0), [], {})
        self._fill_for_call(connection, job)
        return job

    def _fill_for_call(self, connection: Connection, job: Job) -> None:
        """All that is due from the meter, whatever the hour, and the commands for it."""
        ground = self._ground
        job.work = self.feeder.at_work(always=True)
        gaps = gap_list(connection, ground.tenant, job.work)
        job.items = gaps.items
        visits = visits_of(connection, ground.tenant, gaps, [job.meter])
        job.found = visits.get(job.meter, job.found)
        for each in (job.found, *job.found.behind):
            each.gaps = [gap for gap in each.gaps if not gap.held]
        queued = commands_of(connection, ground.tenant, [job.meter], "queued").get(job.meter, [])
        job.commands += start_commands(
            connection, ground.claims.worker, queued, now=ground.clock()
        )  # fmt: skip
        unknown = commands_of(connection, ground.tenant, [job.meter], "unknown")
        job.unknown = unknown.get(job.meter, [])
        job.targets = behind_of(connection, ground.tenant, [job.commands, job.unknown])
