"""What is new as a stream of server-sent events: one look at the store for all who watch."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import msgspec

from ferraris.headend.api.answering import VERSION, response_headers, send_problem
from ferraris.headend.api.asking import Asked, Receive, Scope, Send, asked
from ferraris.headend.api.doorkeeper import Doorkeeper
from ferraris.headend.api.problems import HttpError, problem_of
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.operations.desk import Caller
from ferraris.headend.operations.feed import Feed, Listener, News
from ferraris.headend.operations.watching import RIGHTS
from ferraris.headend.store.changes import Change
from ferraris.headend.store.records import StoreError

__all__ = ["Watching"]

_LOG: Final = logging.getLogger("ferraris.headend.api")
_AGAIN_S: Final = 2.0
"""How often a watcher is looked up again; who was known is known for three seconds more."""


class Watching:
    """The ASGI application of `/v1/changes`.

    The `id` of an event is from where to go on: with `Last-Event-ID` a watcher misses nothing and
    may see some lines again; the number in the data tells which. Whoever reads too slowly is cut
    off, and goes on from there, too.
    """

    def __init__(
        self,
        feed: Feed,
        doorkeeper: Doorkeeper,
        settings: ApiSettings,
        monotonic: Callable[[], float],
    ) -> None:
        self.feed = feed
        self._doorkeeper = doorkeeper
        self._settings = settings
        self._monotonic = monotonic
        self._each: Counter[tuple[int, int]] = Counter()

    def close(self) -> None:
        """Let all watchers go."""
        self.feed.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one watcher."""
        try:
            request = asked(scope, VERSION)
            caller = await self._doorkeeper.caller(request)
            kinds, number = _wishes(request)
            self._enter(caller)
        except Exception as error:  # noqa: BLE001  (told or logged by `problem_of`)
            await send_problem(scope, send, problem_of(error))
            return
        watcher = Listener(caller.tenant)
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: self.feed.let_go(watcher))
        try:
            await self.feed.enter(watcher)
            headers = [(b"content-type", b"text/event-stream"), *response_headers(scope)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with aclosing(self._events(request, caller, watcher, (kinds, number))) as events:
                await self._send(send, events)
        finally:
            gone.cancel()
            self.feed.let_go(watcher)
            self._each[caller.tenant, caller.principal] -= 1

    async def _send(self, send: Send, events: AsyncIterator[bytes]) -> None:
        try:
            async for octets in events:
                await send({"type": "http.response.body", "body": octets, "more_body": True})
        except StoreError as error:  # the watcher comes back, and goes on where it was
            _LOG.warning("a watcher is let go: %s", type(error).__name__)
        await send({"type": "http.response.body", "body": b""})

    def _enter(self, caller: Caller) -> None:
        who = caller.tenant, caller.principal
        if self._each.total() >= self._settings.most_watchers:
            raise HttpError(503, "Busy", "too many watch already", retry_after="30")
        if self._each[who] >= self._settings.most_watchers_each:
            raise HttpError(429, "Too often", "you watch too often already", retry_after="30")
        self._each[who] += 1

    async def _events(
        self,
        request: Asked,
        caller: Caller,
        watcher: Listener,
        wishes: tuple[frozenset[str], int | None],
    ) -> AsyncGenerator[bytes, None]:
        kinds, number = wishes
        secret, known_s = request.secret(), self._monotonic()
        yield f"retry: 2000\nid: {self.feed.safe if number is None else number}\n\n".encode()
        if number is not None:
            async for octets in self._missed(caller, kinds, number):
                yield octets
        quiet_s = self._monotonic()
        while self.feed.hears(watcher):
            news = await watcher.next(min(_AGAIN_S, self._settings.heartbeat_s))
            if self._monotonic() - known_s >= _AGAIN_S:
                still = await self._doorkeeper.still(secret)
                if still is None:
                    return
                caller, known_s = still, self._monotonic()
            octets = b""
            if news is not None:
                octets = await self._shown(caller, kinds, news)
            elif self._monotonic() - quiet_s >= self._settings.heartbeat_s:
                octets = b": well\n\n"
            if octets:
                quiet_s = self._monotonic()
                yield octets

    async def _missed(
        self, caller: Caller, kinds: frozenset[str], number: int
    ) -> AsyncIterator[bytes]:
        """What came between the last event that the watcher saw and its coming back."""
        until = self.feed.last
        while changes := await self.feed.earlier(caller.tenant, number, until):
            number = changes[-1].number
            yield await self._shown(caller, kinds, News(changes, min(number, self.feed.safe)))

    async def _shown(self, caller: Caller, kinds: frozenset[str], news: News) -> bytes:
        wanted = [each for each in news.changes if each.kind in kinds]
        if wanted and any(among is not None for among in caller.rights.values()):
            wanted = await self.feed.seen(caller, wanted)
        else:
            wanted = [each for each in wanted if RIGHTS[each.kind] in caller.rights]
        return b"".join(_event(each, min(each.number, news.safe)) for each in wanted)


def _wishes(request: Asked) -> tuple[frozenset[str], int | None]:
    """The kinds that are wanted, all by default, and where to go on."""
    if request.method != "GET":
        raise HttpError(405, "Method not allowed", "this is watched by GET", allow="GET")
    arguments = request.arguments()
    kinds = frozenset(arguments.pop("kind", RIGHTS))
    if arguments:
        raise HttpError(400, "Bad request", f"there is no argument {next(iter(arguments))[:60]}")
    if kinds - set(RIGHTS):
        raise HttpError(400, "Bad request", f"kinds are {', '.join(sorted(RIGHTS))}")
    told = request.header(b"last-event-id")
    if not told:
        return kinds, None
    if not (told.isascii() and told.isdigit() and len(told) < 19):
        raise HttpError(400, "Bad request", "Last-Event-ID is the id of an event")
    return kinds, int(told)


def _event(change: Change, safe: int) -> bytes:
    data = {
        "number": change.number,
        "kind": change.kind,
        "subject": change.subject,
        "detail": change.detail,
        "at_s": change.at_s,
    }
    text = msgspec.json.encode(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (safe, change.kind.encode(), text)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
