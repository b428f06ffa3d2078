"""What has to be done now and then: dropping what is old, counting what there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection, func, select

from ferraris.headend.observe.logs import logger
from ferraris.headend.observe.metrics import Metrics
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.retention import Retention, apply
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT, LACK
from ferraris.headend.store.tables.inventory import METER, STRANGER
from ferraris.headend.store.tables.readings import ALARM
from ferraris.headend.store.tables.validated import VEE_DUE

__all__ = ["housekeeping", "stock"]

_COUNT_S = 60.0
_DROP_S = 6 * 3600.0


async def housekeeping(
    engine: Engine,
    retention: Retention,
    metrics: Metrics,
    *,
    clock: Callable[[], float],
    steady: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Count every minute and drop every six hours, until cancelled."""
    log, dropped_s = logger("housekeeping"), -_DROP_S
    while True:
        metrics.stock(await asyncio.to_thread(_counted, engine))
        if steady() - dropped_s >= _DROP_S:
            dropped_s = steady()
            for each in await asyncio.to_thread(apply, engine, retention, clock()):
                log.info("dropped what is old", kind=each.kind, rows=each.rows)
        await sleep(_COUNT_S)


def _counted(engine: Engine) -> dict[str, int]:
    with engine.reading() as connection:
        return stock(connection)


def stock(connection: Connection) -> dict[str, int]:
    """How many there are of what somebody should look at, and of meters by state."""
    states = connection.execute(select(METER.c.state, func.count()).group_by(METER.c.state))
    numbers = {f"meters {state}": int(count) for state, count in states}
    for kind, wanted in (
        ("meters resting", select(func.count()).where(CONTACT.c.state == "waiting")),
        ("meters held", select(func.count()).where(CONTACT.c.state == "held")),
        ("gaps held", select(func.count()).where(LACK.c.held == 1)),
        ("strangers", select(func.count()).where(STRANGER.c.decision == "")),
        ("commands waiting", select(func.count()).where(COMMAND.c.state == "queued")),
        ("alarms", select(func.count()).where(ALARM.c.cleared_s.is_(None))),
        ("days to validate", select(func.count()).select_from(VEE_DUE)),
    ):
        numbers[kind] = int(connection.execute(wanted).scalar_one())
    return numbers
