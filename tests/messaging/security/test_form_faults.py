"""Every fault of a protected APDU in every form: right error, right answer, state unharmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from channels import CLIENT, METER, PLAIN, Both, forms

from ferraris.core.errors import DecodeError, Error, SecurityError
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE, ServerOffer
from ferraris.messaging.dlms.association.server import Indication, Reply, ServerAssociation
from ferraris.messaging.dlms.general import decode_general_signing
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.security import CounterLease, ReplayError
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, SIGNED

FORGED = bytes.fromhex("D80105")  # deciphering error
REPLAYED = bytes.fromhex("D80106")  # and the lowest counter that would do
UNREADABLE = bytes.fromhex("D80202")  # no APDU at all
HAS_OWN_KEYS = ("wrapped", "one pass", "static unified", "signed in one pass")


def server(both: Both) -> ServerAssociation:
    """A meter whose association with the client is open."""
    offer = ServerOffer(
        conformance=FULL_CONFORMANCE,
        ciphered=True,
        policy=both.bits,
        system_title=METER,
        keys=both.keys(),
        lease=CounterLease(1, 1000),
        pairs=both.pairs(2),
        pre_established=True,
        client_system_title=CLIENT,
    )
    made = ServerAssociation(offer, both.chance.randbytes)
    if both.is_dedicated:
        accepted = made._accepted
        assert accepted is not None
        assert accepted.channel is not None
        accepted.channel.dedicate(both.dedicated, CounterLease(1, 1000))
    return made


def refuse(both: Both, octets: bytes, kinds: tuple[type[Error], ...] = (SecurityError,)) -> None:
    """The meter refuses, says so, and stays as it was."""
    floors = both.meter.floor, both.meter.transaction_floor
    with pytest.raises(kinds):
        both.meter.unprotect(octets)
    assert (both.meter.floor, both.meter.transaction_floor) == floors


def wire(both: Both, octets: bytes) -> bytes | None:
    outcome = server(both).receive(octets)
    assert isinstance(outcome, Reply)
    return outcome.octets


def other(both: Both, **changes: object) -> Channel:
    return both.channel(CLIENT, METER, 0, **changes)


@pytest.mark.parametrize(("suite", "form"), forms())
def test_any_bit_flipped(suite: int, form: str) -> None:
    both = Both(suite, form)
    sealed = both.client.protect(PLAIN)
    places = {*range(min(40, len(sealed))), *range(0, len(sealed), 11), len(sealed) - 1}
    for place in sorted(places):
        altered = bytearray(sealed)
        altered[place] ^= 1 << both.chance.randrange(8)
        refuse(both, bytes(altered), (SecurityError, DecodeError))
    assert both.meter.unprotect(sealed).plain == PLAIN


@pytest.mark.parametrize(("suite", "form"), forms())
def test_cut_anywhere(suite: int, form: str) -> None:
    both = Both(suite, form)
    sealed = both.client.protect(PLAIN)
    for size in range(0, len(sealed), 5):
        refuse(both, sealed[:size], (SecurityError, DecodeError))
    refuse(both, sealed + b"\x00", (SecurityError, DecodeError))
    assert both.meter.unprotect(sealed).plain == PLAIN


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("left", range(12))
def test_a_tag_truncated(suite: int, left: int) -> None:
    both = Both(suite, "glo")
    sealed = both.client.protect(PLAIN)
    short = sealed[:1] + octet_string(sealed[2 : len(sealed) - 12 + left])
    refuse(both, short, (SecurityError, DecodeError))
    assert wire(both, short) in (FORGED, UNREADABLE)


@pytest.mark.parametrize("bits", [0x40, 0x80, 0x01, 0x02, 0x0F], ids=hex)
@pytest.mark.parametrize("suite", [0, 1, 2])
def test_another_key_set_or_suite_or_compression(suite: int, bits: int) -> None:
    both = Both(suite, "glo")
    sealed = bytearray(both.client.protect(PLAIN))
    sealed[2] ^= bits
    refuse(both, bytes(sealed))
    assert wire(both, bytes(sealed)) == FORGED


@pytest.mark.parametrize(("suite", "form"), forms())
def test_a_message_of_before(suite: int, form: str) -> None:
    both = Both(suite, form)
    first, second = both.client.protect(PLAIN), both.client.protect(PLAIN)
    assert both.meter.unprotect(second).plain == PLAIN
    kept = both.meter.floor, both.meter.transaction_floor
    for old in (first, second):  # rolled back, and replayed
        with pytest.raises(SecurityError):
            both.meter.unprotect(old)
    assert (both.meter.floor, both.meter.transaction_floor) == kept
    meter = server(both)
    assert isinstance(meter.receive(second), Indication)
    answer = meter.receive(first)
    assert isinstance(answer, Reply)
    assert answer.octets is not None
    by_counter = "signed" not in form and form not in HAS_OWN_KEYS
    assert answer.octets[:3] == (REPLAYED if by_counter else FORGED) or "signed" in form
    again = meter.receive(second)  # as datagrams come twice
    assert isinstance(again, Reply)
    assert again.octets is None


def test_a_counter_is_told_only_to_whoever_knows_the_key() -> None:
    both = Both(1, "identified")
    assert both.meter.unprotect(both.client.protect(PLAIN)).plain == PLAIN
    old = other(both).protect(PLAIN)
    with pytest.raises(ReplayError) as replay:
        both.meter.unprotect(old)
    assert replay.value.lowest == both.meter.floor + 1
    forged = bytearray(old)
    forged[-1] ^= 1
    with pytest.raises(SecurityError) as wrong:
        both.meter.unprotect(bytes(forged))
    assert not isinstance(wrong.value, ReplayError)


@pytest.mark.parametrize(("suite", "form"), forms())
def test_a_foreign_system_title(suite: int, form: str) -> None:
    both = Both(suite, form)
    stranger = both.channel(b"STRANGER", METER, 0)
    sealed = stranger.protect(PLAIN)
    refuse(both, sealed)
    assert wire(both, sealed) == FORGED
    elsewhere = both.channel(CLIENT, b"OTHERMTR", 0)
    if form not in ("glo", "ded", "general-glo", "general-ded"):  # those name no recipient
        refuse(both, elsewhere.protect(PLAIN))


@pytest.mark.parametrize(("suite", "form"), forms())
def test_other_keys(suite: int, form: str) -> None:
    both, strangers = Both(suite, form), Both(suite, form, seed=1)
    sealed = strangers.client.protect(PLAIN)
    refuse(both, sealed, (SecurityError, DecodeError))
    assert wire(both, sealed) in (FORGED, UNREADABLE)
    assert both.meter.unprotect(both.client.protect(PLAIN)).plain == PLAIN


@pytest.mark.parametrize(("suite", "form"), forms())
def test_less_than_the_policy(suite: int, form: str) -> None:
    both = Both(suite, form)
    for bits in (AUTHENTICATION, 0x20, AUTHENTICATION | SIGNED, BOTH, SIGNED):
        if not both.bits & ~bits or (bits & SIGNED and not suite):
            continue
        weak = other(both, control=bits).protect(PLAIN)
        refuse(both, weak)
        assert wire(both, weak) == FORGED
    refuse(both, PLAIN)
    assert wire(both, PLAIN) == FORGED


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("form", [form for suite, form in forms((1,)) if "signed" in form])
def test_a_certificate_of_another(suite: int, form: str) -> None:
    both, strangers = Both(suite, form), Both(suite, form, seed=1)
    pairs = replace(both.pairs(0), signing=strangers.own[0])
    sealed = other(both, pairs=pairs).protect(PLAIN)
    refuse(both, sealed)
    assert wire(both, sealed) == FORGED


@pytest.mark.parametrize("suite", [1, 2])
def test_a_signature_over_other_content(suite: int) -> None:
    both = Both(suite, "signed")
    sealed = both.client.protect(PLAIN)
    message = decode_general_signing(sealed)
    changes: list[Callable[[], None]] = [
        lambda: setattr(message, "content", PLAIN[:-1] + b"\x01"),
        lambda: setattr(message, "date_time", bytes(12)),
        lambda: setattr(message, "other_information", b"x"),
        lambda: setattr(message, "transaction_id", (both.first + 500).to_bytes(8, "big")),
        lambda: setattr(message, "signature", bytes(len(message.signature))),
        lambda: setattr(message, "signature", b""),
    ]
    for change in changes:
        message = decode_general_signing(sealed)
        change()
        refuse(both, message.to_octets())
        assert wire(both, message.to_octets()) == FORGED
    assert both.meter.unprotect(sealed).plain == PLAIN


def test_signed_twice_or_ciphered_twice_is_refused() -> None:
    both = Both(1, "signed")
    twice = other(both, peer_system_title=METER).protect(both.client.protect(PLAIN))
    with pytest.raises(SecurityError, match="twice"):
        both.meter.unprotect(twice)


def test_a_signed_request_needs_an_answer_that_can_be_signed() -> None:
    both = Both(1, "signed")
    meter = server(both)
    accepted = meter._accepted
    assert accepted is not None
    assert accepted.channel is not None
    accepted.channel._pairs = replace(both.pairs(2), signing=None)
    outcome = meter.receive(both.client.protect(PLAIN))
    assert isinstance(outcome, Reply)
    assert outcome.octets == FORGED
