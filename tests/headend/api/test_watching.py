"""What is new, as a stream: who sees what, who comes back, who reads too slowly."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

from tests.headend.api.conftest import BOTH

from ferraris.headend.access import principals
from ferraris.headend.access.opening import Access
from ferraris.headend.access.rights import Right
from ferraris.headend.operations import Caller
from ferraris.headend.operations.feed import Feed
from ferraris.headend.operations.watching import Watch
from ferraris.headend.page.routes import Page
from ferraris.headend.page.stream import Wish
from ferraris.headend.store.changes import note

PATIENCE_S = 20


class Stream:
    """One who watches."""

    def __init__(self, api, who, headers, query):
        self.sent = asyncio.Queue()
        self.left = asyncio.Event()
        self.stalled = asyncio.Event()
        self.stalled.set()
        sent = [(b"authorization", f"Bearer {api.tokens[who]}".encode()), *headers]
        self.scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/changes",
            "raw_path": b"/v1/changes",
            "query_string": query,
            "root_path": "",
            "headers": sent,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.task = asyncio.ensure_future(api.app(self.scope, self.receive, self.send))

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        await self.stalled.wait()
        await self.sent.put(message)

    async def next(self):
        async with asyncio.timeout(PATIENCE_S):
            return await self.sent.get()

    async def text(self):
        return (await self.next()).get("body", b"").decode()

    async def events(self, count):
        """The next events as (id, kind, subject)."""
        found = []
        while len(found) < count:
            for block in (await self.text()).split("\n\n"):
                lines = dict(line.split(": ", 1) for line in block.splitlines())
                if "data" in lines:
                    data = json.loads(lines["data"])
                    assert data["kind"] == lines["event"]
                    found.append((int(lines["id"]), data["kind"], data["subject"]))
        return found

    async def end(self):
        async with asyncio.timeout(PATIENCE_S):
            await self.task


@asynccontextmanager
async def watched(api, who="admin", headers=(), query=b""):
    stream = Stream(api, who, headers, query)
    head = await stream.next()
    stream.status = head["status"]
    if stream.status == 200:
        assert (b"content-type", b"text/event-stream") in head["headers"]
        assert "retry: 2000" in await stream.text()
    yield stream
    stream.left.set()
    await stream.end()


def tell(api, *notes, tenant=1):
    with api.house.engine.transaction() as connection:
        for kind, subject in notes:
            note(connection, tenant, kind, subject, at_s=1.0, detail={"ü": 1})


def run(api, procedure):
    api.loop.run_until_complete(procedure())


@BOTH
def test_everybody_hears_what_they_may_see(api) -> None:
    notes = [
        ("meter", "a"),
        ("meter", "b"),
        ("readings", "a"),
        ("plan", "daily"),
        ("vee", "b"),
        ("audit", "change_meter"),
    ]

    async def watch():
        async with (
            watched(api, "admin") as admin,
            watched(api, "viewer") as viewer,
            watched(api, "north") as north,
            watched(api, "stranger") as stranger,
            watched(api, "admin", query=b"kind=plan&kind=vee") as chosen,
        ):
            tell(api, *notes)
            tell(api, ("meter", "c"), tenant=2)
            await api.app.state.watching.feed.look()
            told = [event[1:] for event in await admin.events(6)]
            assert told == notes
            assert [e[1:] for e in await viewer.events(3)] == [notes[0], notes[1], notes[3]]
            assert [e[1:] for e in await north.events(2)] == [notes[0], notes[2]]
            assert [e[1:] for e in await stranger.events(1)] == [("meter", "c")]
            assert [e[1:] for e in await chosen.events(2)] == [notes[3], notes[4]]
            for each in (admin, viewer, north, stranger, chosen):
                assert each.sent.empty()

    run(api, watch)


@BOTH
def test_who_comes_back_misses_nothing(api) -> None:
    async def watch():
        async with watched(api) as stream:
            tell(api, ("meter", "1"), ("meter", "2"))
            await api.app.state.watching.feed.look()
            (first, _, _), (last, _, _) = await stream.events(2)
        tell(api, *(("meter", str(n)) for n in range(3, 1500)))
        again = [(b"last-event-id", str(first).encode())]
        async with watched(api, headers=again) as stream:
            await api.app.state.watching.feed.look()
            missed = await stream.events(1498)
            assert [int(subject) for _, _, subject in missed] == list(range(2, 1500))
            assert missed[0][0] == last

    run(api, watch)


def test_the_stream_ends_when_the_caller_does(made, clock) -> None:
    api = made(heartbeat_s=0.01)

    async def watch():
        async with watched(api, "viewer") as stream:
            clock.now_s += 0.02
            assert await stream.text() == ": well\n\n"
            with api.house.engine.transaction() as connection:
                row = principals.principal_row(connection, 1, "viewer")
                principals.change_active(connection, row.id, active=False)
            clock.now_s += 5
            await stream.end()

    run(api, watch)


def test_a_slow_reader_is_let_go_and_others_go_on(api) -> None:
    async def watch():
        async with watched(api) as slow, watched(api) as quick:
            slow.stalled.clear()
            for number in range(60):
                tell(api, ("meter", str(number)))
                await api.app.state.watching.feed.look()
                await quick.events(1)
            slow.stalled.set()
            await slow.end()
            heard = sum(b"data: " in m.get("body", b"") for m in slow.sent._queue)
            assert heard < 60
            tell(api, ("meter", "last"))
            await api.app.state.watching.feed.look()
            assert await quick.events(1)

    run(api, watch)


def test_there_is_room_for_some_only(made) -> None:
    api = made(most_watchers=2, most_watchers_each=1)

    async def watch():
        async with watched(api, "admin"), watched(api, "admin") as second:
            assert second.status == 429
            async with watched(api, "viewer"), watched(api, "analyst") as fourth:
                assert fourth.status == 503
            async with watched(api, "viewer") as again:
                assert again.status == 200
                api.app.state.watching.close()
                await again.end()

    run(api, watch)


@BOTH
def test_numbers_that_appear_late_are_not_missed(api) -> None:
    """In PostgreSQL numbers are given before the commit, so the order of commits is another."""
    engine = api.house.engine
    now = [0.0]
    watch = Watch(lambda: now[0])

    def look():
        with engine.reading() as connection:
            found = watch.look(connection)
        return [change.subject for change in found.changes.get(1, [])], found.safe

    tell(api, ("meter", "before"))
    assert look() == ([], 1)
    if not engine.is_postgresql:
        tell(api, ("meter", "x"))
        assert look() == (["x"], 2)
        return
    with engine.transaction() as early, engine.transaction() as lost:
        note(early, 1, "meter", "early", at_s=0)
        note(lost, 1, "meter", "lost", at_s=0)
        tell(api, ("meter", "late"))
        assert look() == (["late"], 1)
        lost.rollback()
        early.commit()
    assert look() == (["early"], 2)
    fresh = Watch(lambda: now[0])
    with engine.reading() as connection:
        assert fresh.look(connection).safe == 2  # one that begins now waits for the third, too
    now[0] = 61.0
    look()
    assert look() == ([], 4)


def test_an_id_is_one_of_ours(api) -> None:
    for told in ("x", "-1", "9" * 30):
        assert api.ask("GET", "/v1/changes", headers=[("Last-Event-ID", told)]).status == 400


def test_a_store_that_is_away_ends_no_look(api, monkeypatch, caplog) -> None:
    from ferraris.headend.store.engine import Engine
    from ferraris.headend.store.records import StoreAwayError

    reading = Engine.reading

    def away(*_):
        raise StoreAwayError("gone")

    async def watch():
        async with watched(api) as stream:
            monkeypatch.setattr(Engine, "reading", away)
            for _ in range(3):
                await api.app.state.watching.feed.look()
            monkeypatch.setattr(Engine, "reading", reading)
            tell(api, ("meter", "a"))
            await api.app.state.watching.feed.look()
            assert await stream.events(1)

    run(api, watch)
    assert caplog.text.count("no look at what is new") == 1


def test_one_look_is_for_the_api_and_for_open_pages(api) -> None:
    feed = api.house.parts[Feed]
    page = Page(api.house, Access(api.house.engine, None, clock=api.clock, monotonic=api.clock))
    caller = Caller("page", 1, dict.fromkeys(Right), 1)

    async def still():
        return caller

    async def watch():
        opened = page.pages.events(caller, still, Wish())
        async with watched(api) as stream, aclosing(opened):
            assert "retry" in (await anext(opened)).decode()
            tell(api, ("meter", "a"))
            await feed.look()
            assert await stream.events(1) == [(1, "meter", "a")]
            assert 'data: ["meter"]' in (await anext(opened)).decode()

    run(api, watch)
