"""What operators want of sub-meters, and of meters behind gateways: done through their hosts."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from ferraris.core.errors import LineError, UsageError
from ferraris.headend.collect.commands import ENDED, put_command
from ferraris.headend.collect.overview import release
from ferraris.headend.collect.standard_kinds import standard_kinds
from ferraris.headend.collect.visits import targets_of
from ferraris.headend.errors import ConflictError
from ferraris.headend.store.tables.collecting import CONTACT, SESSION, WORKER
from ferraris.model.time_control import ControlState

from .hosts import DAY_S, DEINSTALL, HOURS, INSTALL, NOW, TOTAL, VALUE, Hosts
from .test_gateways import Behind

KINDS = standard_kinds()
READ = {"names": [VALUE]}


def put(hosts, name, kind="read registers", parameters=None, **options):
    with hosts.engine.transaction() as connection:
        return put_command(
            connection, hosts.tenant, hosts.number(name), kind,
            READ if parameters is None and kind == "read registers" else parameters or {},
            kinds=KINDS, requested_by="anna", now=hosts.now, **options,
        )  # fmt: skip


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(hosts, opener=None, **settings):
    task = asyncio.create_task(hosts.collection(opener, poll_s=0.05, **settings).run())
    try:
        yield
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def states(hosts):
    return [each.state for each in reversed(hosts.commands())]


def are_over(hosts):
    return lambda: set(states(hosts)) <= ENDED


def carried_out(hosts, *wanted, opener=None):
    """Put commands, let a collection do them, and give them as they ended."""

    async def day():
        async with hosts.listening():
            for each in wanted:
                put(hosts, *each)
            async with running(hosts, opener):
                await until(are_over(hosts))
            return list(reversed(hosts.commands()))

    return asyncio.run(day())


def test_one_association_with_the_host_does_what_is_wanted_of_it_and_behind_it(engine):
    hosts = Hosts(engine, 1)
    yesterday = NOW // DAY_S * DAY_S - DAY_S
    span = {
        key: datetime.fromtimestamp(second, UTC).isoformat()
        for key, second in (("since", yesterday), ("until", yesterday + 3 * 3600))
    }
    gas, water, profile, host = carried_out(
        hosts,
        ("H1-1",),
        ("H1-2", "read registers", {"names": ["0-2:24.2.1*255"]}),
        ("H1-1", "read profile", {"profile": HOURS, **span}),
        ("H1", "read registers", {"names": [TOTAL]}),
    )
    assert hosts.opened == ["H1"]
    assert [each.state for each in (gas, water, profile, host)] == ["done"] * 4
    for found, channel in ((gas, 1), (water, 2)):
        ((read,), missing) = found.result["readings"], found.result["missing"]
        true = Decimal(hosts.truth(0, channel, NOW)).scaleb(-3)
        assert (read["name"], Decimal(read["value"]), missing) == (VALUE, true, [])
        (kept,) = hosts.registers(f"H1-{channel}")
        assert (str(kept.name), kept.value) == (VALUE, true)
    assert profile.result["rows"] == 3
    assert len(hosts.rows("H1-1").ends) == 3
    assert [str(each.name) for each in hosts.registers("H1")] == [TOTAL]
    with engine.reading() as connection:
        occasions = connection.execute(select(SESSION.c.occasion, SESSION.c.outcome)).all()
        assert {tuple(each) for each in occasions} == {("operator", "done")}
        assert connection.execute(select(CONTACT)).all() == []
    assert sorted(name for name, *_ in hosts.sessions()) == ["H1", "H1-1", "H1-2"]


def test_a_command_for_a_sub_meter_urges_the_visit_that_waits_for_its_plan(sqlite_engine):
    hosts = Hosts(sqlite_engine, 3, channels=(1,))
    hosts.plan(group="", registers=[TOTAL, VALUE])
    begun, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly(target):
        async with hosts.meters().open(target) as face:
            begun.set()
            await go_on.wait()
            yield face

    async def day():
        async with hosts.listening(), running(hosts, slowly, concurrency=1):
            await begun.wait()  # with H1; the others wait for room
            number = put(hosts, "H3-1")
            await until(lambda: hosts.commands()[0].state == "running")
            go_on.set()
            await until(are_over(hosts))
            await until(lambda: len(hosts.opened) == 3)
            return number

    asyncio.run(day())
    assert hosts.opened == ["H1", "H3", "H2"]
    assert states(hosts) == ["done"]
    assert len(hosts.rows("H3-1").ends) == 24  # all that was due came with it


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        ("set clock", {}, "H1-1 has the clock of H1, behind which it is: set that of H1"),
        ("clear alarms", {"register": "0-0:97.98.20*255", "bits": 1}, "command H1 instead"),
        ("read registers", {"names": [TOTAL]}, "no object of H1-1.* ask H1 for its own"),
        ("read registers", {"names": ["0-2:24.2.1*255"]}, "of channel 2, and not of H1-1"),
        ("read profile", {"profile": "1-0:99.1.0*255", "since": "2026-03-01T00:00:00Z",
                          "until": "2026-03-01T03:00:00Z"}, "no object of H1-1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_at_a_channel_is_refused_at_the_door(
    sqlite_engine, kind, parameters, says
):
    hosts = Hosts(sqlite_engine, 1)

    async def day():
        async with hosts.listening():
            with pytest.raises(UsageError, match=says):
                put(hosts, "H1-1", kind, parameters)

    asyncio.run(day())
    assert hosts.commands() == []


def test_another_device_on_the_channel_and_none_at_all(engine):
    hosts = Hosts(engine, 1, channels=(1, 2, 3))

    async def day():
        async with hosts.listening():
            hosts.change("H1-1", serial_number="12345678")
            hosts.act(0, 2, *DEINSTALL)
            for name in ("H1-1", "H1-2", "H1-3"):
                put(hosts, name)
            async with running(hosts):
                await until(are_over(hosts))
            first = list(reversed(hosts.commands()))
            hosts.act(0, 2, *INSTALL)
            put(hosts, "H1-2")
            async with running(hosts):
                await until(are_over(hosts))
            return first, hosts.commands()[0]

    (other, empty, right), again = asyncio.run(day())
    gas = hosts.device(0, 1).address.number
    assert other.message == f"not begun: channel 1 of H1: FRG {gas} is there, not 12345678"
    assert empty.message == "not begun: channel 2 of H1: no device is there"
    assert [each.state for each in (other, empty, right, again)] == [
        "failed", "failed", "done", "done",
    ]  # fmt: skip
    assert hosts.registers("H1-1") == []


def test_a_device_that_moved_is_found_at_its_new_channel(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1,))

    async def day():
        async with hosts.listening():
            put(hosts, "H1-1")
            for channel in (1, 3):
                hosts.act(0, channel, *DEINSTALL)
            hosts.act(0, 3, *INSTALL)  # gas is the first to answer
            hosts.now += DAY_S
            hosts.change("H1-1", channel=3)  # while the command waits
            async with running(hosts):
                await until(are_over(hosts))

    asyncio.run(day())
    (command,) = hosts.commands()
    assert (command.state, command.message) == ("done", "")
    (reading,) = hosts.registers("H1-1")
    assert reading.value == Decimal(hosts.truth(0, 1, int(hosts.now))).scaleb(-3)


def test_nothing_is_begun_behind_a_host_that_is_not_active(engine):
    hosts = Hosts(engine, 1)

    async def day():
        async with hosts.listening():
            put(hosts, "H1-1")
            with engine.transaction() as connection:
                hosts.move(connection, [hosts.number("H1")], "suspended")
            with pytest.raises(ConflictError, match="H1, through which it is reached, is suspend"):
                put(hosts, "H1-2")
            hosts.retire("H1-2")
            with pytest.raises(ConflictError, match="retired"):
                put(hosts, "H1-2")
            async with running(hosts):
                await until(are_over(hosts))

    asyncio.run(day())
    (command,) = hosts.commands()
    assert command.state == "failed"
    assert command.message.startswith("not begun: H1, through which it is reached, is suspended")
    assert hosts.opened == []


def test_a_silent_host_fails_what_was_wanted_of_its_sub_meters(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1)

    @asynccontextmanager
    async def breaking(target):
        async with hosts.meters().open(target) as face:

            async def read_device(channel):
                raise LineError("silence")

            face.read_device = read_device
            yield face

    gas, host = carried_out(
        hosts, ("H1-1",), ("H1", "read registers", {"names": [TOTAL]}), opener=breaking
    )
    assert (gas.state, gas.message) == ("failed", "not begun: silence")
    assert (host.state, host.message) == ("failed", "not begun: silence")
    ((name, outcome, _),) = hosts.sessions()
    assert (name, outcome) == ("H1", "done")


def test_behind_gateways(engine):
    hosts = Behind(engine, 2, channels=(1,))

    async def day():
        async with hosts.listening():
            hosts.move_behind(await hosts.gateway())
            put(hosts, "H1", "set clock")
            put(hosts, "H2-1")
            async with running(hosts):
                await until(are_over(hosts))
            with engine.transaction() as connection:
                hosts.move(connection, [hosts.number("G")], "suspended")
            for name in ("H1", "H2-1"):
                with pytest.raises(ConflictError, match="G, through which"):
                    put(hosts, name)
            hosts.server.close()

    asyncio.run(day())
    clock, gas = reversed(hosts.commands())
    assert (clock.state, gas.state) == ("done", "done")
    assert clock.result["after_s"] == pytest.approx(0, abs=1.5)
    (reading,) = hosts.registers("H2-1")
    assert reading.value == Decimal(hosts.truth(1, 1, NOW)).scaleb(-3)


def test_the_valve_of_a_sub_meter_and_the_switch_of_its_host(engine):
    hosts = Hosts(engine, 1)

    def valve():
        return ControlState(hosts.device(0, 1).memory(hosts.fleet[0]).valve)

    found, valves = [], []

    async def day():
        async with hosts.listening():
            for name, kind in (
                ("H1-1", "disconnect"), ("H1-1", "reconnect"), ("H1", "disconnect"),
                ("H1-2", "disconnect"),
            ):  # fmt: skip
                put(hosts, name, kind)
                async with running(hosts):
                    await until(are_over(hosts))
                found.append(hosts.commands()[0])
                valves.append(valve())

    asyncio.run(day())
    closed, opened, switch, water = found
    assert closed.result == {"before": "connected", "after": "disconnected"}
    assert opened.result == {"before": "disconnected", "after": "connected"}
    assert switch.result == {"before": "connected", "after": "disconnected"}
    assert valves == [ControlState.DISCONNECTED, *[ControlState.CONNECTED] * 3]
    assert (water.state, water.result) == ("failed", None)  # it has no valve
    assert "0-2:24.4.0" in water.message


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_valve_without_an_answer_is_unknown_until_it_is_read_back(engine, carried_out):
    hosts = Hosts(engine, 1, channels=(1,))
    acted = []

    @asynccontextmanager
    async def silent(target):
        async with hosts.meters().open(target) as face:
            really = face.meter.act

            async def act(*wanted):
                acted.append(wanted[1])
                if carried_out:
                    await really(*wanted)
                raise LineError("silence").with_unknown_outcome()

            face.meter.act = act
            yield face

    async def days():
        async with hosts.listening():
            put(hosts, "H1-1", "disconnect")
            async with running(hosts, silent):
                await until(are_over(hosts))
            first = states(hosts)
            number = hosts.device(0, 1).address.number
            hosts.change("H1-1", serial_number="12345678")
            hosts.plan()
            await hosts.once(silent)  # what another device says is no answer
            second = states(hosts)
            hosts.change("H1-1", serial_number=number)
            hosts.now += 3600
            await hosts.once(silent)
            return first, second

    assert asyncio.run(days()) == (["unknown"], ["unknown"])
    (command,) = hosts.commands()
    assert command.state == ("done" if carried_out else "failed")
    assert command.message.startswith("read back: it was ")
    assert acted == ["0-1:24.4.0*255"]  # nothing was repeated
    assert hosts.opened == ["H1"] * 3


def test_a_host_that_calls_in_gets_what_is_wanted_of_its_sub_meters(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1,))

    async def day():
        async with hosts.listening():
            address = hosts.meter("H1").address
            hosts.change("H1", contact="calls in", address="")
            put(hosts, "H1-1", "disconnect")
            collection = hosts.collection(poll_s=0.05)
            task = asyncio.create_task(collection.run())
            with hosts.engine.reading() as connection:
                number = hosts.number("H1")
                target = targets_of(connection, hosts.tenant, [number])[number]
            async with hosts.meters().open(replace(target, address=address)) as face:
                await until(is_running)
                before = states(hosts)
                served = before, await collection.serve(number, face), states(hosts)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return served

    def is_running():
        with sqlite_engine.reading() as connection:
            return connection.execute(select(WORKER)).first() is not None

    assert asyncio.run(day()) == (["queued"], True, ["done"])
    assert hosts.device(0, 1).memory(hosts.fleet[0]).valve == ControlState.DISCONNECTED


def test_a_sub_meter_that_is_released_is_read_though_its_host_was_held(engine):
    hosts = Hosts(engine, 1)
    hosts.plan()

    @asynccontextmanager
    async def keyless(target):
        raise UsageError("no key")
        yield

    async def days():
        async with hosts.listening():
            first = await hosts.once(keyless)
            with engine.transaction() as connection:
                released = release(connection, hosts.tenant, [hosts.number("H1-1")])
            return first, released, await hosts.once()

    first, released, second = asyncio.run(days())
    assert first.failures == {"host": 2}
    assert released == 1
    assert (second.read, second.failures) == (2, {})


def test_what_is_unknown_at_a_valve_is_asked_about_without_a_plan(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1,))
    acted = []

    @asynccontextmanager
    async def silent(target):
        async with hosts.meters().open(target) as face:
            really = face.meter.act

            async def act(*wanted):
                acted.append(wanted[1])
                await really(*wanted)
                raise LineError("silence").with_unknown_outcome()

            face.meter.act = act
            yield face

    def a_second_later_it_is_known():
        hosts.now += 1
        return states(hosts) != ["unknown"]

    async def day():
        async with hosts.listening():
            put(hosts, "H1-1", "disconnect")
            async with running(hosts, silent):
                await until(lambda: states(hosts) == ["unknown"])
                await until(a_second_later_it_is_known)

    asyncio.run(day())
    (command,) = hosts.commands()
    assert (command.state, command.result["after"]) == ("done", "disconnected")
    assert acted == ["0-1:24.4.0*255"]
    assert hosts.opened == ["H1", "H1"]
