"""Transaction-ids in the key store: floors whatever the key, and offsets that make them rise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from ferraris.core.errors import UsageError
from ferraris.keys import SEND, KeyStore, MemoryKeys
from ferraris.keys.backup import backup, restore
from ferraris.keys.renewal import Renewals
from ferraris.keys.transactions import TransactionLedger

ONE, TWO, THREE = (bytes((number,)) * 16 for number in (1, 2, 3))
PHRASE = "correct horse"


@pytest.fixture(params=["memory", "file"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryKeys | KeyStore]:
    store: MemoryKeys | KeyStore
    if request.param == "memory":
        store = MemoryKeys()
    else:
        store = KeyStore.create(tmp_path / "keys.db", PHRASE, cost=2)
    yield store
    store.close()


def sent(keys: TransactionLedger, count: int = 10, name: str = "m1") -> range:
    """The transaction-ids of a lease."""
    values = keys.lease(name, SEND, count)
    offset = keys.transaction_offset(name, values)
    return range(offset + values.start, offset + values.stop)


def test_floors_rise_and_outlive_keys(keys: MemoryKeys | KeyStore) -> None:
    keys.put("m1", "encryption_key", ONE)
    assert keys.transaction_floor("m1") == -1
    for number in (0, 17, (1 << 40) + 3, (1 << 64) - 1, (1 << 72) - 1):
        keys.raise_transaction_floor("m1", number)
        assert keys.transaction_floor("m1") == number
        keys.raise_transaction_floor("m1", number - 1)
        assert keys.transaction_floor("m1") == number
    keys.put("m1", "encryption_key", TWO)
    assert keys.transaction_floor("m1") == (1 << 72) - 1
    assert (keys.transaction_floor("m2"), keys.floor("m1")) == (-1, -1)
    for wrong in (-2, 1 << 96):
        with pytest.raises(UsageError):
            keys.raise_transaction_floor("m1", wrong)
    with pytest.raises(UsageError):
        keys.transaction_floor("")


def test_floors_of_many_ids_rise_together_or_not_at_all(keys: MemoryKeys | KeyStore) -> None:
    keys.raise_transaction_floors({"m1": 1 << 40, "m2": 7})
    keys.raise_transaction_floors({"m1": 3, "m2": 9, "m3": 0})
    assert [keys.transaction_floor(name) for name in ("m1", "m2", "m3")] == [1 << 40, 9, 0]
    with pytest.raises(UsageError):
        keys.raise_transaction_floors({"m1": 1 << 50, "m2": 1 << 96})
    assert keys.transaction_floor("m1") == 1 << 40


def test_what_is_sent_rises_over_keys_that_come_and_come_back(keys: MemoryKeys | KeyStore) -> None:
    last = -1
    for key in (ONE, ONE, TWO, THREE, TWO, ONE, ONE, THREE):
        keys.put("m1", "encryption_key", key)
        for _ in range(2):
            ids = sent(keys)
            assert ids.start > last
            last = ids[-1]
    assert sent(keys, name="m2").start == 1  # another meter has ids of its own


def test_any_sequence_of_keys_and_orders_repeats_none(keys: MemoryKeys | KeyStore) -> None:
    chance = Random(11)
    used: set[int] = set()
    for _ in range(60):
        keys.put("m1", "encryption_key", chance.choice((ONE, TWO, THREE)))
        leases = [keys.lease("m1", SEND, chance.randint(1, 5)) for _ in range(3)]
        chance.shuffle(leases)  # whoever leased first need not ask first
        for values in leases:
            offset = keys.transaction_offset("m1", values)
            ids = set(range(offset + values.start, offset + values.stop))
            assert not ids & used
            used |= ids


def test_a_renewed_key_goes_on_above(tmp_path: Path) -> None:
    with KeyStore.create(tmp_path / "keys.db", PHRASE, cost=2) as store:
        store.put("m1", "encryption_key", ONE)
        store.put("m1", "master_key", TWO)
        before = sent(store)
        renewals = Renewals(store)
        renewals.prepare("m1", ["encryption_key"])
        renewals.send("m1", ["encryption_key"])
        values = store.lease("m1", SEND, 5, kind="next_encryption_key")
        offset = store.transaction_offset("m1", values, kind="next_encryption_key")
        assert offset + values.start > before[-1]
        renewals.accepted("m1", ["encryption_key"])
        renewals.proved("m1", ["encryption_key"])
        assert sent(store).start == offset + values.stop  # the same key, by its new name


def test_a_lost_store_repeats_none(tmp_path: Path) -> None:
    path, copy = tmp_path / "keys.db", tmp_path / "copy.db"
    with KeyStore.create(path, PHRASE, cost=2) as store:
        store.put("m1", "encryption_key", ONE)
        sent(store, 500)
        store.put("m1", "encryption_key", TWO)
        sent(store)
        store.raise_transaction_floor("m1", 99)
        backup(path, copy)
        used = [sent(store, 50)]
        store.put("m1", "encryption_key", THREE)
        used.append(sent(store, 50))
    path.unlink()
    with restore(copy, path, PHRASE, step=1000) as store:
        assert store.transaction_floor("m1") == 99
        for key in (TWO, THREE):
            store.put("m1", "encryption_key", key)
            ids = sent(store, 50)
            assert all(ids.start > each[-1] for each in used)


def test_processes_share_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with KeyStore.create(path, PHRASE, cost=2) as store:
        store.put("m1", "encryption_key", ONE)
        sent(store, 100)
        store.put("m1", "encryption_key", TWO)
    found: list[int] = []

    def run() -> None:
        with KeyStore.open(path, PHRASE) as store:
            for _ in range(10):
                found.extend(sent(store, 3))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 120
    assert min(found) > 100
