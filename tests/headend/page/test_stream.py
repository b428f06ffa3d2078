"""What open pages are told, and when they are told nothing any more."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest
import town

from ferraris.headend.access import ROLES
from ferraris.headend.inventory.groups import create_group, group_selection
from ferraris.headend.operations import Caller
from ferraris.headend.operations.feed import Feed
from ferraris.headend.page.stream import Pages, Wish
from ferraris.headend.store.changes import newest_change, note

OTHER = town.METERS[2]


def caller(role="operator", tenant=1, among=None):
    return Caller(role, tenant, dict.fromkeys(ROLES[role], among), 1)


class Watched:
    """A stream that tests look into; time passes as fast as the store answers."""

    def __init__(self, place, who, wish=None, still=None):
        self.place = place
        self.now = 0.0

        async def sleep(_):
            self.now += 0.5
            await asyncio.sleep(0)

        async def always():
            return who

        feed = Feed(place.house, sleep=sleep, monotonic=lambda: self.now)
        self.pages = Pages(feed, monotonic=lambda: self.now)
        self.events = self.pages.events(who, still or always, wish or Wish())

    async def next(self):
        async with asyncio.timeout(5):
            return (await anext(self.events)).decode()

    async def kinds(self):
        text = await self.next()
        lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
        assert lines["event"] == "change"
        assert lines["id"].isdigit()
        return json.loads(lines["data"])


def change(place, *lines, tenant=1):
    with place.engine.transaction() as connection:
        for kind, subject in lines:
            note(connection, tenant, kind, subject, at_s=town.NOW, detail={"never": "shown"})


def newest(place):
    with place.engine.reading() as connection:
        return newest_change(connection)


def watching(place, test, *arguments):
    async def run():
        watched = Watched(place, *arguments)
        async with aclosing(watched.events):
            assert "retry" in await watched.next()
            await test(watched)

    asyncio.run(run())


@pytest.mark.parametrize(
    "place", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)
def test_what_one_look_finds_is_one_event(place):
    async def test(watched):
        many = [("session", f"M{number}") for number in range(300)]
        change(place, *many, ("success", "daily"), ("nonsense", "x"))
        assert await watched.kinds() == ["session", "success"]
        change(place, ("alarm", OTHER))
        assert await watched.kinds() == ["alarm"]

    watching(place, test, caller())


def test_a_page_of_a_meter_hears_of_that_meter_alone(place):
    async def test(watched):
        change(place, ("session", OTHER), ("alarm", OTHER), ("readings", town.SHOWN))
        assert await watched.kinds() == ["readings"]
        # A command goes by its number, and says of which meter it is.
        with place.engine.transaction() as connection:
            for meter in (OTHER, town.SHOWN):
                note(connection, 1, "command", "7", at_s=town.NOW, detail={"meter": meter})
        assert await watched.kinds() == ["command"]
        # What happened to many at once may concern it.
        change(place, ("session", ""))
        assert await watched.kinds() == ["session"]

    watching(place, test, caller(), Wish(subject=town.SHOWN))


def test_nobody_hears_what_they_may_not_see(place):
    async def test(watched):
        change(place, ("readings", town.SHOWN), ("audit", "x"))
        change(place, ("session", "FOREIGN1"), tenant=2)
        change(place, ("session", town.SHOWN))
        assert await watched.kinds() == ["session"]

    watching(place, test, caller("viewer"))


def test_a_right_for_some_meters_is_one_for_their_news(place):
    with place.engine.transaction() as connection:
        create_group(connection, 1, "north", 'node = "Nord"')
        among = group_selection(connection, 1, "north")

    async def test(watched):
        change(place, ("alarm", town.METERS[0]), ("command", town.METERS[2]))
        # Nodes go round: the third meter hangs at the first node.
        assert await watched.kinds() == ["command"]

    watching(place, test, caller(among=among))


def test_what_came_while_the_page_was_loading_is_told(place):
    before = newest(place)
    change(place, ("stranger", "somebody"))

    async def test(watched):
        assert await watched.kinds() == ["stranger"]

    watching(place, test, caller(), Wish(after=before))


def test_the_stream_ends_with_the_session(place):
    async def gone():
        return None

    async def test(watched):
        change(place, ("alarm", OTHER))
        assert await watched.kinds() == ["alarm"]
        watched.now += 10
        change(place, ("alarm", OTHER))
        with pytest.raises(StopAsyncIteration):
            await watched.next()

    watching(place, test, caller(), Wish(), gone)


def test_streams_are_let_go_before_the_server_stops(place):
    async def test(watched):
        watched.pages.close()
        with pytest.raises(StopAsyncIteration):
            await watched.next()

    watching(place, test, caller())


def test_strangers_hear_nothing(visitor):
    assert visitor.get("/changes").status_code == 401
    assert visitor.get("/changes?after=xyz&subject=%00").status_code == 401
