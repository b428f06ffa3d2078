"""Published and computed vectors of suite 0, 1 and 2, both directions [facts-g]."""

from __future__ import annotations

import copy
import pickle

import pytest

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.messaging.dlms.security import (
    AUTHENTICATION,
    BOTH,
    ENCRYPTION,
    KEY_SET,
    CipherKeys,
    CounterLease,
    Opener,
    ReplayError,
    Sealer,
    SecurityControl,
)
from ferraris.messaging.dlms.security.protection import TOKEN_OCTETS

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
TITLE = bytes.fromhex("4D4D4D0000BC614E")
COUNTER = 0x01234567
GET = bytes.fromhex("C0010000080000010000FF0200")
DEDICATED = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
INITIATE_REQUEST = bytes.fromhex("01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0")
INITIATE_RESPONSE = bytes.fromhex("0800065F1F0400007C1F04000007")

SUITE_0 = CipherKeys(0, EK, AK)
KEYS = {
    "suite 0": SUITE_0,
    "dedicated": SUITE_0.dedicated(DEDICATED),
    "suite 1": CipherKeys(1, EK, AK),
    "suite 2": CipherKeys(2, bytes(range(32)), bytes(range(0xD0, 0xF0))),
}

VECTORS = [
    ("suite 0", 0x10, GET, "C0010000080000010000FF0200 06725D910F9221D263877516"),
    ("suite 0", 0x20, GET, "411312FF935A47566827C467BC"),
    ("suite 0", 0x30, GET, "411312FF935A47566827C467BC 7D825C3BE4A77C3FCC056B6B"),
    (
        "suite 0",
        0x30,
        INITIATE_REQUEST,
        "801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE68 41DB204D39EE6FDB8E356855",
    ),
    (
        "suite 0",
        0x30,
        INITIATE_RESPONSE,
        "891214A0845E475714383F65BC19 745CA235906525E4F3E1C893",
    ),
    ("dedicated", 0x30, GET, "538219D99EE74436A08744D81E C04B2DF4D19FD8D8CD748873"),
    ("suite 1", 0x31, GET, "411312FF935A47566827C467BC E8691C99484B00B2449055B5"),
    ("suite 2", 0x32, GET, "E82B2AD3EE8C12A6FB27038F08 442193498C6A53DE55EEB9D2"),
]


def sealer(
    keys: CipherKeys = SUITE_0, counter: int = COUNTER, title: bytes = TITLE, count: int = 1
) -> Sealer:
    return Sealer(keys, title, CounterLease(counter, counter + count))


@pytest.mark.parametrize(("name", "control", "plain", "body"), VECTORS)
def test_vectors_both_ways(name: str, control: int, plain: bytes, body: str) -> None:
    expected = bytes((control,)) + COUNTER.to_bytes(4, "big") + bytes.fromhex(body)
    assert sealer(KEYS[name]).seal(plain, control) == expected
    opener = Opener(KEYS[name], TITLE, minimum=0)
    assert opener.open(expected) == (plain, control, COUNTER)


def test_general_ciphering_vector_both_ways() -> None:
    """Transaction-id, both titles, empty date-time and other information are authenticated."""
    keys = CipherKeys(1, bytes.fromhex("811E7C1F8F6BD02E933DDA04EADF9D30"), AK)
    title = b"ABCDEFGH"
    fields = bytes.fromhex("080000000000000002 084142434445464748 084354543030303030 00 00")
    plain = bytes.fromhex(
        "DF080000000000000002084142434445464748084354543030303030000082DEB14068969EBE2E725C81776A"
        "186D578AC4292233B602DA21AE7EE597E1D956C48C88E404DADACBA3C75985877611A0A7CB658204E9A8B752"
        "DFB59E64D3C21EB7271E"
    )
    content = bytes.fromhex(
        "3100000002"
        "3C7753636312082D3AEF50EC823C95D7C6E8EEA7C8EE51CB344AE1CE8C7EABDECE738AE4E2E46FD4DAF68F53"
        "713C58FA609582269A677478B2ACFAB13CE04542CB764F9849D79E6377B1FA7BE41BE30C8D283E105F4BCEC3"
        "58EA3E2D75EC55D80FE85B329EB4074B1F3D547326A4"
    )
    assert sealer(keys, 2, title).seal(plain, 0x31, fields) == content
    assert Opener(keys, title).open(content, fields).plain == plain
    for wrong in (b"", fields[:-1]):
        with pytest.raises(SecurityError):
            Opener(keys, title).open(content, wrong)
    signed = sealer(keys, 2, title).seal(plain, 0x11, fields)
    assert Opener(keys, title).open(signed, fields).plain == plain


def test_hls_gmac_vector_both_ways() -> None:
    client = bytes.fromhex("4D4D4D0000000001")
    token = bytes.fromhex("10 00000001 1A52FE7DD3E72748973C1E28")
    assert sealer(counter=1, title=client).token(b"P6wRJ21F") == token
    assert Opener(SUITE_0, client).check_token(token, b"P6wRJ21F") == 1
    answer = bytes.fromhex("10 01234567 FE1466AFB3DBCD4F9389E2B7")
    assert sealer().token(b"K56iVagY") == answer
    assert Opener(SUITE_0, TITLE).check_token(answer, b"K56iVagY") == COUNTER


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("bits", [AUTHENTICATION, ENCRYPTION, BOTH])
@pytest.mark.parametrize("key_set", [0, KEY_SET])
def test_every_suite_and_protection(suite: int, bits: int, key_set: int) -> None:
    size = 32 if suite == 2 else 16
    keys = CipherKeys(suite, b"\x01" * size, b"\x02" * size, b"\x03" * size)
    control = SecurityControl.of(suite) & ~BOTH | bits | key_set
    sending = Sealer(keys, TITLE, CounterLease(1, 9), CounterLease(101, 109))
    for plain in (b"", b"\xc0", bytes(1000)):
        content = sending.seal(plain, control)
        opened = Opener(keys, TITLE, minimum=0).open(content)
        assert opened.plain == plain
        assert opened.authenticated == bool(bits & AUTHENTICATION)
        assert (opened.counter > 100) == bool(key_set)
        assert (plain in content) == (not bits & ENCRYPTION or not plain)
    unicast = CipherKeys(suite, b"\x03" * size, b"\x02" * size)
    with pytest.raises(SecurityError):
        Opener(unicast, TITLE).open(sending.seal(b"x", 0x70 | suite))


def test_order_tag_then_counter_then_floor() -> None:
    sending = sealer(counter=10, count=5)
    first, second, third = (sending.seal(GET, 0x30) for _ in range(3))
    opener = Opener(SUITE_0, TITLE, floor=9)
    altered = second[:-1] + bytes((second[-1] ^ 1,))
    with pytest.raises(SecurityError) as caught:
        opener.open(altered)
    assert not isinstance(caught.value, ReplayError)
    assert opener.floor == 9  # a forged counter raises nothing
    assert opener.open(second).counter == 11
    for stale in (first, second):
        with pytest.raises(ReplayError) as replay:
            opener.open(stale)
        assert replay.value.lowest == 12
    # An altered message with a stale counter is told nothing about counters.
    with pytest.raises(SecurityError) as caught:
        opener.open(first[:-1] + bytes((first[-1] ^ 1,)))
    assert not isinstance(caught.value, ReplayError)
    assert opener.open(third).counter == opener.floor == 12


def test_encryption_only_needs_the_policy_and_raises_no_floor() -> None:
    content = sealer(counter=50).seal(GET, 0x20)
    with pytest.raises(SecurityError, match="less protection"):
        Opener(SUITE_0, TITLE).open(content)
    opener = Opener(SUITE_0, TITLE, floor=7, minimum=0)
    opened = opener.open(content)
    assert not opened.authenticated
    assert opener.floor == 7
    stale = Opener(SUITE_0, TITLE, floor=50, minimum=0)
    with pytest.raises(SecurityError) as caught:
        stale.open(content)
    assert not isinstance(caught.value, ReplayError)  # nothing about counters without a tag


@pytest.mark.parametrize(
    ("minimum", "control", "accepted"),
    [
        (BOTH, 0x30, True),
        (BOTH, 0x10, False),
        (BOTH, 0x20, False),
        (AUTHENTICATION, 0x10, True),
        (AUTHENTICATION, 0x20, False),
        (ENCRYPTION, 0x20, True),
        (ENCRYPTION, 0x10, False),
        (0, 0x10, True),
    ],
)
def test_downgrade_is_refused(minimum: int, control: int, accepted: bool) -> None:
    opener = Opener(SUITE_0, TITLE, minimum=minimum)
    content = sealer().seal(GET, control)
    if accepted:
        assert opener.open(content).plain == GET
    else:
        with pytest.raises(SecurityError, match="less protection"):
            opener.open(content)


def test_the_policy_may_be_tightened_later() -> None:
    opener = Opener(SUITE_0, TITLE, minimum=AUTHENTICATION)
    sending = sealer(count=3)
    opener.open(sending.seal(GET, 0x10))
    opener.minimum = BOTH
    assert opener.minimum == BOTH
    with pytest.raises(SecurityError):
        opener.open(sending.seal(GET, 0x10))
    assert opener.open(sending.seal(GET, 0x30)).plain == GET


def test_foreign_suite_and_compression_are_refused() -> None:
    opener = Opener(SUITE_0, TITLE, minimum=0)
    for control in (0x31, 0x3F, 0xB0, 0x00, 0x70):
        with pytest.raises(SecurityError):
            opener.open(bytes((control,)) + bytes(30))
    for content in (b"", b"\x30\x00\x00\x00", b"\x30" + bytes(15), b"\x10" + bytes(15)):
        with pytest.raises(DecodeError):
            opener.open(content)


def test_the_sealer_refuses_what_it_cannot_protect() -> None:
    sending = sealer()
    for control in (0x00, 0x31, 0xB0, 0x70, 0x130, -1):
        with pytest.raises(UsageError):
            sending.seal(GET, control)
    assert sending.lease.left == 1  # nothing was wasted
    keys = CipherKeys(0, EK, AK, b"b" * 16)
    with pytest.raises(UsageError, match="lease"):
        sealer(keys).seal(GET, 0x70)  # the broadcast key is shared: it needs its own counter
    with pytest.raises(UsageError):
        Sealer(keys, b"short", CounterLease(0, 1))


def test_broadcast_has_its_own_floor() -> None:
    keys = CipherKeys(0, EK, AK, b"b" * 16)
    sending = Sealer(keys, TITLE, CounterLease(100, 110), CounterLease(1, 3))
    opener = Opener(keys, TITLE)
    opener.open(sending.seal(GET, 0x30))
    assert opener.open(sending.seal(GET, 0x70)).counter == 1
    assert (opener.floor, opener.broadcast_floor) == (100, 1)


def test_token_inside_a_ciphered_action() -> None:
    """AARQ n, token n + 1, ACTION n + 2: the token is older than what carries it."""
    sending = sealer(counter=20, count=9)
    opener = Opener(SUITE_0, TITLE)
    opener.open(sending.seal(INITIATE_REQUEST, 0x30))
    token = sending.token(b"P6wRJ21F")
    carrier = sending.seal(token, 0x30)
    opened = opener.open(carrier)
    assert opened.counter == 22
    assert opener.check_token(opened.plain, b"P6wRJ21F") == 21
    assert opener.floor == 22
    with pytest.raises(SecurityError, match="spent"):
        opener.check_token(token, b"P6wRJ21F")
    with pytest.raises(ReplayError):
        opener.open(carrier)


def test_token_faults() -> None:
    token = sealer(counter=20).token(b"P6wRJ21F")
    opener = Opener(SUITE_0, TITLE)
    assert len(token) == TOKEN_OCTETS
    for wrong in (b"", token[:-1], b"\x30" + token[1:], token[:-1] + b"\x00", b"\x11" + token[1:]):
        with pytest.raises(SecurityError):
            opener.check_token(wrong, b"P6wRJ21F")
    with pytest.raises(SecurityError):
        opener.check_token(token, b"another challenge")
    with pytest.raises(SecurityError, match="spent"):
        Opener(SUITE_0, TITLE, floor=20).check_token(token, b"P6wRJ21F")
    assert opener.floor == -1
    # A peer that seals token and carrier with one value broke its own nonces.
    twice = Opener(SUITE_0, TITLE)
    twice.open(sealer(counter=20).seal(GET, 0x30))
    with pytest.raises(SecurityError, match="spent"):
        twice.check_token(token, b"P6wRJ21F")


def test_nothing_secret_is_shown() -> None:
    sending, opener = sealer(), Opener(SUITE_0, TITLE, minimum=0)
    content = sending.seal(GET, 0x30)
    opened = opener.open(content)
    shown = [repr(thing) for thing in (SUITE_0, sending, opener, opened, SUITE_0.cipher())]
    shown += [repr(thing._plans) for thing in (sending, opener)]
    try:
        Opener(SUITE_0, b"12345678").open(content)
    except SecurityError as error:
        shown += [str(error), repr(error), error.excerpt]
    for text in shown:
        for secret in (EK, AK, GET):
            assert secret.hex() not in text.lower()
            assert repr(secret)[2:-1] not in text


def test_sealers_leases_and_keys_are_never_copied() -> None:
    sending = sealer()
    for thing in (sending, sending.lease, SUITE_0):
        for act in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                act(thing)


def test_keys_have_the_length_of_the_suite() -> None:
    for suite, ek, ak, broadcast in [
        (0, 15, 16, None),
        (0, 16, 0, None),
        (0, 16, 16, 32),
        (2, 16, 32, None),
        (3, 16, 16, None),
    ]:
        with pytest.raises(UsageError):
            CipherKeys(suite, bytes(ek), bytes(ak), None if broadcast is None else bytes(broadcast))
