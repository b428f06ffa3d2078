"""Keeps read success counted while a collection runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, func, select

from ferraris.headend.collect.feeder import Feeder
from ferraris.headend.collect.ground import Ground
from ferraris.headend.collect.plans import KnownPlan
from ferraris.headend.collect.success import Tally, count_success, days_to_count, write_success
from ferraris.headend.store.tables.collecting import PLAN_METER

__all__ = ["Tallies"]


class Tallies:
    """Counts again where something came in, and now and then all that can still change."""

    def __init__(self, ground: Ground, feeder: Feeder) -> None:
        self._ground = ground
        self._feeder = feeder
        self._touched: set[int] = set()

    def touched(self, days: Iterable[int]) -> None:
        """Something came in for these UTC days."""
        self._touched.update(days)

    async def run(self) -> None:
        """Count until cancelled."""
        settings = self._ground.settings
        everything_s = -1e18
        while True:
            at_s = self._ground.steady()
            everything = at_s - everything_s >= settings.recount_s
            if everything:
                everything_s = at_s
            await self.count(everything=everything)
            await asyncio.sleep(settings.count_s)

    async def count(self, *, everything: bool = False) -> None:
        """Count days again: those touched, or all that can still change."""
        days, self._touched = self._touched, set()
        if not days and not everything:
            return
        ground = self._ground
        for known in self._feeder.plans:
            wanted = None if everything else days
            tallies = await ground.read(self._counted, known, wanted)
            if tallies:
                await ground.write(write_success, ground.tenant, tallies, ground.clock())

    def _counted(
        self, connection: Connection, known: KnownPlan, days: Collection[int] | None
    ) -> list[Tally]:
        tenant, now = self._ground.tenant, self._ground.clock()
        wanted = days_to_count(connection, tenant, known, days, now)
        return count_success(connection, tenant, known, wanted, now)

    def members(self, connection: Connection) -> int:
        """How many meters the plans have."""
        number = select(func.count(PLAN_METER.c.meter.distinct())).where(
            PLAN_METER.c.tenant == self._ground.tenant, PLAN_METER.c.until_day.is_(None)
        )
        return int(connection.execute(number).scalar_one())
