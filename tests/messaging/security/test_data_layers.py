"""Layers of protection around data: what they leave, and every fault of every kind."""

from __future__ import annotations

from typing import Any

import pytest
from channels import CLIENT, METER, Both

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.gcm import Gcm
from ferraris.data.kinds import enum, octet_string, structure
from ferraris.messaging.dlms.general import AgreedKey, IdentifiedKey, WrappedKey
from ferraris.messaging.dlms.security import CipherKeys, CounterLease
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, ENCRYPTION, SIGNED
from ferraris.messaging.dlms.security.data_layers import (
    DataLayer,
    DataOpener,
    DataSealer,
    LayerKind,
    protection_of,
    transaction_number,
    wished,
)
from ferraris.messaging.dlms.security.forms import NO_PAIRS, KeySource

DATA = bytes.fromhex("0203060000002A0904AABBCCDD1600")
A, E, B, S = LayerKind
KINDS: dict[str, list[tuple[LayerKind, KeySource]]] = {
    "authenticated": [(A, KeySource.IDENTIFIED)],
    "both": [(B, KeySource.IDENTIFIED)],
    "wrapped": [(B, KeySource.WRAPPED)],
    "authenticated, then encrypted": [(A, KeySource.IDENTIFIED), (E, KeySource.IDENTIFIED)],
    "signed": [(S, KeySource.IDENTIFIED)],
    "one pass": [(B, KeySource.ONE_PASS)],
    "static": [(B, KeySource.STATIC)],
    "signed, then both": [(S, KeySource.IDENTIFIED), (B, KeySource.ONE_PASS)],
    "static, then signed": [(B, KeySource.STATIC), (S, KeySource.IDENTIFIED)],
}
SUITE_0 = ("authenticated", "both", "wrapped", "authenticated, then encrypted")
ALL = [(suite, name) for suite in (0, 1, 2) for name in KINDS if suite or name in SUITE_0]


class Ends:
    """A client that seals, and a meter that opens."""

    def __init__(self, suite: int) -> None:
        self.both = both = Both(suite, "glo")
        self.lease = CounterLease(100, 200)
        self.sealer = DataSealer(
            both.keys(), CLIENT, METER, self.lease, both.pairs(0), entropy=both.chance.randbytes
        )
        self.opener = self.opening()

    def opening(self, **changes: Any) -> DataOpener:
        both = self.both
        known = {"keys": both.keys(), "title": METER, "peer": CLIENT, "pairs": both.pairs(2)}
        floor = changes.pop("floor", -1)
        keys, title, peer, pairs = {**known, **changes}.values()
        return DataOpener(keys, title, peer, pairs, floor=floor)

    def seal(self, name: str) -> tuple[bytes, list[DataLayer]]:
        wanted = [wished(*each) for each in KINDS[name]]
        transaction = self.sealer.transaction(7)
        return self.sealer.seal(DATA, self.sealer.addressed(wanted, transaction))


def refuse(opener: DataOpener, octets: bytes, layers: list[DataLayer]) -> None:
    with pytest.raises((SecurityError, DecodeError)):
        opener.open(octets, layers)


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_round_trip(suite: int, name: str) -> None:
    ends = Ends(suite)
    octets, layers = ends.seal(name)
    assert DATA not in octets or not protection_of(layers) & ENCRYPTION
    told = [DataLayer.of(each.fields) for each in layers]
    assert told == layers
    assert ends.opener.open(octets, told) == DATA
    assert transaction_number(told) == 107
    again, other = ends.seal(name)
    assert again != octets
    assert transaction_number(other) > 107


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_any_bit_flipped_and_cut_anywhere(suite: int, name: str) -> None:
    ends = Ends(suite)
    octets, layers = ends.seal(name)
    for place in {*range(min(60, len(octets))), len(octets) - 1}:
        altered = bytearray(octets)
        altered[place] ^= 1 << ends.both.chance.randrange(8)
        refuse(ends.opener, bytes(altered), layers)
    for size in range(0, len(octets), 7):
        refuse(ends.opener, octets[:size], layers)
    refuse(ends.opener, octets + b"\x00", layers)
    assert ends.opener.open(octets, layers) == DATA


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_every_field_of_the_header_is_vouched_for(suite: int, name: str) -> None:
    ends = Ends(suite)
    octets, layers = ends.seal(name)
    for place, layer in enumerate(layers):
        if layer.kind is LayerKind.ENCRYPTION:
            continue  # nothing vouches for its header
        for change in (
            {"transaction_id": b"\x00" * 8},
            {"originator": METER},
            {"originator": b""},
            {"recipient": CLIENT},
            {"recipient": b""},
            {"other_information": b"more"},
        ):
            refuse(
                ends.opener,
                octets,
                [*layers[:place], layer._replace(**change), *layers[place + 1 :]],
            )
    if len(layers) > 1:
        refuse(ends.opener, octets, layers[::-1])
        refuse(ends.opener, octets, layers[:1])
    refuse(ends.opener, octets, [*layers, layers[-1]])


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_other_keys_and_other_ends(suite: int, name: str) -> None:
    ends = Ends(suite)
    octets, layers = ends.seal(name)
    strange = Both(suite, "glo", seed=1)
    wrong = [
        ends.opening(title=CLIENT, peer=METER),
        ends.opening(peer=b"OTHERONE"),
        ends.opening(title=b"OTHERONE"),
        ends.opening(keys=strange.keys(), pairs=strange.pairs(2)),
        ends.opening(keys=strange.keys()) if name != "signed" else ends.opening(pairs=NO_PAIRS),
    ]
    for opener in wrong:
        refuse(opener, octets, layers)


@pytest.mark.parametrize("kind", [A, E, B])
def test_what_the_octets_say_must_be_what_the_parameters_say(kind: LayerKind) -> None:
    ends = Ends(1)
    wanted = ends.sealer.addressed([wished(kind)], bytes(8))
    octets, layers = ends.sealer.seal(DATA, wanted)
    assert ends.opener.open(octets, layers) == DATA
    for other in (A, E, B):
        if other is not kind:
            refuse(ends.opener, octets, [layers[0]._replace(kind=other)])


def test_the_global_key_has_a_floor() -> None:
    ends = Ends(0)
    octets, layers = ends.seal("both")
    counter = int.from_bytes(octets[1:5], "big")
    assert ends.opening(floor=counter - 1).open(octets, layers) == DATA
    refuse(ends.opening(floor=counter), octets, layers)


def test_a_ciphered_layer_as_the_fact_sheet_says() -> None:
    """Security control, counter, ciphertext, tag; the header is authenticated, each field sized."""
    ends = Ends(0)
    octets, _ = ends.seal("both")
    both = ends.both
    header = bytes((8, *(107).to_bytes(8, "big"), 8, *CLIENT, 8, *METER, 0, 0))
    vector = CLIENT + octets[1:5]
    assert octets[:1] == b"\x30"
    assert Gcm(both.ek).open(vector, b"\x30" + both.ak + header, octets[5:]) == DATA


def test_counters_are_taken_one_for_each_ciphered_layer() -> None:
    ends = Ends(1)
    counters = set()
    for name in ("both", "wrapped", "static", "one pass"):
        octets, _ = ends.seal(name)
        counters.add(octets[1:5])
    assert len(counters) == 4
    assert ends.lease.left == 100 - 8


def test_bits_of_layers() -> None:
    assert protection_of([wished(A)]) == AUTHENTICATION
    assert protection_of([wished(A), wished(E)]) == BOTH
    assert protection_of([wished(B), wished(S)]) == BOTH | SIGNED
    assert protection_of([]) == 0


@pytest.mark.parametrize(
    "fields",
    [
        (4, (b"", b"", b"", b"", (0, enum(0)))),
        (2, (b"", b"", b"", b"", (3, enum(0)))),
        (2, (b"", b"", b"", b"", (0, octet_string(b"")))),
        (2, (b"", b"", b"", b"", (1, enum(0)))),
        (2, (b"", b"", b"", b"", (1, structure(octet_string(b""), octet_string(b""))))),
        (2, (b"", b"", b"", b"", (2, structure(enum(1), octet_string(b""))))),
        (2, (b"", b"", b"", b"", (2, structure(octet_string(b""))))),
    ],
)
def test_parameters_of_no_kind(fields: Any) -> None:
    with pytest.raises(DecodeError):
        DataLayer.of(fields)


def test_what_cannot_be_made() -> None:
    ends = Ends(0)
    for layers in (
        [wished(S)],
        [wished(B, KeySource.ONE_PASS)],
        [wished(B, KeySource.STATIC)],
        [wished(B)._replace(key_info=IdentifiedKey(1))],
    ):
        if layers[0].source is KeySource.IDENTIFIED and layers[0].kind is B:
            with pytest.raises(UsageError):
                ends.sealer.seal(DATA, layers)
            continue
        bare = DataSealer(
            ends.both.keys(), CLIENT, METER, CounterLease(1, 9), NO_PAIRS, entropy=None
        )
        with pytest.raises(UsageError):
            bare.seal(DATA, layers)
    for count in (0, 5):
        with pytest.raises(SecurityError):
            ends.sealer.seal(DATA, [wished(B)] * count)
        refuse(ends.opener, DATA, [wished(B)] * count)


@pytest.mark.parametrize(
    "info", [WrappedKey(0, bytes(24)), WrappedKey(1, bytes(24)), AgreedKey(b"\x01", bytes(5)),
             AgreedKey(b"\x02", b"?"), AgreedKey(b"", b""), IdentifiedKey(1), IdentifiedKey(9)]
)  # fmt: skip
def test_keys_that_cannot_be_found(info: Any) -> None:
    ends = Ends(1)
    octets, layers = ends.seal("both")
    refuse(ends.opener, octets, [layers[0]._replace(key_info=info)])


@pytest.mark.parametrize("transactions", [(b"\x01", b"\x02"), (bytes(10),), ()])
def test_one_transaction(transactions: tuple[bytes, ...]) -> None:
    layers = [wished(B)._replace(transaction_id=each) for each in transactions]
    with pytest.raises(SecurityError):
        transaction_number(layers)


def test_nothing_secret_is_shown() -> None:
    ends = Ends(1)
    _, layers = ends.seal("wrapped")
    shown = f"{ends.sealer!r} {ends.opener!r} {layers!r}"
    assert not any(key.hex() in shown for key in (ends.both.ek, ends.both.ak, ends.both.kek))
    keys = CipherKeys(0, bytes(16), bytes(16))
    with pytest.raises(UsageError):
        DataSealer(keys, b"short", METER, CounterLease(1, 2), NO_PAIRS, entropy=None)
