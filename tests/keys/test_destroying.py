"""Secrets that are made once for all who ask, and destroyed for good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.keys import Keys, KeyStore, MemoryKeys

KIND = "customer_key"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture(params=["memory", "file"])
def keys(request: pytest.FixtureRequest, path: Path) -> Iterator[Keys]:
    made: Keys = MemoryKeys() if request.param == "memory" else KeyStore.create(path, "p", cost=2)
    yield made
    made.close()


def test_missing_ones_are_made_and_others_stay(keys: Keys) -> None:
    keys.put("north/customer/1", KIND, bytes(32))
    octets = iter([b"2" * 32, b"3" * 32])
    found = keys.make_missing(
        [f"north/customer/{n}" for n in (1, 2, 3, 2)], KIND, entropy=lambda _: next(octets)
    )
    assert found == {
        "north/customer/1": bytes(32),
        "north/customer/2": b"2" * 32,
        "north/customer/3": b"3" * 32,
    }
    assert keys.make_missing(found, KIND, entropy=lambda _: pytest.fail("made again")) == found
    assert {key_id: keys.get(key_id, KIND) for key_id in found} == found
    assert {len(key) for key in keys.make_missing(["a", "b"], KIND).values()} == {32}
    with pytest.raises(UsageError, match="no kind"):
        keys.make_missing(["a"], "customer key")


def test_a_destroyed_secret_leaves_what_it_is_told_to(keys: Keys) -> None:
    keys.make_missing(["a", "b"], KIND)
    before = keys.destructions()
    keys.destroy("a", KIND, b"gone in 2026")
    assert keys.destructions() == before + 1
    assert keys.get("a", KIND) == b"gone in 2026"
    assert keys.make_missing(["a"], KIND) == {"a": b"gone in 2026"}
    assert len(keys.get("b", KIND)) == 32


def test_all_processes_notice_a_destruction(path: Path) -> None:
    with KeyStore.create(path, "p", cost=2) as first, KeyStore.open(path, "p") as second:
        first.make_missing(["a"], KIND)
        assert first.destructions() == second.destructions() == 0
        second.lease("m", n=3)  # another write is none
        assert first.destructions() == 0
        second.destroy("a", KIND, b"-")
        assert first.destructions() == second.destructions() == 1
        first.destroy("a", KIND, b"-")
        assert second.destructions() == 2
        first.rotate("p", cost=2)
        assert first.destructions() == 2
    with KeyStore.open(path, "p") as third:
        assert third.destructions() == 2


def test_nothing_of_a_destroyed_secret_stays_in_the_file(path: Path) -> None:
    with KeyStore.create(path, "p", cost=2) as store:
        store.put("a", KIND, b"k" * 32)
        with store._reading() as db:
            (sealed,) = db.execute("SELECT sealed FROM secret WHERE id = 'a'").fetchone()
        assert sealed in path.read_bytes() + path.with_name("keys.db-wal").read_bytes()
        store.destroy("a", KIND, b"-")
        left = b"".join(file.read_bytes() for file in path.parent.glob("keys.db*"))
        assert sealed[:16] not in left
        assert sealed[-16:] not in left


def test_those_who_ask_at_once_are_given_the_same(path: Path) -> None:
    KeyStore.create(path, "p", cost=2).close()
    ids = [f"customer/{n}" for n in range(50)]
    found: list[dict[str, bytes]] = []
    start = threading.Barrier(3)

    def ask() -> None:
        with KeyStore.open(path, "p") as store:
            start.wait()
            found.append(store.make_missing(ids, KIND))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2]
    assert len(set(found[0].values())) == 50


def test_an_altered_one_is_not_made_anew(path: Path) -> None:
    with KeyStore.create(path, "p", cost=2) as store:
        store.make_missing(["a"], KIND)
        with store._writing() as db:
            db.execute("UPDATE secret SET sealed = zeroblob(60) WHERE id = 'a'")
        with pytest.raises(SecurityError, match="altered"):
            store.make_missing(["a", "b"], KIND)
