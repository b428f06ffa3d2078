"""Killed at every step - before and after each thing that lasts - and gone on with: no meter is
lost, whatever it was told."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from colony import POLICY, TITLE, giving, patient
from reaping import Death, inline, reaped

from ferraris.headend.collect.dlms import DlmsMeters
from ferraris.headend.collect.target import Target
from ferraris.headend.inventory import key_id as name_key
from ferraris.headend.registration import Step
from ferraris.headend.registration.progress import ask_keys
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations.migrating import migrate
from ferraris.meter.templates import template

LEASE_S = 120.0
MOST = 150


@pytest.fixture
def engine(tmp_path):
    """SQLite alone: what is killed is the same program."""
    opened = Engine(tmp_path / "store.sqlite")
    migrate(opened)
    yield opened
    opened.close()


async def killed_at(colony, number, at):
    """One life, ended at that moment; tells whether it ended before."""
    registrar = colony.registrar(offload=inline, worker=f"life-{at}")
    colony.commission(registrar, [number])
    with reaped(at) as reaper:
        try:
            await registrar.round()
        except Death:
            return True
    return reaper.dead


async def gone_on_with(colony, number, policy=POLICY):
    """Further lives, until the meter is active; how many rounds it took."""
    colony.reopen_keys()
    registrar = colony.registrar(policy, offload=inline)
    for rounds in range(1, 6):
        colony.clock.now += LEASE_S + 1
        await registrar.round()
        progress = colony.progress(number)
        assert progress.step not in (Step.HELD, Step.QUARANTINED), progress.message
        if progress.step is Step.ACTIVE:
            return rounds
        colony.clock.now = max(colony.clock.now, progress.not_before_s)
    raise AssertionError(f"stuck: {progress}")


async def is_reached(colony, number):
    """Whether the keys in the store open an association with the meter."""
    meter = colony.meter(number)
    name = name_key("north", meter.external_id)
    meters = DlmsMeters(
        colony.keys, system_title=TITLE, key_of=lambda target: name, clock=colony.clock
    )
    async with meters.open(Target.of(meter)) as face:
        return await face.read_registers(["1-0:1.8.0*255"])


def test_killed_at_every_moment_a_meter_stays_reachable_and_becomes_active(colony):
    async def scenario():
        async with colony.fleet(MOST) as (fleet, _):
            shipped = [meter.keys.encryption_key for meter in fleet]
            for place, number in enumerate(colony.numbers()):
                if not await killed_at(colony, number, place + 1):
                    return place
                await gone_on_with(colony, number)
                assert await is_reached(colony, number)
                assert colony.meter(number).state == "active"
                assert fleet[place].keys.encryption_key != shipped[place]
        raise AssertionError("more moments than meters")

    ends = asyncio.run(scenario())
    assert ends > 35  # every transaction, every exchange, each before and after
    assert colony.quarantined() == []


def test_killed_while_keys_are_agreed_on_and_renewed_a_meter_stays_reachable(colony):
    """Of suite 1: the master key is new, and the others travel under it."""

    async def scenario():
        kind = template("residential", suite=1)
        async with colony.fleet(60, kind=kind, state="active") as (fleet, _):
            shipped = [fleet[place].pairs.master_key for place in range(len(fleet))]
            for place, number in enumerate(colony.numbers()):
                registrar = colony.registrar(offload=inline, worker=f"life-{place}")
                with colony.engine.transaction() as connection:
                    ask_keys(connection, [colony.known(number)], "anna", colony.clock())
                with reaped(place + 1) as reaper, suppress(Death):
                    await registrar.round()
                if not reaper.dead:
                    return place
                await gone_on_with(colony, number)
                assert await is_reached(colony, number)
                name = name_key("north", colony.meter(number).external_id)
                assert colony.keys.get(name, "master_key") == fleet[place].pairs.master_key
                assert fleet[place].pairs.master_key != shipped[place]
        raise AssertionError("more moments than meters")

    assert asyncio.run(scenario()) > 30
    assert colony.quarantined() == []


def test_killed_while_a_meter_is_given_its_first_keys_it_gets_them(colony):
    quick = patient(renew_keys=False)

    async def scenario():
        fields = {"first_authentication": "password", "first_client": 2}
        async with colony.fleet(40, kind=giving("password", 2), **fields) as (fleet, _):
            for place, number in enumerate(colony.numbers()):
                name = name_key("north", colony.meter(number).external_id)
                for each in ("encryption_key", "authentication_key"):
                    colony.keys.delete(name, each)
                registrar = colony.registrar(quick, offload=inline, worker=f"life-{place}")
                colony.commission(registrar, [number])
                with reaped(place + 1), suppress(Death):
                    await registrar.round()
                done = colony.meter(number).first_authentication == ""
                await gone_on_with(colony, number, quick)
                assert colony.keys.get(name, "encryption_key") == fleet[place].keys.encryption_key
                if done:
                    return place
        raise AssertionError("more moments than meters")

    assert asyncio.run(scenario()) > 12
    assert colony.quarantined() == []
