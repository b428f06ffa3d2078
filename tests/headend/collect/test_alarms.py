"""Alarms: raised once by whoever comes first, read from meters, and cleared there afterwards."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Barrier

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import LineError, UsageError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.headend.collect import plan_of
from ferraris.headend.collect.alarms import Signal, signal, words_of_alarm
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.access import CHANGE
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.headend.store.tables.readings import ALARM
from ferraris.meter import life
from ferraris.meter.happenings import Happening

from .hosts import HOUR, Hosts

DESCRIPTOR, SECOND = "0-0:97.98.20*255", "0-0:97.98.21*255"
HEADS, ROUNDS, METERS = 2, 6, 3


def test_two_heads_that_hear_of_an_alarm_raise_it_once(engine, location):
    with engine.transaction() as connection:
        tenant = connection.execute(
            insert(TENANT).values(name="north").returning(TENANT.c.id)
        ).scalar_one()
        rows = [
            {"tenant": tenant, "external_id": f"M{n}", "system_title": b"", "created_s": 0,
             "changed_s": 0} for n in range(METERS)
        ]  # fmt: skip
        connection.execute(insert(METER), rows)
        numbers = dict(connection.execute(select(METER.c.external_id, METER.c.id)).all())
    together = Barrier(HEADS)

    def head(which):
        """Both tell of the same meters, each in another order; then all of it is over."""
        own = Engine(location)
        raised = 0
        for turn in range(ROUNDS):
            for is_on in (True, False):
                told = [
                    Signal(number, name, 100.0 * turn + which, {"magnet": is_on, "cover": is_on})
                    for name, number in sorted(numbers.items(), reverse=bool(which))
                ]
                together.wait(30)
                with own.transaction() as connection:
                    raised += signal(connection, tenant, told)
                together.wait(30)
        own.close()
        return raised

    with ThreadPoolExecutor(HEADS) as pool:
        raised = sum(pool.map(head, range(HEADS)))
    expected = ROUNDS * METERS * 2
    assert raised == expected
    with engine.reading() as connection:
        alarms = connection.execute(select(ALARM)).all()
        details = connection.execute(select(CHANGE.c.detail).where(CHANGE.c.kind == "alarm"))
        told = [json.loads(detail)["state"] for detail in details.scalars()]
    assert len(alarms) == expected
    assert all(row.times == HEADS and row.cleared_s is not None for row in alarms)
    assert (told.count("raised"), told.count("cleared")) == (expected, expected)


class Alarmed(Hosts):
    """A meter in whose descriptor stands that its battery is to be replaced, and a plan for it."""

    def __init__(self, engine, *, clear=True):
        super().__init__(engine, 1, channels=())
        self.written = []
        self.after_write = None
        alarms = [{"register": name, "clear": clear} for name in (DESCRIPTOR, SECOND)]
        self.plan(
            name="alarms", group="", profiles=[], registers=[], alarms=alarms,
            windows=[{"every": "1 h", "for": "30 min"}],
        )  # fmt: skip
        self.tell(Happening.REPLACE_BATTERY)

    def tell(self, happening):
        meter = self.fleet[0]
        with life.intervening(meter, int(self.now)):
            meter.note(happening, int(self.now))

    def descriptor(self):
        meter = self.fleet[0]
        found = meter.fleet.template.behaviours[1, bytes(Obis.parse(DESCRIPTOR))]
        return axdr.decode(found.get(meter, 2, None, int(self.now)))[1]

    @asynccontextmanager
    async def opener(self, target):
        async with self.meters().open(target) as face:
            really = face.meter.set_data

            async def set_data(*arguments):
                self.written.append(arguments)
                if self.after_write == "not written":
                    raise LineError("silence", outcome_unknown=True)
                await really(*arguments)
                if self.after_write is not None:
                    raise LineError("silence", outcome_unknown=True)

            face.meter.set_data = set_data
            yield face

    async def until(self, condition, *, passing_s=0.0):
        for _ in range(3000):
            if condition():
                return
            if self.task.done():
                self.task.result()
            self.now += passing_s
            await asyncio.sleep(0.01)
        raise AssertionError((self.states(), self.alarms(), self.sessions(), self.missing()))

    @asynccontextmanager
    async def running(self):
        collection = self.collection(self.opener, poll_s=0.01, linger_s=0.0, round_s=0.05)
        self.task = task = asyncio.create_task(collection.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def states(self):
        return [each.state for each in reversed(self.commands())]

    def alarms(self):
        with self.engine.reading() as connection:
            rows = connection.execute(select(ALARM).order_by(ALARM.c.id)).all()
            return [(row.name, row.source, row.times, row.cleared_s is not None) for row in rows]


def test_alarms_are_read_stored_and_then_cleared_in_the_meter(engine):
    meter = Alarmed(engine)

    async def nights():
        async with meter.listening():
            meter.change("H1", companion="idis-like")
            async with meter.running():
                await meter.until(lambda: meter.states() == ["done"])
                first = meter.alarms(), meter.descriptor()
                meter.now += HOUR
                await meter.until(lambda: meter.alarms()[0][3])
                meter.tell(Happening.REPLACE_BATTERY)
                meter.now += HOUR
                await meter.until(lambda: meter.states() == ["done", "done"])
                return first

    before = meter.descriptor()
    assert before
    (alarms, after) = asyncio.run(nights())
    name = words_of_alarm("idis-like", 1, before.bit_length() - 1)
    assert alarms == [(name, "read", 1, False)]
    assert after == 0
    assert [row[3] for row in meter.alarms()] == [True, False]
    assert [arguments[:3] for arguments in meter.written] == [(1, DESCRIPTOR, 2)] * 2
    assert meter.written[0][3][1] == 0xFFFFFFFF & ~before


def test_what_comes_between_reading_and_clearing_is_not_lost(sqlite_engine):
    meter = Alarmed(sqlite_engine)
    before = meter.descriptor()

    async def nights():
        async with meter.listening():
            await meter.collection(meter.opener).run_once()  # reads, and leaves the command
            meter.tell(Happening.METER_COVER_OPENED)
            async with meter.running():
                await meter.until(lambda: meter.states() == ["done"])
                return meter.descriptor()

    after = asyncio.run(nights())
    assert after
    assert not after & before


@pytest.mark.parametrize("what", ["written", "not written"])
def test_a_clearing_without_an_answer_is_read_back_and_not_repeated(sqlite_engine, what):
    meter = Alarmed(sqlite_engine)
    meter.after_write = what

    async def nights():
        async with meter.listening(), meter.running():
            await meter.until(lambda: meter.states() == ["unknown"])
            await meter.until(lambda: meter.states() != ["unknown"], passing_s=1.0)
            ended = meter.states()
            meter.after_write = None
            meter.now += HOUR
            await meter.until(lambda: meter.descriptor() == 0)
            await meter.until(lambda: set(meter.states()) <= {"done", "failed"})
            return ended

    ended = asyncio.run(nights())
    if what == "written":
        assert (ended, len(meter.written)) == (["done"], 1)
    else:  # it stands there still: the plan reads it, and asks for that to be cleared anew
        assert (ended, len(meter.written)) == (["failed"], 2)
        assert meter.states() == ["failed", "done"]


def test_without_the_wish_nothing_is_cleared(sqlite_engine):
    meter = Alarmed(sqlite_engine, clear=False)
    before = meter.descriptor()

    async def nights():
        async with meter.listening():
            for _ in range(2):
                await meter.once(meter.opener)
                meter.now += HOUR

    asyncio.run(nights())
    assert (meter.descriptor(), meter.written, meter.commands()) == (before, [], [])
    ((_, source, times, over),) = meter.alarms()
    assert (source, times, over) == ("read", 2, False)


def test_a_plan_names_alarm_registers_and_descriptors():
    document = {"name": "x", "alarms": [{"register": DESCRIPTOR, "clear": True}]}
    plan = plan_of(document)
    assert plan_of(plan.document()) == plan
    assert plan.document()["alarms"] == document["alarms"]
    with pytest.raises(UsageError, match=r"alarms \[0\].register is an alarm register or"):
        plan_of({"name": "x", "alarms": [{"register": "1-0:1.8.0*255"}]})
    twice = [{"register": DESCRIPTOR, "clear": each} for each in (True, False)]
    with pytest.raises(UsageError, match="twice"):
        plan_of({"name": "x", "alarms": twice})
