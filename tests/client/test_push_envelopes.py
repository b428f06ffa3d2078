"""Pushes in general-ciphering and general-signing: opened by every way to a key, and refused."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ferraris.client.push import Push, PushFailed
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_receiving import PushReceiver
from ferraris.core.errors import DecodeError, Error, SecurityError, UsageError
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.data import axdr
from ferraris.data.kinds import double_long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.general import GeneralGlo, GeneralSigning
from ferraris.messaging.dlms.notify import (
    LONG_CONFIRMED,
    DataNotification,
    DataNotificationConfirm,
)
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, ENCRYPTION, SIGNED
from ferraris.messaging.dlms.security.counters import ReplayError, SpentTransactionError
from ferraris.messaging.dlms.security.envelopes import EnvelopeSealer
from ferraris.messaging.dlms.security.message_keys import (
    MakeKey,
    OnePass,
    StaticUnified,
    UncertifiedError,
    Wrapped,
)

TITLE, OURS = b"FRR\0\0\0\0\7", b"FRR\0\0\0\0\1"
NAME = Obis.parse("1-0:1.8.0*255")
BODY = axdr.encode(structure(octet_string(NAME), double_long_unsigned(5)))
PLAIN = DataNotification(7, b"", BODY).to_octets()
CONFIRMED = DataNotification(7 | LONG_CONFIRMED, b"", BODY).to_octets()
CHANCE = Random(40)
ENCRYPTION_KEY, AUTHENTICATION_KEY, MASTER_KEY = (CHANCE.randbytes(16) for _ in range(3))
METER, SIGNER, LISTENER = (PrivateKey.generate(Curve.P256, CHANCE.randbytes) for _ in range(3))
SUITE = 1
WAYS: dict[str, MakeKey | None] = {
    "named": None,
    "wrapped": Wrapped(MASTER_KEY, CHANCE.randbytes),
    "one pass": OnePass(LISTENER.public_key, SIGNER, CHANCE.randbytes),
    "static unified": StaticUnified(METER, LISTENER.public_key),
}


def keys(**changes: Any) -> PushKeys:
    known: dict[str, Any] = {
        "suite": SUITE,
        "client_system_title": OURS,
        "sender_signing": SIGNER.public_key,
        "master_key": MASTER_KEY,
        "agreement_key": LISTENER,
        "sender_agreement": METER.public_key,
        **changes,
    }
    return PushKeys(ENCRYPTION_KEY, known.pop("authentication_key", AUTHENTICATION_KEY), **known)


def receiver(**changes: Any) -> PushReceiver:
    return PushReceiver({TITLE: keys(**changes)})


def sender(way: str = "named", recipient: bytes = OURS, first: int = 7) -> EnvelopeSealer:
    sealing = CipherKeys(SUITE, ENCRYPTION_KEY, AUTHENTICATION_KEY)
    lease = CounterLease(first, 1000)
    return EnvelopeSealer(sealing, TITLE, recipient, lease, make_key=WAYS[way], signing=SIGNER)


def taken(listener: PushReceiver, octets: bytes) -> Push:
    (push,) = listener.take(octets, "m")
    assert isinstance(push, Push), push
    assert [reading.value for reading in push.readings] == [5]
    assert push.system_title == TITLE
    return push


def refused(listener: PushReceiver, octets: bytes, kind: type[Error], words: str = "") -> None:
    (failed,) = listener.take(octets, "m")
    assert isinstance(failed, PushFailed)
    assert type(failed.error) is kind, failed
    assert words in str(failed)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bits", [AUTHENTICATION, BOTH, BOTH | SIGNED])
def test_a_ciphered_push_is_opened_by_every_way_to_a_key(way: str, bits: int):
    sealer, listener = sender(way), receiver()
    first = sealer.seal(PLAIN, bits | SUITE)
    push = taken(listener, first)
    assert push.protection.authenticated
    assert push.protection.counter == 7
    assert push.protection.encrypted == bool(bits & ENCRYPTION)
    assert push.protection.signed == bool(bits & SIGNED)
    refused(listener, first, ReplayError if way == "named" else SpentTransactionError)
    taken(listener, sealer.seal(PLAIN, bits | SUITE))


def test_a_signed_push_proves_its_sender_without_a_tag():
    sealer, listener = sender(), receiver()
    octets = sealer.seal(PLAIN, SIGNED | SUITE)
    forged = bytearray(octets)
    forged[-1] ^= 1
    refused(listener, bytes(forged), SecurityError)
    push = taken(listener, octets)
    assert (push.protection.authenticated, push.protection.signed) == (True, True)
    assert push.protection.counter is None
    assert "signed" in str(push.protection)
    refused(listener, octets, SpentTransactionError, "transaction")
    taken(listener, sealer.seal(PLAIN, SIGNED | SUITE))


def test_the_policy_is_kept():
    both = receiver(protection="both")
    refused(both, sender().seal(PLAIN, SIGNED | SUITE), SecurityError, "less protection")
    refused(both, sender().seal(PLAIN, AUTHENTICATION | SUITE), SecurityError)
    refused(receiver(), sender().seal(PLAIN, ENCRYPTION | SUITE), SecurityError)
    unsigned = receiver(sender_signing=b"")
    refused(unsigned, sender().seal(PLAIN, SIGNED | SUITE), UncertifiedError, "no certificate")
    keyless = receiver(authentication_key=None, sender_signing=b"")
    refused(keyless, sender().seal(PLAIN, BOTH | SUITE), SecurityError, "authentication key")
    with pytest.raises(UsageError, match="authentication key"):
        keys(authentication_key=None, sender_signing=b"", protection="authentication")


def test_what_was_only_encrypted_shuts_nobody_out():
    listener = receiver(protection="encryption")
    far = sender(first=900).seal(PLAIN, ENCRYPTION | SUITE)
    push = taken(listener, far)
    assert not push.protection.authenticated
    refused(listener, far, ReplayError, "came before")
    taken(listener, sender().seal(PLAIN, BOTH | SUITE))


def test_counters_are_shared_with_the_other_forms():
    listener = receiver()
    sealing = CipherKeys(SUITE, ENCRYPTION_KEY, AUTHENTICATION_KEY)
    glo = Sealer(sealing, TITLE, CounterLease(50, 60)).seal(PLAIN, BOTH | SUITE)
    taken(listener, GeneralGlo(TITLE, glo).to_octets())
    refused(listener, sender(first=49).seal(PLAIN, BOTH | SUITE), ReplayError)
    taken(listener, sender(first=51).seal(PLAIN, BOTH | SUITE))


def test_floors_are_told_and_given_back():
    told: list[tuple[bytes, int]] = []
    listener = PushReceiver(
        {TITLE: keys()}, on_transaction=lambda title, number: told.append((title, number))
    )
    sealer = sender()
    first = sealer.seal(PLAIN, SIGNED | SUITE)
    taken(listener, first)
    assert told == [(TITLE, 7)]
    restarted = receiver(transaction_floor=7)
    refused(restarted, first, SpentTransactionError, "transaction 7")
    taken(restarted, sealer.seal(PLAIN, SIGNED | SUITE))


@pytest.mark.parametrize("bits", [SIGNED, BOTH, BOTH | SIGNED])
def test_the_receipt_is_protected_as_well_as_the_push(bits: int):
    listener = receiver(lease=CounterLease(1, 9))
    push = taken(listener, sender().seal(CONFIRMED, bits | SUITE))
    octets = listener.confirmation(push)
    assert octets is not None
    glo = decode(octets)
    assert isinstance(glo, GeneralGlo)
    opener = Opener(CipherKeys(SUITE, ENCRYPTION_KEY, AUTHENTICATION_KEY), OURS)
    opened = opener.open(glo.content)
    assert opened.authenticated
    assert isinstance(decode(opened.plain), DataNotificationConfirm)


def test_others_are_refused():
    refused(receiver(), sender(recipient=b"FRR\0\0\0\0\2").seal(PLAIN, BOTH | SUITE), SecurityError)
    stranger = PushReceiver({b"FRR\0\0\0\0\6": keys()})
    refused(stranger, sender().seal(PLAIN, BOTH | SUITE), SecurityError, "no keys")
    odd = GeneralSigning(b"\1", b"odd", b"", b"", b"", PLAIN, bytes(64)).to_octets()
    refused(receiver(), odd, DecodeError, "8 octets")
    for octets in (b"\xdd", b"\xdf", sender().seal(PLAIN, BOTH | SUITE)[:40]):
        refused(receiver(), octets, DecodeError)
