"""What is new as a stream of server-sent events: one look at the store for all who watch."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ferraris.headend.api.answering import VERSION, response_headers, send_problem
from ferraris.headend.api.asking import Asked, Receive, Scope, Send, asked
from ferraris.headend.api.doorkeeper import Doorkeeper
from ferraris.headend.api.problems import HttpError, problem_of
from ferraris.headend.api.settings import ApiSettings
from ferraris.headend.operations.desk import Caller, House
from ferraris.headend.operations.watching import RIGHTS, Watch, earlier, for_caller
from ferraris.headend.store.changes import Change
from ferraris.headend.store.records import StoreError

__all__ = ["Watching"]

_LOG: Final = logging.getLogger("ferraris.headend.api")
_ROOM: Final = 50
_AGAIN_S: Final = 2.0
"""How often a watcher is looked up again; who was known is known for three seconds more."""


@dataclass(frozen=True, slots=True)
class _News:
    """What one look found for a tenant, and from where to go on."""

    changes: list[Change]
    safe: int


@dataclass(slots=True, eq=False)
class _Watcher:
    """One who watches; `room` for some looks, so a slow one cannot fill the memory."""

    tenant: int
    news: asyncio.Queue[_News | None] = field(default_factory=lambda: asyncio.Queue(_ROOM))

    def tell(self, news: _News | None) -> bool:
        """False when there is no room left: it reads too slowly."""
        try:
            self.news.put_nowait(news)
        except asyncio.QueueFull:
            return False
        return True


class Watching:
    """The ASGI application of `/v1/changes`.

    The `id` of an event is from where to go on: with `Last-Event-ID` a watcher misses nothing and
    may see some lines again; the number in the data tells which. Whoever reads too slowly is cut
    off, and goes on from there, too.
    """

    def __init__(
        self,
        house: House,
        doorkeeper: Doorkeeper,
        settings: ApiSettings,
        executor: Executor,
        monotonic: Callable[[], float],
    ) -> None:
        self._house = house
        self._doorkeeper = doorkeeper
        self._settings = settings
        self._executor = executor
        self._monotonic = monotonic
        self._watch = Watch(monotonic)
        self._watchers: set[_Watcher] = set()
        self._each: Counter[tuple[int, int]] = Counter()
        self._safe = 0
        self._looking = asyncio.Lock()
        self._away = False

    async def run(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Look for what is new as long as somebody watches; ends when it is cancelled."""
        while True:
            await sleep(self._settings.poll_s)
            if self._watchers:
                await self.look()
            else:
                self._watch = Watch(self._monotonic)

    async def look(self) -> None:
        """Look for all that is new by now, and tell all watchers."""
        async with self._looking:
            await self._look_on()

    async def _look_on(self) -> None:
        loop, more = asyncio.get_running_loop(), True
        while more:
            try:
                found = await loop.run_in_executor(self._executor, self._look)
            except StoreError as error:
                if not self._away:
                    _LOG.warning("no look at what is new: %s", type(error).__name__)
                self._away = True
                return
            self._away = False
            self._safe, more = found.safe, found.more
            for watcher in list(self._watchers):
                changes = found.changes.get(watcher.tenant)
                if changes and not watcher.tell(_News(changes, found.safe)):
                    self._watchers.discard(watcher)

    def close(self) -> None:
        """Let all watchers go."""
        for watcher in list(self._watchers):
            self._let_go(watcher)

    def _look(self) -> Any:
        with self._house.engine.reading() as connection:
            return self._watch.look(connection)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one watcher."""
        try:
            request = asked(scope, VERSION)
            caller = await self._doorkeeper.caller(request)
            kinds, number = _wishes(request)
            watcher = self._enter(caller)
        except Exception as error:  # noqa: BLE001  (told or logged by `problem_of`)
            await send_problem(scope, send, problem_of(error))
            return
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: self._let_go(watcher))
        try:
            if self._watch.last < 0:
                await self.look()
            headers = [(b"content-type", b"text/event-stream"), *response_headers(scope)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with aclosing(self._events(request, caller, watcher, (kinds, number))) as events:
                await self._send(send, events)
        finally:
            gone.cancel()
            self._each[caller.tenant, caller.principal] -= 1

    async def _send(self, send: Send, events: AsyncIterator[bytes]) -> None:
        try:
            async for octets in events:
                await send({"type": "http.response.body", "body": octets, "more_body": True})
        except StoreError as error:  # the watcher comes back, and goes on where it was
            _LOG.warning("a watcher is let go: %s", type(error).__name__)
        await send({"type": "http.response.body", "body": b""})

    def _enter(self, caller: Caller) -> _Watcher:
        who = caller.tenant, caller.principal
        if len(self._watchers) >= self._settings.most_watchers:
            raise HttpError(503, "Busy", "too many watch already", retry_after="30")
        if self._each[who] >= self._settings.most_watchers_each:
            raise HttpError(429, "Too often", "you watch too often already", retry_after="30")
        watcher = _Watcher(caller.tenant)
        self._watchers.add(watcher)
        self._each[who] += 1
        return watcher

    def _let_go(self, watcher: _Watcher) -> None:
        self._watchers.discard(watcher)
        watcher.tell(None)

    async def _events(
        self,
        request: Asked,
        caller: Caller,
        watcher: _Watcher,
        wishes: tuple[frozenset[str], int | None],
    ) -> AsyncGenerator[bytes, None]:
        kinds, number = wishes
        secret, known_s = request.secret(), self._monotonic()
        yield f"retry: 2000\nid: {self._safe if number is None else number}\n\n".encode()
        if number is not None:
            async for octets in self._missed(caller, kinds, number):
                yield octets
        quiet_s = self._monotonic()
        while watcher in self._watchers or not watcher.news.empty():
            news = await self._next(watcher)
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

    async def _next(self, watcher: _Watcher) -> _News | None:
        """News, or None after a while without."""
        try:
            async with asyncio.timeout(min(_AGAIN_S, self._settings.heartbeat_s)):
                return await watcher.news.get()
        except TimeoutError:
            return None

    async def _missed(
        self, caller: Caller, kinds: frozenset[str], number: int
    ) -> AsyncIterator[bytes]:
        """What came between the last event that the watcher saw and its coming back."""
        loop, until = asyncio.get_running_loop(), self._watch.last
        while number < until:
            changes = await loop.run_in_executor(
                self._executor, self._earlier, caller.tenant, number, until
            )
            if not changes:
                return
            number = changes[-1].number
            yield await self._shown(caller, kinds, _News(changes, min(number, self._safe)))

    def _earlier(self, tenant: int, number: int, until: int) -> list[Change]:
        with self._house.engine.reading() as connection:
            return earlier(connection, tenant, number, until)

    async def _shown(self, caller: Caller, kinds: frozenset[str], news: _News) -> bytes:
        wanted = [each for each in news.changes if each.kind in kinds]
        if wanted and any(among is not None for among in caller.rights.values()):
            loop = asyncio.get_running_loop()
            wanted = await loop.run_in_executor(self._executor, self._seen, caller, wanted)
        else:
            wanted = [each for each in wanted if RIGHTS[each.kind] in caller.rights]
        return b"".join(_event(each, min(each.number, news.safe)) for each in wanted)

    def _seen(self, caller: Caller, changes: list[Change]) -> list[Change]:
        with self._house.engine.reading() as connection:
            return for_caller(connection, caller, changes)


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
