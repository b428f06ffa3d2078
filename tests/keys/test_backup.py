"""Copies: made under way, put back without a counter used twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.keys import SEND, KeyStore
from ferraris.keys.backup import backup, restore

PHRASE = "correct horse"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "keys.db"
    with KeyStore.create(place, PHRASE, cost=2) as store:
        store.put("m1", "encryption_key", b"1" * 16)
    return place


def test_a_lost_store_comes_back_without_using_a_counter_twice(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1", SEND, 10)
        backup(path, copy)
        store.put("m2", "encryption_key", b"2" * 16)
        used = store.lease_many(["m1", "m2"], SEND, 500)
    path.unlink()
    with restore(copy, path, PHRASE, step=1000) as store:
        store.put("m2", "encryption_key", b"2" * 16)
        leased = store.lease_many(["m1", "m2"])
        assert all(leased[name].start >= used[name].stop for name in leased)
    assert {each.name for each in tmp_path.iterdir()} >= {"keys.db", "keys.db.mark", "copy.db"}
    assert not list(tmp_path.glob("*.part*"))


def test_whoever_has_the_old_file_open_leases_nothing_more(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    with KeyStore.open(path, PHRASE) as old:
        old.lease("m1", SEND, 10)
        with pytest.raises(UsageError, match="exists"):
            restore(copy, path, PHRASE)
        with restore(copy, path, PHRASE, replace=True) as new:
            assert new.lease("m1").start > 10
            with pytest.raises((SecurityError, UsageError)):
                old.lease("m1")


def test_a_copy_on_another_machine_is_advanced_too(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1", SEND, 10)
    backup(path, copy)
    with (
        KeyStore.open(copy, PHRASE) as store,
        pytest.raises(SecurityError, match="without its mark"),
    ):
        store.lease("m1")
    place = tmp_path / "elsewhere" / "keys.db"
    place.parent.mkdir()
    with restore(copy, place, PHRASE, step=50) as store:
        assert store.lease("m1") == range(61, 62)


def test_a_bad_copy_changes_nothing(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup(path, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="exists"):
        backup(path, copy)
    for absent in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError, match="no such file"):
            backup(absent, tmp_path / "x")
        with pytest.raises(UsageError, match="no such file"):
            restore(absent, path, PHRASE, replace=True)
    with pytest.raises(SecurityError, match="wrong passphrase"):
        restore(copy, path, "wrong", replace=True)
    octets = bytearray(copy.read_bytes())
    octets[4096:8192] = bytes(4096)
    copy.write_bytes(octets)
    with pytest.raises(UsageError):
        restore(copy, path, PHRASE, replace=True)
    with KeyStore.open(path, PHRASE) as store:
        assert store.lease("m1") == range(1, 2)
    assert not list(tmp_path.glob("*.part*"))
