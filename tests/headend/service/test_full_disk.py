"""A service whose disk is full: it says so, keeps nothing back that it took, and goes on."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import asyncio
import random
import time

import pytest
from sqlalchemy import insert, select

from ferraris.headend.demo.night import Night, NightSettings
from ferraris.headend.service import store_watch, supervising
from ferraris.headend.service.running import serve_until
from ferraris.headend.store.checking import check
from ferraris.headend.store.records import StoreFullError
from ferraris.headend.store.tables.access import AUDIT, CHANGE

from .test_trouble import everything_true

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.mark.parametrize("kind", BOTH)
def test_the_disk_is_full_and_has_room_again(request, kind, tmp_path, monkeypatch):
    small = request.getfixturevalue(f"small_{kind}")
    monkeypatch.setattr(store_watch, "_LOOK_S", 0.05)
    monkeypatch.setattr(store_watch, "_QUIET_S", 0.2)
    monkeypatch.setattr(supervising, "_BEAT_S", 0.3)
    settings = NightSettings(small.location, tmp_path / "keys.sqlite", meters=12)
    asyncio.run(live_through(small, settings))


async def live_through(small, settings) -> None:
    async with Night(settings) as night:
        night.deliver()
        await night.commission()
        engine, health = night.whole.house.engine, night.whole.health
        stop = asyncio.Event()
        service = asyncio.create_task(serve_until(stop, night.whole))
        try:
            while "http" not in night.whole.ports:
                await asyncio.sleep(0.02)
            await asyncio.to_thread(fill, small, engine)
            night.hour(20 * 60)  # midnight has passed: everybody is due, and there is no room
            await until(lambda: health.ready().parts["store"] != "ok")
            told = health.ready().parts["store"]
            assert "no room left: free some" in told
            assert not service.done()
            await asyncio.to_thread(small.free)
            await everything_true(night)
            await until(lambda: "store.recover" in actions(engine))
            await until(lambda: health.ready().ok)
        finally:
            stop.set()
            await service
        assert list(check(engine)) == []


def fill(small, engine) -> None:
    """Until not even a small row has room."""
    small.fill()
    for size in (20_000, 2_000, 200):
        with pytest.raises(StoreFullError):
            while True:
                noise = random.Random(size).randbytes(size).hex()
                line = {"tenant": 1, "kind": "noise", "subject": "", "detail": noise, "at_s": 0}
                with engine.transaction() as connection:
                    connection.execute(insert(CHANGE), [line])


def actions(engine) -> set[str]:
    with engine.reading() as connection:
        return set(connection.execute(select(AUDIT.c.action)).scalars())


async def until(holds) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
