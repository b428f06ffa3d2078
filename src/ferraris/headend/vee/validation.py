"""The part of the service that validates: works off what is due as soon as it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ferraris.headend.observe.logs import logger
from ferraris.headend.store.records import StoreAwayError
from ferraris.headend.vee.absent import mark_absent
from ferraris.headend.vee.keeping import Kept
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rounds import Rounds

__all__ = ["Validation"]

_LOG = logger("validation")
PAUSE_S = 2.0
PATIENCE_S = 1.5 * DAY_S
Offload = Callable[..., Awaitable[Any]]


class Validation:
    """Runs until it is cancelled; then a round that has begun is finished first.

    A store that is away is waited for. Days of which nothing came are marked once they ended
    `patience_s` ago, which is looked at once an hour. Several heads may each run one.
    """

    def __init__(
        self,
        rounds: Rounds,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Offload = asyncio.to_thread,
        pause_s: float = PAUSE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.rounds = rounds
        self.patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._offload = offload
        self._pause_s = pause_s
        self._swept_hour = -1

    async def run(self) -> None:
        """Work off what is due, for ever."""
        while True:
            with contextlib.suppress(StoreAwayError):  # what was due still is
                await self.catch_up()
            await self._sleep(self._pause_s)

    async def catch_up(self) -> Kept:
        """Work until nothing is due; raises `StoreError`, and then nothing is lost."""
        whole = Kept()
        await self._finished(self._sweep)
        while True:
            kept: Kept | None = await self._finished(self.rounds.once, self._clock())
            if kept is None or not kept.due:
                return whole
            if kept.failed:
                _LOG.warning("days could not be validated", days=kept.failed, message=kept.why)
            whole = whole.and_then(kept)

    async def _finished(self, work: Callable[..., Any], *arguments: object) -> Any:
        """Work in a thread; when cancelled, wait for its end and then go."""
        running = asyncio.ensure_future(self._offload(work, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def _sweep(self) -> None:
        now = self._clock()
        hour = int(now // 3600)
        if hour == self._swept_hour:
            return
        self.rounds.engine.repeated(lambda found: mark_absent(found, now, self.patience_s))
        self._swept_hour = hour
