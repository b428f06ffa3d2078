"""Anchors as long as a process runs: when it starts, every so often, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ferraris.headend.audit.anchors import Anchor, anchor
from ferraris.headend.store.engine import Engine

__all__ = ["keep_anchored"]

_EVERY_S: Final = 600.0


async def keep_anchored(
    engine: Engine,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    every_s: float = _EVERY_S,
) -> None:
    """Anchor now and then until this is cancelled, and then once more: a part of a service."""

    def write() -> Anchor | None:
        with engine.transaction() as connection:
            return anchor(connection, at_s=clock())

    try:
        while True:
            await asyncio.to_thread(write)
            await sleep(every_s)
    finally:
        write()  # not awaited, so no second cancellation can cut it short
