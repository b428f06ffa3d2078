"""A clock of the machine that is wrong: doubted, told, waited for; or the operator knows better."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert, select

from ferraris.headend.audit import Journal
from ferraris.headend.observe.health import Health
from ferraris.headend.service.clock_watch import (
    LONGEST_REST_S,
    TOLERANCE_S,
    ClockWatch,
    WrongClockError,
    newest_known,
    steady_clock,
)
from ferraris.headend.service.supervising import supervise
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.inventory import METER, TENANT

NOON = 1_795_003_200.0
DAY_S = 86_400.0


class Clocks:
    """The clock that may be wrong, and the one that only goes on; `pause` is one turn of a part."""

    def __init__(self, now=NOON):
        self.now, self.steady = now, 1000.0
        self.turns = 0

    def go_on(self, seconds, off=0.0):
        self.steady += seconds
        self.now += seconds + off

    async def pause(self, _):
        self.turns += 1
        await asyncio.sleep(0)


@pytest.fixture
def heard(engine):
    """A store with a meter that was heard at noon, and read an hour before."""
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(name="north"))
        row = {"tenant": 1, "external_id": "m", "system_title": b"", "created_s": 0}
        connection.execute(insert(METER).values(**row, changed_s=0, heard_s=NOON))
        session = {"tenant": 1, "meter": 1, "started_s": NOON - 3700, "ended_s": NOON - 3600}
        rest = {"occasion": "plan", "outcome": "done", "message": "", "intervals": 0}
        connection.execute(insert(SESSION).values(**session, **rest, registers=0, events=0))
    return engine


def watch_of(engine, clocks, override=None):
    return ClockWatch(
        engine,
        Journal().write,
        override=override,
        clock=lambda: clocks.now,
        steady=lambda: clocks.steady,
        sleep=clocks.pause,
    )


async def believed(watch, clocks, turns=2):
    """Let it look some times; raises what it raises."""
    task, until = asyncio.create_task(watch.run()), clocks.turns + turns
    while clocks.turns < until and not task.done():
        await asyncio.sleep(0.001)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (0.0, "1970-01-01 00:00 UTC, before this program was made"),
        (NOON - 3 * DAY_S, "3.0 days before the newest time that the store knows of a meter"),
        (NOON + 4 * 365 * DAY_S, "was this head-end off for 1460.0 days"),
    ],
)
def test_a_clock_that_does_not_fit_the_store_is_doubted(heard, now, told):
    with pytest.raises(WrongClockError, match=told) as caught:
        asyncio.run(believed(watch_of(heard, clocks := Clocks(now)), clocks))
    assert "make a file named trust-clock" in str(caught.value)


@pytest.mark.parametrize("now", [NOON - TOLERANCE_S, NOON, NOON + LONGEST_REST_S])
def test_a_clock_that_fits_is_believed(heard, now):
    asyncio.run(believed(watch_of(heard, clocks := Clocks(now)), clocks))


def test_a_new_store_knows_no_time_but_that_of_the_program(engine):
    with engine.reading() as connection:
        assert newest_known(connection) is None
    asyncio.run(believed(watch_of(engine, clocks := Clocks(NOON + 9 * 365 * DAY_S)), clocks))
    with pytest.raises(WrongClockError, match="before this program"):
        asyncio.run(believed(watch_of(engine, clocks := Clocks(NOON - 9 * 365 * DAY_S)), clocks))


@pytest.mark.parametrize("off", [-2 * DAY_S, 5 * DAY_S])
def test_a_jump_while_it_runs_is_doubted_until_it_is_taken_back(heard, off):
    clocks = Clocks()
    watch = watch_of(heard, clocks)

    async def scenario():
        await believed(watch, clocks)
        clocks.go_on(400 * DAY_S)  # whatever the store says: time has only gone on
        await believed(watch, clocks)
        clocks.go_on(10, off)
        with pytest.raises(WrongClockError, match="jumped"):
            await believed(watch, clocks)
        clocks.go_on(10, -off)
        await believed(watch, clocks)

    asyncio.run(scenario())


def test_the_operator_knows_better_once(heard, tmp_path):
    file = tmp_path / "trust-clock"
    clocks = Clocks(NOON - 3 * DAY_S)
    watch = watch_of(heard, clocks, file)

    async def scenario():
        with pytest.raises(WrongClockError):
            await believed(watch, clocks)
        file.touch()
        await believed(watch, clocks)
        assert not file.exists()
        clocks.go_on(60)
        await believed(watch, clocks)
        clocks.go_on(60, 3 * DAY_S)
        with pytest.raises(WrongClockError):
            await believed(watch, clocks)

    asyncio.run(scenario())
    with heard.reading() as connection:
        (line,) = connection.execute(select(AUDIT)).all()
    assert (line.action, line.principal) == ("clock.trust", "operator")
    assert "3.0 days before" in line.detail


def test_parts_that_go_by_the_hour_wait_for_it_and_are_stopped(heard):
    """In a service: the part is not begun in doubt, begun when it ends, stopped when it is back."""
    clocks, health, lived = Clocks(0.0), Health(lambda: 0.0), []
    watch = watch_of(heard, clocks)

    async def part():
        lived.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            lived.append("stopped")

    async def until(holds):
        for _ in range(5000):
            if holds():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(lived)

    async def scenario():
        parts = {"clock": watch.run, "collection": watch.held(part)}
        service = asyncio.create_task(
            supervise(parts, health, clock=lambda: 0.0, sleep=clocks.pause)
        )
        await until(lambda: "1970" in health.ready().parts.get("clock", ""))
        assert (lived, health.ready().ok) == ([], False)
        clocks.now = NOON
        await until(lambda: lived == ["begun"])
        clocks.go_on(1, 10 * DAY_S)
        await until(lambda: lived == ["begun", "stopped"])
        clocks.go_on(1, -10 * DAY_S)
        await until(lambda: len(lived) == 3)
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)

    asyncio.run(scenario())
    assert lived == ["begun", "stopped", "begun", "stopped"]


def test_a_held_part_that_fails_fails(heard):
    clocks = Clocks()
    watch = watch_of(heard, clocks)

    async def part():
        raise ValueError("broken")

    async def scenario():
        await believed(watch, clocks)
        await watch.held(part)()

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(scenario())


def test_the_steady_clock_only_goes_on():
    first = steady_clock()
    assert steady_clock() >= first
