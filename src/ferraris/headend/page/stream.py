"""What is new, as a stream to open pages: which kinds, so that they fetch those parts again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ferraris.headend.operations import Caller
from ferraris.headend.operations.feed import Feed, Listener, News
from ferraris.headend.store.changes import Change
from ferraris.headend.store.records import StoreError

__all__ = ["Pages", "Wish"]

_LOG: Final = logging.getLogger("ferraris.headend.page")
_AGAIN_S: Final = 5.0
_HEARTBEAT_S: Final = 15.0

Still = Callable[[], Awaitable[Caller | None]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page watches: one subject or all of them, after the change it was made with."""

    subject: str = ""
    after: int | None = None


class Pages:
    """The open pages, all of which listen to one feed.

    What one look finds is one event, whatever a night's collection writes: a page fetches a part
    again once, not a thousand times. The `id` of an event is from where a page goes on that lost
    its connection.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        most_pages: int = 500,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._most = most_pages
        self._monotonic = monotonic
        self._open = 0

    def close(self) -> None:
        """Let all pages go, before a server stops."""
        self._feed.close()

    @property
    def full(self) -> bool:
        """Whether there is no room for another page."""
        return self._open >= self._most

    async def events(
        self, caller: Caller, still: Still, wish: Wish
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        """The stream of one page; it ends with the session that `still` asks for."""
        page = Listener(caller.tenant)
        self._open += 1
        try:
            await self._feed.enter(page)
            yield b"retry: 2000\n\n"
            if wish.after is not None:
                # Kinds are what counts, so the first lines will do.
                missed = await self._feed.earlier(caller.tenant, wish.after, self._feed.last)
                yield await self._told(caller, wish, News(missed, self._feed.safe))
            known_s = quiet_s = self._monotonic()
            while self._feed.hears(page):
                news = await page.next(_AGAIN_S)
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
            self._open -= 1
            self._feed.let_go(page)

    async def _told(self, caller: Caller, wish: Wish, news: News) -> bytes:
        changes = news.changes
        if wish.subject:
            changes = [each for each in changes if _is_about(each, wish.subject)]
        if changes:
            changes = await self._feed.seen(caller, changes)
        if not changes:
            return b""
        text = json.dumps(sorted({each.kind for each in changes}))
        return f"id: {news.safe}\nevent: change\ndata: {text}\n\n".encode()


def _is_about(change: Change, subject: str) -> bool:
    """Whether it may concern a meter: what happened to many at once has no subject."""
    return subject in (change.subject, change.detail.get("meter")) or not change.subject
