"""From the gap list to jobs: walk, claim in batches, and never let one node stand before others."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence, Set
from typing import Final

from sqlalchemy import Connection, select

from ferraris.headend.collect.backlog import Backlog
from ferraris.headend.collect.claims import is_over
from ferraris.headend.collect.commands import Command, behind_of, commands_of
from ferraris.headend.collect.gaps import AtWork, Gap, GapList, MeterGaps
from ferraris.headend.collect.ground import Ground
from ferraris.headend.collect.job import Job
from ferraris.headend.collect.plans import (
    KnownPlan,
    Members,
    at_work,
    gap_list,
    plans,
    refresh_members,
)
from ferraris.headend.collect.segments import Segment
from ferraris.headend.collect.sessions import Sessions
from ferraris.headend.collect.sleeping import sleeps
from ferraris.headend.collect.target import CALLS_IN, Target
from ferraris.headend.collect.visits import visits_of
from ferraris.headend.store.tables.inventory import NODE

__all__ = ["Feeder"]

_BREATH_S: Final = 0.02
_LEAST_AHEAD: Final = 32
_STUCK_S: Final = 2.0


class Feeder:
    """Finds what is due and enters it as jobs; knows the plans as they were last looked up."""

    def __init__(self, ground: Ground, sessions: Sessions, members: Members) -> None:
        self._ground = ground
        self._sessions = sessions
        self._members = members
        self._pending = Backlog()
        self._waiting: set[int] = set()
        self.plans: list[KnownPlan] = []
        self.forgot = False
        self.passed_over: Set[int] = frozenset()
        """Meters that are not called any more, though something of them is missing."""

    async def refresh(self) -> None:
        """Look up plans, members and segments as they are now."""
        self.plans = await self._ground.write(self._refreshed)
        self._sessions.set_segments(await self._ground.read(self._segments))

    def at_work(self, *, always: bool = False) -> list[AtWork]:
        """The plans whose windows are open now."""
        return at_work(self.plans, self._ground.clock(), always=always)

    async def walk(self) -> int:
        """Go through the gap list once, most urgent plans first; returns how many jobs came."""
        work = self.at_work()
        if not work:
            return 0
        gaps = await self._ground.read(gap_list, self._ground.tenant, work)
        entered, self.forgot = 0, False
        for priority in sorted({each.plan.priority for each in work}):
            after: int | None = 0
            while after is not None:
                found, after = await self._ground.read(_window, gaps, after)
                for each in found:
                    if each.priority == priority and self._is_due(each):
                        self._waiting.add(each.target.visited)
                        self._pending.add(each)
                entered += await self._enter_pending(gaps, work, last=after is None)
        return entered

    async def enter(self, found: Sequence[MeterGaps], gaps: GapList, work: list[AtWork]) -> int:
        """Claim meters for their gaps; returns how many were free and still had some.

        Sub-meters are claimed in their hosts, and everything behind a host is read with it.
        """
        numbers = [each.target.visited for each in found]
        mine, unknown, behind = await self._ground.write(self._claimed, numbers, work)
        await self._sessions.prepare(each.target for each in mine)
        for each in mine:
            left = unknown.get(each.target.meter, [])
            self._sessions.enter(Job(each, work, gaps.items, unknown=left, targets=behind))
        return len(mine)

    def forget(self) -> None:
        """Forget what waits for its claim; the gap list finds it again."""
        self._pending.clear()
        self._waiting.clear()

    async def _enter_pending(self, gaps: GapList, work: list[AtWork], *, last: bool) -> int:
        """Enter what waits, until there is room for more of the list, or nothing at its end.

        What no node has room for in a while is forgotten; the next walk finds it again.
        """
        most = 0 if last else self._ground.settings.pending
        entered, moved_s = await self._enter_some(gaps, work), self._ground.steady()
        while len(self._pending) > most:
            await self._room()
            if some := await self._enter_some(gaps, work):
                entered, moved_s = entered + some, self._ground.steady()
            elif self._ground.steady() - moved_s > _STUCK_S:
                self.forget()
                self.forgot = True
        return entered

    async def _enter_some(self, gaps: GapList, work: list[AtWork]) -> int:
        settings = self._ground.settings
        ahead = max(2 * settings.concurrency, _LEAST_AHEAD)
        waiting = self._sessions.limiter.waiting
        if not len(self._pending) or waiting > ahead // 2 or not self._ground.claims.fresh:
            return 0
        while taken := self._pending.take(min(settings.batch, ahead - waiting), self._room_of):
            self._waiting.difference_update(each.target.visited for each in taken)
            fresh = [each for each in taken if each.target.visited not in self._sessions.jobs]
            if fresh and (entered := await self.enter(fresh, gaps, work)):
                return entered
        return 0

    def _room_of(self, node: int) -> int:
        limiter = self._sessions.limiter
        if limiter.is_down(node):
            return 1 - limiter.waiting_at(node)
        return max(_LEAST_AHEAD, 2 * limiter.room_for(node)) - limiter.waiting_at(node)

    async def _room(self) -> None:
        await self._sessions.changed_within(1.0)
        await asyncio.sleep(_BREATH_S)

    def _is_due(self, found: MeterGaps) -> bool:
        """Whether to call a meter for something now; keeps only the gaps that wait for nothing."""
        now, target = self._ground.clock(), found.target
        if any(target.visited in those for those in self._occupied):
            return False
        if target.contact == CALLS_IN or not target.address or sleeps(target, now):
            return False
        if not self._ground.claims.is_free(found, now):
            return False
        found.gaps = free_gaps(found, now)
        return bool(found.gaps)

    @property
    def _occupied(self) -> tuple[Container[int], ...]:
        return self._sessions.jobs, self._waiting, self.passed_over

    def _claimed(
        self, connection: Connection, meters: Sequence[int], work: list[AtWork]
    ) -> tuple[list[MeterGaps], dict[int, list[Command]], dict[int, Target]]:
        """Claim, and look again: another worker may have been there since the list was made."""
        claims, now = self._ground.claims, self._ground.clock()
        taken = claims.claim(connection, meters, now=now)
        tenant = self._ground.tenant
        visits = visits_of(connection, tenant, gap_list(connection, tenant, work), taken)
        mine = []
        for visit in visits.values():
            for each in (visit, *visit.behind):
                each.gaps = free_gaps(each, now)
            visit.behind = [each for each in visit.behind if each.gaps]
            if visit.gaps or visit.behind:
                mine.append(visit)
        idle = taken - {each.target.meter for each in mine}
        claims.settle(connection, idle, [], now=now)
        unknown = commands_of(connection, tenant, sorted(taken - idle), "unknown")
        return mine, unknown, behind_of(connection, tenant, unknown.values())

    def _refreshed(self, connection: Connection) -> list[KnownPlan]:
        known = [
            each for each in plans(connection, self._ground.tenant) if each.plan.active
        ]  # fmt: skip
        refresh_members(
            connection, self._ground.tenant, known, self._members, now=self._ground.clock()
        )
        return known

    def _segments(self, connection: Connection) -> list[Segment]:
        rows = connection.execute(select(NODE).where(NODE.c.tenant == self._ground.tenant))
        return [
            Segment(row.id, row.parent or 0, row.most_sessions, row.most_connects) for row in rows
        ]


def free_gaps(found: MeterGaps, now: float) -> list[Gap]:
    """The gaps of a meter that wait for nothing."""
    return [
        gap for gap in found.gaps if not gap.held and is_over(gap.since_when, gap.not_before_s, now)
    ]


def _window(
    connection: Connection, gaps: GapList, after: int
) -> tuple[list[MeterGaps], int | None]:
    return gaps.window(connection, after)
