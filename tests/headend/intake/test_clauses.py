"""A meter that announces itself or calls in is recognised, checked against its companion
specification, given its time and operational keys, and only then active; a stranger is quarantined.

Each clause over sockets, for both doors.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from doors import Door, pusher, run, taking, until

from ferraris.headend.inventory import key_id
from ferraris.headend.registration import Step
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

STEPS = ["prove identity", "check", "set time", "renew keys", "record", "activate"]
LATE_S = -3600


def by_call(colony, kind, **fields):
    """A meter calls in until it was served, or turned away."""
    fleet = Fleet(kind, 1, seed=7)
    number = colony.deliver(fleet, 0, contact="calls in", **fields)
    shipped = fleet[0].keys.encryption_key
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            ends = {Step.ACTIVE, Step.HELD, Step.QUARANTINED}
            await until(
                lambda: (
                    intake.counts.turned_away or (colony.progress(number) or NOBODY).step in ends
                )
            )

    run(scenario())
    return fleet, number, shipped


def by_push(colony, kind, **fields):
    """A meter pushes and is called back."""
    kept = {}

    async def scenario():
        late = lambda: colony.clock() + LATE_S  # noqa: E731
        async with colony.fleet(1, kind=kind, utc=late, **fields) as (fleet, _):
            kept["shipped"] = fleet[0].keys.encryption_key
            registrar = colony.registrar()
            async with taking(colony.intake(registrar=registrar)) as intake:
                # Of one seed: the same name. It counts for itself, so it protects nothing.
                announcing = template("residential", suite=kind.suite)
                twin = Fleet(announcing, 1, seed=7)
                sending = pusher(twin, intake, colony.clock, ciphered=False)
                await sending.push(0)
                await until(lambda: intake.counts.announced)
                sending.close()
            assert colony.meter(1).state == "known"  # announced, and nothing more
            await registrar.round()
            kept["fleet"] = fleet

    run(scenario())
    return kept["fleet"], 1, kept["shipped"]


NOBODY = SimpleNamespace(step=None)
BOTH_DOORS = pytest.mark.parametrize("come", [by_call, by_push])


@BOTH_DOORS
@pytest.mark.parametrize("suite", [0, 1])
def test_it_is_recognised_checked_set_given_keys_and_only_then_active(colony, come, suite):
    kind = template("smr-5.2:single-phase", suite=suite)
    fleet, number, shipped = come(colony, kind, companion="smr-5.2")
    progress, meter = colony.progress(number), colony.meter(number)
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    actions = [line["action"].removeprefix("registration: ") for line in colony.journal]
    assert actions[: len(STEPS)] == STEPS
    assert colony.life(number) == [("known", "installed"), ("installed", "active")]
    (checked,) = [line for line in colony.journal if line["action"].endswith(": check")]
    assert checked["detail"]["companion"] == "smr-5.2"
    if come is by_push:
        assert progress.clock_offset_s == LATE_S
        assert abs(fleet[0].offset(int(colony.clock()))) == -LATE_S  # put right against its start
    kept = colony.keys.get(key_id("north", meter.external_id), "encryption_key")
    assert kept == fleet[0].keys.encryption_key != shipped


@BOTH_DOORS
def test_one_that_differs_from_its_specification_is_held_by_name(colony, come):
    fleet, number, shipped = come(colony, template("smr-5.0"), companion="smr-5.2")
    progress = colony.progress(number)
    assert progress.step is Step.HELD
    assert "not as smr-5.2 says" in progress.message
    named = {each["obis"] for each in json.loads(progress.findings) if not each["tolerable"]}
    assert "0-0:97.98.1*255" in named
    assert colony.meter(number).state == "installed"
    assert fleet[0].keys.encryption_key == shipped  # no keys for a meter that is not as it should


@BOTH_DOORS
@pytest.mark.parametrize("suite", [0, 1])
def test_a_stranger_is_quarantined_and_given_nothing(colony, come, suite):
    """It has a known name, and not the keys, or not the certificate, of the meter."""
    kind = template("residential", suite=suite)
    known = Fleet(kind, 1, seed=8)
    if suite:
        colony.trust(known, 0)
    lie = {} if suite else {"serial_number": "0000000000099"}
    fleet, number, shipped = come(colony, kind, **lie)
    assert (colony.progress(number) or NOBODY).step in (None, Step.QUARANTINED)
    assert colony.meter(number).state == "known"
    assert fleet[0].keys.encryption_key == shipped
    assert {each.reason for each in colony.quarantined()} == {
        "certificate" if suite else "another identity"
    }
