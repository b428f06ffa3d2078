"""Anchors are written at the start, in between, and at the end of a process."""

from __future__ import annotations

import asyncio

from sqlalchemy import func, insert, select

from ferraris.headend.audit import Journal, check
from ferraris.headend.audit.anchoring import keep_anchored
from ferraris.headend.store.tables.access import ANCHOR, CHAIN
from ferraris.headend.store.tables.inventory import TENANT


def test_a_process_ties_what_it_writes(engine) -> None:
    journal = Journal("one")
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(id=1, name="main"))

    def write() -> None:
        with engine.transaction() as connection:
            journal.write(
                connection, tenant=1, principal="ada", action="do", subject="it", at_s=1.0
            )

    def anchors() -> int:
        with engine.reading() as connection:
            assert check(connection) == []
            return connection.execute(select(func.count()).select_from(ANCHOR)).scalar_one()

    seen = []

    async def sleep(_: float) -> None:
        seen.append(anchors())
        write()
        if len(seen) == 3:
            await asyncio.Event().wait()

    async def run() -> None:
        task = asyncio.ensure_future(keep_anchored(engine, clock=lambda: 1.0, sleep=sleep))
        while len(seen) < 3:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert seen == [0, 1, 2]
    assert anchors() == 3
    with engine.reading() as connection:
        row = connection.execute(select(CHAIN)).one()
    assert row.sequence == row.anchored == 3
