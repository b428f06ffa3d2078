"""Meters on channels of other meters: read through their hosts, kept under their own names."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from ferraris.core.errors import LineError
from ferraris.data.obis import Obis
from ferraris.headend import inventory
from ferraris.headend.collect.channels import MBusDevice, is_at_channel, is_of_channel, mismatch
from ferraris.headend.collect.overview import success_of_days
from ferraris.headend.collect.plans import plans
from ferraris.headend.collect.success import count_success, write_success
from ferraris.server.device import RequestContext

from .hosts import (
    DAY_S,
    DEINSTALL,
    HOUR,
    HOURS,
    INSTALL,
    LOAD,
    NOW,
    TOTAL,
    VALUE,
    Hosts,
)

LOG = "0-0:24.5.0*255"
MIDNIGHT = NOW // DAY_S * DAY_S
YESTERDAY = range(MIDNIGHT - DAY_S + HOUR, MIDNIGHT + 1, HOUR)


def test_one_association_reads_a_host_and_its_sub_meters(engine):
    hosts = Hosts(engine, 2)
    hosts.plan(
        profiles=[
            {"profile": HOURS, "period": "1 h"},
            {"profile": LOAD, "period": "15 min"},
        ],
        registers=[TOTAL, VALUE],
        group="",
    )

    async def night():
        async with hosts.listening():
            first = await hosts.once()
            return first, await hosts.once()

    first, again = asyncio.run(night())
    assert (first.meters, first.read, first.failures) == (6, 6, {})
    assert (first.intervals, first.registers) == (2 * 96 + 4 * 24, 2 + 4)
    assert again.intervals == 0
    assert sorted(hosts.opened) == ["H1", "H2"]
    for index in (0, 1):
        assert list(hosts.rows(f"H{index + 1}", HOURS).ends) == []
        for channel in (1, 2):
            series = hosts.rows(f"H{index + 1}-{channel}")
            assert list(series.ends) == list(YESTERDAY)
            value = series.channels[0]
            assert (value.name, value.class_id) == (Obis.parse(VALUE), 4)
            assert (value.scaler, value.unit) == (-3, 13)
            assert list(series.columns[0]) == [hosts.truth(index, channel, e) for e in YESTERDAY]
            (reading,) = hosts.registers(f"H{index + 1}-{channel}")
            assert str(reading.name) == VALUE
            assert reading.value == Decimal(hosts.truth(index, channel, NOW)).scaleb(-3)
    assert ("H1-1", "done", "") in hosts.sessions()


def test_a_host_without_a_plan_is_visited_for_its_sub_meters(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1, 3))
    hosts.plan()

    async def night():
        async with hosts.listening():
            return await hosts.once()

    summary = asyncio.run(night())
    assert (summary.meters, summary.read) == (2, 2)
    assert hosts.opened == ["H1"]
    assert hosts.registers("H1") == []
    heat = hosts.rows("H1-3")
    assert (heat.channels[0].scaler, heat.channels[0].unit) == (0, 30)
    assert list(heat.columns[0]) == [hosts.truth(0, 3, end) for end in YESTERDAY]
    with sqlite_engine.transaction() as connection:
        (known,) = plans(connection, hosts.tenant)
        day = MIDNIGHT // DAY_S - 1
        write_success(
            connection, hosts.tenant,
            count_success(connection, hosts.tenant, known, [day, day + 1], hosts.now), hosts.now,
        )  # fmt: skip
        counted = success_of_days(connection, known.number, since_day=day, until_day=day + 2)
    assert [(each.day - day, each.due) for each in counted] == [(1, 2)]  # active since today


def test_alike_hosts_with_other_devices_on_a_channel(sqlite_engine):
    """Scaler and unit are those of the device, whatever the host next door has there."""
    hosts = Hosts(sqlite_engine, 2, channels=(1, 4))
    for channel in (1, 4):
        hosts.act(1, channel, *DEINSTALL)
    hosts.act(1, 4, *INSTALL)  # gas, which is first to answer
    hosts.act(1, 1, *INSTALL)
    hosts.now += 3 * DAY_S
    hosts.plan(back_days=1)

    async def night():
        async with hosts.listening():
            for channel, other in ((1, 4), (4, 1)):
                number = hosts.device(1, other).address.number
                hosts.change(f"H2-{channel}", serial_number=number)
            return await hosts.once()

    assert asyncio.run(night()).failures == {}
    for name, index, channel, scaler in (
        ("H1-1", 0, 1, -3), ("H1-4", 0, 4, 0), ("H2-1", 1, 4, 0), ("H2-4", 1, 1, -3),
    ):  # fmt: skip
        series = hosts.rows(name)
        assert series.channels[0].scaler == scaler, name
        assert len(series.ends) == 24
        assert list(series.columns[0]) == [hosts.truth(index, channel, e) for e in series.ends]


def test_an_exchanged_device_is_told_and_never_stored_under_the_old_name(engine):
    hosts = Hosts(engine, 1)
    gas = hosts.device(0, 1)
    hosts.plan()

    async def nights():
        async with hosts.listening():
            hosts.change("H1-1", serial_number="12345678")
            first = await hosts.once()
            told = hosts.missing()["H1-1"]
            hosts.retire("H1-1")  # and the one that is really there
            hosts.now += DAY_S
            new = hosts.sub_meter(0, 1, "H1-1-new", maker="FRG")
            hosts.enrol(new)
            hosts.now += DAY_S
            return first, told, await hosts.once()

    first, told, second = asyncio.run(nights())
    assert first.failures == {"other device": 1}
    assert told.reason == "other device"
    assert told.message == (f"channel 1 of H1: FRG {gas.address.number} is there, not 12345678")
    assert len(hosts.rows("H1-1").ends) == 0
    assert hosts.registers("H1-1") == []
    assert len(hosts.rows("H1-2").ends) == 48  # the others are read as ever
    assert second.failures == {}
    ends = hosts.rows("H1-1-new").ends
    assert list(ends) == list(range(ends[0], ends[0] + 24 * HOUR, HOUR))
    assert ends[0] > NOW  # what was measured before belongs to the one before


def test_rows_from_before_the_exchange_are_not_those_of_the_new_device(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1,))
    hosts.plan(before_days=2, back_days=2)

    async def night():
        async with hosts.listening():
            hosts.now -= 12 * HOUR
            hosts.retire("H1-1")
            hosts.now += 12 * HOUR
            hosts.enrol(hosts.sub_meter(0, 1, "new"))
            return await hosts.once()

    asyncio.run(night())
    retired_s = NOW - 12 * HOUR
    assert list(hosts.rows("new").ends) == list(range(retired_s + HOUR, MIDNIGHT + 1, HOUR))


def test_an_empty_channel_and_one_that_is_not_there(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1, 2, 3))
    hosts.plan()
    hosts.act(0, 2, *DEINSTALL)

    async def night():
        async with hosts.listening():
            hosts.change("H1-3", channel=9)
            return await hosts.once()

    summary = asyncio.run(night())
    assert (summary.read, summary.failures) == (1, {"no device": 1, "refused": 1})
    missing = hosts.missing()
    assert missing["H1-2"].message == "channel 2 of H1: no device is there"
    assert missing["H1-3"].reason == "refused"
    assert len(hosts.rows("H1-1").ends) == 24


def test_who_is_on_a_channel_is_kept_where_nobody_had_told(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, known=False, channels=(1, 2))
    hosts.plan()

    async def nights():
        async with hosts.listening():
            await hosts.once()
            kept = hosts.meter("H1-1")
            for channel in (1, 2):
                hosts.act(0, channel, *DEINSTALL)
            hosts.act(0, 2, *INSTALL)
            hosts.act(0, 1, *INSTALL)  # the two have changed places
            hosts.now += DAY_S
            return kept, await hosts.once()

    kept, second = asyncio.run(nights())
    assert (kept.maker, kept.serial_number) == ("FRG", hosts.device(0, 1).address.number)
    assert second.failures == {"other device": 2}
    assert len(hosts.rows("H1-1").ends) == 24


def test_a_dead_host_is_why_its_sub_meters_are_missing(engine):
    hosts = Hosts(engine, 2, channels=(1,))
    hosts.plan()

    async def nights():
        async with hosts.listening():
            address = hosts.meter("H1").address
            hosts.change("H1", address="tcp://127.0.0.1:1")
            first, missing = await hosts.once(), hosts.missing()
            with engine.transaction() as connection:
                hosts.move(connection, [hosts.number("H2")], "suspended")
            hosts.now += DAY_S
            hosts.change("H1", address=address)
            return first, missing, await hosts.once(), hosts.missing()

    first, missing, second, suspended = asyncio.run(nights())
    assert (first.read, first.failures) == (1, {"host": 1})
    assert list(missing) == ["H1-1"]
    assert missing["H1-1"].reason == "host"
    assert missing["H1-1"].message.startswith("H1: ")
    assert (second.read, second.failures) == (1, {"host": 1})
    assert list(suspended) == ["H2-1"]
    assert suspended["H2-1"].message == "H2 is suspended"
    assert len(hosts.rows("H1-1").ends) == 24
    assert hosts.opened == ["H1", "H2", "H1"]


def test_a_line_that_breaks_among_sub_meters_leaves_the_rest_to_the_next_session(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1, channels=(1, 2, 3))
    hosts.plan()
    asked = []

    @asynccontextmanager
    async def breaking(target):
        async with hosts.meters().open(target) as face:
            really = face.read_device

            async def read_device(channel):
                asked.append(channel)
                if channel == 2:
                    raise LineError("silence")
                return await really(channel)

            face.read_device = read_device
            yield face

    async def nights():
        async with hosts.listening():
            first, missing = await hosts.once(breaking), hosts.missing()
            hosts.now += HOUR
            return first, missing, await hosts.once()

    first, missing, second = asyncio.run(nights())
    assert asked == [1, 2]
    assert (first.read, first.failures) == (1, {"host": 2})
    assert {name: each.reason for name, each in missing.items()} == {
        "H1-2": "host",
        "H1-3": "host",
    }
    assert (second.read, second.failures) == (3, {})
    assert [len(hosts.rows(f"H1-{n}").ends) for n in (1, 2, 3)] == [24, 24, 24]


def test_the_log_of_a_valve_is_read_with_the_rest(sqlite_engine):
    hosts = Hosts(sqlite_engine, 1)
    hosts.plan(profiles=[], registers=[], logs=[LOG])
    meter = hosts.fleet[0]
    valve = meter.objects[70, bytes(Obis.parse("0-1:24.4.0*255"))]
    meter.act(valve, 1, b"\x0f\x00", RequestContext(1, now=NOW))
    hosts.now += HOUR

    async def night():
        async with hosts.listening():
            return await hosts.once()

    asyncio.run(night())
    events = {}
    for name in ("H1", "H1-1", "H1-2"):
        with sqlite_engine.reading() as connection:
            found = hosts.archive.events(connection, hosts.number(name), 0, NOW + DAY_S)
        events[name] = [(str(each.log), each.code) for each in found]
    assert events == {"H1": [], "H1-1": [(LOG, 162)], "H1-2": []}


@pytest.mark.parametrize(
    ("known", "right"),
    [
        (("", ""), True),
        (("FRG", "00012345"), True),
        (("", "FRG03000000012345"), True),  # as on the plate
        (("Gas Meters Ltd", "SN 00012345"), True),
        (("FRW", "00012345"), False),
        (("FRG", "00012346"), False),
        (("", "12345"), False),
        (("", "plate"), True),
    ],
)
def test_who_is_the_one_that_the_inventory_knows(known, right):
    device = MBusDevice(0x00012345, 0x1A47, 1, 3, "plate")
    assert (mismatch(known, device) == "") is right


def test_names_of_channels():
    assert is_of_channel(HOURS)
    assert is_of_channel(VALUE)
    assert not is_of_channel("0-0:24.6.0*255")  # the port of the host
    assert not is_of_channel("0-1:24.3.0*255")
    assert is_at_channel("0-1:24.3.0*255")
    assert not is_at_channel(LOAD)
    assert inventory.Kind.SUB_METER.value == "sub-meter"
