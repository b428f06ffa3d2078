"""General-signing and general-ciphering: every way to a key, and everything that is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from random import Random

import pytest

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.general import (
    GeneralCiphering,
    IdentifiedKey,
    decode_general_ciphering,
    decode_general_signing,
)
from ferraris.messaging.dlms.reading import octet_string
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, ReplayError
from ferraris.messaging.dlms.security.agreement import curve_of
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, KEY_SET, SIGNED
from ferraris.messaging.dlms.security.envelopes import EnvelopeOpener, EnvelopeSealer
from ferraris.messaging.dlms.security.message_keys import Keyring, OnePass, StaticUnified, Wrapped

CLIENT, SERVER = b"CLIENT-1", b"METER-02"
PLAIN = bytes.fromhex("C0010000080000010000FF0200")
WAYS = ["identified", "wrapped", "one pass", "static unified"]


class Ends:
    """A client that seals for a meter that opens, with everything both of them know."""

    def __init__(self, suite: int, way: str, *, signs: bool = True) -> None:
        self.chance = Random(f"{suite} {way}")
        size = 32 if suite == 2 else 16
        draw = self.chance.randbytes
        self.suite = suite
        self.keys = CipherKeys(suite, draw(size), draw(size), draw(size))
        self.master = draw(size)
        self.lease = CounterLease(7, 1000)
        curve = curve_of(suite) if suite else curve_of(1)
        self.signing, self.client, self.server = (
            PrivateKey.generate(curve, draw) for _ in range(3)
        )
        make: dict[str, Callable[[], object]] = {
            "identified": lambda: None,
            "wrapped": lambda: Wrapped(self.master, draw),
            "one pass": lambda: OnePass(self.server.public_key, self.signing, draw),
            "static unified": lambda: StaticUnified(self.client, self.server.public_key),
        }
        self.sealer = EnvelopeSealer(
            self.keys,
            CLIENT,
            SERVER,
            self.lease,
            make_key=make[way](),  # type: ignore[arg-type]
            signing=self.signing if signs else None,
            broadcast_lease=CounterLease(100, 200),
        )
        self.opener = self.an_opener()

    def an_opener(self, **changes: object) -> EnvelopeOpener:
        keyring = Keyring(self.master, self.server, self.client.public_key, self.signing.public_key)
        arguments: dict[str, object] = {
            "keyring": keyring,
            "peer_signing": self.signing.public_key,
            **changes,
        }
        opener = Opener(self.keys, CLIENT, minimum=arguments.pop("minimum", 0))  # type: ignore[arg-type]
        title = arguments.pop("title", SERVER)
        return EnvelopeOpener(self.keys, title, opener, **arguments)  # type: ignore[arg-type]


def pairs() -> list[tuple[int, str]]:
    return [(suite, way) for suite in (0, 1, 2) for way in WAYS if suite or way in WAYS[:2]]


@pytest.mark.parametrize(("suite", "way"), pairs())
@pytest.mark.parametrize("bits", [AUTHENTICATION, BOTH, AUTHENTICATION | SIGNED, BOTH | SIGNED])
def test_every_way_to_a_key(suite: int, way: str, bits: int) -> None:
    ends = Ends(suite, way)
    for counter in (7, 8):
        sealed = ends.sealer.seal(PLAIN, bits | suite)
        assert (PLAIN in sealed) == (not bits & 0x20)
        opened = ends.opener.open(sealed)
        assert opened.plain == PLAIN
        assert opened.control == bits | suite
        assert ends.opener.transaction_floor == opened.counter == counter
        with pytest.raises((ReplayError, SecurityError)):
            ends.opener.open(sealed)
    assert ends.opener.transaction_floor == 8


@pytest.mark.parametrize(("suite", "way"), pairs())
def test_no_altered_octet_passes(suite: int, way: str) -> None:
    ends = Ends(suite, way)
    sealed = ends.sealer.seal(PLAIN, BOTH | suite | SIGNED)
    step = 3 if len(sealed) < 200 else 23
    for position in range(0, len(sealed) * 8, step):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises((SecurityError, DecodeError)):
            ends.an_opener().open(bytes(altered))
    for cut in (sealed[:-1], sealed[: len(sealed) // 2], sealed + b"\x00", b"\xdd", b"\xdf", b""):
        with pytest.raises((SecurityError, DecodeError)):
            ends.an_opener().open(cut)
    assert ends.opener.open(sealed).plain == PLAIN, "nothing was harmed"


def test_a_signature_alone() -> None:
    ends = Ends(1, "identified")
    sealed = ends.sealer.seal(PLAIN, SIGNED)
    assert decode_general_signing(sealed).content == PLAIN
    opened = ends.opener.open(sealed)
    assert (opened.plain, opened.control) == (PLAIN, SIGNED)
    assert not opened.authenticated
    with pytest.raises(SecurityError, match="not above"):
        ends.opener.open(sealed)
    with pytest.raises(SecurityError, match="less protection"):
        ends.an_opener(minimum=AUTHENTICATION).open(sealed)
    stranger = PrivateKey.generate(curve_of(1), Random(1).randbytes)
    with pytest.raises(SecurityError, match="signature"):
        ends.an_opener(peer_signing=stranger.public_key).open(sealed)
    with pytest.raises(SecurityError, match="no certificate"):
        ends.an_opener(peer_signing=b"").open(sealed)


@pytest.mark.parametrize("way", WAYS)
def test_titles_bind_both_ends(way: str) -> None:
    ends = Ends(1, way)
    sealed = ends.sealer.seal(PLAIN, BOTH | 1)
    with pytest.raises(SecurityError, match="another recipient"):
        ends.an_opener(title=b"METER-03").open(sealed)
    message = decode_general_ciphering(sealed)
    message.recipient_system_title = b""
    with pytest.raises(SecurityError):
        ends.an_opener(title=b"METER-03").open(message.to_octets())
    message.originator_system_title = b"CLIENT-2"
    with pytest.raises(SecurityError, match="another originator"):
        ends.opener.open(message.to_octets())


@pytest.mark.parametrize("way", WAYS)
def test_a_recipient_that_lacks_the_key(way: str) -> None:
    ends = Ends(1, way)
    sealed = ends.sealer.seal(PLAIN, BOTH | 1)
    if way != "identified":
        with pytest.raises(SecurityError):
            ends.an_opener(keyring=Keyring()).open(sealed)
    other = Ends(1, way)
    other.master = bytes(16)
    other.server = PrivateKey.generate(curve_of(1), Random(9).randbytes)
    other.keys = CipherKeys(1, bytes(16), bytes(16))
    with pytest.raises(SecurityError):
        other.an_opener().open(sealed)


def test_broadcast_has_counters_of_its_own() -> None:
    ends = Ends(0, "identified")
    sealed = ends.sealer.seal(PLAIN, BOTH | KEY_SET)
    opened = ends.opener.open(sealed)
    assert (opened.plain, opened.counter) == (PLAIN, 100)
    message = decode_general_ciphering(sealed)
    assert message.key_info is not None
    message.key_info.key_id = 0  # type: ignore[union-attr]
    with pytest.raises(SecurityError, match="key-set"):
        ends.an_opener().open(message.to_octets())
    without = EnvelopeSealer(ends.keys, CLIENT, SERVER, CounterLease(1, 9))
    with pytest.raises(UsageError):
        without.seal(PLAIN, BOTH | KEY_SET)
    with pytest.raises(UsageError):
        Ends(0, "wrapped").sealer.seal(PLAIN, BOTH | KEY_SET)


def test_one_counter_serves_once_in_all_forms() -> None:
    ends = Ends(1, "static unified")
    seen = set()
    for bits in (SIGNED, BOTH | 1, BOTH | 1 | SIGNED):
        sealed = ends.sealer.seal(PLAIN, bits)
        decode = decode_general_signing if bits == SIGNED else decode_general_ciphering
        seen.add(decode(sealed).transaction_id)
    assert len(seen) == 3
    assert ends.lease.last == 9


def test_what_a_sealer_refuses() -> None:
    ends = Ends(1, "identified", signs=False)
    with pytest.raises(UsageError):
        ends.sealer.seal(PLAIN, SIGNED)
    with pytest.raises(UsageError):
        ends.sealer.seal(PLAIN, 1)
    with pytest.raises(UsageError):
        pickle.dumps(ends.sealer)
    shown = repr(ends.sealer) + repr(Wrapped(ends.master, bytes)) + repr(Keyring(ends.master))
    assert ends.master.hex() not in shown
    assert str(ends.master) not in shown
    spent = EnvelopeSealer(ends.keys, CLIENT, SERVER, CounterLease(1, 1))
    with pytest.raises(SecurityError):
        spent.seal(PLAIN, BOTH | 1)


@pytest.mark.parametrize(
    "lengths",
    [
        (8, 8, 8, 0, 0),
        (8, 8, 8, 12, 0),
        (8, 8, 8, 0, 3),
        (9, 8, 8, 0, 0),
        (8, 0, 8, 0, 0),
        (8, 8, 200, 0, 0),
    ],
)
def test_headers_of_the_usual_lengths_and_others(lengths: tuple[int, ...]) -> None:
    """Usual ones are read and written at a stroke, to the same octets and the same errors."""
    chance = Random(6)
    fields = [chance.randbytes(length) for length in lengths]
    message = GeneralCiphering(*fields, IdentifiedKey(0), b"content")
    octets = message.to_octets()
    assert message.header == b"".join(map(octet_string, fields))
    assert octets == b"\xdd" + message.header + b"\x01\x00\x00" + octet_string(b"content")
    assert decode_general_ciphering(octets) == message
    for end in range(1, len(octets)):
        with pytest.raises(DecodeError):
            decode_general_ciphering(octets[:end])
