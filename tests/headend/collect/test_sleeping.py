"""Meters with hours: nobody calls outside of them, and what is missing waits for the next ones."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.collect.commands import commands, put_command
from ferraris.headend.collect.overview import missing_meters
from ferraris.headend.collect.plans import plans
from ferraris.headend.collect.sleeping import sleeps, sleeps_until
from ferraris.headend.collect.standard_kinds import standard_kinds
from ferraris.headend.collect.target import Target
from ferraris.headend.inventory.awake import hours_of
from ferraris.headend.store.tables.collecting import CONTACT, SESSION
from ferraris.headend.store.tables.inventory import METER

from .neighbourhood import HOUR, NOW, Street, virtually

MIDNIGHT = NOW - 600
"""The street's clock begins ten minutes later."""


def street(engine, awake="01:00-02:00", count=2, **fields):
    made = Street(engine, count, **fields)
    with engine.transaction() as connection:
        mine = (METER.c.tenant == made.tenant) & (METER.c.external_id == "meter-1")
        connection.execute(update(METER).where(mine).values(awake=awake))
    made.plan()
    return made


def missing(made):
    with made.engine.reading() as connection:
        known = plans(connection, made.tenant)
        found, _ = missing_meters(connection, made.tenant, known, now=made.clock())
    return {each.external_id: each for each in found}


def test_a_meter_is_called_in_its_hours_and_waits_until_then(engine):
    made = street(engine)
    first = made.once()
    assert (first.read, first.failures) == (1, {"asleep": 1})
    assert made.meters["meter-1"].opened == 0
    told = missing(made)["meter-1"]
    at = datetime.fromtimestamp(MIDNIGHT + HOUR, UTC)
    assert (told.state, told.reason) == ("waiting", "asleep")
    assert told.message == f"sleeps until {at:%Y-%m-%dT%H:%MZ}"
    assert told.not_before_s == at.timestamp()
    made.start = MIDNIGHT + HOUR + 5
    assert made.once().failures == {}
    assert made.meters["meter-1"].opened == 1
    assert missing(made) == {}


def test_a_running_collection_calls_as_soon_as_it_is_awake(sqlite_engine):
    made = street(sqlite_engine)

    async def night():
        task = asyncio.create_task(made.collection(settings={"round_s": 30.0}).run())
        seen = []
        while not made.meters["meter-1"].opened:
            seen.append(made.clock())
            await asyncio.sleep(10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return seen[-1]

    called_s = virtually(night())
    assert MIDNIGHT + HOUR - 20 < called_s < MIDNIGHT + HOUR + 60


def test_who_falls_asleep_while_it_waits_for_room_is_not_called(sqlite_engine):
    made = street(sqlite_engine, awake="00:00-00:12", nodes=({"kind": "cell", "name": "c"},))
    made.meters["meter-0"].latency_s = 120.0  # the only line, for longer than the hours
    summary = made.once(settings={"concurrency": 1})
    assert summary.failures == {"asleep": 1}
    assert made.meters["meter-1"].opened == 0
    outcomes = dict(made.rows(SESSION, "meter", "outcome"))
    assert outcomes[made.numbers["meter-1"]] == "asleep"
    ((state, tries, not_before_s),) = made.rows(CONTACT, "state", "tries", "not_before_s")
    assert (state, tries, not_before_s) == ("waiting", 0, MIDNIGHT + 24 * HOUR)


def test_commands_wait_for_the_hours_too(sqlite_engine):
    made = street(sqlite_engine)
    with sqlite_engine.transaction() as connection:
        put_command(
            connection, made.tenant, made.numbers["meter-1"], "read registers",
            {"names": ["1-0:1.8.0*255"]}, kinds=standard_kinds(), requested_by="me", now=NOW,
        )  # fmt: skip

    def states():
        with sqlite_engine.reading() as connection:
            return [each.state for each in commands(connection, made.tenant)]

    async def night():
        task = asyncio.create_task(made.collection(settings={"poll_s": 20.0}).run())
        await asyncio.sleep(MIDNIGHT + HOUR - NOW - 60)
        before = states()
        while states() != ["done"]:
            await asyncio.sleep(10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return before, made.clock()

    before, done_s = virtually(night())
    assert before == ["queued"]
    assert MIDNIGHT + HOUR <= done_s < MIDNIGHT + HOUR + 120


@pytest.mark.parametrize(
    ("text", "zone", "utc", "until"),
    [
        ("", "UTC", "2026-03-29T00:00", None),
        ("02:00-04:00", "UTC", "2026-03-29T02:00", None),
        ("02:00-04:00", "UTC", "2026-03-29T04:00", "2026-03-30T02:00"),
        ("02:00-04:00", "UTC", "2026-03-29T01:59", "2026-03-29T02:00"),
        ("22:00-02:00", "UTC", "2026-03-29T01:00", None),
        ("sat 10:00-11:00;sun 12:00-13:00", "UTC", "2026-03-28T11:00", "2026-03-29T12:00"),
        ("00:00-24:00 every 4 h for 10 min", "UTC", "2026-03-29T04:09", None),
        ("00:00-24:00 every 4 h for 10 min", "UTC", "2026-03-29T04:10", "2026-03-29T08:00"),
        ("10:00-11:00", "Europe/Berlin", "2026-03-28T10:00", "2026-03-29T08:00"),  # summer begins
    ],
)
def test_when_it_is_awake_again(text, zone, utc, until):
    target = Target(1, "M", hours=(text, zone))
    now = datetime.fromisoformat(utc + ":00+00:00")
    expected = None if until is None else datetime.fromisoformat(until + ":00+00:00")
    assert sleeps_until(target, now.timestamp()) == expected
    assert sleeps(target, now.timestamp()) is (expected is not None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("noon", "hours are written as"),
        ("02:00-04:00;", "hours are written as"),
        ("24:00-04:00", "begin before 24:00"),
        ("02:60-04:00", "a time of day"),
        ("02:00-24:01", "a time of day"),
        ("00:00-24:00 every 10 min for 4 h", "no longer"),
        ("00:00-24:00 every 0 h for 0 min", "no longer"),
        (";".join(["02:00-03:00"] * 25), "at most 24"),
    ],
)
def test_hours_that_are_none(text, says):
    with pytest.raises(UsageError, match=says):
        hours_of(text)


def test_hours_of_one_meter_and_of_many(engine):
    with engine.transaction() as connection:
        tenant = inventory.tenant_number(connection, "north", make=True)
        new = [inventory.NewMeter(external_id=f"M{n}", awake="02:00-04:00") for n in range(3)]
        numbers = inventory.enrol(connection, tenant, new, at_s=NOW)
        inventory.change(connection, tenant, "M0", {"awake": ""}, at_s=NOW)
        some = [numbers["M1"], numbers["M2"]]
        inventory.set_awake(connection, tenant, some, "mon 01:00-02:00", at_s=NOW)
        found = inventory.meters(connection, tenant)
        assert [each.awake for each in found] == ["", "mon 01:00-02:00", "mon 01:00-02:00"]
        assert [each.version for each in found] == [2, 2, 2]
        with pytest.raises(UsageError, match="awake: hours are written as"):
            inventory.set_awake(connection, tenant, some, "never", at_s=NOW)
