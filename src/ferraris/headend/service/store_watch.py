"""Whether the store can be written: what keeps it from being so is told, and when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import update

from ferraris.headend.observe.logs import logger
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables.inventory import TENANT

__all__ = ["StoreWatch"]

_LOOK_S = 2.0
_QUIET_S = 20.0


class StoreWatch:
    """A part of the service that fails for as long as the store takes nothing.

    So the whole head-end says what the matter is (`/ready`, the log), although each part waits by
    itself and goes on by itself. When it is over the audit log gets a line that says how long it
    was: while the disk is full it could not take one.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Callable[..., None],
        *,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._offload = offload
        self._since: tuple[float, float] | None = None
        self._why = ""
        self._seen = 0
        self._written_s = 0.0

    async def run(self) -> None:
        """Look now and then; raises `StoreError` for what others have met with since."""
        if self._since is not None:
            await self._offload(self._try)
        while True:
            trouble = self._engine.trouble
            if trouble.error is not None and trouble.times != self._seen:
                self._seen = trouble.times
                if self._since is None:
                    self._since = self._clock(), self._steady()
                    self._why = type(trouble.error).__name__
                raise StoreError(trouble.error.message)
            if self._since is not None and self._steady() - self._written_s >= _QUIET_S:
                await self._offload(self._over)
            await self._sleep(_LOOK_S)

    def _try(self) -> None:
        with self._engine.transaction() as connection:
            connection.execute(update(TENANT).values(name=TENANT.c.name))
        self._written_s = self._steady()

    def _over(self) -> None:
        """It has been written for a while, and nobody has complained."""
        assert self._since is not None
        since_s, began_s = self._since
        after_s = self._steady() - began_s
        with self._engine.transaction() as connection:
            self._journal(
                connection,
                tenant=0,
                principal="head-end",
                action="store.recover",
                subject="store",
                detail={"error": self._why, "since_s": int(since_s), "after_s": round(after_s)},
                at_s=self._clock(),
            )
        self._since = None
        logger("store").info("the store is written again", after_s=round(after_s))
