"""The encrypted file: mode, passphrase, damage, versions, processes that die while leasing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ferraris.core.errors import Error, SecurityError, UsageError
from ferraris.crypto.box import Box, passphrase_key
from ferraris.keys import SEND, KeyStore
from ferraris.keys.guard import mark_place, read_mark, write_mark

SECRET = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
PHRASE = "correct horse"
SOURCES = str(Path(__file__).parents[2] / "src")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "keys.db"
    with KeyStore.create(place, PHRASE, cost=2) as store:
        store.put("m1", "encryption_key", SECRET)
        store.put("m1", "password", b"open sesame")
    return place


def refusal(path: Path, kind: type[Error], phrase: str = PHRASE) -> str:
    with pytest.raises(kind) as caught:
        KeyStore.open(path, phrase)
    text = str(caught.value)
    assert "\n" not in text
    assert phrase not in text
    return text


def test_it_is_there_after_reopening(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        assert store.get("m1", "encryption_key") == SECRET
        assert store.lease("m1", SEND, 5) == range(1, 6)
        store.raise_floors({"m1": 9})
        assert PHRASE not in repr(store)
    with KeyStore.open(path, PHRASE.encode()) as store:
        assert store.lease("m1", SEND, 5) == range(6, 11)
        assert store.floor("m1") == 9


def test_the_file_holds_no_secret(path: Path) -> None:
    for place in path.parent.iterdir():
        octets = place.read_bytes()
        assert SECRET not in octets
        assert SECRET.hex().encode() not in octets.lower()
        assert b"sesame" not in octets
        assert PHRASE.encode() not in octets


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_the_file_is_the_owners_alone(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1")
        for place in path.parent.iterdir():  # the write-ahead log as well
            assert place.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    KeyStore.open(path, PHRASE).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase(path: Path) -> None:
    assert "wrong passphrase" in refusal(path, SecurityError, "correct house")
    with pytest.raises(UsageError, match="needs a passphrase"):
        KeyStore.open(path, "")


def test_files_that_are_no_store(path: Path, tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.db", UsageError)
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    assert "no key store" in refusal(other, UsageError)
    other.write_bytes(b"plain text, nothing else" * 99)
    refusal(other, UsageError)
    with pytest.raises(UsageError, match="exists"):
        KeyStore.create(path, PHRASE, cost=2)
    with pytest.raises(UsageError):
        KeyStore.create(tmp_path / "absent" / "keys.db", PHRASE, cost=2)
    with pytest.raises(UsageError):
        KeyStore.create(tmp_path / "empty.db", "", cost=2)
    with pytest.raises(UsageError):
        KeyStore.create(tmp_path / "cost.db", PHRASE, cost=1000)
    assert not (tmp_path / "cost.db").exists()


def test_a_newer_format(path: Path) -> None:
    change(path, "PRAGMA user_version = 3")
    assert "update" in refusal(path, UsageError)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM header WHERE name = 'salt'",
        "UPDATE header SET value = 1000000000000 WHERE name = 'salt'",
        "UPDATE header SET value = 'x' WHERE name = 'scrypt'",
        "UPDATE header SET value = '[1]' WHERE name = 'scrypt'",
        'UPDATE header SET value = \'{"n": 1e30, "r": 8, "p": 1}\' WHERE name = \'scrypt\'',
        'UPDATE header SET value = \'{"n": 1073741824, "r": 8, "p": 1}\' WHERE name = \'scrypt\'',
        "DROP TABLE header",
    ],
)
def test_a_damaged_header(path: Path, statement: str) -> None:
    change(path, statement)
    refusal(path, UsageError)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE header SET value = x'00112233' WHERE name = 'data_key'",
        "UPDATE header SET value = zeroblob(60) WHERE name = 'data_key'",
        'UPDATE header SET value = \'{"n": 2, "r": 7, "p": 1}\' WHERE name = \'scrypt\'',
    ],
)
def test_an_altered_header(path: Path, statement: str) -> None:
    change(path, statement)
    assert "wrong passphrase, or an altered file" in refusal(path, SecurityError)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE secret SET sealed = zeroblob(44)",
        "UPDATE secret SET sealed = x'00'",
        "UPDATE secret SET sealed = 5",
        "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE kind = 'password')",
    ],
)
def test_altered_and_exchanged_secrets(path: Path, statement: str) -> None:
    change(path, statement)
    with KeyStore.open(path, PHRASE) as store, pytest.raises(SecurityError, match="altered"):
        store.get("m1", "encryption_key")


def test_every_damaged_file_is_one_line(path: Path, tmp_path: Path) -> None:
    whole, place, chance = path.read_bytes(), tmp_path / "damaged.db", random.Random(3)
    told: list[str] = []
    for _ in range(40):
        octets = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randrange(200)):
            if octets:
                octets[chance.randrange(len(octets))] = chance.randrange(256)
        place.write_bytes(octets)
        try:
            with KeyStore.open(place, PHRASE) as store:
                store.get("m1", "encryption_key")
                store.lease("m1", SEND, 5)
        except (SecurityError, UsageError) as error:
            told.append(str(error))
        for rest in tmp_path.glob("damaged.db-*"):
            rest.unlink()
    assert len(told) > 20
    assert not any("\n" in text for text in told)


def test_a_new_passphrase(path: Path) -> None:
    connection = sqlite3.connect(path)
    (before,) = connection.execute("SELECT value FROM header WHERE name = 'data_key'").fetchone()
    connection.close()
    assert before in path.read_bytes()
    with KeyStore.open(path, PHRASE) as store:
        store.change_passphrase("battery staple", cost=4)
        assert store.get("m1", "encryption_key") == SECRET
        assert not any(before in place.read_bytes() for place in path.parent.iterdir())
    refusal(path, SecurityError)
    with KeyStore.open(path, "battery staple") as store:
        assert store.get("m1", "encryption_key") == SECRET


def test_an_old_copy_is_advanced(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1", SEND, 10)
    shutil.copy(path, copy)
    with KeyStore.open(path, PHRASE) as store:
        used = store.lease("m1", SEND, 10)
    with KeyStore.open(copy, PHRASE) as store:
        store.advance(1000)
        assert store.lease("m1").start >= used.stop
        store.advance(1 << 40)
        with pytest.raises(SecurityError):
            store.lease("m1")
        with pytest.raises(UsageError):
            store.advance(-1)


def test_a_closed_store_says_so(path: Path) -> None:
    store = KeyStore.open(path, PHRASE)
    store.close()
    with pytest.raises(UsageError):
        store.lease("m1")


def test_a_full_disk_hands_out_nothing(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store._connection.execute("PRAGMA max_page_count = 1")
        many = {f"meter {i:05}": i for i in range(3000)}
        with pytest.raises(UsageError, match="full"):
            store.lease_many(many, SEND, 5)
        with pytest.raises(UsageError, match="full"):
            store.raise_floors(many)
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert store.lease_many(many, SEND, 5)["meter 00000"] == range(1, 6)
        assert store.floor("meter 00001") == -1


SENDING = """
import os, random, sys
from ferraris.keys import KeyStore
from ferraris.messaging.dlms.security import CounterLease
path, out, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def send(chance):
    with KeyStore.open(path, "correct horse") as store:
        while True:
            lease = CounterLease.of(store.lease("m1", "send", chance.randrange(1, 400)))
            while lease.left:
                used = [lease.take() for _ in range(min(lease.left, chance.randrange(1, 60)))]
                os.write(out, b"".join(b"%d\\n" % value for value in used))  # short: never mixed

for number in range(1000000):  # whoever is killed has a successor at once
    if number >= workers:
        os.wait()
    child = os.fork()
    if child == 0:
        try:
            send(random.Random(number))
        except BrokenPipeError:  # the test is over
            os._exit(0)
    os.write(out, b"begun %d\\n" % child)
"""
MESSAGES, SENDERS, KILLS = 100_000, 8, 100


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_processes_send_nothing_twice(path: Path) -> None:
    """Eight processes send side by side and are killed at any point: no counter comes twice."""
    chance, sent, alive, killed = random.Random(1), [], [], 0
    reading, writing = os.pipe()
    nursery = subprocess.Popen(
        [sys.executable, "-c", SENDING, str(path), str(writing), str(SENDERS)],
        pass_fds=(writing,),
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    os.close(writing)
    with open(reading) as pipe:
        while len(sent) < MESSAGES or killed < KILLS:
            line = pipe.readline()
            assert line, "the processes ended by themselves"
            if line.startswith("begun"):
                alive.append(int(line.split()[1]))
                continue
            sent.append(int(line))
            if len(alive) == SENDERS and chance.random() < 1 / 400:
                os.kill(alive.pop(chance.randrange(SENDERS)), signal.SIGKILL)
                killed += 1
        nursery.kill()
        assert nursery.wait(timeout=20) == -signal.SIGKILL
        for child in alive:
            os.kill(child, signal.SIGKILL)
        sent += [int(line) for line in pipe if not line.startswith("begun")]
    assert len(set(sent)) == len(sent) >= MESSAGES
    with KeyStore.open(path, PHRASE) as store:
        assert store.lease("m1").start > max(sent)


def test_nobody_leases_between_reading_and_writing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with KeyStore.open(path, PHRASE) as first, KeyStore.open(path, PHRASE) as second:
        second._connection.execute("PRAGMA busy_timeout = 1")
        read = first._following

        def interrupted(marks: Iterable[str], direction: str) -> dict[str, int]:
            following = read(marks, direction)
            with pytest.raises(UsageError, match="locked"):
                second.lease("m1", SEND, 5)
            return following

        monkeypatch.setattr(first, "_following", interrupted)
        assert first.lease("m1", SEND, 5) == range(1, 6)
        assert second.lease("m1", SEND, 5) == range(6, 11)


FORKING = """
import os, sys
from ferraris.core.errors import SecurityError
from ferraris.keys import KeyStore
from ferraris.messaging.dlms.security import CounterLease
with KeyStore.open(sys.argv[1], "correct horse") as store:
    lease = CounterLease.of(store.lease("m1", "send", 5))
    child = os.fork()
    if child == 0:
        try:
            lease.take()
        except SecurityError:
            leased = store.lease("m1", "send", 5)
            os._exit(leased.start)
        os._exit(99)
    _, status = os.waitpid(child, 0)
    print(lease.take(), os.waitstatus_to_exitcode(status), store.lease("m1").start)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leases_its_own(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(path)],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.split() == ["1", "6", "11"]


def test_the_box() -> None:
    box = Box(bytes(32))
    sealed = box.seal(bytes(12), b"plain", b"here")
    assert box.open(sealed, b"here") == b"plain"
    for octets, context in [(sealed, b"there"), (sealed[:-1], b"here"), (b"", b"here")]:
        with pytest.raises(SecurityError):
            box.open(octets, context)
    with pytest.raises(UsageError):
        box.seal(b"short", b"plain", b"here")
    with pytest.raises(UsageError):
        Box(bytes(16))
    assert repr(box) == "Box(…)"


def test_passphrases_become_keys_by_scrypt() -> None:
    # The third published vector of scrypt has these parameters; its first 32 octets.
    key = passphrase_key(b"pleaseletmein", b"SodiumChloride", cost=1 << 14)
    assert key.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    for cost, block, parallel in [(0, 8, 1), (3, 8, 1), (1 << 21, 8, 1), (2, 9, 1), (2, 8, 17)]:
        with pytest.raises(UsageError):
            passphrase_key(b"x", b"y", cost=cost, block_size=block, parallel=parallel)


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_an_older_copy_leases_nothing_until_it_is_advanced(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1", SEND, 10)
    shutil.copy(path, copy)
    with KeyStore.open(path, PHRASE) as store:
        store.put("m2", "encryption_key", b"2" * 16)
        used = store.lease_many(["m1", "m2"], SEND, 10)
        assert not store.restored
    shutil.copy(copy, path)
    with KeyStore.open(path, PHRASE) as store:
        assert store.restored
        for attempt in (lambda: store.lease("m1"), lambda: store.raise_next("m1", SEND, 50)):
            with pytest.raises(SecurityError, match="older copy"):
                attempt()
        assert store.get("m1", "encryption_key") == SECRET
        store.advance(1000)
        store.put("m2", "encryption_key", b"2" * 16)  # a key that the copy did not know
        leased = store.lease_many(["m1", "m2"], SEND, 10)
        assert all(leased[name].start >= used[name].stop for name in leased)
        assert not store.restored
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1")


def test_a_copy_put_under_an_open_store_is_noticed(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store, KeyStore.open(path, PHRASE) as other:
        store.lease("m1")
        generation = read_mark(mark_place(path))
        assert generation is not None
        other.lease("m1")
        write_mark(mark_place(path), generation._replace(generation=generation.generation + 9))
        with pytest.raises(SecurityError, match="older copy"):
            store.lease("m1")


def test_a_mark_of_another_store_or_none_is_no_mark(path: Path, tmp_path: Path) -> None:
    KeyStore.create(tmp_path / "other.db", PHRASE, cost=2).close()
    shutil.copy(mark_place(tmp_path / "other.db"), mark_place(path))
    for octets in (None, b"", b"\xff" * 75):
        if octets is not None:
            mark_place(path).write_bytes(octets)
        with KeyStore.open(path, PHRASE) as store, pytest.raises(SecurityError, match="mark"):
            store.lease("m1")
    mark_place(path).unlink()
    elsewhere = tmp_path / "elsewhere.mark"
    with KeyStore.open(path, PHRASE, mark=elsewhere) as store:
        assert store.restored
        store.advance(5)
        store.lease("m1")
    assert elsewhere.exists()
    assert not mark_place(path).exists()


def test_a_lost_store_is_not_begun_anew(path: Path) -> None:
    path.unlink()
    with pytest.raises(UsageError, match="was lost"):
        KeyStore.create(path, PHRASE, cost=2)
    assert not path.exists()
    mark_place(path).unlink()
    KeyStore.create(path, PHRASE, cost=2).close()


def test_tenants_have_keys_of_their_own(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store.put("north/m1", "encryption_key", SECRET)
        store.create_tenant("north")
        store.create_tenant("south")
        store.put("south/m1", "password", b"south")
        store.put("north/m2", "password", b"north")
        assert store.tenants() == ["north", "south"]
        used = store.lease("north/m1", SEND, 5)
        for name in ("north", "south", "a/b"):
            with pytest.raises(UsageError):
                store.create_tenant(name)
    with KeyStore.open(path, PHRASE) as store, KeyStore.open(path, PHRASE) as other:
        assert store.get("north/m1", "encryption_key") == SECRET
        assert other.get("north/m2", "password") == b"north"
        other.destroy_tenant("north")
        assert store.tenants() == ["south"]
        for act in (
            lambda: store.get("north/m2", "password"),
            lambda: store.put("north/m2", "password", b"again"),
        ):
            with pytest.raises(UsageError, match="destroyed"):
                act()
        assert store.get("south/m1", "password") == b"south"
        assert [each.id for each in store.entries()] == ["m1", "m1", "south/m1"]
        for attempt in ("north", "nobody"):
            with pytest.raises(UsageError):
                store.destroy_tenant(attempt)
        store.put("m9", "encryption_key", SECRET)
        assert store.lease("m9").start >= used.stop, "counters outlive the tenant"


def test_a_destroyed_tenant_leaves_nothing_in_the_file(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store.create_tenant("north")
        store.put("north/m1", "password", b"x")
        (sealed,) = store._connection.execute("SELECT sealed FROM tenant").fetchone()
        store.destroy_tenant("north")
        for place in path.parent.iterdir():
            assert sealed not in place.read_bytes()


def test_rotating_seals_everything_anew(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store, KeyStore.open(path, PHRASE) as other:
        store.create_tenant("north")
        store.put("north/m1", "encryption_key", b"n" * 16)
        store.lease("m1", SEND, 10)
        query = "SELECT sealed FROM secret UNION ALL SELECT sealed FROM tenant"
        before = {row[0] for row in store._connection.execute(query)}
        store.rotate("new phrase", cost=2)
        after = {row[0] for row in store._connection.execute(query)}
        assert before.isdisjoint(after)
        assert store.get("m1", "encryption_key") == SECRET
        assert store.lease("m1", SEND, 10) == range(11, 21), "marks outlive the data key"
        for act in (lambda: other.get("m1", "password"), lambda: other.put("m1", "password", b"")):
            with pytest.raises(UsageError, match="open it again"):
                act()
        for place in path.parent.iterdir():
            assert not any(sealed in place.read_bytes() for sealed in before)
    refusal(path, SecurityError)
    with KeyStore.open(path, "new phrase") as store:
        assert store.get("north/m1", "encryption_key") == b"n" * 16
        store.put("m5", "encryption_key", SECRET)
        assert store.lease("m5").start == 21


def test_a_rotation_that_fails_changes_nothing(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store.put("m2", "password", b"second")
    change(path, "UPDATE secret SET sealed = zeroblob(50) WHERE id = 'm2'")
    with KeyStore.open(path, PHRASE) as store, pytest.raises(SecurityError, match="altered"):
        store.rotate("new phrase", cost=2)
    with KeyStore.open(path, PHRASE) as store:
        assert store.get("m1", "encryption_key") == SECRET


ROTATING = """
import os, sys
from ferraris.keys import KeyStore
with KeyStore.open(sys.argv[1], "correct horse") as store:
    while True:
        os.write(int(sys.argv[2]), b"rotating\\n")
        store.rotate("correct horse", cost=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_rotation_that_is_killed_happened_or_did_not(path: Path) -> None:
    chance = random.Random(4)
    with KeyStore.open(path, PHRASE) as store:
        store.create_tenant("north")
        store.put_many((f"north/m{n}", "encryption_key", bytes([n]) * 16) for n in range(200))
    for _ in range(6):
        reading, writing = os.pipe()
        worker = subprocess.Popen(
            [sys.executable, "-c", ROTATING, str(path), str(writing)],
            pass_fds=(writing,),
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        os.close(writing)
        with open(reading) as pipe:
            for _ in range(chance.randrange(1, 12)):
                assert pipe.readline()
            worker.send_signal(signal.SIGKILL)
            assert worker.wait(timeout=20) == -signal.SIGKILL
        with KeyStore.open(path, PHRASE) as store:
            assert store.get("m1", "encryption_key") == SECRET
            assert all(
                store.get(f"north/m{n}", "encryption_key") == bytes([n]) * 16 for n in range(200)
            )
            store.lease("m1")


FIRST_FORMAT_TABLES = ("tenant", "renewal", "document", "guard")


def test_a_file_of_the_first_format_is_brought_up_to_date(path: Path) -> None:
    with KeyStore.open(path, PHRASE) as store:
        store.lease("m1", SEND, 10)
    for table in FIRST_FORMAT_TABLES:
        change(path, f"DROP TABLE {table}")
    change(path, "DELETE FROM header WHERE name IN ('mark_key', 'name')")
    change(path, "PRAGMA user_version = 1")
    mark_place(path).unlink()
    with KeyStore.open(path, PHRASE) as store:
        assert store.get("m1", "encryption_key") == SECRET
        assert store.lease("m1", SEND, 10) == range(11, 21)
        store.create_tenant("north")
    with KeyStore.open(path, PHRASE) as store:
        assert store.tenants() == ["north"]
