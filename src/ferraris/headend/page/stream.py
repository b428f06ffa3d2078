"""What is new, as a stream to open pages: which kinds, so that they fetch those parts again."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from ferraris.headend.operations import Caller, House
from ferraris.headend.operations.watching import Look, Watch, earlier, for_caller
from ferraris.headend.store.changes import Change
from ferraris.headend.store.records import StoreError

__all__ = ["News", "Wish"]

_LOG: Final = logging.getLogger("ferraris.headend.page")
_ROOM: Final = 20
_AGAIN_S: Final = 5.0
_HEARTBEAT_S: Final = 15.0
_MOST_MISSED: Final = 1000

Still = Callable[[], Awaitable[Caller | None]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page watches: one subject or all of them, after the change it was made with."""

    subject: str = ""
    after: int | None = None


@dataclass(slots=True, eq=False)
class _Page:
    """An open page; None in `news` lets it go."""

    tenant: int
    news: asyncio.Queue[tuple[list[Change], int] | None] = field(
        default_factory=lambda: asyncio.Queue(_ROOM)
    )

    def tell(self, news: tuple[list[Change], int] | None) -> bool:
        """False when it reads too slowly to be told more."""
        try:
            self.news.put_nowait(news)
        except asyncio.QueueFull:
            return False
        return True


class News:
    """One look at the store, twice a second, for all open pages; none when no page is open.

    What one look finds is one event, whatever a night's collection writes: a page fetches a part
    again once, not a thousand times. The `id` of an event is from where a page goes on that lost
    its connection.
    """

    def __init__(
        self,
        house: House,
        *,
        poll_s: float = 0.5,
        most_pages: int = 500,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._poll_s = poll_s
        self._most = most_pages
        self._sleep = sleep
        self._monotonic = monotonic
        self._pages: set[_Page] = set()
        self._watch = Watch(monotonic)
        self._safe = 0
        self._looking: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Let all pages go, before a server stops."""
        for page in list(self._pages):
            self._let_go(page)

    @property
    def full(self) -> bool:
        """Whether there is room for another page."""
        return len(self._pages) >= self._most

    async def events(
        self, caller: Caller, still: Still, wish: Wish
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        """The stream of one page; it ends with the session that `still` asks for."""
        page = _Page(caller.tenant)
        self._pages.add(page)
        try:
            await self._begin()
            yield b"retry: 2000\n\n"
            if wish.after is not None:
                missed = await asyncio.to_thread(self._missed, caller.tenant, wish.after)
                yield await self._told(caller, wish, (missed, self._safe))
            known_s = quiet_s = self._monotonic()
            while page in self._pages:
                news = await self._next(page)
                if self._monotonic() - known_s >= _AGAIN_S:
                    found = await still()
                    if found is None:
                        return
                    caller, known_s = found, self._monotonic()
                octets = await self._told(caller, wish, news) if news else b""
                if not octets and self._monotonic() - quiet_s >= _HEARTBEAT_S:
                    octets = b": well\n\n"
                if octets:
                    quiet_s = self._monotonic()
                    yield octets
        except StoreError as error:  # the page comes back, and goes on where it was
            _LOG.warning("an open page is let go: %s", type(error).__name__)
        finally:
            self._pages.discard(page)

    async def _begin(self) -> None:
        if self._looking is None or self._looking.done():
            self._watch = Watch(self._monotonic)
            await self._look()
            self._looking = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._pages:
            await self._sleep(self._poll_s)
            await self._look()

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(self._found)
        except StoreError as error:
            _LOG.warning("no look at what is new: %s", type(error).__name__)
            return
        self._safe = found.safe
        for page in list(self._pages):
            changes = found.changes.get(page.tenant)
            if changes and not page.tell((changes, found.safe)):
                self._let_go(page)

    def _found(self) -> Look:
        with self._house.engine.reading() as connection:
            return self._watch.look(connection)

    def _missed(self, tenant: int, after: int) -> list[Change]:
        """What came since the page was made; kinds are what counts, so the first lines will do."""
        with self._house.engine.reading() as connection:
            return earlier(connection, tenant, after, self._watch.last)[:_MOST_MISSED]

    def _let_go(self, page: _Page) -> None:
        self._pages.discard(page)
        page.tell(None)

    async def _next(self, page: _Page) -> tuple[list[Change], int] | None:
        """News, or None after a while without."""
        try:
            async with asyncio.timeout(_AGAIN_S):
                return await page.news.get()
        except TimeoutError:
            return None

    async def _told(self, caller: Caller, wish: Wish, news: tuple[list[Change], int]) -> bytes:
        changes, safe = news
        if wish.subject:
            changes = [each for each in changes if _is_about(each, wish.subject)]
        if changes:
            changes = await asyncio.to_thread(self._seen, caller, changes)
        if not changes:
            return b""
        text = json.dumps(sorted({each.kind for each in changes}))
        return f"id: {safe}\nevent: change\ndata: {text}\n\n".encode()

    def _seen(self, caller: Caller, changes: list[Change]) -> list[Change]:
        with self._house.engine.reading() as connection:
            return for_caller(connection, caller, changes)


def _is_about(change: Change, subject: str) -> bool:
    """Whether it may concern a meter: what happened to many at once has no subject."""
    return subject in (change.subject, change.detail.get("meter")) or not change.subject
