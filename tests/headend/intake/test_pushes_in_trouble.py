"""Pushes in trouble: a store that is away, storms, halves, and when a push is confirmed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from doors import BOTH, Talker, apdu, household, pusher, readings, run, seen, taking, until

from ferraris.headend.observe.observer import Observers
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError, StoreError
from ferraris.line import intake as line_intake
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template


class Broken:
    """A store that is away, or full, until it is not."""

    def __init__(self, patch, error):
        self.tries = 0
        whole = Engine.transaction

        def transaction(engine):
            self.tries += 1
            if self.error is not None:
                raise self.error
            return whole(engine)

        self.error = error
        patch.setattr(Engine, "transaction", transaction)


@pytest.mark.parametrize("error", [StoreAwayError("away"), StoreError("no room left")])
def test_while_the_store_is_away_nothing_is_lost(colony, monkeypatch, error):
    fleet, numbers = household(colony, 5)

    async def scenario():
        settings = replace(colony.quick, batch=2, waiting=4)
        async with taking(colony.intake(settings=settings)) as intake:
            broken = Broken(monkeypatch, error)
            with Talker(intake) as talker:
                for index in range(5):
                    for _ in range(4):
                        talker.say(apdu(fleet, index))
                await until(lambda: broken.tries > 3)
                assert intake.counts.stored == 0
                broken.error = None
                await until(lambda: intake.counts.stored == 20)
            return intake.counts

    counts = run(scenario())
    assert (counts.lost, counts.undecodable, counts.turned_away) == (0, 0, {})
    assert all(readings(colony, number) for number in numbers)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_push_is_confirmed_when_it_is_on_the_disk_and_not_before(colony, monkeypatch, scheme):
    fleet, numbers = household(colony, 3)

    async def scenario():
        async with taking(colony.intake(f"{scheme}://127.0.0.1:0")) as intake:
            broken = Broken(monkeypatch, StoreAwayError("away"))
            sending = pusher(fleet, intake, colony.clock, scheme, confirmed=True)
            for index in (0, 1, 2, 0):
                await sending.push(index)
            await until(lambda: intake.counts.taken == 4 and broken.tries > 3)
            assert (intake.counts.stored, sending.confirmed_by) == (0, {})
            broken.error = None
            await until(lambda: sending.confirmed_by.total() == 4)
            assert intake.counts.stored == 4
            sending.close()
            return dict(sending.confirmed_by)

    assert run(scenario()) == {0: 2, 1: 1, 2: 1}
    assert all(readings(colony, number) for number in numbers)


def test_who_is_turned_away_or_not_kept_is_not_confirmed(colony, monkeypatch):
    fleet, numbers = household(colony, 2)
    strangers = Fleet(template("residential"), 1, seed=8)
    newcomers = Fleet(template("residential"), 3, seed=7)
    colony.deliver(newcomers, 2)  # not active yet: what it says is not stored
    whole = Archive.put_many

    def put_many(archive, connection, batch, **more):
        if any(meter == numbers[1] for meter, _ in batch):
            raise StoreError("a value that fits nowhere")
        return whole(archive, connection, batch, **more)

    monkeypatch.setattr(Archive, "put_many", put_many)

    async def scenario():
        async with taking(colony.intake()) as intake:
            ends = [
                pusher(each, intake, colony.clock, confirmed=True)
                for each in (fleet, strangers, newcomers)
            ]
            for end, index in ((0, 0), (0, 1), (1, 0), (2, 2)):
                await ends[end].push(index)
            await until(lambda: seen(intake) + intake.counts.undecodable == 4)
            await until(lambda: ends[0].confirmed_by.total() == 1)
            for end in ends:
                end.close()
            return [dict(end.confirmed_by) for end in ends]

    assert run(scenario()) == [{0: 1}, {}, {}]


def test_one_push_that_the_store_refuses_keeps_no_other_away(colony, monkeypatch):
    fleet, numbers = household(colony, 5)
    whole = Archive.put_many

    def put_many(archive, connection, batch, **more):
        if any(meter == numbers[2] for meter, _ in batch):
            raise StoreError("a value that fits nowhere")
        return whole(archive, connection, batch, **more)

    monkeypatch.setattr(Archive, "put_many", put_many)

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                for index in range(5):
                    talker.say(apdu(fleet, index))
                await until(lambda: intake.counts.stored + intake.counts.undecodable == 5)
            return intake.counts

    counts = run(scenario())
    assert (counts.stored, counts.undecodable) == (4, 1)
    assert [bool(readings(colony, number)) for number in numbers] == [1, 1, 0, 1, 1]


@BOTH
def test_a_storm_of_strangers_keeps_no_meter_away_and_fills_nothing(colony):
    fleet, (number,) = household(colony)
    strangers = Fleet(template("residential"), 300, seed=8)

    async def scenario():
        settings = replace(colony.quick, waiting=16)
        async with taking(colony.intake(settings=settings)) as intake:
            with Talker(intake) as talker:
                for index in range(300):
                    talker.say(apdu(strangers, index))
                    if index % 100 == 50:
                        talker.say(apdu(fleet))
                await until(lambda: seen(intake) == 303)
            return intake.counts

    counts = run(scenario())
    assert counts.stored == 3
    assert counts.turned_away == {"unknown": 300}
    rows = colony.quarantined()
    assert len(rows) == 101  # one host may bring a hundred names; the others are counted
    assert sum(row.times for row in rows) == 300
    assert readings(colony, number)


@BOTH
def test_a_storm_loses_nothing_that_the_socket_delivered_and_tells_what_it_did_not(
    colony, monkeypatch
):
    fleet, numbers = household(colony, 10)
    monkeypatch.setattr(line_intake, "_RECEIVE_BUFFER_OCTETS", 1 << 16)
    datagrams = [apdu(fleet, turn % 10) for turn in range(600)]
    seen, told = [], Counter()

    class Watch(Observers):
        def pushed(self, kind, outcome, count):
            told[kind, outcome] += count

    async def scenario():
        settings = replace(colony.quick, waiting=32, batch=64)
        async with taking(colony.intake(settings=settings, observer=Watch(()))) as intake:
            broken = Broken(monkeypatch, StoreAwayError("away"))
            with Talker(intake) as talker:
                for number, octets in enumerate(datagrams):
                    talker.say(octets)
                    if number % 50 == 0:
                        await asyncio.sleep(0)
                        seen.append(intake.counts.taken)
                await until(lambda: broken.tries > 1)
                assert intake.drops > 0  # the socket was full, and nothing more was read
                broken.error = None
                await until(lambda: intake.counts.stored + intake.drops == len(datagrams))
                talker.say(apdu(fleet))
                await until(lambda: intake.counts.stored + intake.drops == len(datagrams) + 1)
            return intake.counts, intake.drops

    counts, drops = run(scenario())
    assert (counts.lost, counts.undecodable, counts.turned_away) == (0, 0, {})
    assert max(seen) <= 64 + 64 + 2 * 32 + 10  # a batch, what is ready, what waits; then the socket
    assert told == {("push", "stored"): counts.stored, ("datagram", "dropped"): drops}
    assert all(readings(colony, number) for number in numbers)


def test_half_pushes_on_a_stream_are_garbage_and_cost_one_line(colony):
    fleet, _ = household(colony)

    async def scenario():
        async with taking(colony.intake("tcp://127.0.0.1:0")) as intake:
            for octets in (apdu(fleet)[:40], b"\x00\x01\xff\xff"):
                _, writer = await asyncio.open_connection("127.0.0.1", intake.ports[0])
                writer.write(octets)
                writer.close()
                await writer.wait_closed()
            await until(lambda: intake.counts.turned_away.total() == 2)
            sending = pusher(fleet, intake, colony.clock, "tcp")
            await sending.push(0)
            await until(lambda: intake.counts.stored == 1)
            sending.close()
            return intake.counts

    assert run(scenario()).turned_away == {"garbage": 2}
