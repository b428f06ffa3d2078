"""Meters that only call in and have no keys yet: given some, and registered, in the call itself."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from itertools import count

import pytest
from colony import giving
from doors import BOTH, NOON, Door, run, until
from reaping import inline, reaped

from ferraris.headend.intake import CallIntake
from ferraris.headend.inventory import key_id as name_key
from ferraris.headend.registration import Step
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

KINDS = ("encryption_key", "authentication_key")
STEPS = ["prove identity", "check", "set time", "renew keys", "record", "activate"]


def kind_of(way="password", **kind):
    return giving(way, 2, template("residential", **kind))


def keyless(colony, fleet, way="password", **fields):
    """A shipment that brought a master key and a password, and no way to dial."""
    given = {"contact": "calls in", "first_authentication": way, "first_client": 2} | fields
    number = colony.deliver(fleet, 0, **given)
    name = name_key("north", colony.meter(number).external_id)
    for each in KINDS:
        colony.keys.delete(name, each)
    return number, name


async def called(colony, fleet, condition, **how):
    """The meters of a fleet call one head until that is so; its door."""
    door = Door(colony, **how)
    async with door.open(fleet) as intake:
        await until(lambda: condition(door, intake))
    return door


def served(door, intake):
    return intake.counts.served


def turned_away(door, intake):
    return intake.counts.turned_away


def steps(colony):
    """What the audit log tells of registrations."""
    lines = [each["action"] for each in colony.journal if "registration: " in each["action"]]
    return [each.removeprefix("registration: ") for each in lines]


@BOTH
@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("password", {}),
        ("sha256", {"mechanism": 6}),
        ("password", {"suite": 1}),
        ("password", {"suite": 2}),
    ],
)
def test_it_is_given_keys_and_registered_in_the_connection_that_it_opened(colony, way, kind):
    fleet = Fleet(kind_of(way, **kind), 1, seed=7)
    number, name = keyless(colony, fleet, way)
    door = run(called(colony, fleet, served))
    meter, progress = colony.meter(number), colony.progress(number)
    assert (progress.step, progress.message, progress.occasion) == (Step.ACTIVE, "", "call")
    assert steps(colony) == STEPS
    assert colony.life(number) == [("known", "installed"), ("installed", "active")]
    assert colony.keys.get(name, "encryption_key") == fleet[0].keys.encryption_key
    assert (meter.first_authentication, meter.first_client) == ("", None)
    assert door.read == {meter.external_id: fleet[0].total(0, int(NOON))}
    assert (door.intake.counts.failed, colony.quarantined()) == (0, [])


@contextmanager
def lapsing(clock):
    """Each call comes two minutes after the one before, so what the dead held lapses."""
    whole = CallIntake._recognised

    def later(intake, identity):
        clock.now += 121.0
        return whole(intake, identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallIntake, "_recognised", later)
        yield


def loners():
    """Fleets of one meter each, of names of their own."""
    names = set()
    for seed in count(1000):
        fleet = Fleet(kind_of(), 1, seed=seed)
        name = fleet.line(0, "")["id"]
        if name not in names:
            names.add(name)
            yield fleet


def test_killed_at_every_moment_it_is_registered_by_a_later_call(colony):
    """The head is killed in the middle; the meter calls the next one."""

    async def scenario():
        for place, fleet in enumerate(loners()):
            number, name = keyless(colony, fleet)
            with reaped(place + 1) as reaper:
                await called(
                    colony,
                    fleet,
                    lambda door, intake, reaper=reaper: reaper.dead or intake.counts.served,
                    offload=inline,
                )
            if reaper.dead:
                colony.reopen_keys()
                with lapsing(colony.clock):
                    await called(colony, fleet, served, offload=inline)
            assert colony.progress(number).step is Step.ACTIVE, colony.progress(number)
            assert colony.keys.get(name, "encryption_key") == fleet[0].keys.encryption_key
            if not reaper.dead:
                break
        return place

    async def limited():
        async with asyncio.timeout(100):
            return await scenario()

    assert asyncio.run(limited()) > 45
    assert colony.quarantined() == []


def test_who_knows_the_name_and_not_the_master_key_gets_nothing_and_shuts_nobody_out(colony):
    true = Fleet(kind_of(), 1, seed=7)
    liar = Fleet(kind_of(), 1, seed=7, secret=b"another")
    number, name = keyless(colony, true, system_title=true.system_title(0))
    # It takes any password, and says what it wants: here it took a key that it cannot unwrap.
    liar.password = true.password
    run(called(colony, liar, turned_away))
    assert colony.meter(number).state == "known"
    assert "was given no keys" in colony.progress(number).message
    (row,) = colony.quarantined()
    assert (row.identity, row.reason) == (colony.meter(number).external_id, "wrong key")
    assert [line["subject"] for line in colony.journal] == [row.identity]
    colony.clock.now += 1
    door = run(called(colony, true, served))
    assert colony.meter(number).state == "active"
    assert colony.keys.get(name, "encryption_key") == true[0].keys.encryption_key
    assert door.intake.counts.turned_away == 0


@pytest.mark.parametrize("lie", [{"serial_number": "0000000000099"}, {"external_id": "other"}])
def test_one_with_the_right_master_key_and_anothers_identity_is_quarantined(colony, lie):
    fleet = Fleet(kind_of(), 1, seed=7)
    name = fleet.line(0, "")["id"]
    if "external_id" in lie:  # it was delivered under the name of another meter
        lie = {**lie, "logical_device_name": name, "serial_number": "0000000000099"}
    number, _ = keyless(colony, fleet, **lie)
    run(
        called(
            colony, fleet, lambda *_: (p := colony.progress(number)) and p.step is not Step.ASKED
        )
    )
    assert colony.progress(number).step is Step.QUARANTINED
    assert colony.meter(number).state == "known"
    assert {row.reason for row in colony.quarantined()} == {"another identity"}
    assert "quarantine" in steps(colony)


@pytest.mark.parametrize(
    ("lacks", "told"), [("master_key", "no master key"), ("password", "no password")]
)
def test_what_is_missing_here_is_said_and_holds_it(colony, lacks, told):
    fleet = Fleet(kind_of(), 1, seed=7)
    number, name = keyless(colony, fleet)
    colony.keys.delete(name, lacks)
    asked = None, Step.ASKED
    run(
        called(
            colony, fleet, lambda *_: getattr(colony.progress(number), "step", None) not in asked
        )
    )
    assert colony.progress(number).step is Step.HELD
    assert told in colony.progress(number).message
    assert fleet[0].key_changes == 0  # it was given nothing
