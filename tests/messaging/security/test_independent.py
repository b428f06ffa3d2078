"""Every form of protection against a second implementation, both ways, on random messages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from channels import CLIENT, METER, Both, forms
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from independent import (
    Bad,
    End,
    check,
    digest_proof,
    ecdsa_input,
    gmac_token,
    kdf,
    shared,
    sign,
)

from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer, hls
from ferraris.messaging.dlms.security.agreement import Purpose, agree_ephemeral_unified
from ferraris.messaging.dlms.security.control import BOTH, SIGNED

TAGS = (0xC0, 0xC1, 0xC3)
LAYERS = {
    "identified": ["identified"],
    "signed": ["signing"],
    "signed in general-glo": ["general glo", "signing"],
    "signed in general-ded": ["general ded", "signing"],
    "signed in an envelope": ["identified", "signing"],
    "signed in one pass": ["one pass", "signing"],
    "signed around glo": ["signing", "glo"],
    "signed around an envelope": ["signing", "wrapped"],
    "general-glo": ["general glo"],
    "general-ded": ["general ded"],
}


def messages(both: Both) -> list[bytes]:
    """Empty content, short ones, and such as need longer lengths."""
    draw = both.chance
    sizes = [0, 1, 15, 16, 126, 127, 128, 300, 70_000, draw.randrange(2000)]
    return [bytes((draw.choice(TAGS),)) + draw.randbytes(size) for size in sizes]


@pytest.mark.parametrize(("suite", "form"), forms())
@pytest.mark.parametrize("own", [0, 2])
def test_what_we_seal_the_other_opens(suite: int, form: str, own: int) -> None:
    both = Both(suite, form)
    ours = both.client if own == 0 else both.meter
    for plain in messages(both):
        twin = both.twin(2 - own)
        assert twin.open(ours.protect(plain)) == plain
        assert twin.seen == LAYERS.get(form, [form])


def made(twin: End, both: Both, plain: bytes, bits: int, counter: int) -> bytes:
    """The form of `both`, by the other implementation."""
    form = both.form
    draw = both.chance.randbytes
    fresh = {"wrapped": len(both.ek), "one pass": 31}

    def envelope(octets: bytes, way: str) -> bytes:
        key = draw(fresh[way]) if way in fresh else b""
        return twin.general_ciphering(octets, bits, counter, counter, way, key)

    def signed(octets: bytes, number: int = counter) -> bytes:
        return twin.general_signing(octets, number)

    ways: dict[str, Callable[[], bytes]] = {
        "glo": lambda: twin.glo(plain, bits, counter),
        "ded": lambda: twin.ded(plain, bits, counter),
        "general-glo": lambda: twin.general_glo(plain, bits, counter),
        "general-ded": lambda: twin.general_ded(plain, bits, counter),
        "signed": lambda: signed(plain),
        "signed in general-glo": lambda: twin.general_glo(signed(plain), bits, counter),
        "signed in general-ded": lambda: twin.general_ded(signed(plain), bits, counter),
        "signed in an envelope": lambda: envelope(signed(plain), "identified"),
        "signed in one pass": lambda: envelope(signed(plain), "one pass"),
        "signed around glo": lambda: signed(twin.glo(plain, bits, counter)),
        "signed around an envelope": lambda: signed(envelope(plain, "wrapped"), counter + 1),
    }
    return ways.get(form, lambda: envelope(plain, form))()


@pytest.mark.parametrize(("suite", "form"), forms())
@pytest.mark.parametrize("own", [0, 2])
def test_what_the_other_seals_we_open(suite: int, form: str, own: int) -> None:
    both = Both(suite, form)
    ours = both.client if own == 0 else both.meter
    twin = both.twin(2 - own)
    for place, plain in enumerate(messages(both)):
        opened = ours.unprotect(made(twin, both, plain, both.bits & BOTH, 10 + 10 * place))
        assert opened.plain == plain
        assert opened.control & (BOTH | SIGNED) == both.bits


@pytest.mark.parametrize(("suite", "form"), [each for each in forms() if each[1] != "signed"])
@pytest.mark.parametrize("bits", [0x10, 0x20])
def test_authentication_and_encryption_alone(suite: int, form: str, bits: int) -> None:
    both = Both(suite, form)
    only = bits | both.bits & SIGNED
    plain = both.chance.randbytes(40)
    plain = b"\xc0" + plain
    sender = both.channel(CLIENT, METER, 0, control=only)
    assert both.twin(2).open(sender.protect(plain)) == plain
    named = form in {"wrapped", "one pass", "static unified", "signed in one pass"}
    if bits == 0x20 and (named or form == "signed around an envelope"):
        return  # a key of its own needs a tag, as another test says
    receiver = both.channel(METER, CLIENT, 2, minimum=only)
    assert receiver.unprotect(made(both.twin(0), both, plain, bits, 10)).plain == plain


def test_the_other_one_refuses_what_it_should() -> None:
    """A check of the check: the second implementation opens nothing altered."""
    both = Both(1, "signed in one pass")
    sealed = both.client.protect(b"\xc0" + bytes(20))
    for place in range(0, len(sealed), 7):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises((Bad, InvalidUnwrap, ValueError, IndexError, AssertionError)):
            assert both.twin(2).open(bytes(altered)) == sealed


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_proofs_of_high_level_security(suite: int) -> None:
    chance = Random(suite)
    both = Both(suite, "glo")
    received, sent = chance.randbytes(64), chance.randbytes(32)
    keys = CipherKeys(suite, both.ek, both.ak)
    token = Sealer(keys, CLIENT, CounterLease(5, 9)).token(received)
    assert token == gmac_token(suite, both.ek, both.ak, CLIENT, 5, received)
    back = gmac_token(suite, both.ek, both.ak, METER, 8, sent)
    assert Opener(keys, METER).check_token(back, sent) == 8
    secret = chance.randbytes(20)
    ends = {"own_title": CLIENT, "peer_title": METER}
    for mechanism in (3, 4, 6):
        proof = hls.digest_reply(mechanism, secret, received=received, sent=sent, **ends)
        assert proof == digest_proof(mechanism, secret, CLIENT, METER, received, sent)
        theirs = digest_proof(mechanism, secret, METER, CLIENT, sent, received)
        hls.check_digest_reply(mechanism, secret, theirs, sent=sent, received=received, **ends)


@pytest.mark.parametrize("suite", [1, 2])
def test_signed_proofs_and_agreed_keys(suite: int) -> None:
    both = Both(suite, "glo")
    received, sent = both.chance.randbytes(43), both.chance.randbytes(32)
    ends = {"own_title": CLIENT, "peer_title": METER}
    proof = hls.ecdsa_reply(both.own[0], received=received, sent=sent, **ends)
    check(suite, both.public[0], proof, ecdsa_input(CLIENT, METER, received, sent))
    theirs = sign(suite, both.bare[2], ecdsa_input(METER, CLIENT, sent, received))
    hls.check_ecdsa_reply(both.public[2], theirs, sent=sent, received=received, **ends)
    for purpose in Purpose:
        key = agree_ephemeral_unified(
            suite,
            both.own[1],
            both.public[3],
            initiator_title=CLIENT,
            responder_title=METER,
            purpose=purpose,
        )
        z = shared(suite, both.bare[3], both.public[1])
        assert key == kdf(suite, z, CLIENT, METER, wrap=purpose is Purpose.WRAPPING)
