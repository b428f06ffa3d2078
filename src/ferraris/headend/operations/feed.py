"""One look at the store, twice a second, for all who watch what is new; none when nobody does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from ferraris.headend.operations.desk import Caller, House
from ferraris.headend.operations.watching import Look, Watch, earlier, for_caller
from ferraris.headend.store.changes import Change
from ferraris.headend.store.records import StoreError

__all__ = ["Feed", "Listener", "News"]

_LOG: Final = logging.getLogger("ferraris.headend.operations")
_ROOM: Final = 50


@dataclass(frozen=True, slots=True)
class News:
    """What one look found for a tenant, and from where to go on."""

    changes: list[Change]
    safe: int


@dataclass(slots=True, eq=False)
class Listener:
    """One who watches; there is room for some looks, so a slow one cannot fill the memory."""

    tenant: int
    news: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(_ROOM))

    async def next(self, patience_s: float) -> News | None:
        """News, or None after a while without, and when it is let go."""
        try:
            async with asyncio.timeout(patience_s):
                return await self.news.get()
        except TimeoutError:
            return None

    def tell(self, news: News | None) -> bool:
        """False when there is no room left: it reads too slowly."""
        try:
            self.news.put_nowait(news)
        except asyncio.QueueFull:
            return False
        return True


class Feed:
    """Tells listeners what is new; it lives on the event loop of those who listen.

    `safe` is from where one goes on who comes back: it misses nothing, and may hear some again.
    """

    def __init__(
        self,
        house: House,
        *,
        poll_s: float = 0.5,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._poll_s = poll_s
        self._sleep = sleep
        self._monotonic = monotonic
        self._listeners: set[Listener] = set()
        self._watch = Watch(monotonic)
        self._running: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._away = False
        self.safe = 0

    async def enter(self, listener: Listener) -> None:
        """Tell it all that is new from now on."""
        self._listeners.add(listener)
        if self._running is None or self._running.done():
            self._watch = Watch(self._monotonic)
            self._running = asyncio.create_task(self._run())
        if self._watch.last < 0:
            await self.look()

    def hears(self, listener: Listener) -> bool:
        """Whether something is left to be told, or will be."""
        return listener in self._listeners or not listener.news.empty()

    def let_go(self, listener: Listener) -> None:
        """Tell it nothing more."""
        self._listeners.discard(listener)
        listener.tell(None)

    def close(self) -> None:
        """Let all of them go, before a server stops."""
        for each in list(self._listeners):
            self.let_go(each)

    async def look(self) -> None:
        """Look for all that is new by now, and tell all of them."""
        async with self._looking:
            more = True
            while more:
                try:
                    found = await asyncio.to_thread(self._look)
                except StoreError as error:
                    if not self._away:
                        _LOG.warning("no look at what is new: %s", type(error).__name__)
                    self._away = True
                    return
                self._away = False
                self.safe, more = found.safe, found.more
                for each in list(self._listeners):
                    changes = found.changes.get(each.tenant)
                    if changes and not each.tell(News(changes, found.safe)):
                        self._listeners.discard(each)

    @property
    def last(self) -> int:
        """The number up to which the last look came."""
        return self._watch.last

    async def earlier(self, tenant: int, after: int, until: int) -> list[Change]:
        """The next lines of a tenant after a number and up to another; a thousand at most."""
        return await asyncio.to_thread(self._earlier, tenant, after, until) if after < until else []

    async def seen(self, caller: Caller, changes: list[Change]) -> list[Change]:
        """Those of them that a caller may see."""
        return await asyncio.to_thread(self._seen, caller, changes)

    async def _run(self) -> None:
        while self._listeners:
            await self._sleep(self._poll_s)
            await self.look()

    def _look(self) -> Look:
        with self._house.engine.reading() as connection:
            return self._watch.look(connection)

    def _earlier(self, tenant: int, after: int, until: int) -> list[Change]:
        with self._house.engine.reading() as connection:
            return earlier(connection, tenant, after, until)

    def _seen(self, caller: Caller, changes: list[Change]) -> list[Change]:
        with self._house.engine.reading() as connection:
            return for_caller(connection, caller, changes)
