"""Strangers that are admitted with what their suite needs: certificates, a way, or a first way."""

from __future__ import annotations

import json

import pytest
from colony import giving
from doors import Door, run, until

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Usage
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory import Contact, key_id
from ferraris.headend.inventory.records import Authentication, Ciphering
from ferraris.headend.operations import Caller, ConflictError, Desk, House
from ferraris.headend.operations.strangers import Admission, admit_stranger
from ferraris.headend.registration import Reason, Step
from ferraris.headend.store.tables.inventory import METER
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

SIGNING, AGREEMENT = Usage.SIGNING, Usage.KEY_AGREEMENT


@pytest.fixture
def admit(colony):
    """Admit the one who came; in its own transaction, as the API does it."""
    house = House(colony.engine, colony.keys, colony.clock)
    caller = Caller("anna", colony.tenant, dict.fromkeys(Right))

    def now(**fields):
        with house.engine.transaction() as connection:
            body = Admission("new", **fields)
            return admit_stranger(Desk(house, caller, connection), stranger=1, body=body)

    return now


def unknown(colony, identity):
    colony.strangers.take_note(colony.tenant, identity, Reason.UNKNOWN, peer="udp://127.0.0.1:9")
    colony.strangers.flush()


def trusting(colony, fleet):
    """The root and our own keys, and no certificate of any meter."""
    colony.trust(fleet, 0)
    for usage in (SIGNING, AGREEMENT):
        colony.keys.remove_certificate(fleet.certificate(0, usage))


def keys_of(fleet, *kinds):
    given = fleet.line(0, "") | {"master_key": fleet.key(0, b"master").hex()}
    return json.dumps({kind: given[kind] for kind in kinds}).encode()


GLOBAL = ("encryption_key", "authentication_key", "master_key")


@pytest.mark.parametrize("called_by", ["title", "name"])
@pytest.mark.parametrize("suite", [1, 2])
def test_one_of_suite_1_or_2_is_admitted_with_certificates_and_becomes_active(
    colony, admit, suite, called_by
):
    async def scenario():
        kind = template("residential", suite=suite)
        async with colony.fleet(1, kind=kind) as (fleet, listening):
            with colony.engine.transaction() as connection:
                connection.execute(METER.delete())
            trusting(colony, fleet)
            line = listening.line(0)
            unknown(colony, line["system_title" if called_by == "title" else "id"])
            view = admit(
                keys=keys_of(fleet, *GLOBAL),
                address=line["url"],
                server=line["server"],
                authentication=Authentication.ECDSA,
                suite=suite,
                ciphering=Ciphering.STATIC_SIGNED,
                signing_certificate=fleet.certificate(0, SIGNING).der,
                agreement_certificate=fleet.certificate(0, AGREEMENT).der,
            )
            assert view.step == "asked for"
            await colony.registrar().round()

    run(scenario())
    (number,) = colony.numbers()
    assert (colony.progress(number).step, colony.progress(number).message) == (Step.ACTIVE, "")
    assert colony.meter(number).suite == suite


def test_one_that_comes_with_a_password_is_admitted_given_keys_and_registered(colony, admit):
    fleet = Fleet(giving("password", 2), 1, seed=7)
    unknown(colony, fleet.line(0, "")["id"])
    admit(
        keys=keys_of(fleet, "master_key", "password"),
        contact=Contact.CALLS_IN,
        first_authentication="password",
        first_client=2,
        server=fleet.line(0, "")["server"],
    )
    door = Door(colony)

    async def scenario():
        async with door.open(fleet) as intake:
            await until(lambda: intake.counts.served)

    run(scenario())
    (number,) = colony.numbers()
    assert colony.meter(number).state == "active"
    kept = colony.keys.get(key_id("north", "new"), "encryption_key")
    assert kept == fleet[0].keys.encryption_key


def certified(fleet, **changes):
    certificate = fleet.certificate(0, SIGNING).der
    return {
        "suite": 1,
        "keys": keys_of(fleet, *GLOBAL),
        "signing_certificate": certificate,
    } | changes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"suite": 0}, "signing_certificate: suite 0 has no certificates"),
        ({"suite": 3}, "suite"),
        ({"suite": 2}, "encryption_key: a key of suite 2 has 32 octets"),
        ({"suite": 2, "keys": b""}, "give those of the suite"),
        ({"signing_certificate": b"no certificate"}, "no certificate that can be read"),
        ({"agreement_certificate": True}, "agreement_certificate: does not hold"),
        ({"authentication": Authentication.ECDSA, "suite": 0}, "suite: ecdsa signs"),
        ({"first_authentication": "password"}, "first_client: goes with"),
        ({"keys": b'{"password": ""}'}, "the keys are a JSON object"),
        ({"keys": b'{"password": 7}'}, "the keys are a JSON object"),
    ],
)
def test_what_does_not_go_together_admits_nobody(colony, admit, changes, told):
    fleet = Fleet(template("residential", suite=1), 1, seed=7)
    trusting(colony, fleet)
    unknown(colony, fleet.system_title(0).hex())
    if changes.get("agreement_certificate"):
        changes = {"agreement_certificate": fleet.certificate(0, SIGNING).der}  # for another use
    with pytest.raises(UsageError, match=told):
        admit(**certified(fleet, **changes))
    assert colony.numbers() == []
    assert [row.decision for row in colony.quarantined()] == [""]
    assert [each for each in colony.keys.entries() if each.id.startswith("north/")] == []
    assert all(each.certificate.is_authority for each in colony.keys.certificates())


def test_anothers_certificate_and_one_without_a_root_admit_nobody(colony, admit):
    fleet = Fleet(template("residential", suite=1), 2, seed=7)
    unknown(colony, fleet.system_title(1).hex())
    with pytest.raises(UsageError, match="trust the root of its issuer"):
        admit(**certified(fleet))
    trusting(colony, fleet)
    with pytest.raises(UsageError, match="give those of this meter"):
        admit(**certified(fleet))
    assert colony.numbers() == []


def test_a_meter_that_is_there_keeps_its_suite(colony, admit):
    fleet = Fleet(template("residential"), 1, seed=7)
    colony.deliver(fleet, 0, external_id="new")
    unknown(colony, "new")
    with pytest.raises(ConflictError, match="is of suite 0: change it first"):
        admit(suite=1)
    assert colony.progress(1) is None
