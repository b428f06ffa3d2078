"""A full disk, a killed writer, two writers, a database that goes away: nothing told is lost."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from ferraris.headend.store import archive as archiving
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import StoreAwayError
from ferraris.headend.store.tables.readings import BLOCK

from ..neighbourhood import DAY, DAY_S, NOW, series
from .test_archive import END, START, archive, brought, enrol, put, shown

__all__ = ["archive"]

HERE = Path(__file__).parent
METERS, BATCH = 200, 10

WRITER = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("neighbourhood", sys.argv[1])
near = importlib.util.module_from_spec(spec)
spec.loader.exec_module(near)
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import Brought, StoreAwayError

store = Store.open(sys.argv[2])
span = near.DAY * near.DAY_S, (near.DAY + 1) * near.DAY_S
first, last = int(sys.argv[3]), int(sys.argv[4])
for start in range(1, {METERS}, {BATCH}):
    batch = []
    for meter in range(start, start + {BATCH}):
        part = near.series(meter, span[0] + 3600 * first, span[0] + 3600 * last)
        batch.append((meter, Brought(pack_series(near.PROFILE, part, *span))))
    while True:
        try:
            with store.engine.transaction() as connection:
                store.archive.put_many(connection, batch, now=near.NOW)
            break
        except StoreAwayError:
            pass
    print(start, flush=True)
"""
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (560_000, 560_000))\n"


def start(location, program=WRITER, hours=(0, 24)):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(HERE.parent / "neighbourhood.py"), str(location),
         *map(str, hours)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2] / "src")},
    )  # fmt: skip


@pytest.fixture
def enrolled(location):
    """A store with many meters, numbered from 1."""
    with Store.open(location) as store, store.engine.transaction() as connection:
        enrol(connection, store.tenant, METERS)
    return location


def stored(location):
    """The meters that have a block, after a check."""
    with Store.open(location) as store:
        assert store.check() == []
        with store.engine.reading() as connection:
            return list(connection.execute(select(BLOCK.c.meter).order_by(BLOCK.c.meter)).scalars())


def all_the_rest(location):
    """The meters that have a block when another writer has gone on where the last one stopped."""
    with Store.open(location) as store:
        whole = [(meter, brought(series(meter, START, END))) for meter in range(1, METERS + 1)]
        assert any(intervals for intervals, _, _ in put(store.archive, *whole))
    return stored(location)


def test_a_killed_writer_loses_nothing_it_had_told(enrolled):
    before = 0
    for count in (2, 7):  # the second one goes over what the first has written
        with start(enrolled) as writer:
            told = [int(writer.stdout.readline()) for _ in range(count)]
            os.kill(writer.pid, signal.SIGKILL)
            told += [int(line) for line in writer.stdout.read().split()]
        found = stored(enrolled)
        assert found == list(range(1, len(found) + 1))
        assert len(found) % BATCH == 0, "a batch is there wholly or not at all"
        assert told[-1] + BATCH - 1 <= len(found) <= max(before, told[-1] + 2 * BATCH - 1)
        before = len(found)
    assert all_the_rest(enrolled) == list(range(1, METERS + 1))


def test_two_processes_that_write_the_same_meters_lose_nothing(enrolled):
    with start(enrolled, hours=(0, 16)) as one, start(enrolled, hours=(8, 24)) as two:
        assert (one.wait(), two.wait()) == (0, 0), one.stderr.read() + two.stderr.read()
    found = stored(enrolled)
    assert len(found) == 2 * METERS  # the second one made a new version of each
    with Store.open(enrolled) as store:
        for meter in (1, 100, METERS):
            rows = shown(store.archive, meter)
            assert list(rows.rows()) == list(series(meter, START, END).rows())


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_full_disk_is_one_clear_error_and_no_damage(enrolled):
    with start(enrolled, LIMITED + WRITER) as writer:
        out, err = writer.communicate()
    assert "StoreFullError" in err.splitlines()[-1]
    assert "full" in err.splitlines()[-1] or "room" in err.splitlines()[-1]
    assert len(stored(enrolled)) == BATCH * len(out.split())
    assert all_the_rest(enrolled) == list(range(1, METERS + 1))


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_locked_store_is_away_for_the_moment(archive, location):
    impatient = Engine(location, wait_s=0.01)
    other = sqlite3.connect(location, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAwayError, match="locked"), impatient.transaction():
        pass
    assert len(shown(archive)) == 0  # readers go on
    other.execute("ROLLBACK")
    other.close()
    with impatient.transaction():
        pass
    impatient.close()


def cut(postgresql, connection):
    """End a session of the database, as an operator or a crash does."""
    pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with postgresql.begin() as admin:
        admin.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@pytest.mark.parametrize(
    "location", [pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)
@pytest.mark.parametrize("place", ["add_absent", "write_totals", "mark_due", "nowhere"])
def test_a_database_that_goes_away_in_the_middle(archive, postgresql, monkeypatch, place):
    """What it was at is undone, the error says to try again, and the next try works."""
    new = brought(series(7, START, END))
    put(archive, (2, new))
    module = archiving if hasattr(archiving, place) else sys.modules[archiving.Putting.__module__]
    with monkeypatch.context() as patch:
        if place != "nowhere":
            genuine = getattr(module, place)

            def away(connection, *arguments, **more):
                cut(postgresql, connection)
                return genuine(connection, *arguments, **more)

            patch.setattr(module, place, away)
        with (
            pytest.raises(StoreAwayError, match=r"tried again"),
            archive.engine.transaction() as connection,
        ):
            archive.put_many(connection, [(1, new), (3, new)], now=NOW)
            cut(postgresql, connection)
    assert put(archive, (1, new), (3, new)) == [(24, 0, 0)] * 2
    assert list(check(archive.engine)) == []


def test_a_reader_sees_whole_batches(archive):
    """Two meters are always written together: no view has one of them without the other."""
    days = range(DAY - 30, DAY)
    seen, wrong = [], []
    done = threading.Event()

    def read():
        while not done.is_set():
            with archive.engine.reading() as connection:
                counts = [
                    connection.execute(
                        select(func.count()).select_from(BLOCK).where(BLOCK.c.meter == meter)
                    ).scalar()
                    for meter in (1, 2)
                ]
            seen.append(counts[0])
            if counts[0] != counts[1]:
                wrong.append(counts)

    reader = threading.Thread(target=read)
    reader.start()
    for day in days:
        part = brought(series(7, day * DAY_S, (day + 1) * DAY_S), since=0)
        put(archive, (1, part), (2, part))
    done.set()
    reader.join()
    assert wrong == []
    assert seen


def test_a_refused_batch_leaves_the_connection_good(archive):
    with archive.engine.transaction() as connection:
        with pytest.raises(Exception, match=r"(?i)foreign key|violates"), connection.begin_nested():
            archive.put(connection, 99, brought(series(7, START, END)), now=NOW)
        stored = archive.put(connection, 1, brought(series(7, START, END)), now=NOW)
    assert stored.intervals == 24
    assert len(shown(archive)) == 24
