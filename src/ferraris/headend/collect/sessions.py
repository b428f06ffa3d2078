"""Jobs on their way: claimed, waiting for room in the segment tree, in session, stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from ferraris.headend.collect.command_kinds import CommandKinds
from ferraris.headend.collect.commands import Ending
from ferraris.headend.collect.gate import Gate
from ferraris.headend.collect.ground import Ground
from ferraris.headend.collect.job import Job, carry_out
from ferraris.headend.collect.meter_face import OpenMeter
from ferraris.headend.collect.policy import TRANSIENT, Failure
from ferraris.headend.collect.segments import OPERATOR, ROOT, Limiter, Segment, Ticket
from ferraris.headend.collect.session import Report, read_due
from ferraris.headend.collect.sleeping import sleeps_until
from ferraris.headend.collect.target import CALLED, Target
from ferraris.headend.collect.writer import Writer

__all__ = ["Sessions"]


class Sessions:
    """All jobs of this process, by meter; a meter has one at a time."""

    def __init__(
        self,
        ground: Ground,
        open_meter: OpenMeter,
        kinds: CommandKinds,
        prepare: Callable[[Iterable[Target]], Any] | None,
    ) -> None:
        self._ground = ground
        self._open_meter = open_meter
        self._kinds = kinds
        self._prepare = prepare
        self.jobs: dict[int, Job] = {}
        self.limiter = Limiter(now=ground.steady())
        self.set_segments(())
        self._gate = Gate(self.limiter, ground.steady, self._start)
        self._changed = asyncio.Event()
        self.writer: Writer | None = None

    def set_segments(self, segments: Collection[Segment]) -> None:
        """Take over the segment tree as it is now."""
        most = self._ground.settings.concurrency
        root = Segment(ROOT, most_sessions=most)
        self.limiter.change([root, *segments], self._ground.steady())

    async def prepare(self, targets: Iterable[Target]) -> None:
        """Whatever makes many sessions cheaper than each by itself."""
        if self._prepare is not None:
            await self._ground.offload(self._prepare, list(targets))

    def enter(self, job: Job) -> None:
        """A claimed meter waits for its turn."""
        self.jobs[job.meter] = job
        self._ask(job)

    def urge(self, job: Job) -> bool:
        """Let a job that waits go before all plans; False when it is in session already."""
        if job.ticket is None or job.ticket.started:
            return False
        self._gate.withdraw(job.ticket)
        self._ask(job)
        return True

    def hold(self, job: Job) -> bool:
        """Take a job that waits out of the queue, for a meter that has called meanwhile."""
        if job.ticket is None or job.ticket.started:
            return False
        self._gate.withdraw(job.ticket)
        job.ticket = None
        return True

    def leave(self, job: Job) -> None:
        """A job is over: stored, or given up."""
        if self.jobs.get(job.meter) is job:
            del self.jobs[job.meter]
        self._changed.set()

    async def changed_within(self, seconds: float) -> None:
        """Wait until a session ends, or a job, or so much time has passed."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def stop(self) -> None:
        """Cancel all sessions."""
        self._gate.close()
        tasks = [job.task for job in self.jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def converse(self, job: Job, opener: OpenMeter) -> None:
        """The session of a job with a meter that `opener` reaches."""
        ground = self._ground
        job.report = await read_due(
            partial(opener, job.found.target),
            job.found,
            job.items,
            ground.clock,
            ground.settings.session,
            occasion=job.occasion,
            first=partial(carry_out, job, self._kinds, ground.clock)
            if job.commands or job.unknown
            else None,
        )
        self._unbegun(job)

    def _ask(self, job: Job) -> None:
        priority = OPERATOR if job.commands else job.found.priority
        target = job.found.target
        job.ticket = self._gate.ask(
            target.meter, target.node, priority, fresh=job.found.tries == 0
        )  # fmt: skip

    def _start(self, ticket: Ticket) -> None:
        job = self.jobs[ticket.key]
        job.task = asyncio.get_running_loop().create_task(self._session(job, ticket))

    async def _session(self, job: Job, ticket: Ticket) -> None:
        try:
            if not self._is_asleep(job):
                await self.converse(job, self._open_meter)
        finally:
            reached = job.report is None or job.report.reached or not _is_silence(job)
            self._gate.done(ticket, reached=reached)
            self._changed.set()
        assert self.writer is not None
        self.writer.put(job)

    def _is_asleep(self, job: Job) -> bool:
        """Whether the hours of a meter passed while its job waited for room."""
        now = self._ground.clock()
        until = sleeps_until(job.found.target, now)
        if until is None:
            return False
        failure = Failure("asleep", TRANSIENT, f"sleeps until {until:%Y-%m-%dT%H:%MZ}")
        job.report = Report(job.found, job.occasion, now, now, failure=failure)
        job.report.behind = [Report(each, job.occasion, now, now) for each in job.found.behind]
        self._unbegun(job)
        return True

    @staticmethod
    def _unbegun(job: Job) -> None:
        """Commands that no association came about for have failed, or wait for the meter."""
        report = job.report
        assert report is not None
        ended = {ending.command.number for ending in job.endings}
        for command in job.commands:
            if command.number not in ended:
                failure = report.failure
                message = "not begun" if failure is None else f"not begun: {failure.message}"
                is_asleep = failure is not None and failure.reason == "asleep"
                waits = is_asleep or (job.found.target.contact != CALLED and not report.reached)
                job.endings.append(Ending(command, "queued" if waits else "failed", None, message))


def _is_silence(job: Job) -> bool:
    """Whether a session failed so that its node may be to blame."""
    report = job.report
    return (
        report is not None
        and report.failure is not None
        and report.failure.reason == "line"
        and job.found.target.contact == CALLED
    )
