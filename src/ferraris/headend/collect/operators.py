"""Commands on their way to meters: looked for often, and let go before all plans."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from ferraris.headend.collect.commands import (
    Command,
    Ending,
    behind_of,
    commands_of,
    expire_commands,
    finish_commands,
    queued_commands,
    start_commands,
)
from ferraris.headend.collect.gaps import AtWork, MeterGaps
from ferraris.headend.collect.ground import Ground
from ferraris.headend.collect.job import Job
from ferraris.headend.collect.sessions import Sessions
from ferraris.headend.collect.sleeping import sleeps
from ferraris.headend.collect.target import CALLS_IN, Target
from ferraris.headend.collect.visits import out_of_reach, targets_of

__all__ = ["Operators"]

_READ_BACK_S: Final = (5.0, 60.0, 600.0)
_NOTHING: Final[list[AtWork]] = []


class Operators:
    """Takes queued commands to their meters, which are claimed whatever they wait for."""

    def __init__(self, ground: Ground, sessions: Sessions) -> None:
        self._ground = ground
        self._sessions = sessions
        self._wake = asyncio.Event()
        self._read_back: dict[int, tuple[int, float]] = {}  # meter: turn, when

    def wake(self) -> None:
        """Look at once: this process has just queued something."""
        self._wake.set()

    async def run(self) -> None:
        """Look for commands until cancelled."""
        while True:
            self._wake.clear()
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ground.settings.poll_s):
                    await self._wake.wait()

    async def look(self) -> None:
        """Take what is queued to the meters that are free."""
        queued = await self._ground.read(queued_commands, self._ground.tenant)
        now = self._ground.clock()
        if any(each.not_after_s is not None and each.not_after_s <= now for each in queued):
            await self._ground.write(self._expired)
            queued = await self._ground.read(queued_commands, self._ground.tenant)
        wanted: dict[int, list[Command]] = defaultdict(list)
        for command in queued:
            job = self._sessions.jobs.get(command.visited)
            if job is None or (job.ticket is not None and not job.ticket.started):
                wanted[command.visited].append(command)
        due = [meter for meter, (_, at_s) in self._read_back.items() if at_s <= now]
        for meter in due:
            if meter not in self._sessions.jobs:
                wanted.setdefault(meter, [])
        if wanted and self._ground.claims.fresh:
            await self._take(wanted)

    def left_unknown(self, meter: int) -> None:
        """Something is unknown at a meter: it will be asked what became of it."""
        turn, _ = self._read_back.get(meter, (0, 0.0))
        if turn < len(_READ_BACK_S):
            self._read_back[meter] = (turn + 1, self._ground.clock() + _READ_BACK_S[turn])
        else:
            del self._read_back[meter]

    def known_again(self, meter: int) -> None:
        """Nothing is unknown at a meter any more."""
        self._read_back.pop(meter, None)

    async def _take(self, wanted: dict[int, list[Command]]) -> None:
        mine = {meter for meter in wanted if meter in self._sessions.jobs}
        begun, unknown, targets, behind = await self._ground.write(
            self._begun, wanted, [meter for meter in wanted if meter not in mine]
        )
        for meter in mine:
            job = self._sessions.jobs.get(meter)
            if job is None or not begun.get(meter):
                continue
            job.commands += begun[meter]
            job.targets = {**job.targets, **behind}
            job.occasion = "operator"
            self._sessions.urge(job)
        free = [target for meter, target in targets.items() if meter not in self._sessions.jobs]
        await self._sessions.prepare(free)
        for target in free:
            commands = begun.get(target.meter, [])
            found = MeterGaps(target, priority=0)
            left = unknown.get(target.meter, [])
            self._sessions.enter(Job(found, _NOTHING, {}, "operator", commands, left, behind))

    def _begun(
        self, connection: Connection, wanted: dict[int, list[Command]], meters: Sequence[int]
    ) -> tuple[
        dict[int, list[Command]], dict[int, list[Command]], dict[int, Target], dict[int, Target]
    ]:
        """Claim the meters that are nobody's, and mark the commands of all that are ours.

        The last are the sub-meters of these commands.
        """
        ground, now = self._ground, self._ground.clock()
        wanted = self._within_reach(connection, wanted)
        targets = {
            number: target
            for number, target in targets_of(
                connection, ground.tenant, [meter for meter in meters if meter in wanted]
            ).items()
            if target.contact != CALLS_IN and target.address and not sleeps(target, now)
        }
        claimed = ground.claims.claim(connection, targets, now=now, always=True)
        ours = claimed | {meter for meter in wanted if meter not in meters}
        asked = [command for meter in sorted(ours) for command in wanted[meter]]
        begun: dict[int, list[Command]] = defaultdict(list)
        for command in start_commands(connection, ground.claims.worker, asked, now=now):
            begun[command.visited].append(command)
        for commands in begun.values():
            commands.sort(key=lambda each: (each.priority, each.number))
        unknown = commands_of(connection, ground.tenant, sorted(claimed), "unknown")
        behind = behind_of(connection, ground.tenant, [*begun.values(), *unknown.values()])
        return begun, unknown, {number: targets[number] for number in claimed}, behind

    def _within_reach(
        self, connection: Connection, wanted: dict[int, list[Command]]
    ) -> dict[int, list[Command]]:
        """What can be done as the inventory is; the rest has failed.

        It could only wait, perhaps for years, and would then come as a surprise.
        """
        tenant, now = self._ground.tenant, self._ground.clock()
        asked = [command for commands in wanted.values() for command in commands]
        why = out_of_reach(connection, tenant, {command.meter for command in asked})
        lost = start_commands(
            connection, self._ground.claims.worker,
            [each for each in asked if each.meter in why], now=now,
        )  # fmt: skip
        endings = [Ending(each, "failed", message=f"not begun: {why[each.meter]}") for each in lost]
        finish_commands(connection, tenant, endings, now=now)
        left = {
            visited: [each for each in commands if each.meter not in why]
            for visited, commands in wanted.items()
        }
        return {each: those for each, those in left.items() if those or not wanted[each]}

    def _expired(self, connection: Connection) -> None:
        expire_commands(connection, self._ground.tenant, now=self._ground.clock())
