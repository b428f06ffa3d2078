# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from ferraris.core.errors import LineError, RefusedError, UsageError
from ferraris.headend.collect.claims import Claims
from ferraris.headend.collect.commands import cancel_command, commands, put_command
from ferraris.headend.collect.segments import ROOT
from ferraris.headend.collect.standard_kinds import standard_kinds
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT, SESSION

from .neighbourhood import DAY, DAY_S, HOUR, NOW, PROFILE, REGISTERS, Street, virtually

KINDS = standard_kinds()
SLOW = {"poll_s": 60.0, "attend_s": 60.0, "count_s": 600.0, "lease_s": 1200.0, "round_s": 300.0}


def put(street, meter, kind="read registers", parameters=None, **options):
    if parameters is None:
        parameters = {"names": list(REGISTERS)} if kind == "read registers" else {}
    with street.engine.transaction() as connection:
        return put_command(
            connection, street.tenant, street.numbers[meter], kind, parameters, kinds=KINDS,
            requested_by="anna", now=street.clock(), **options,
        )  # fmt: skip


def state(street, number):
    with street.engine.reading() as connection:
        (found,) = commands(connection, street.tenant, COMMAND.c.id == number)
    return found


def run_for(street, seconds, during=None, **options):
    """Let a collection run for a while, and do something meanwhile."""

    async def running():
        collection = street.collection(**options)
        task = asyncio.ensure_future(collection.run())
        try:
            if during is not None:
                await asyncio.gather(during(collection), asyncio.sleep(seconds))
            else:
                await asyncio.sleep(seconds)
        finally:
            assert not task.done(), task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            street.start = street.clock()

    virtually(running())


def test_a_read_now_is_answered_and_kept(engine):
    street = Street(engine, 3)
    number = put(street, "meter-1")
    profile = put(
        street, "meter-1", "read profile",
        {"profile": "99.1.0", "since": "2024-10-04T00:00:00Z", "until": "2024-10-04T03:00:00Z"},
    )  # fmt: skip
    run_for(street, 3)
    found = state(street, number)
    assert (found.state, found.message) == ("done", "")
    assert [each["value"] for each in found.result["readings"]] == [1, 1]
    assert found.result["missing"] == []
    assert state(street, profile).result["rows"] == 3
    assert street.meters["meter-1"].opened == 1  # one association for both
    assert street.counts()[:2] == (1, 1)
    assert street.rows(SESSION, "occasion", "outcome") == [("operator", "done")]
    assert street.rows(CONTACT) == []


def test_operators_go_before_plans(sqlite_engine):
    street = Street(sqlite_engine, 40)
    for meter in street.meters.values():
        meter.latency_s = 1.0
    street.plan()
    numbers = []

    async def ask(_):
        await asyncio.sleep(3)
        numbers.append(put(street, "meter-30"))
        await asyncio.sleep(6)
        assert state(street, numbers[0]).state == "done"
        assert street.counts()[3] < 40

    run_for(street, 10, ask, settings={"concurrency": 3, "batch": 64})
    # The meter was waiting for its plan: one association did both.
    assert street.meters["meter-30"].opened == 1
    with sqlite_engine.reading() as view:
        there = street.archive.series(
            view, street.numbers["meter-30"], PROFILE, DAY * DAY_S, (DAY + 1) * DAY_S
        )
    assert len(there) == 24


def test_a_command_reaches_a_meter_that_rests_or_is_held(sqlite_engine):
    street = Street(sqlite_engine, 1, faults={0: [("open", UsageError("no key"))]})
    street.plan()
    street.once()
    assert street.rows(CONTACT, "state") == [("held",)]
    number = put(street, "meter-0")
    run_for(street, 3)
    assert state(street, number).state == "done"


def test_what_the_meter_refuses_or_does_not_answer_has_failed(sqlite_engine):
    street = Street(sqlite_engine, 3)
    street.meters["meter-0"].faults = [("registers", RefusedError("denied"))]
    street.meters["meter-1"].dead = LineError("silence")
    first = [put(street, f"meter-{n}") for n in range(3)]
    second = [put(street, f"meter-{n}", "set clock") for n in range(3)]
    run_for(street, 3)
    assert [state(street, each).state for each in first] == ["failed", "failed", "done"]
    assert state(street, first[0]).message == "denied"
    assert state(street, first[1]).message == "not begun: silence"
    assert [state(street, each).state for each in second] == ["done", "failed", "done"]


def test_setting_the_clock(sqlite_engine):
    street = Street(sqlite_engine, 1)
    meter = street.meters["meter-0"]
    meter.deviation_s = -300.0
    number = put(street, "meter-0", "set clock")
    run_for(street, 3)
    found = state(street, number)
    assert found.state == "done"
    assert found.result["before_s"] == pytest.approx(-300, abs=1.5)
    assert found.result["after_s"] == pytest.approx(0, abs=1.5)
    assert len(meter.set_to) == 1


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_write_without_an_answer_is_unknown_until_it_is_read_back(sqlite_engine, carried_out):
    street = Street(sqlite_engine, 1)
    meter = street.meters["meter-0"]
    meter.deviation_s = -300.0
    place = "clock was set" if carried_out else "set clock"
    meter.faults = [(place, LineError("silence").with_unknown_outcome())]
    number = put(street, "meter-0", "set clock")
    run_for(street, 4)
    assert state(street, number).state == "unknown"
    assert len(meter.set_to) == carried_out
    run_for(street, 1)  # another process knows it, too
    street.plan()
    run_for(street, 10)
    found = state(street, number)
    assert found.state == ("done" if carried_out else "failed")
    assert found.message.startswith("read back: it was ")
    assert len(meter.set_to) == carried_out  # nothing was repeated


def test_what_is_unknown_is_asked_about_without_a_plan(sqlite_engine):
    street = Street(sqlite_engine, 1)
    street.meters["meter-0"].faults = [
        ("clock was set", LineError("silence").with_unknown_outcome())
    ]
    number = put(street, "meter-0", "set clock")
    run_for(street, 20)
    assert state(street, number).state == "done"


def test_killed_while_it_ran(engine):
    """What a dead worker was doing: reads are done again, writes are unknown."""
    street = Street(engine, 2)
    read, write = put(street, "meter-0"), put(street, "meter-1", "set clock")
    steady = [0.0]
    dead = Claims(street.tenant, "dead", lease_s=60, steady=lambda: steady[0])
    with engine.transaction() as connection:
        dead.beat(connection, now=NOW)
        dead.claim(connection, street.numbers.values(), now=NOW)
        connection.execute(
            COMMAND.update()
            .where(COMMAND.c.tenant == street.tenant)
            .values(state="running", worker=dead.worker)
        )
    run_for(street, 50)
    assert state(street, read).state == "running"  # it might live
    run_for(street, 80)
    assert state(street, read).state == "done"
    assert state(street, write).state == "unknown"
    assert street.rows(CONTACT) == []


def test_cancelled_and_expired_and_calling_in(sqlite_engine):
    street = Street(sqlite_engine, 2)
    with sqlite_engine.transaction() as connection:
        connection.exec_driver_sql("UPDATE meter SET contact = 'calls in' WHERE id = 1")
    late = put(street, "meter-0", not_after_s=street.clock() + 2)
    waits = put(street, "meter-0")
    gone = put(street, "meter-0")
    with sqlite_engine.transaction() as connection:
        assert cancel_command(connection, street.tenant, gone, now=NOW)
        assert not cancel_command(connection, street.tenant, gone, now=NOW)
        assert not cancel_command(connection, street.tenant + 1, waits, now=NOW)
    run_for(street, 5)
    assert state(street, gone).state == "cancelled"
    assert state(street, late).state == "failed"
    assert state(street, late).message == "it could not be begun in time"
    assert state(street, waits).state == "queued"
    street.plan()

    async def calls(collection):
        await asyncio.sleep(1)
        meter = street.meters["meter-0"]
        assert await collection.serve(street.numbers["meter-0"], meter)
        assert state(street, waits).state == "done"
        assert street.counts()[0] >= 1  # all that was due came with it

    run_for(street, 5, calls)
    assert ("call", "done") in street.rows(SESSION, "occasion", "outcome")


def test_a_meter_that_calls_is_served_at_any_hour_and_not_by_two(sqlite_engine):
    street = Street(sqlite_engine, 1)
    street.plan(windows=[{"from": "03:00", "until": "04:00"}])
    number = street.numbers["meter-0"]

    async def calls(collection):
        await asyncio.sleep(1)
        meter = street.meters["meter-0"]
        both = await asyncio.gather(
            collection.serve(number, meter), collection.serve(number, meter)
        )
        assert both == [True, True]  # one after the other; the second found nothing missing
        with pytest.raises(UsageError, match="no such meter"):
            await collection.serve(10**9, meter)

    run_for(street, 5, calls)
    assert street.counts()[0] == 1
    assert [row[0] for row in street.rows(SESSION, "intervals")] == [0, 24]


def test_sleepy_meters_fail_not_when_they_sleep(sqlite_engine):
    street = Street(sqlite_engine, 1, contact="sleepy")
    meter = street.meters["meter-0"]
    meter.dead = LineError("silence")
    street.plan()
    number = put(street, "meter-0", not_after_s=NOW + 3 * HOUR)
    run_for(street, 3 * HOUR - 1800, settings=SLOW)
    ((reason, tries, held),) = street.rows(CONTACT, "reason", "tries", "state")
    assert (reason, tries, held) == ("asleep", 0, "waiting")
    assert state(street, number).state == "queued"
    meter.dead = None

    async def appears(collection):
        await asyncio.sleep(1)
        await collection.appeared(street.numbers["meter-0"])

    run_for(street, 10, appears)
    assert street.counts()[0] == 1
    assert state(street, number).state == "done"


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        ("dance", {}, "no command 'dance'; there are clear alarms, disconnect"),
        ("read registers", {}, "takes names"),
        ("read registers", {"names": []}, "takes names"),
        ("read registers", {"names": ["1.8.0"] * 201}, "takes names"),
        ("read registers", {"names": [5]}, "OBIS"),
        ("read registers", {"names": ["nonsense"]}, "OBIS"),
        ("read profile", {"profile": "99.1.0"}, "takes profile, since and until"),
        ("read profile", {"profile": "99.1.0", "since": "x", "until": "y"}, "written as"),
        ("read profile", {"profile": "99.1.0", "since": "2026-01-01T00:00:00",
                          "until": "2026-01-02T00:00:00"}, "needs its zone"),
        ("read profile", {"profile": "99.1.0", "since": "2026-01-02T00:00:00Z",
                          "until": "2026-01-01T00:00:00Z"}, "after since"),
        ("set clock", {"to": 5}, "takes no parameters"),
    ],
)  # fmt: skip
def test_bad_commands_are_never_queued(sqlite_engine, kind, parameters, says):
    street = Street(sqlite_engine, 1)
    with pytest.raises(UsageError, match=says):
        put(street, "meter-0", kind, parameters)
    with pytest.raises(UsageError, match="over before"):
        put(street, "meter-0", not_after_s=NOW - 1)
    assert street.rows(COMMAND) == []


def test_a_command_wakes_the_collection_at_once(sqlite_engine):
    street = Street(sqlite_engine, 1)

    async def ask(collection):
        await asyncio.sleep(10)
        with sqlite_engine.transaction() as connection:
            collection.wake_after_commit(connection)
            put_command(
                connection, street.tenant, street.numbers["meter-0"], "read registers",
                {"names": [REGISTERS[0]]}, kinds=KINDS, requested_by="anna", now=street.clock(),
            )  # fmt: skip
        await asyncio.sleep(2)
        with sqlite_engine.reading() as view:
            assert view.execute(select(COMMAND.c.state)).scalar_one() == "done"

    run_for(street, 15, ask, settings={"poll_s": 3600.0, "attend_s": 3600.0})
    assert ROOT == 0
    assert datetime.fromtimestamp(NOW, UTC).year == 2024
