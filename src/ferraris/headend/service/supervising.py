"""Parts that go on for as long as the process: started together, begun again, stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ferraris.core.errors import Error
from ferraris.headend.observe.health import Health
from ferraris.headend.observe.logs import logger, masked

__all__ = ["Part", "supervise"]

Part = Callable[[], Awaitable[object]]
"""Runs until it is cancelled; whatever else ends it is a fault, after which it begins again."""

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_WELL_S = 60.0
_BEAT_S = 10.0


async def supervise(
    parts: Mapping[str, Part],
    health: Health,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run all parts until this is cancelled; none is let go before it has ended.

    A part that fails begins again after a pause that grows to half a minute, so that a database
    away for a minute is waited for and a fault of the program does not fill the disk with logs.
    `clock` is monotonic.
    """
    tasks = [
        asyncio.create_task(_kept(name, part, health, clock=clock, sleep=sleep), name=name)
        for name, part in parts.items()
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.cancelling():  # a second time would cut its winding up short
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in parts:
            health.leave(name)


async def _kept(
    name: str,
    part: Part,
    health: Health,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    log, pause_s = logger(name), _FIRST_PAUSE_S
    health.beat(name)
    while True:
        begun_s = clock()
        beating = asyncio.create_task(_beats(name, health, sleep))
        try:
            await part()
            message = "the part ended by itself"
        except (Error, OSError) as error:
            message = masked(str(error))
            log.warning("the part failed and begins again", message=message, pause_s=pause_s)
        except Exception as error:
            message = f"internal error: {type(error).__name__}"
            log.exception("the part failed and begins again", pause_s=pause_s)
        finally:
            beating.cancel()
        health.fault(name, message)
        if clock() - begun_s > _WELL_S:
            pause_s = _FIRST_PAUSE_S
        await sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _beats(name: str, health: Health, sleep: Callable[[float], Awaitable[Any]]) -> None:
    """A part that has begun again is well when it has lived for a while."""
    while True:
        await sleep(_BEAT_S)
        health.beat(name)
