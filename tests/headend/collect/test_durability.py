"""Killed, cut off, two at once, the store away, clocks that jump: nothing is lost or doubled."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ferraris.core.errors import LineError
from ferraris.headend.collect.claims import Claims
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError, StoreError
from ferraris.headend.store.tables.collecting import CONTACT, SESSION, WORKER
from ferraris.headend.store.tables.inventory import TENANT

from .neighbourhood import DAY, DAY_S, NOW, Street, series, virtually

HERE = Path(__file__).parent
KILLS = 50
SPAN = DAY * DAY_S, (DAY + 1) * DAY_S
TRUTH = {number: list(series(number, *SPAN).rows()) for number in range(400)}


def is_true(street):
    return {name: rows for name, (rows, _, _) in street.dump().items()} == {
        name: TRUTH[int(name[6:])] for name in street.numbers
    }


def test_what_is_durable_when_it_is_stopped_is_not_written_once_more(sqlite_engine):
    street = Street(sqlite_engine, 1)
    street.plan()

    async def late(function, *arguments):
        """The answer of the store comes a second after it has committed."""
        made = function(*arguments)
        await asyncio.sleep(1)
        return made

    async def night():
        task = asyncio.ensure_future(street.collection(offload=late).run())
        while not street.rows(SESSION):
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtually(night())
    assert len(street.rows(SESSION)) == 1
    assert street.rows(CONTACT) == []


# -- killed ---------------------------------------------------------------------------------

NURSERY = """
import asyncio, os, sys, time
sys.path.insert(0, sys.argv[1])
from neighbourhood import NOW, Street
from ferraris.headend.store.engine import Engine

async def collect(location, tenant, count):
    street = Street(Engine(location), count, tenant=tenant)
    begun = time.monotonic()
    street.clock = lambda: NOW + time.monotonic() - begun
    for meter in street.meters.values():
        meter.latency_s, meter.clock = 0.005, street.clock
    settings = {"batch": 8, "linger_s": 0.0}
    await street.collection(
        worker="killed", offload=asyncio.to_thread, settings=settings, steady=time.monotonic
    ).run_once()

for line in sys.stdin:
    location, tenant, count = line.split()
    child = os.fork()
    if not child:
        asyncio.run(collect(location, int(tenant), int(count)))
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


class Nursery:
    """Makes processes that collect, quickly, and kills them."""

    def __init__(self):
        self._program = subprocess.Popen(
            [sys.executable, "-c", NURSERY, str(HERE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[2] / "src")},
        )

    def __enter__(self):
        self._program.__enter__()
        return self

    def __exit__(self, *error):
        self._program.__exit__(*error)

    def killed(self, street, after_s):
        """Collect in a process that is killed so long after it was made."""
        words = street.engine.location, street.tenant, len(street.meters)
        print(*words, file=self._program.stdin, flush=True)
        child = int(self._program.stdout.readline())
        time.sleep(after_s)  # the moment at which another process is killed is the test
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        assert self._program.stdout.readline() == "over\n"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_killed_at_random_moments_then_compared_with_the_truth(engine):
    count, source = 40, random.Random(20261126)
    street, halfway = Street(engine, count), 0
    street.plan()
    with Nursery() as nursery:
        nursery.killed(Street(engine, 1), 0.0)
        for turn in range(KILLS):
            nursery.killed(street, source.uniform(0.05, 0.45))
            assert list(check(engine)) == []
            rows = {name: rows for name, (rows, _, _) in street.dump().items()}
            # What is there is true, whole meters at a time.
            assert all(not found or found == TRUTH[int(name[6:])] for name, found in rows.items())
            there = sum(map(bool, rows.values()))
            halfway += 0 < there < count
            if there == count or turn % 3 == 2:
                # Whoever comes next under the same name takes the claims over at once.
                street.once(worker="killed")
                assert is_true(street)
                street = Street(engine, count)
                street.plan()
    street.once(exclusive=True)
    assert is_true(street)
    assert street.rows(CONTACT) == []
    assert halfway


def test_claims_of_a_killed_one_return_after_its_lease(sqlite_engine):
    street = Street(sqlite_engine, 6)
    street.plan()
    dead = Claims(street.tenant, "dead", lease_s=60, steady=lambda: 0.0)
    with sqlite_engine.transaction() as connection:
        dead.beat(connection, now=NOW)
        dead.claim(connection, list(street.numbers.values())[:3], now=NOW)
    summary = street.once()
    assert 60 <= summary.duration_s < 90
    assert summary.read == 6
    assert is_true(street)


# -- two heads on one store -----------------------------------------------------------------


def test_two_heads_share_the_work_and_never_a_meter(engine):
    street = Street(engine, 60)
    street.plan()
    together = []

    class Watched:
        def __init__(self, meter):
            self.meter, self.inside = meter, 0

    watched = {name: Watched(meter) for name, meter in street.meters.items()}
    opened = street.open

    def watching(target):
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def one():
            seen = watched[target.external_id]
            seen.inside += 1
            together.append(seen.inside)
            try:
                async with opened(target) as face:
                    yield face
            finally:
                seen.inside -= 1

        return one()

    street.open = watching

    async def both():
        return await asyncio.gather(
            street.collection(worker=f"{street.tenant}-a").run_once(),
            street.collection(worker=f"{street.tenant}-b").run_once(),
        )

    first, second = virtually(both())
    assert first.intervals + second.intervals == 60 * 24
    assert min(first.intervals, second.intervals) > 0
    assert set(together) == {1}
    assert {meter.opened for meter in street.meters.values()} == {1}
    assert is_true(street)


# -- cancelled ------------------------------------------------------------------------------


def test_cancelled_anywhere_it_loses_nothing_and_doubles_nothing(sqlite_engine):
    async def cancelled_after(street, steps):
        task = asyncio.ensure_future(street.collection(exclusive=True).run_once())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    for steps in (*range(0, 40, 7), *range(40, 400, 29)):
        street = Street(sqlite_engine, 3, faults={1: [("open", LineError("a"))]})
        street.plan()
        virtually(cancelled_after(street, steps))
        assert street.rows(WORKER) == []
        assert [row for row in street.rows(CONTACT, "state") if row[0] == "claimed"] == []
        street.start += 120
        summary = street.once()
        assert (summary.read, summary.failed) == (3, 0)
        assert is_true(street)
        assert street.counts()[:2] == (3, 3)
    assert list(check(sqlite_engine)) == []


# -- the store goes away --------------------------------------------------------------------


def test_the_store_is_away_for_a_minute(sqlite_engine):
    street = Street(sqlite_engine, 30)
    street.plan()
    away = []
    really = sqlite_engine.sqlalchemy.connect

    def connect():
        now = asyncio.get_running_loop().time()
        if 0.3 < now < 60.0:
            away.append(now)
            raise StoreAwayError("gone")
        return really()

    sqlite_engine.sqlalchemy.connect = connect
    try:
        summary = street.once()
    finally:
        sqlite_engine.sqlalchemy.connect = really
    assert away
    assert (summary.read, summary.failed) == (30, 0)
    assert summary.duration_s > 59
    assert {meter.opened for meter in street.meters.values()} == {1}  # nothing was read twice
    assert is_true(street)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_full_disk_ends_it_and_a_later_one_goes_on(sqlite_engine):
    street = Street(sqlite_engine, 120)
    street.plan()
    with sqlite_engine.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    from sqlalchemy import event

    most = [pages + 12]

    @event.listens_for(sqlite_engine.sqlalchemy, "begin")
    def limit(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most[0]}")

    with pytest.raises(StoreError, match="no room left"):
        street.once()
    most[0] = 1 << 30
    assert list(check(sqlite_engine)) == []
    assert 0 < street.counts()[0] < 120
    street.start += 100
    assert street.once(exclusive=True).read == 120
    assert is_true(street)


# -- a clock that jumps ---------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S, 3 * DAY_S + 1800, -1800])
def test_a_wall_clock_that_jumps(sqlite_engine, jump_s):
    """Claims, leases and pauses hang on no wall clock; what is read is not doubled."""
    faults = {n: [("open", LineError("silence"))] * 2 for n in range(0, 12, 3)}
    street = Street(sqlite_engine, 12, faults=faults)
    street.plan()

    async def jumping():
        slow = {
            "poll_s": 120.0,
            "attend_s": 120.0,
            "count_s": 900.0,
            "lease_s": 1200.0,
            "round_s": 300.0,
        }
        one = asyncio.ensure_future(street.collection(worker="one", settings=slow).run())
        two = asyncio.ensure_future(street.collection(worker="two", settings=slow).run())
        await asyncio.sleep(0.6)
        street.start += jump_s
        await asyncio.sleep(300)
        street.start -= jump_s
        await asyncio.sleep(7 * 3600)
        for task in (one, two):
            assert not task.done()
            task.cancel()
        await asyncio.gather(one, two, return_exceptions=True)

    virtually(jumping())
    rows = {name: rows for name, (rows, _, _) in street.dump().items()}
    for name, found in rows.items():
        assert [row for row in found if SPAN[0] < row[0] <= SPAN[1]] == TRUTH[int(name[6:])]
    assert list(check(sqlite_engine)) == []
    assert street.rows(WORKER) == []


def test_whoever_was_taken_for_dead_begins_anew(sqlite_engine):
    street = Street(sqlite_engine, 2)
    now_s = [0.0]
    one, two = (
        Claims(street.tenant, name, lease_s=60, steady=lambda: now_s[0]) for name in ("one", "two")
    )
    meter, other = street.numbers.values()
    with sqlite_engine.transaction() as connection:
        one.beat(connection, now=NOW)
        assert one.claim(connection, [meter], now=NOW) == {meter}
        two.beat(connection, now=NOW + 10 * DAY_S)  # its wall clock is wrong
        assert two.claim(connection, [meter, other], now=NOW) == {other}
    for _ in range(3):
        now_s[0] += 25
        with sqlite_engine.transaction() as connection:
            assert two.beat(connection, now=NOW - 10 * DAY_S) == ([meter] if now_s[0] > 60 else [])
    assert not one.fresh
    with sqlite_engine.transaction() as connection:
        assert two.claim(connection, [meter], now=NOW) == {meter}
        one.settle(connection, [meter], [], now=NOW)  # comes late
        assert connection.execute(
            select(CONTACT.c.worker).where(CONTACT.c.meter == meter)
        ).scalar_one() == two.worker  # fmt: skip
        before = one.worker
        one.beat(connection, now=NOW)
        assert one.worker != before or one.fresh
        assert one.claim(connection, [meter], now=NOW) == set()


def test_a_tenant_sees_nothing_of_another(sqlite_engine):
    one, two = Street(sqlite_engine, 3), Street(sqlite_engine, 3)
    one.plan()
    two.plan()
    one.once()
    assert one.counts()[0] == 3
    assert two.counts() == (0,) * 6
    with sqlite_engine.reading() as view:
        assert len(view.execute(select(TENANT.c.id)).all()) == 2
    assert isinstance(sqlite_engine, Engine)
