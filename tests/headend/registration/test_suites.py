"""Meters of security suites 1 and 2, of other mechanisms, and such that come with a password."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType

import pytest
from colony import giving

from ferraris.crypto.certificates import Usage
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.data.obis import Obis
from ferraris.headend.collect.dlms import DlmsMeters
from ferraris.headend.collect.target import Target
from ferraris.headend.inventory import key_id as name_key
from ferraris.headend.registration import RegistrationPolicy, Step
from ferraris.meter.templates import template
from ferraris.server.device import AccessRights, ObjectRights

TITLE = b"FRR\x00\x00\x00\x00\x01"
POLICY = RegistrationPolicy(timeout_s=5.0)


def run(procedure):
    async def limited():
        async with asyncio.timeout(20):
            return await procedure

    return asyncio.run(limited())


async def registered(colony, kind, policy=POLICY, **fields):
    """One meter of a kind is registered, and then read by the collector; what it has."""
    async with colony.fleet(1, kind=kind, **fields) as (fleet, _):
        registrar = colony.registrar(policy)
        colony.commission(registrar)
        await registrar.round()
        if colony.progress(1).step is Step.ACTIVE:
            name = name_key("north", colony.meter(1).external_id)
            meters = DlmsMeters(
                colony.keys, system_title=TITLE, key_of=lambda target: name, clock=colony.clock
            )
            async with meters.open(Target.of(colony.meter(1))) as face:
                (reading,) = await face.read_registers(["1-0:1.8.0*255"])
                assert reading.value is not None
            meters.keep()
        return fleet[0].keys, fleet[0].pairs


@pytest.mark.parametrize("suite", [1, 2])
def test_a_meter_of_suite_1_or_2_proves_itself_and_agrees_on_a_master_key(colony, suite):
    keys, pairs = run(registered(colony, template("residential", suite=suite)))
    progress = colony.progress(1)
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    name = name_key("north", colony.meter(1).external_id)
    assert colony.keys.get(name, "encryption_key") == keys.encryption_key
    assert colony.keys.get(name, "authentication_key") == keys.authentication_key
    assert len(keys.encryption_key) == (32 if suite == 2 else 16)
    assert colony.keys.get(name, "master_key") == pairs.master_key
    assert colony.keys.get(name, "previous_master_key") != pairs.master_key
    (renewed,) = [line for line in colony.journal if line["action"].endswith("renew keys")]
    assert renewed["detail"]["renewed"] == ["master_key", "encryption_key", "authentication_key"]


def agreeing(with_client, suite=1):
    """A kind of meter that offers no key agreement to the management client, or all."""
    made = template("residential", suite=suite)
    if with_client:
        return made
    settings = made.associations[1]
    key = (64, bytes(Obis.parse("0-0:43.0.1*255")))
    objects = dict(settings.rights.objects)
    rights = objects[key]
    methods = {index: mode for index, mode in rights.methods.items() if index != 3}
    objects[key] = ObjectRights(rights.attributes, methods, rights.selectors)
    narrowed = replace(settings, rights=AccessRights(objects))
    made.associations = MappingProxyType({**made.associations, 1: narrowed})
    return made


@pytest.mark.parametrize("has_master", [True, False])
@pytest.mark.parametrize("offers", [True, False])
def test_keys_travel_under_whichever_master_key_there_can_be(colony, offers, has_master):
    async def scenario():
        async with colony.fleet(1, kind=agreeing(offers)) as (fleet, _):
            name = name_key("north", colony.meter(1).external_id)
            if not has_master:
                colony.keys.delete(name, "master_key")
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            return name, fleet[0].keys, fleet[0].pairs.master_key

    name, keys, master = run(scenario())
    if not offers and not has_master:
        assert colony.progress(1).step is Step.HELD
        assert "no master key" in colony.progress(1).message
        return
    assert colony.progress(1).step is Step.ACTIVE
    assert colony.keys.get(name, "master_key") == master
    assert colony.keys.get(name, "encryption_key") == keys.encryption_key


def test_keys_are_not_agreed_on_where_the_policy_says_no(colony):
    policy = replace(POLICY, agree_keys=False)
    run(registered(colony, template("residential", suite=1), policy))
    (renewed,) = [line for line in colony.journal if line["action"].endswith("renew keys")]
    assert renewed["detail"]["renewed"] == ["encryption_key", "authentication_key"]


@pytest.mark.parametrize(
    "ciphering",
    [
        "general",
        "envelope",
        "wrapped",
        "one-pass",
        "static",
        "general+signed",
        "envelope+signed",
        "one-pass+signed",
        "static+signed",
    ],
)
def test_every_form_of_protection_is_registered_and_read(colony, ciphering):
    run(registered(colony, template("residential", suite=1), ciphering=ciphering))
    progress = colony.progress(1)
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    name = name_key("north", colony.meter(1).external_id)
    if ciphering not in ("general", "general+signed"):
        assert colony.keys.transaction_floor(name) > 0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ({"suite": 1, "mechanism": 5}, {}),
        ({"mechanism": 6}, {}),
        ({"mechanism": 6}, {"client": 2, "ciphering": "none"}),
        ({"suite": 2, "mechanism": 6}, {}),
        ({"mechanism": 4, "weak": True}, {}),
        ({"mechanism": 3, "weak": True}, {"client": 2, "ciphering": "none"}),
    ],
)
def test_other_mechanisms_prove_a_secret(colony, kind, fields):
    trusting = replace(POLICY, trust_weak=True)
    keys, _ = run(registered(colony, template("residential", **kind), trusting, **fields))
    progress = colony.progress(1)
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    name = name_key("north", colony.meter(1).external_id)
    renewed = fields.get("ciphering") != "none"
    assert (colony.keys.get(name, "encryption_key") == keys.encryption_key) is True
    kept = {entry.kind for entry in colony.keys.entries()}
    assert ("previous_encryption_key" in kept) is renewed


def test_a_weak_digest_is_held_unless_it_is_trusted(colony):
    run(registered(colony, template("residential", mechanism=3, weak=True)))
    assert colony.progress(1).step is Step.HELD
    assert "md5 proves little" in colony.progress(1).message


def test_a_wrong_secret_is_quarantined(colony):
    async def scenario():
        async with colony.fleet(1, kind=template("residential", mechanism=6)):
            name = name_key("north", colony.meter(1).external_id)
            colony.keys.put(name, "hls_secret", b"another secret")
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    assert colony.progress(1).step is Step.QUARANTINED
    assert [each.reason for each in colony.quarantined()] == ["wrong key"]


def no_root(colony, fleet):
    colony.keys.remove_certificate(fleet.authority.root)


def others_certificate(colony, fleet):
    """The authority says that another key is the meter's."""
    key = PrivateKey.generate(Curve.P256, lambda octets: b"\x07" * octets)
    title = fleet.system_title(0)
    colony.keys.put_certificate(fleet.authority.issue(key.public_key, title, Usage.SIGNING))


def no_certificate(colony, fleet):
    colony.keys.remove_certificate(fleet.certificate(0, Usage.SIGNING))


def no_key_of_ours(colony, fleet):
    colony.keys.delete(TITLE.hex().upper(), "signing_key")


def years_later(colony, fleet):
    colony.clock.now += 50 * 365 * 86_400


@pytest.mark.parametrize(
    ("trouble", "step", "reason", "told"),
    [
        (no_root, Step.QUARANTINED, "certificate", "trust the root of its issuer"),
        (others_certificate, Step.QUARANTINED, "wrong key", "no key known"),
        (no_certificate, Step.HELD, None, "no certificate of"),
        (no_key_of_ours, Step.HELD, None, "ferraris pki issue client"),
        (years_later, Step.HELD, None, "give the one that renewed it"),
    ],
)
def test_what_does_not_hold_is_said_and_the_meter_stays_out(colony, trouble, step, reason, told):
    async def scenario():
        async with colony.fleet(1, kind=template("residential", suite=1)) as (fleet, _):
            trouble(colony, fleet)
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    progress = colony.progress(1)
    assert progress.step is step, progress.message
    assert told in progress.message
    assert colony.meter(1).state == "known"
    assert [each.reason for each in colony.quarantined()] == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("password", {}),
        ("sha256", {"mechanism": 6}),
        ("password", {"suite": 1}),
        ("password", {"suite": 2}),
    ],
)
def test_a_meter_that_comes_with_a_secret_alone_is_given_keys(colony, way, kind):
    async def scenario():
        made = giving(way, 2, template("residential", **kind))
        fields = {"first_authentication": way, "first_client": 2}
        async with colony.fleet(1, kind=made, **fields) as (fleet, _):
            name = name_key("north", colony.meter(1).external_id)
            for each in ("encryption_key", "authentication_key"):
                colony.keys.delete(name, each)
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            return name, fleet[0].keys

    name, keys = run(scenario())
    progress = colony.progress(1)
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    assert colony.keys.get(name, "encryption_key") == keys.encryption_key
    meter = colony.meter(1)
    assert (meter.first_authentication, meter.first_client) == ("", None)


def test_who_has_not_the_master_key_is_given_none(colony):
    """A password proves nothing: another one that knows it can do nothing with the keys."""

    async def scenario():
        fields = {"first_authentication": "password", "first_client": 2}
        async with colony.fleet(1, kind=giving("password", 2), **fields):
            name = name_key("north", colony.meter(1).external_id)
            for each in ("encryption_key", "authentication_key"):
                colony.keys.delete(name, each)
            colony.keys.put(name, "master_key", bytes(16))
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    assert colony.progress(1).step is Step.HELD
    assert "refused" in colony.progress(1).message
    assert colony.meter(1).state == "known"


def test_a_meter_of_which_nothing_is_known_is_held(colony):
    async def scenario():
        async with colony.fleet(1):
            name = name_key("north", colony.meter(1).external_id)
            for each in ("encryption_key", "authentication_key"):
                colony.keys.delete(name, each)
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    assert colony.progress(1).step is Step.HELD
    assert "no keys of" in colony.progress(1).message
