"""Pushes of suites 1 and 2 that certificates prove: signed, or under keys that were agreed on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from colony import TITLE
from doors import (
    BOTH,
    ENERGY,
    NOON,
    Talker,
    apdu,
    household,
    pusher,
    readings,
    run,
    seen,
    stored,
    taking,
    until,
)

from ferraris.client import HighECDSA, connect
from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Usage
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.data.obis import Obis
from ferraris.headend.inventory import key_id
from ferraris.headend.registration import Step
from ferraris.headend.store.tables.readings import BLOCK, REGISTER_READ
from ferraris.messaging.dlms.security.control import BOTH as TAGGED
from ferraris.messaging.dlms.security.control import SIGNED
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.meter.behaviour.push_setup import protection_parameters
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

GLOBAL, ONE_PASS, STATIC = KeySource.IDENTIFIED, KeySource.ONE_PASS, KeySource.STATIC
FORMS = [
    (SIGNED, GLOBAL),
    (TAGGED | SIGNED, GLOBAL),
    (TAGGED, ONE_PASS),
    (TAGGED, STATIC),
    (TAGGED | SIGNED, ONE_PASS),
    (TAGGED | SIGNED, STATIC),
]
ROWS = Obis.parse("0-1:25.9.0*255")


async def said(colony, octets):
    """What becomes of datagrams in a process that has heard nothing yet."""
    async with taking(colony.intake()) as intake:
        with Talker(intake) as talker:
            for each in octets:
                talker.say(each)
            await until(lambda: seen(intake) == len(octets))
        return intake.counts


@BOTH
@pytest.mark.parametrize(("control", "source"), FORMS)
@pytest.mark.parametrize("suite", [1, 2])
def test_what_is_signed_or_under_agreed_keys_is_stored_once(colony, suite, control, source):
    fleet, (number,) = household(colony, suite=suite)
    first, second, third = (apdu(fleet, 0, control, source) for _ in range(3))
    counts = run(said(colony, [first, second, second, first]))
    assert (counts.stored, counts.duplicates, counts.undecodable) == (2, 1, 0)
    assert counts.turned_away == {"replay": 1}
    values = {str(each.name): each.value for each in readings(colony, number)}
    assert values[ENERGY] == fleet[0].total(0, int(NOON))
    (row,) = colony.quarantined()
    assert (row.identity, row.reason) == (colony.meter(number).external_id, "replay")
    # Another process, which has heard nothing: the floors are in the key store.
    counts = run(said(colony, [first, second, third]))
    assert (counts.stored, counts.duplicates) == (1, 1)
    assert counts.turned_away == {"replay": 1}


@pytest.mark.parametrize("suite", [1, 2])
def test_forms_may_change_from_push_to_push(colony, suite):
    """Their counters and transaction-ids are one sequence."""
    fleet, _ = household(colony, suite=suite)
    sent = [apdu(fleet, 0, control, source) for control, source in [*FORMS, (TAGGED, GLOBAL)] * 2]
    counts = run(said(colony, sent))
    assert (counts.stored, counts.turned_away) == (len(sent), {})
    assert run(said(colony, sent[:-1])).stored == 0


@pytest.mark.parametrize(("control", "source"), FORMS)
def test_a_forged_one_is_dropped_and_told_and_shuts_nobody_out(colony, control, source):
    fleet, (number,) = household(colony, suite=1)
    thief = Fleet(template("residential", suite=1), 1, seed=7, secret=b"another")
    far = [apdu(thief, 0, control, source) for _ in range(20)][-1]  # its transaction is high
    altered = bytearray(apdu(fleet, 0, control, source))
    altered[-1] ^= 1
    true = apdu(fleet, 0, control, source)

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                talker.say(far)
                talker.say(bytes(altered))
                await until(lambda: seen(intake) == 2)
                assert stored(colony, REGISTER_READ) == 0
                talker.say(true)
                await until(lambda: seen(intake) == 3)
            return intake.counts

    counts = run(scenario())
    assert (counts.stored, counts.turned_away) == (1, {"wrong key": 2})
    (row,) = colony.quarantined()
    assert (row.identity, row.reason, row.times) == (
        colony.meter(number).external_id,
        "wrong key",
        2,
    )
    assert "verif" in row.message


def test_one_meter_is_not_another_with_good_certificates(colony):
    """Who signs with its own true key and names another meter is none of them."""
    fleet, _ = household(colony, 2, suite=1)
    first, second = (apdu(fleet, index, SIGNED) for index in range(2))
    titles = [fleet.system_title(index) for index in range(2)]
    counts = run(said(colony, [first.replace(titles[0], titles[1]), second]))
    assert (counts.stored, counts.turned_away) == (1, {"wrong key": 1})


def no_root(colony, fleet):
    colony.keys.remove_certificate(fleet.authority.root)


def no_certificates(colony, fleet):
    for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT):
        colony.keys.remove_certificate(fleet.certificate(0, usage))


def revoked(colony, fleet, number=1):
    at = datetime.fromtimestamp(NOON, UTC) - timedelta(days=1)
    serials = [fleet.certificate(0, Usage.SIGNING).serial] * (number % 2)
    authority = fleet.authority._authority
    made = authority.revocation_list(
        [(serial, at) for serial in serials],
        number=number,
        this_update=at,
        next_update=at + timedelta(days=400),
    )
    colony.keys.put_revocation_list(made)


def run_out(colony, fleet):
    """A root that is trusted issued certificates that are no longer valid."""
    entropy = fleet.entropy(0, 99)
    begin = datetime.fromtimestamp(NOON, UTC) - timedelta(days=400)
    key = PrivateKey.generate(Curve.P256, entropy)
    times = {"not_before": begin, "entropy": entropy}
    root = Authority.root(key, "Old", not_after=begin + timedelta(days=9000), **times)
    colony.keys.put_certificate(root.certificate, trusted=True)
    no_certificates(colony, fleet)
    for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT):
        public = fleet.certificate(0, usage).public_key
        title, end = fleet.system_title(0), begin + timedelta(days=365)
        colony.keys.put_certificate(root.issue(public, title, usage, not_after=end, **times))


def none_of_ours(colony, fleet):
    for kind in ("signing_key", "agreement_key"):
        colony.keys.delete(TITLE.hex().upper(), kind)


TROUBLES = [
    (no_root, "trust the root of its issuer"),
    (revoked, "was revoked at"),
    (run_out, "give the one that renewed it"),
    (no_certificates, "import"),
    (none_of_ours, "ferraris pki issue client"),
]


@pytest.mark.parametrize("way", ["gmac", "ecdsa"])
@pytest.mark.parametrize("form", [(SIGNED, GLOBAL), (TAGGED, ONE_PASS)])
@pytest.mark.parametrize(("trouble", "told"), TROUBLES)
def test_certificates_that_do_not_hold_are_said_and_prove_nothing(colony, trouble, told, form, way):
    control, source = form
    fleet, (number,) = household(colony, suite=1, authentication=way)
    trouble(colony, fleet)
    if (trouble, control, way) == (none_of_ours, SIGNED, "gmac"):
        assert run(said(colony, [apdu(fleet, 0, control)])).stored == 1  # needs none of ours
        return
    counts = run(said(colony, [apdu(fleet, 0, control, source) for _ in range(2)]))
    assert (counts.stored, counts.turned_away) == (0, {"certificate": 2})
    assert stored(colony, REGISTER_READ) == 0
    (row,) = colony.quarantined()
    name = colony.meter(number).external_id
    assert (row.identity, row.reason, row.times) == (name, "certificate", 2)
    assert told in row.message
    (line,) = [each for each in colony.journal if each["subject"] == name]
    assert (line["action"], line["outcome"]) == ("stranger: turn away", "refused")
    assert line["detail"]["reason"] == "certificate"
    assert told in line["detail"]["message"]
    # What the keys that both share protect needs no certificate.
    assert run(said(colony, [apdu(fleet)])).stored == 1


def test_a_certificate_that_is_revoked_or_comes_back_is_noticed_while_it_runs(colony):
    fleet, _ = household(colony, suite=1)

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:

                async def say(control, source, total):
                    talker.say(apdu(fleet, 0, control, source))
                    await until(lambda: seen(intake) == total)

                await say(SIGNED, GLOBAL, 1)
                await say(TAGGED, STATIC, 2)
                assert intake.counts.stored == 2
                revoked(colony, fleet, number=1)
                colony.clock.now += 700
                await say(SIGNED, GLOBAL, 3)
                await say(TAGGED, STATIC, 4)
                assert intake.counts.turned_away == {"certificate": 2}
                await say(TAGGED, GLOBAL, 5)
                revoked(colony, fleet, number=2)
                colony.clock.now += 2
                await say(TAGGED, STATIC, 6)
                await say(SIGNED, GLOBAL, 7)
            return intake.counts

    counts = run(scenario())
    assert (counts.stored, counts.turned_away) == (5, {"certificate": 2})
    (row,) = colony.quarantined()
    assert "was revoked" in row.message


def test_a_meter_that_was_missing_its_certificate_is_taken_when_it_comes(colony):
    fleet, _ = household(colony, suite=1, authentication="gmac")
    no_certificates(colony, fleet)

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                talker.say(apdu(fleet, 0, SIGNED))
                await until(lambda: seen(intake) == 1)
                colony.trust(fleet, 0)
                colony.clock.now += 2
                talker.say(apdu(fleet, 0, SIGNED))
                await until(lambda: seen(intake) == 2)
            return intake.counts

    counts = run(scenario())
    assert (counts.stored, counts.turned_away) == (1, {"certificate": 1})


@BOTH
@pytest.mark.parametrize(("control", "source"), [(SIGNED, GLOBAL), (TAGGED | SIGNED, STATIC)])
@pytest.mark.parametrize("suite", [1, 2])
def test_a_registered_meter_pushes_as_its_set_up_was_written(colony, suite, control, source):
    """From the shipment to the store: registered, told how to push, pushes, called, pushes."""

    async def scenario():
        kind = template("residential", suite=suite)
        async with colony.fleet(1, kind=kind) as (fleet, listening):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            assert colony.progress(1).step is Step.ACTIVE, colony.progress(1).message
            known = colony.known(1)
            pairs = registrar.pairs.of(known, known.key_id)
            keys = [
                colony.keys.get(known.key_id, each)
                for each in ("encryption_key", "authentication_key")
            ]
            security = HighECDSA(
                *keys,
                suite=suite,
                pairs=pairs,
                system_title=TITLE,
                server_system_title=known.system_title,
                invocation_counter=10_000,
            )

            async def write_and_push():
                async with connect(
                    listening.endpoint(0), server=known.server, security=security
                ) as meter:
                    wanted = protection_parameters(control, TITLE, source)
                    await meter.set_data(40, ROWS, 10, wanted)
                    await meter.act_data(40, ROWS, 1, (15, 0))

            async with taking(colony.intake("tcp://127.0.0.1:0")) as intake:
                sending = pusher(fleet, intake, colony.clock, "tcp")
                task = asyncio.create_task(sending.run())
                await asyncio.sleep(0)
                await write_and_push()
                await until(lambda: seen(intake) == 1)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return intake.counts

    counts = run(scenario())
    assert (counts.stored, counts.turned_away) == (1, {})
    assert stored(colony, BLOCK) == 2  # a day of rows lies in two days of UTC
    assert colony.keys.transaction_floor(key_id("north", colony.meter(1).external_id)) > 0
