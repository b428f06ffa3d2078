"""New keys for a meter: transferred, agreed on, lost on the way, and every method of the set-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pairing import NOON, Pair
from test_protections import exercise, security, suites

from ferraris.client.meter import Meter
from ferraris.client.security import HighECDSA, HighGMAC
from ferraris.core.errors import Error, LineError, RefusedError, SecurityError, UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.crypto.requests import CertificateRequest
from ferraris.crypto.wrap import wrap
from ferraris.data.kinds import Data, array, enum, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.data.readings import Outcome
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import names, template
from ferraris.model.access_control import SecuritySetup

SETUP = "0-0:43.0.1*255"
UNICAST, BROADCAST, AUTHENTICATION, MASTER = range(4)


def fresh(pair: Pair, *key_ids: int) -> dict[int, bytes]:
    size = pair.fleet.template.suite.key_octets
    return {key_id: pair.random.randbytes(size) for key_id in key_ids}


def after(pair: Pair, keys: dict[int, bytes], **changes: Any) -> HighGMAC:
    """The security of the next association."""
    made = security(pair, **changes)
    return replace(
        made,
        encryption_key=keys.get(UNICAST, made.encryption_key),
        authentication_key=keys.get(AUTHENTICATION, made.authentication_key),
        transaction_offset=10_000,
        pairs=made.pairs.with_master(keys.get(MASTER, made.pairs.master_key or b"")),
    )


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize(
    "key_ids",
    [(UNICAST,), (AUTHENTICATION,), (UNICAST, AUTHENTICATION), (MASTER,), (0, 1, 2, 3)],
    ids=str,
)
@pytest.mark.parametrize("form", ["service", "envelope"])
def test_transferred_keys_are_used_from_the_next_request_on(
    suite: int, key_ids: tuple[int, ...], form: str
) -> None:
    pair = suites(suite)
    new = fresh(pair, *key_ids)
    old = pair.fleet[0].keys

    async def procedure(meter: Meter) -> None:
        await exercise(meter)
        changed = await meter.transfer_keys(new, name=SETUP)
        assert changed.outcome is Outcome.DONE
        assert not any(key.hex() in repr(changed) for key in new.values())
        await exercise(meter)

    way = "wrapped" if form == "envelope" else "identified"
    pair.run(security(pair, form=form, message_key=way), procedure)
    meter = pair.fleet[0]
    assert meter.keys.encryption_key == new.get(UNICAST, old.encryption_key)
    assert meter.keys.authentication_key == new.get(AUTHENTICATION, old.authentication_key)
    assert meter.pairs.master_key == new.get(MASTER, pair.fleet.pairs(0).master_key)
    if UNICAST in new:
        assert 0 < meter.receive_floor(1) < 200  # counters began anew
    pair.run(after(pair, new, form=form, message_key=way), exercise)
    if new.keys() & {UNICAST, AUTHENTICATION}:
        with pytest.raises(RefusedError):
            pair.run(security(pair), exercise)


@pytest.mark.parametrize("name", [each for each in names() if each != "residential-sn"])
def test_meters_of_every_template_take_new_keys(name: str) -> None:
    pair = Pair(fleet=Fleet(template(name), 1, seed=7))
    pair.fleet.always_awake = True
    meter, client = pair.fleet[0], pair.fleet.template.key_client
    new = fresh(pair, UNICAST, AUTHENTICATION)
    (setup,) = (
        each
        for each in meter.associations[client].rights.objects
        if each[0] == SecuritySetup.class_id
    )

    def own() -> HighGMAC:
        return HighGMAC(
            meter.keys.encryption_key,
            meter.keys.authentication_key,
            client=client,
            invocation_counter=meter.receive_floor(client) + 1,
            pairs=meter.pairs,
        )

    async def change(client: Meter) -> object:
        changed = await client.transfer_keys(new, name=str(Obis(setup[1])))
        return changed.outcome, (await client.read("0-0:42.0.0*255")).value

    async def number(client: Meter) -> object:
        return (await client.read("0-0:42.0.0*255")).value

    old = own()
    assert pair.run(old, change) == (Outcome.DONE, meter.logical_device_name)
    assert (meter.keys.encryption_key, meter.keys.authentication_key) == tuple(new.values())
    assert pair.run(own(), number) == meter.logical_device_name
    with pytest.raises(RefusedError):
        pair.run(replace(old, invocation_counter=1000), number)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("key_id", [UNICAST, AUTHENTICATION, MASTER])
@pytest.mark.parametrize("dedicated", [False, True])
def test_keys_agreed_on(suite: int, key_id: int, dedicated: bool) -> None:
    pair = suites(suite)
    agreed: dict[int, bytes] = {}

    async def procedure(meter: Meter) -> None:
        changed = await meter.agree_key(key_id, name=SETUP)
        assert changed.outcome is Outcome.DONE
        agreed.update(changed.keys)
        await exercise(meter)

    pair.run(security(pair, dedicated=dedicated), procedure)
    assert list(agreed) == [key_id]
    pair.run(after(pair, agreed), exercise)


def lossy(pair: Pair, end: str, lost: Callable[[int], bool]) -> None:
    """Lose what arrives at one end, by number."""
    assert pair.line is not None
    there = getattr(pair.line, end)
    arrive, count = there.arrive, iter(range(1000))

    def arriving(octets: bytes) -> None:
        if not lost(next(count)):
            arrive(octets)

    there.arrive = arriving


@pytest.mark.parametrize(
    ("end", "lost", "outcome"),
    [
        ("driver", {0}, Outcome.DONE),  # the answer was lost: the new keys prove it
        ("station", {0}, Outcome.FAILED),  # the request was lost: the old keys prove it
        ("driver", set(range(10)), Outcome.UNKNOWN),
    ],
    ids=["answer lost", "request lost", "all lost"],
)
def test_a_transfer_without_an_answer_is_proved_or_unknown(
    end: str, lost: set[int], outcome: Outcome
) -> None:
    pair = suites(1)
    new = fresh(pair, UNICAST, AUTHENTICATION)

    async def procedure(meter: Meter) -> None:
        lossy(pair, end, lost.__contains__)
        changed = await meter.transfer_keys(new, name=SETUP)
        assert changed.outcome is outcome
        if outcome is not Outcome.UNKNOWN:
            await exercise(meter)
        else:
            assert changed.keys == new
            assert "keep" in changed.operation.reason

    pair.run(security(pair), procedure)


def test_an_agreement_without_an_answer_is_unknown_when_the_old_keys_hold_no_more() -> None:
    pair = suites(1)

    async def procedure(meter: Meter) -> None:
        lossy(pair, "driver", {0}.__contains__)
        changed = await meter.agree_key(name=SETUP)
        assert changed.outcome is Outcome.UNKNOWN

    pair.run(security(pair), procedure)


def method(number: int, data: Data) -> Callable[[Meter], Awaitable[Any]]:
    return lambda meter: meter.act_data(64, SETUP, number, data)


def sent(*keys: tuple[int, bytes]) -> Data:
    return array(*(structure(enum(key_id), octet_string(octets)) for key_id, octets in keys))


def test_a_transfer_that_fails_in_one_key_changes_none() -> None:
    pair = suites(1)
    meter = pair.fleet[0]
    master = pair.fleet.pairs(0).master_key or b""
    good = wrap(master, bytes(range(16)))
    used = wrap(master, meter.keys.encryption_key)
    other = wrap(bytes(16), bytes(16))
    long = wrap(master, bytes(32))
    for wrong in (
        sent((UNICAST, good), (AUTHENTICATION, other)),
        sent((UNICAST, good), (UNICAST, good)),
        sent((UNICAST, long)),
        sent((UNICAST, good), (9, good)),
        sent((UNICAST, good[:-1] + b"?")),
        sent(),
    ):
        with pytest.raises(RefusedError):
            pair.run(security(pair), method(2, wrong))
    assert meter.key_changes == 0

    async def back_and_forth(meter: Meter) -> None:
        assert (await meter.transfer_keys({UNICAST: bytes(range(16))}, name=SETUP)).outcome
        with pytest.raises(RefusedError):  # counters of that key would come twice
            await method(2, sent((UNICAST, used)))(meter)
        await exercise(meter)

    pair.run(security(pair), back_and_forth)


def test_impossible_transfers_are_refused_before_anything_is_sent() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        for keys in ({UNICAST: bytes(5)}, {7: bytes(16)}):
            with pytest.raises(UsageError):
                await meter.transfer_keys(keys, name=SETUP)
        with pytest.raises(UsageError):
            await meter.agree_key(name=SETUP)

    pair.run(security(pair), procedure)


def test_a_refused_transfer_is_refused() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        wrong = await meter.transfer_keys(fresh(pair, UNICAST), master_key=bytes(16), name=SETUP)
        assert wrong.outcome is Outcome.REFUSED
        await exercise(meter)

    pair.run(security(pair), procedure)


@pytest.mark.parametrize("place", [0, 63, 64, 127])
def test_altered_key_data_is_refused(place: int) -> None:
    pair = suites(1)
    right = security(pair)
    assert right.pairs.signing is not None
    from ferraris.messaging.dlms.security.agreement import signed_key_data

    own = PrivateKey.generate(right.pairs.signing.curve, pair.entropy)
    key_data = bytearray(signed_key_data(0, own.public_key, right.pairs.signing))
    key_data[place] ^= 1
    with pytest.raises(RefusedError) as refused:
        pair.run(right, method(3, sent((0, bytes(key_data)))))
    assert refused.value.reason == ActionResult.OTHER_REASON
    assert pair.fleet[0].key_changes == 0
    other = sent((1, signed_key_data(0, own.public_key, right.pairs.signing)))
    with pytest.raises(RefusedError):  # signed for another key
        pair.run(security(pair), method(3, other))


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_a_policy_is_made_stricter_and_holds(suite: int) -> None:
    pair = suites(suite)
    if not suite:
        pair.run(security(pair), method(1, enum(3)))
        with pytest.raises(RefusedError):
            pair.run(security(pair), method(1, enum(1)))
        return
    strict = Policy(BOTH | SIGNED, BOTH | SIGNED)
    signs = {"form": "general", "sign": "first"}
    pair.run(security(pair), method(1, enum(strict.version_1)))
    with pytest.raises((RefusedError, Error)):
        pair.run(security(pair), exercise)

    async def weaker(meter: Meter) -> None:
        assert await meter.get_data(64, SETUP, 2) == enum(strict.version_1)
        with pytest.raises(RefusedError):
            await method(1, enum(Policy(BOTH, BOTH).version_1))(meter)
        with pytest.raises(RefusedError):
            await method(1, enum(3))(meter)

    pair.run(security(pair, **signs), weaker)


def entity(who: int, usage: Usage, title: bytes) -> Data:
    return structure(enum(0), structure(enum(who), enum(int(usage)), octet_string(title)))


@pytest.mark.parametrize("suite", [1, 2])
def test_a_meter_gets_a_new_key_pair_and_its_certificate(suite: int) -> None:
    pair = suites(suite)
    fleet, meter = pair.fleet, pair.fleet[0]
    right = security(pair)
    before = right.pairs.peer_signing

    async def renew(client: Meter) -> Certificate:
        await method(4, enum(0))(client)
        _, octets = await method(5, enum(0))(client)
        request = CertificateRequest.from_der(octets)
        request.verify()
        assert (request.title, request.usage) == (meter.system_title, Usage.SIGNING)
        assert request.public_key != before
        issued = fleet.authority.issue(request.public_key, meter.system_title, Usage.SIGNING)
        await method(6, octet_string(issued.der))(client)
        _, exported = await method(7, entity(0, Usage.SIGNING, meter.system_title))(client)
        assert exported == issued.der
        _, listed = await client.get_data(64, SETUP, 6)
        assert len(listed) == 5
        named = structure(
            enum(1), structure(octet_string(issued.serial), octet_string(issued.issuer))
        )
        assert (await method(7, named)(client))[1] == issued.der
        return issued

    issued = pair.run(right, renew)
    renewed = replace(right.pairs, peer_signing=issued.public_key)
    with pytest.raises(SecurityError, match="authenticate"):
        pair.run(security(pair), exercise)
    pair.run(security(pair, pairs=renewed, form="general", sign="first"), exercise)


def test_a_client_gets_a_new_certificate_and_loses_it() -> None:
    pair = suites(1)
    right = security(pair)
    key = PrivateKey.generate(Curve.P256, pair.entropy)
    issued = pair.fleet.authority.issue(key.public_key, right.system_title, Usage.SIGNING)
    pair.run(right, method(6, octet_string(issued.der)))
    ours = replace(right.pairs, signing=key)
    with pytest.raises(SecurityError):
        pair.run(security(pair), exercise)
    pair.run(security(pair, pairs=ours), method(8, entity(1, Usage.SIGNING, right.system_title)))
    with pytest.raises((SecurityError, RefusedError)):
        pair.run(security(pair, pairs=ours), exercise)
    pair.run(security(pair, HighGMAC), exercise)  # keys alone still open the other association


def test_certificates_that_are_refused() -> None:
    pair = suites(1)
    fleet, meter = pair.fleet, pair.fleet[0]
    stranger = suites(1).fleet.authority
    own = security(pair)
    key = PrivateKey.generate(Curve.P256, pair.entropy)
    issue = fleet.authority.issue
    assert meter.pairs.signing is not None
    wrong = {
        "for another title": issue(key.public_key, b"OTHERONE", Usage.SIGNING),
        "a key that it has not": issue(key.public_key, meter.system_title, Usage.SIGNING),
        "the client for tls": issue(key.public_key, own.system_title, Usage.TLS),
    }
    for certificate in wrong.values():
        with pytest.raises(RefusedError):
            pair.run(security(pair), method(6, octet_string(certificate.der)))
    good = issue(key.public_key, own.system_title, Usage.SIGNING).der
    for octets in (b"", b"0", good[:-1], good[:-3] + b"???", stranger.root.der):
        with pytest.raises(RefusedError):
            pair.run(security(pair), method(6, octet_string(octets)))
    for named in (
        entity(0, Usage.TLS, meter.system_title),
        entity(1, Usage.SIGNING, b"OTHERONE"),
        enum(1),
        structure(enum(5), enum(1)),
    ):
        for number in (7, 8):
            with pytest.raises(RefusedError):
                pair.run(security(pair), method(number, named))
    with pytest.raises(RefusedError):
        pair.run(security(pair), method(8, entity(0, Usage.SIGNING, meter.system_title)))
    for number in (4, 5):
        with pytest.raises(RefusedError):
            pair.run(security(pair), method(number, enum(7)))
    assert meter.key_changes == 0
    assert datetime.fromtimestamp(NOON, UTC).year == 2026


def test_a_lost_line_leaves_the_outcome_unknown() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        pair.line.station.arrive = lambda octets: None  # type: ignore[method-assign]
        changed = await meter.transfer_keys(fresh(pair, UNICAST), name=SETUP)
        assert changed.outcome is Outcome.UNKNOWN

    with pytest.raises(LineError):
        pair.run(security(pair), lambda meter: _then_fail(procedure, meter))


async def _then_fail(procedure: Callable[[Meter], Awaitable[None]], meter: Meter) -> None:
    await procedure(meter)
    raise LineError("as expected")


def test_one_kind_of_security_says_all_of_it() -> None:
    assert HighECDSA(b"", b"").mechanism == "ecdsa"
