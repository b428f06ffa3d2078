"""Meters that call in over loopback: read, registered on the spot, or turned away."""

from __future__ import annotations

import asyncio

import pytest
from doors import ENERGY, NOON, Door, households, run, until

from ferraris.client import HighGMAC, connect
from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    plan_of,
    put_plan,
)
from ferraris.headend.inventory import key_id
from ferraris.headend.registration import Step
from ferraris.headend.store.archive import Archive
from ferraris.keys.renewal import Renewals
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

KINDS = ["encryption_key", "authentication_key"]


@pytest.mark.parametrize("contact", ["calls in", "sleepy"])
def test_active_meters_are_served_each_time_they_call(colony, contact):
    fleet, numbers = households(colony, 3, state="active", contact=contact)
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served >= 6)

    run(scenario())
    for index, number in enumerate(numbers):
        meter = colony.meter(number)
        assert door.read[meter.external_id] == fleet[index].total(0, int(NOON))
        assert meter.heard_s == NOON
        assert colony.keys.floor(key_id("north", meter.external_id)) > 0
    assert colony.quarantined() == []


def test_a_new_meter_is_registered_and_read_in_its_first_call(colony):
    fleet, (number,) = households(colony)
    shipped = fleet[0].keys.encryption_key
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served >= 2)

    run(scenario())
    meter = colony.meter(number)
    assert (meter.state, colony.progress(number).step) == ("active", Step.ACTIVE)
    assert colony.progress(number).occasion == "call"
    assert door.read[meter.external_id] == fleet[0].total(0, int(NOON))
    kept = colony.keys.get(key_id("north", meter.external_id), "encryption_key")
    assert kept == fleet[0].keys.encryption_key != shipped


def test_a_new_meter_that_calls_is_registered_and_collected_from_at_once(colony):
    """With the real collector, which reads what its plan says as soon as it knows the meter."""
    fleet, (number,) = households(colony)
    door = Door(colony)
    document = {"name": "daily", "registers": [ENERGY]}
    with colony.engine.transaction() as connection:
        put_plan(connection, colony.tenant, plan_of(document), now=NOON)
    archive = Archive(colony.engine, colony.tenant)
    meters = DlmsMeters(colony.keys, system_title=b"FRR\x00\x00\x00\x00\x01")

    midnight = int(NOON) // 86_400 * 86_400

    def is_read():
        with colony.engine.reading() as connection:
            return archive.registers(connection, number, midnight, int(NOON) + 60)

    async def scenario():
        settings = CollectionSettings(members_s=0.01, round_s=0.01)
        door.collection = Collection(archive, meters.open, settings=settings, clock=colony.clock)
        collecting = asyncio.create_task(door.collection.run())
        await asyncio.sleep(0.05)
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served and is_read())
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)

    run(scenario())
    assert colony.meter(number).state == "active"
    assert ENERGY in {str(each.name) for each in is_read()}


@pytest.mark.parametrize("reached", [True, False])
def test_keys_that_were_on_their_way_are_found_out_over_calls(colony, reached):
    fleet, (number,) = households(colony, state="active")
    name = key_id("north", colony.meter(number).external_id)
    renewals = Renewals(colony.keys)
    renewals.prepare(name, KINDS)
    renewals.send(name, KINDS)  # and the process died
    if reached:
        pairs = [colony.keys.get(name, f"next_{kind}") for kind in KINDS]
        fleet[0].change().secure().keys = type(fleet[0].keys)(0, *pairs)
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served >= 2)

    run(scenario())
    assert colony.keys.get(name, "encryption_key") == fleet[0].keys.encryption_key
    assert renewals.unsettled() == [] or not reached
    assert colony.quarantined() == []


def test_counters_that_a_maker_used_are_left_out(colony):
    fleet, (number,) = households(colony)
    door = Door(colony)

    async def scenario():
        async with await listen(fleet, Endpoint("tcp", "127.0.0.1", 0), utc=lambda: NOON) as there:
            line = there.line(0)
            keys = [bytes.fromhex(line[each]) for each in KINDS]
            security = HighGMAC(*keys, invocation_counter=5000)
            async with connect(there.endpoint(0), server=line["server"], security=security):
                pass
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served >= 1)

    run(scenario())
    assert colony.meter(number).state == "active"
    assert colony.progress(number).counter_asked


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": "retired"}, "retired"),
        ({"state": "suspended"}, "suspended"),
        ({"state": "active", "authentication": "password", "client": 2}, "unprotected"),
    ],
)
def test_who_may_not_is_turned_away_and_not_read(colony, fields, reason):
    fleet, (number,) = households(colony, **fields)
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.turned_away >= 2)

    run(scenario())
    (row,) = colony.quarantined()
    assert (row.identity, row.reason) == (colony.meter(number).external_id, reason)
    assert row.times >= 2
    assert door.read == {}


def test_a_stranger_and_one_with_wrong_keys_keep_nobody_away(colony):
    fleet, (number,) = households(colony, state="active")
    stranger = Fleet(template("residential"), 1, seed=8)
    forged = Fleet(template("residential"), 1, seed=9)
    name = forged.line(0, "")["id"]
    colony.enrol(external_id=name, system_title=forged.system_title(0), state="known")
    for kind in KINDS:
        colony.keys.put(key_id("north", name), kind, bytes(16))
    door = Door(colony)

    async def scenario():
        async with door.open(fleet, stranger, forged) as intake:
            await until(lambda: intake.counts.served and len(intake.counts.reasons) == 2)

    run(scenario())
    reasons = {row.reason: row.identity for row in colony.quarantined()}
    assert reasons == {"unknown": stranger.line(0, "")["id"], "wrong key": name}
    assert colony.meter(2).state == "known"
    assert list(door.read) == [colony.meter(number).external_id]


def test_one_who_calls_with_anothers_name_does_not_become_that_one(colony):
    """It has the name of one meter and the keys of another: neither is active by that."""
    fleet, (number,) = households(colony, state="known", logical_device_name="FRR9999999999999")
    other = colony.enrol(external_id="other", logical_device_name=fleet.line(0, "")["id"])
    for kind in KINDS:
        colony.keys.put(key_id("north", "other"), kind, bytes(16))
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.turned_away >= 1)

    run(scenario())
    assert {colony.meter(each).state for each in (number, other)} == {"known"}
    assert colony.quarantined()


def test_garbage_at_the_door_costs_its_own_connection(colony):
    fleet, _ = households(colony, state="active")
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            for octets in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01\xff\xff", b""):
                _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
                writer.write(octets)
                writer.close()
                await writer.wait_closed()
            await until(lambda: intake.counts.failed >= 3 and intake.counts.served)

    run(scenario())
    assert door.read
