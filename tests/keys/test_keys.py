"""What both stores must do alike: secrets, leases, floors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.keys import RECEIVE, SEND, Entry, Keys, KeyStore, MemoryKeys
from ferraris.messaging.dlms.security import CounterLease

EK, OTHER = b"\x11" * 16, b"\x22" * 16


@pytest.fixture(params=["memory", "file"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keys]:
    store: Keys
    if request.param == "memory":
        store = MemoryKeys()
    else:
        store = KeyStore.create(tmp_path / "keys.db", "passphrase", cost=2)
    yield store
    store.close()


def test_secrets_by_id_and_kind(keys: Keys) -> None:
    keys.put("m1", "encryption_key", EK)
    keys.put("m1", "password", b"12345678")
    keys.put_many([("m2", "master_key", OTHER), ("m0", "broadcast_key", OTHER)])
    assert keys.get("m1", "encryption_key") == EK
    assert keys.get("m1", "password") == b"12345678"
    keys.put("m1", "password", b"")
    assert keys.get("m1", "password") == b""
    assert keys.entries() == [
        Entry("m0", "broadcast_key"),
        Entry("m1", "encryption_key"),
        Entry("m1", "password"),
        Entry("m2", "master_key"),
    ]
    keys.delete("m1", "password")
    keys.delete("m1", "password")
    with pytest.raises(UsageError, match="no password is kept for 'm1'"):
        keys.get("m1", "password")


def test_bad_names_kinds_and_numbers(keys: Keys) -> None:
    for name in ("", "a\nb", "x" * 201, "\ud800"):
        with pytest.raises(UsageError):
            keys.put(name, "password", b"x")
        with pytest.raises(UsageError):
            keys.lease(name, SEND, 1)
    with pytest.raises(UsageError, match="kind"):
        keys.put("m1", "passphrase", b"x")
    with pytest.raises(UsageError):
        keys.get("m1", "passphrase")
    for n in (0, -1, 1 << 32):
        with pytest.raises(UsageError):
            keys.lease("m1", SEND, n)
    for value in (-2, (1 << 32) + 1):
        with pytest.raises(UsageError):
            keys.raise_floor("m1", RECEIVE, value)
    assert keys.entries() == []


def test_leases_follow_each_other(keys: Keys) -> None:
    keys.put("m1", "encryption_key", EK)
    assert keys.lease("m1", SEND, 10) == range(1, 11)
    assert keys.lease("m1") == range(11, 12)
    assert keys.lease("m1", "another originator", 2) == range(1, 3)
    assert CounterLease.of(keys.lease("m1", SEND, 3)).take() == 12


def test_counters_belong_to_the_key_and_not_to_its_name(keys: Keys) -> None:
    keys.put_many([("m1", "encryption_key", EK), ("m2", "encryption_key", EK)])
    keys.put("m3", "encryption_key", OTHER)
    leased = keys.lease_many(["m1", "m2", "m3", "m1"], SEND, 5)
    assert leased == {"m1": range(1, 6), "m2": range(6, 11), "m3": range(1, 6)}
    keys.put("m1", "encryption_key", b"\x33" * 16)
    assert keys.lease("m1", SEND, 5) == range(1, 6)  # a new key starts anew
    keys.put("m1", "encryption_key", EK)
    assert keys.lease("m1", SEND, 5) == range(11, 16)  # the old one goes on
    keys.delete("m1", "encryption_key")
    keys.put("m1", "encryption_key", EK)
    assert keys.lease("m1", SEND, 5) == range(16, 21)


def test_leases_before_the_key_count(keys: Keys) -> None:
    assert keys.lease("m1", SEND, 10) == range(1, 11)
    keys.raise_floor("m1", RECEIVE, 77)
    keys.put("m1", "encryption_key", EK)
    assert keys.lease("m1", SEND, 10) == range(11, 21)
    assert keys.floor("m1") == 77


def test_a_meter_may_ask_for_higher_counters(keys: Keys) -> None:
    keys.put("m1", "encryption_key", EK)
    keys.raise_next("m1", SEND, 500)
    keys.raise_next("m1", SEND, 100)
    assert keys.lease("m1", SEND, 2) == range(500, 502)


def test_a_forged_counter_uses_up_no_key(keys: Keys) -> None:
    keys.put("m1", "encryption_key", EK)
    for value in (0xFFFFFFFF, (1 << 24) + 2):
        with pytest.raises(SecurityError, match="ahead"):
            keys.raise_next("m1", SEND, value)
    keys.raise_next("m1", SEND, (1 << 24) + 1)
    assert keys.lease("m1").start == (1 << 24) + 1


def test_a_key_is_used_up_at_the_end(keys: Keys) -> None:
    keys.put_many([("m1", "encryption_key", EK), ("m2", "encryption_key", OTHER)])
    keys.raise_next("m1", SEND, 0xFFFFFFFE, most=1 << 32)
    with pytest.raises(SecurityError, match="renew the key"):
        keys.lease("m1", SEND, 3)
    with pytest.raises(SecurityError):
        keys.lease_many(["m2", "m1"], SEND, 3)
    assert keys.lease("m2") == range(1, 2)  # all or none
    assert keys.lease("m1", SEND, 2) == range(0xFFFFFFFE, 1 << 32)
    with pytest.raises(SecurityError):
        keys.lease("m1")


def test_floors_rise_only(keys: Keys) -> None:
    keys.put("m1", "encryption_key", EK)
    assert keys.floor("m1") == -1
    keys.raise_floor("m1", RECEIVE, 40)
    keys.raise_floors({"m1": 12, "m2": 7})
    assert keys.floors(["m1", "m2", "m3"]) == {"m1": 40, "m2": 7, "m3": -1}
    assert keys.floor("m1", kind="broadcast_key") == -1
    assert keys.floor("m1", "another") == -1
    keys.put("m1", "encryption_key", OTHER)
    assert keys.floor("m1") == -1  # the meter's counter starts anew with the key
    keys.put("m1", "encryption_key", EK)
    assert keys.floor("m1") == 40  # and a replay under the old key stays one


def test_nothing_to_do_is_fine(keys: Keys) -> None:
    assert keys.lease_many([]) == {}
    assert keys.floors([]) == {}
    keys.raise_floors({})
    keys.put_many([])


def test_nothing_secret_is_shown(keys: Keys) -> None:
    keys.put("m1", "password", b"open sesame")
    for text in (repr(keys), repr(keys.entries())):
        assert "sesame" not in text
