"""Every form of protection and every high-level mechanism between a client and a meter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairing import Pair, fleet_with, watch

from ferraris.client.meter import Meter
from ferraris.client.security import MECHANISMS, HighDigest, HighECDSA, HighGMAC, Password
from ferraris.core.errors import RefusedError, SecurityError, UsageError
from ferraris.crypto.curves import AgreementKey
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms.association.proofs import OwnMechanism
from ferraris.messaging.dlms.general import decode_general_glo
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, ENCRYPTION, SIGNED
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

MESSAGE = (1, "0-0:96.13.0*255", 2)
FORMS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "glo": ({}, {0xC8, 0xC9, 0xCC, 0xCD}),
    "ded": ({"dedicated": True}, {0xD0, 0xD1, 0xD4, 0xD5}),
    "general-glo": ({"form": "general"}, {0xDB}),
    "general-ded": ({"form": "general", "dedicated": True}, {0xDC}),
    "identified": ({"form": "envelope"}, {0xDD}),
    "wrapped": ({"form": "envelope", "message_key": "wrapped"}, {0xDD}),
    "one pass": ({"form": "envelope", "message_key": "one-pass"}, {0xDD}),
    "static": ({"form": "envelope", "message_key": "static"}, {0xDD}),
    "signed in general-glo": ({"form": "general", "sign": "first"}, {0xDB}),
    "signed in an envelope": ({"form": "envelope", "sign": "first"}, {0xDD}),
    "signed in one pass": (
        {"form": "envelope", "message_key": "one-pass", "sign": "first"},
        {0xDD},
    ),
    "signed around glo": ({"sign": "last"}, {0xDF}),
    "signed around ded": ({"sign": "last", "dedicated": True}, {0xDF}),
    "signed around an envelope": ({"form": "envelope", "sign": "last"}, {0xDF}),
}
SUITE_0 = ("glo", "ded", "general-glo", "general-ded", "identified", "wrapped")


def suites(suite: int, **changes: Any) -> Pair:
    made = template("residential", suite=suite)
    return Pair(fleet=fleet_with(of=made, **changes))


def security(pair: Pair, kind: type[HighGMAC] = HighECDSA, **changes: Any) -> HighGMAC:
    line = pair.fleet.line(0, "")
    suite = int(pair.fleet.template.suite)
    made = (kind if suite else HighGMAC)(
        bytes.fromhex(line["encryption_key"]),
        bytes.fromhex(line["authentication_key"]),
        invocation_counter=max(1, pair.fleet[0].receive_floor(1) + 1),
        suite=suite,
        pairs=pair.fleet.client_pairs(0),
    )
    if suite and kind is HighGMAC:
        made = replace(made, client=3)
    return replace(made, **changes)


def watched(pair: Pair, seen: list[bytes]) -> None:
    assert pair.line is not None
    for end in (pair.line.driver, pair.line.station):
        watch(end, seen.append)


async def exercise(meter: Meter) -> None:
    """Short and long answers and parameters, both ways."""
    assert str((await meter.read("1-0:1.8.0*255")).value).isdigit()
    for size in (3, 5000):
        text = octet_string(bytes(range(256)) * (size // 256) + b"end")
        await meter.set_data(*MESSAGE, text)
        assert await meter.get_data(*MESSAGE) == text
    assert await meter.object_list()


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [HighGMAC, HighECDSA])
def test_every_form_in_every_suite(suite: int, form: str, kind: type[HighGMAC]) -> None:
    if not suite and (form not in SUITE_0 or kind is HighECDSA):
        return  # there is no such thing
    changes, tags = FORMS[form]
    pair = suites(suite)
    requests: list[bytes] = []
    answers: list[bytes] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.station, requests.append)
        watch(pair.line.driver, answers.append)
        await exercise(meter)

    pair.run(security(pair, kind, **changes), procedure, max_pdu=1024)
    assert {octets[8] for octets in requests + answers} - {0x62, 0x63} == tags
    assert max(map(len, requests)) - 8 <= 2048
    assert max(map(len, answers)) - 8 <= 1024
    # Floors were kept, so a second association goes on above them.
    pair.run(security(pair, kind, **changes), exercise)


@pytest.mark.parametrize("suite", [1, 2])
def test_signatures_alone(suite: int) -> None:
    pair = suites(suite, c1={"policy": SIGNED})
    seen: list[bytes] = []

    async def procedure(meter: Meter) -> None:
        watched(pair, seen)
        await exercise(meter)

    pair.run(security(pair, sign="first", protection="none"), procedure)
    assert {octets[8] for octets in seen} == {0xDF, 0x62, 0x63}


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("policy", [AUTHENTICATION | SIGNED, ENCRYPTION | SIGNED, BOTH | SIGNED])
def test_too_little_protection_is_refused_by_the_meter(suite: int, policy: int) -> None:
    pair = suites(suite, c1={"policy": policy})
    for weak in ({"protection": "authentication"}, {"protection": "both"}):
        with pytest.raises((RefusedError, SecurityError)):
            pair.run(security(pair, **weak), exercise)
    word = "none" if policy == SIGNED else "both"
    pair.run(security(pair, sign="first", form="general", protection=word), exercise)


def test_answers_are_as_protected_as_their_policy_asks() -> None:
    pair = suites(1, c1={"policy": AUTHENTICATION, "answer_policy": BOTH | SIGNED})
    seen: list[bytes] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.driver, seen.append)
        await exercise(meter)

    weak = {"protection": "authentication", "form": "general"}
    pair.run(security(pair, **weak, answers=BOTH | SIGNED), procedure)
    contents = {decode_general_glo(octets[8:]).content[0] for octets in seen if octets[8] == 0xDB}
    assert contents == {0x31}


def test_weaker_answers_than_asked_for_are_refused_by_the_client() -> None:
    pair = suites(1)
    with pytest.raises(SecurityError, match="signed"):
        pair.run(security(pair, answers=BOTH | SIGNED), exercise)


def answers_of(secret: bytes) -> OwnMechanism:
    """A maker's own mechanism, for tests: no better than it looks."""
    return lambda challenges: bytes(
        a ^ b for a, b in zip(challenges.received, secret * 3, strict=False)
    )


@pytest.mark.parametrize("mechanism", [2, 3, 4, 6])
@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("names", ["residential", "residential-sn"])
def test_secrets_proved_to_meters_that_ask_for_it(
    names: str, mechanism: int, ciphered: bool
) -> None:
    """The reader in the clear, the manager in a ciphered association; both by one secret."""
    own = answers_of(b"known to makers")
    made = template(names, mechanism=mechanism, weak=True)
    fleet = Fleet(made, 2, seed=7, own_mechanism=own)
    secret = fleet.password(0)
    short = {"short_names": made.short_names} if made.short_names else {}
    pair = Pair(fleet=fleet)
    more: dict[str, Any] = {"mechanism": MECHANISMS[mechanism], "weak": True}
    more["answer"] = own if mechanism == 2 else None
    right: Any = HighDigest(secret, client=2, **more)
    if ciphered:
        right = security(pair, HighGMAC, secret=secret, **more)

    async def exercise(meter: Meter) -> None:
        assert await meter.get_data(1, "0-0:42.0.0*255", 2)

    pair.run(right, exercise, **short)
    if ciphered:
        right = replace(right, invocation_counter=fleet[0].receive_floor(1) + 1)
    if mechanism == 2:
        with pytest.raises(UsageError, match="own"):
            pair.run(replace(right, answer=None), exercise, **short)
        wrong = replace(right, answer=lambda challenges: bytes(16))
    else:
        wrong = replace(right, secret=fleet.password(1))
    with pytest.raises((SecurityError, RefusedError)):
        pair.run(wrong, exercise, **short)
    # What was told in clear before is no longer taken.
    if not ciphered:
        with pytest.raises(RefusedError):
            pair.run(Password(secret), exercise, **short)


@pytest.mark.parametrize(("name", "digest"), [("md5", "MD5"), ("sha1", "SHA-1")])
def test_weak_digests_are_refused_unless_asked_for(name: str, digest: str) -> None:
    """At both ends, and with the remedy in the error."""
    number = {known: number for number, known in MECHANISMS.items()}[name]
    pair = Pair(fleet=Fleet(template("residential", mechanism=number, weak=True), 1, seed=7))
    for refused in (
        HighDigest(b"a secret", name),
        security(pair, HighGMAC, mechanism=name, secret=b"a secret"),
    ):
        with pytest.raises(UsageError, match=rf"{digest} .*too weak.*weak=True"):
            pair.run(refused, exercise)
    with pytest.raises(UsageError, match=rf"{digest} .*too weak"):
        template("residential", mechanism=number)
    with pytest.raises(UsageError, match=rf"{digest} .*too weak"):
        fleet_with(c2={"mechanism": number})
    assert fleet_with(c2={"mechanism": 6}).template.associations[2].mechanism == 6


def test_a_maker_s_own_mechanism_is_not_guessed() -> None:
    with pytest.raises(UsageError, match="maker's own"):
        Fleet(template("residential", mechanism=2), 1)


@pytest.mark.parametrize(
    ("mechanism", "suite", "words"), [(7, 0, "suite 1 or 2"), (1, 0, "2 to 7"), (8, 1, "2 to 7")]
)
def test_mechanisms_that_no_template_has(mechanism: int, suite: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        template("residential", suite=suite, mechanism=mechanism)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("mechanism", [5, 6])
def test_other_mechanisms_in_suites_that_sign(suite: int, mechanism: int) -> None:
    fleet = Fleet(template("residential", suite=suite, mechanism=mechanism), 1, seed=7)
    pair = Pair(fleet=fleet)
    assert fleet.line(0, "")["mechanism"] == mechanism
    way = MECHANISMS[mechanism]
    right = security(pair, mechanism=way, secret=fleet.password(0), sign="first", form="general")

    async def read(meter: Meter) -> int:
        return (await meter.read("1-0:1.8.0*255")).value  # type: ignore[return-value]

    assert pair.run(right, read) >= 0


def test_signed_proofs_need_the_right_keys_at_both_ends() -> None:
    pair = suites(1)
    right = security(pair)
    strange = Fleet(template("residential", suite=1), 2, seed=8).client_pairs(1)
    ours: KeyPairs = right.pairs
    with pytest.raises(SecurityError):  # we sign with a key that the meter does not know
        pair.run(replace(right, pairs=replace(ours, signing=strange.signing)), exercise)
    right = security(pair)
    with pytest.raises(SecurityError, match="authenticate"):  # the certificate of another meter
        pair.run(replace(right, pairs=replace(ours, peer_signing=strange.peer_signing)), exercise)
    with pytest.raises(UsageError, match="signing key"):
        pair.run(replace(right, pairs=KeyPairs()), exercise)
    pair.run(security(pair), exercise)


@pytest.mark.parametrize(
    "changes",
    [
        {"protection": "some"},
        {"protection": "none"},
        {"form": "loose"},
        {"message_key": "none"},
        {"sign": "twice"},
        {"mechanism": "trust"},
        {"form": "envelope", "message_key": "wrapped", "pairs": KeyPairs()},
        {"sign": "first", "pairs": KeyPairs(), "mechanism": "gmac", "client": 3},
    ],
    ids=str,
)
def test_impossible_securities_are_refused_before_anything_is_sent(changes: dict[str, Any]) -> None:
    pair = suites(1)
    with pytest.raises(UsageError):
        pair.run(security(pair, **changes), exercise)
    assert pair.fleet[0].receive_floor(1) == -1


@pytest.mark.parametrize("suite", [1, 2])
def test_static_keys_agree_once_in_an_association(suite: int) -> None:
    """Every message has another key all the same: the transaction-id goes into it."""
    pair = suites(suite)
    times = []

    class Counted:
        def __init__(self, key: AgreementKey) -> None:
            self.key, self.curve, self.public_key = key, key.curve, key.public_key

        def agree(self, public_key: bytes) -> bytes:
            times.append(public_key)
            return self.key.agree(public_key)

    for _ in range(2):
        right = security(pair, form="envelope", message_key="static")
        assert right.pairs.agreement is not None
        counted = replace(right.pairs, agreement=Counted(right.pairs.agreement))
        pair.run(replace(right, pairs=counted), exercise)
    assert times == [right.pairs.peer_agreement] * 2  # once in each association
