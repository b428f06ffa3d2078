from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from meter_asking import NOW, act, get, put, rows
from state_killed import DISPLAY, IDENTITY, METERS, opened

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.wrap import wrap
from ferraris.data import axdr
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.push_setup import PushList, course_of
from ferraris.meter.chunks import Chunks
from ferraris.meter.fleet import Fleet
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.simulated import LEASE
from ferraris.meter.template import Template

MESSAGE, SWITCH, CLOCK = "0-0:96.13.0*255", "0-0:96.3.10*255", "0-0:1.0.0*255"
LOW_COST = 2


@dataclass
class Pieces:
    """A part with pieces."""

    count: int = 0
    chunks: Chunks = field(default_factory=Chunks)


class Place:
    """A directory, and fleets that live in it one after another."""

    def __init__(self, directory: Path, residential: Template) -> None:
        self.directory = directory
        self.template = residential
        self.memory: StateDirectory | None = None

    def start(self, count: int = 5) -> Fleet:
        if self.memory is not None:
            self.memory.close()
        self.memory = StateDirectory.open(self.directory, IDENTITY)
        return Fleet(self.template, count, 5, secret=self.memory.secret, memory=self.memory)

    def rows(self, table: str) -> int:
        assert self.memory is not None
        query = f"SELECT count(*) FROM {table}"
        found: int = self.memory._connection.execute(query).fetchone()[0]
        return found


@pytest.fixture
def place(tmp_path: Path, residential: Template) -> Iterator[Place]:
    made = Place(tmp_path / "state", residential)
    yield made
    if made.memory is not None:
        made.memory.close()


def test_transactions_of_protected_data_are_kept_at_once(place: Place) -> None:
    meter = place.start()[1]
    meter.raise_data_floor(b"CLIENT01", 77)
    first = meter.data_counters(4)
    assert place.memory is not None
    place.memory._connection.rollback()  # nothing waits to be written
    meter = place.start()[1]
    assert meter.data_floor(b"CLIENT01") == 77
    assert meter.data_floor(b"CLIENT02") == -1
    assert meter.data_counters(4).take() > first.take() + 3


def test_a_meter_goes_on_where_it_stopped(place: Place) -> None:
    meter = place.start()[2]
    assert put(meter, MESSAGE, 1, 2, octet_string(b"hello")) == DataAccessResult.SUCCESS
    assert act(meter, SWITCH, 70, 1, now=NOW + 60) == ActionResult.SUCCESS
    stamp = octet_string(meter.zone.stamp(NOW + 1000))
    assert put(meter, CLOCK, 8, 2, stamp, now=NOW + 100) == DataAccessResult.SUCCESS
    logs = [rows(meter, f"0-0:99.98.{log}*255", now=NOW + 200) for log in (0, 2)]
    profile = rows(meter, "1-0:99.2.0*255", now=NOW + 200)
    energy = get(meter, "1-0:1.8.0*255", 3, now=NOW + 200)
    before = meter.state
    before.due = 0  # worked out anew
    meter = place.start()[2]
    assert meter.state == before
    assert meter.state is not before
    assert get(meter, MESSAGE, 1) == b"hello"
    assert get(meter, SWITCH, 70, 3) == 0
    assert [rows(meter, f"0-0:99.98.{log}*255", now=NOW + 200) for log in (0, 2)] == logs
    assert rows(meter, "1-0:99.2.0*255", now=NOW + 200) == profile
    assert get(meter, "1-0:1.8.0*255", 3, now=NOW + 200) == energy
    assert meter.offset(NOW + 200) == 900


def test_idle_meters_take_no_room(place: Place) -> None:
    fleet = place.start(1_000_000)
    assert fleet.line(999_999, "tcp://there")["server"]
    for index in (3, 77, 999_999):
        get(fleet[index], "1-0:0.2.0*255", 1)
        fleet[index].log(0, 1, NOW)
    fleet = place.start(1_000_000)
    assert place.rows("meter") == place.rows("counter") == 3
    assert [len(fleet[index].state.entries) for index in (3, 4, 77, 999_999)] == [1, 0, 1, 1]


def test_only_what_changed_is_written(place: Place) -> None:
    fleet = place.start()
    assert place.memory is not None
    for meter in fleet:
        meter.log(0, 1, NOW)
    assert place.memory.flush(2) == 3
    assert place.rows("meter") == 2
    assert place.memory.flush() == 0
    assert place.memory.flush() == 0
    assert place.rows("meter") == 5


def test_leases_are_burnt_and_floors_stay(place: Place) -> None:
    meter = place.start()[0]
    first = meter.counter_lease(1)
    meter.raise_receive_floor(1, 700)
    meter.raise_transaction_floor(1, 9)
    meter = place.start()[0]
    assert meter.counter_lease(1).take() == first.take() + LEASE
    assert meter.receive_floor(1) == 700
    assert meter.transaction_floor(1) == 9


def test_a_request_is_kept_with_its_counter(place: Place) -> None:
    """What is not flushed is there all the same, once the counter of its request is."""
    fleet = place.start()
    put(fleet[0], MESSAGE, 1, 2, octet_string(b"with"))
    fleet[0].raise_receive_floor(1, 5)
    put(fleet[1], MESSAGE, 1, 2, octet_string(b"without"))
    assert place.rows("meter") == 1


def test_new_keys_are_kept_with_their_counters(place: Place) -> None:
    fleet = place.start()
    meter = fleet[1]
    old = fleet.line(1, "tcp://there")["encryption_key"]
    meter.counter_lease(1)
    meter.raise_receive_floor(1, 700)
    master = meter.pairs.master_key
    assert master is not None
    new = bytes(range(16))
    wrapped = structure(enum(0), octet_string(wrap(master, new)))
    assert act(meter, "0-0:43.0.1*255", 64, 2, array(wrapped)) == ActionResult.SUCCESS
    meter.raise_receive_floor(1, 1)
    assert place.rows("meter") == 1
    fleet = place.start()
    meter = fleet[1]
    assert meter.keys.encryption_key == new
    assert meter.key_changes == 1
    assert meter.receive_floor(1) == 1
    assert meter.state.next_counter == 0
    assert fleet.line(1, "tcp://there")["encryption_key"] == new.hex() != old
    again = structure(enum(0), octet_string(wrap(master, bytes.fromhex(old))))
    assert act(meter, "0-0:43.0.1*255", 64, 2, array(again)) == ActionResult.OTHER_REASON


def test_fleets_of_one_directory_have_the_same_keys(place: Place, tmp_path: Path) -> None:
    keys = [fleet.line(0, "")["password"] for fleet in (place.start(), place.start())]
    assert keys[0] == keys[1]
    other = StateDirectory.open(tmp_path / "other", IDENTITY)
    assert other.secret != place.memory.secret  # type: ignore[union-attr]
    other.close()


def test_pushes_that_were_confirmed_are_not_sent_again(place: Place) -> None:
    meter = place.start()[0]
    behaviours = meter.fleet.template.behaviours.values()
    setup = next(each for each in behaviours if isinstance(each, PushList))
    course = course_of(meter, setup)
    course.invoke(NOW)
    course.pushed_until = NOW
    meter = place.start()[0]
    again = course_of(meter, setup)
    assert again is not course
    assert again.remembered == course.remembered == (1, None, NOW, 0)


def test_pieces_are_written_once_each(place: Place) -> None:
    meter = place.start()[0]
    part = meter.change().part(Pieces, DISPLAY)
    for number in (0, 1, 5):
        part.chunks.put(number, bytes(2000))
    part.count = 3
    assert place.memory is not None
    place.memory.flush()
    assert not part.chunks.fresh
    meter.change().part(Pieces, DISPLAY).chunks.put(2, b"two")
    meter = place.start()[0]
    found = meter.state.found(Pieces, DISPLAY)
    assert found is not None
    assert sorted(found.chunks) == [0, 1, 2, 5]
    assert found.chunks[2] == b"two"
    assert len(found.chunks[0]) == 2000
    meter.change()
    found.chunks.clear()
    found.chunks.put(1, b"new")
    found = place.start()[0].state.found(Pieces, DISPLAY)
    assert found is not None
    assert {number: found.chunks[number] for number in found.chunks} == {1: b"new"}


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (IDENTITY._replace(template="residential-sn"), "template residential, not residential-sn"),
        (IDENTITY._replace(seed=6), "seed 5, not 6"),
        (IDENTITY._replace(suite=1), "suite 0, not 1"),
    ],
)
def test_the_state_of_other_meters_is_told(place: Place, other: Identity, word: str) -> None:
    place.start()
    place.memory.close()  # type: ignore[union-attr]
    with pytest.raises(UsageError, match=word):
        StateDirectory.open(place.directory, other)


def test_one_simulator_at_a_time(place: Place) -> None:
    place.start()
    with pytest.raises(UsageError, match="another simulator uses it"):
        StateDirectory.open(place.directory, IDENTITY)


def test_nobody_else_may_read_it(place: Place) -> None:
    place.start()[0].log(0, 1, NOW)
    assert os.stat(place.directory).st_mode & 0o077 == 0
    files = list(place.directory.iterdir())
    assert len(files) > 1
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_passphrase_seals_it(tmp_path: Path) -> None:
    memory = StateDirectory.open(tmp_path, IDENTITY, b"open sesame", cost=LOW_COST)
    secret = memory.secret
    memory.close()
    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret not in octets
    with pytest.raises(UsageError, match="sealed by a passphrase"):
        StateDirectory.open(tmp_path, IDENTITY)
    with pytest.raises(SecurityError, match="wrong passphrase"):
        StateDirectory.open(tmp_path, IDENTITY, b"sesame open")
    again = StateDirectory.open(tmp_path, IDENTITY, b"open sesame")
    assert again.secret == secret
    again.close()


def test_a_passphrase_comes_at_the_first_start_or_never(place: Place) -> None:
    place.start()
    place.memory.close()  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="made without a passphrase"):
        StateDirectory.open(place.directory, IDENTITY, b"late")


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("PRAGMA user_version = 9", "written in format 9, this version knows 1"),
        ("PRAGMA application_id = 7", "no state of simulated meters"),
        ("UPDATE header SET value = x'00' WHERE name = 'identity'", "header is damaged"),
        ("UPDATE header SET value = zeroblob(60) WHERE name = 'secret'", "altered: secret"),
    ],
)
def test_foreign_and_damaged_files_are_told(place: Place, statement: str, word: str) -> None:
    place.start()
    place.memory.close()  # type: ignore[union-attr]
    with sqlite3.connect(place.directory / "state.db") as db:
        db.execute(statement)
    db.close()
    with pytest.raises((UsageError, SecurityError), match=word):
        StateDirectory.open(place.directory, IDENTITY)


def test_rows_stay_at_their_place(place: Place) -> None:
    fleet = place.start()
    fleet[0].log(0, 1, NOW)
    fleet[1].log(0, 2, NOW)
    place.memory.close()  # type: ignore[union-attr]
    with sqlite3.connect(place.directory / "state.db") as db:
        query = "UPDATE meter SET sealed = (SELECT sealed FROM meter WHERE number = 0)"
        db.execute(query)
    db.close()
    fleet = place.start()
    assert len(fleet[0].state.entries) == 1
    with pytest.raises(SecurityError, match="altered: 1"):
        fleet[1]


def test_a_part_that_nobody_knows_is_told(place: Place) -> None:
    fleet = place.start()
    memory = place.memory
    assert memory is not None
    fleet[0].log(0, 1, NOW)
    memory.flush()
    shape = {"state": {}, "parts": [["ferraris.meter.nowhere:Thing", None, {}]]}
    sealed = memory._seal(json.dumps(shape).encode(), "0")
    memory._connection.execute("UPDATE meter SET sealed = ?", (sealed,))
    with pytest.raises(UsageError, match=r"nobody knows ferraris\.meter\.nowhere:Thing"):
        place.start()[0]


def test_a_place_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(UsageError, match=r"state .*file"):
        StateDirectory.open(tmp_path / "file", IDENTITY)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_killed_at_any_moment_nothing_comes_twice_and_nothing_is_half(tmp_path: Path) -> None:
    random, burnt, floors = Random(4), [0] * METERS, [-1] * METERS
    command = [sys.executable, str(Path(__file__).with_name("state_killed.py")), str(tmp_path)]
    for _ in range(6):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard = [process.stdout.readline() for _ in range(random.randrange(1, 400))]
            process.send_signal(signal.SIGKILL)
            heard += process.stdout.readlines()
        for line in (line.split() for line in heard if line.endswith("\n")):
            meter, value, left = map(int, line[1:])
            if line[0] == "lease":
                assert value >= burnt[meter]
                burnt[meter] = value + 1 + left
            else:
                assert value == floors[meter] + 1
                floors[meter] = value
        memory, fleet = opened(str(tmp_path))
        for index, meter in enumerate(fleet):
            assert max(meter.state.next_counter, 1) >= burnt[index]
            burnt[index] = meter.state.next_counter
            floor = meter.receive_floor(1)
            # The last request may have been kept without having been told.
            assert floor - floors[index] in (0, 1)
            floors[index] = floor
            text = fleet.template.behaviours[DISPLAY].get(meter, 2, None, NOW)
            assert axdr.decode(text)[1] == (b"%d" % floor if floor >= 0 else b"")
            assert [entry.at - NOW for entry in meter.state.entries[-3:]] == list(
                range(max(0, floor - 2), floor + 1)
            )
        memory.close()
    assert sum(floors) > 300
