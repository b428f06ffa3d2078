"""A backup has everything, goes into either back end, and a bad one changes nothing."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import os
import random
import threading
import zipfile

import pytest
from sqlalchemy import BigInteger, Double, Integer, LargeBinary, select, text, update

from ferraris.core.errors import UsageError
from ferraris.headend.store import restoring
from ferraris.headend.store.backing_up import back_up
from ferraris.headend.store.changes import newest_change, note
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import head, migrate
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.restoring import restore
from ferraris.headend.store.tables import METADATA
from ferraris.headend.store.tables.inventory import METER, NODE
from ferraris.headend.store.upsert import add

from ..neighbourhood import DAY_S, NOW, series
from .test_archive import END, START, archive, brought, enrol, put, shown

__all__ = ["archive"]


def some(column, turn):
    """A value for a column, another one for each turn, and none where that is allowed."""
    if column.foreign_keys or column.name == "tenant":
        return 1
    kind = column.type
    if isinstance(kind, LargeBinary):
        return bytes((0, 255, turn))
    if isinstance(kind, Double):
        return 0.1 + turn
    if isinstance(kind, BigInteger | Integer):
        big = not column.primary_key and isinstance(kind, BigInteger)
        return (1 << 62) + turn if big else 100 + turn
    return f"ä {turn}"


def fill_all(engine):
    """Rows in every table: of all kinds of values, with NULL, and with references forwards."""
    with engine.transaction() as connection:
        for table in METADATA.sorted_tables:
            for turn in range(2):
                row = {
                    column.name: some(column, turn)
                    for column in table.columns
                    if not (column.nullable and turn) and column.name != "id"
                }
                add(connection, table, [row])
        connection.execute(update(METER).where(METER.c.id == 1).values(behind=2))
        connection.execute(update(NODE).where(NODE.c.id == 1).values(parent=2))


def contents(engine):
    with engine.reading() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in METADATA.sorted_tables
        }


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def target(request, tmp_path):
    """Where a backup goes to: nothing is there."""
    location = tmp_path / "restored.sqlite"
    if request.param == "postgresql":
        location = request.getfixturevalue("another_location")
    opened = Engine(location)
    yield opened
    opened.close()


@pytest.fixture
def another_location(postgresql_schema):
    with postgresql_schema() as location:
        yield location


def test_every_table_comes_back_in_either_back_end(engine, target, tmp_path):
    fill_all(engine)
    told = []
    made = back_up(engine, tmp_path / "b", now=NOW, progress=lambda *of: told.append(of))
    assert (made.tables, made.revision, made.made_s) == (len(METADATA.tables), head(), NOW)
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert restore(target, tmp_path / "b") == made
    assert contents(target) == contents(engine)
    assert sum(rows for _, rows in told) == made.rows >= len(METADATA.tables)
    # Whoever writes on gets numbers of its own.
    with target.transaction() as connection:
        assert len(enrol(connection, 1, 2, "new")) == 2


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_tables_of_an_older_revision_are_taken_from_the_database(
    archive, target, tmp_path, monkeypatch
):
    put(archive, (1, brought(series(7, START, END))))
    back_up(archive.engine, tmp_path / "b", now=NOW)
    monkeypatch.setattr(restoring, "head", lambda: "a later one")
    restore(target, tmp_path / "b")
    assert contents(target) == contents(archive.engine)


def test_readings_come_back_and_are_sound(archive, target, tmp_path):
    given = series(7, START - 40 * DAY_S, END)
    put(archive, (1, brought(given, since=0)))
    put(archive, (1, brought(series(8, START, END))))
    with archive.engine.transaction() as connection:
        note(connection, archive.tenant, "meter", "a", at_s=NOW)
        connection.execute(text("DELETE FROM change"))
    back_up(archive.engine, tmp_path / "b", now=NOW)
    restore(target, tmp_path / "b")
    assert list(check(target)) == []
    other = type(archive)(target, archive.tenant)
    assert list(shown(other).rows()) == list(series(8, START, END).rows())
    assert len(shown(other, since=0)) == 41 * 24
    assert put(other, (1, brought(series(8, START, END)))) == [(0, 0, 0)]
    with target.transaction() as connection:  # a change that is gone keeps its number
        note(connection, archive.tenant, "meter", "b", at_s=NOW)
        assert newest_change(connection) == 2


def test_a_backup_is_one_view_and_is_put_back_while_others_write(archive, tmp_path):
    stop = threading.Event()

    def write():
        hour = 0
        while not stop.is_set() and hour < 24:
            at = START + hour * 3600
            put(archive, *[(n, brought(series(n, at, at + 3600))) for n in (1, 2, 3)])
            hour += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(3):
            back_up(archive.engine, tmp_path / f"b{turn}", now=NOW)
            restored = Engine(tmp_path / f"s{turn}")
            restore(restored, tmp_path / f"b{turn}")
            assert list(check(restored)) == []
            lengths = {len(shown(type(archive)(restored, archive.tenant), n)) for n in (1, 2, 3)}
            assert len(lengths) == 1, "a view has whole batches"
            restored.close()
        assert list(check(archive.engine)) == []
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_damaged_or_cut_backup_is_refused_and_nothing_is_made(archive, tmp_path):
    put(archive, (1, brought(series(7, START, END))))
    back_up(archive.engine, tmp_path / "b", now=NOW)
    whole = (tmp_path / "b").read_bytes()
    source = random.Random(5)
    target = Engine(tmp_path / "target")
    bad = tmp_path / "bad"
    refused = 0
    for turn in range(24):
        octets = bytearray(whole)
        place = source.randrange(len(octets))
        if turn % 3:
            octets[place] ^= 1 << source.randrange(8)
        else:
            octets = octets[:place]
        bad.write_bytes(octets)
        try:
            restore(target, bad)
        except StoreError:
            refused += 1
            with target.reading() as connection:
                assert connection.execute(text("SELECT * FROM sqlite_schema")).all() == []
            continue
        # Some bits of a ZIP file mean nothing: then all is there.
        assert contents(target) == contents(archive.engine)
        target.close()
        target = Engine(tmp_path / f"target{turn}")
    assert refused >= 12
    restore(target, tmp_path / "b")
    assert list(check(target)) == []
    target.close()


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_failure_on_the_way_leaves_the_store_empty(archive, target, tmp_path, monkeypatch):
    put(archive, (1, brought(series(7, START, END))))
    back_up(archive.engine, tmp_path / "b", now=NOW)
    genuine, calls = restoring.read_rows, []

    def failing(archive, entry):
        for row in genuine(archive, entry):
            calls.append(entry.name)
            if calls.count("block") == 2:  # the second time, when it is written
                raise StoreError("the disk is gone", where="test")
            yield row

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "read_rows", failing)
        with pytest.raises(StoreError, match="gone"):
            restore(target, tmp_path / "b")
    assert set(map(len, contents(target).values())) == {0}
    restore(target, tmp_path / "b")
    assert contents(target) == contents(archive.engine)


def test_a_store_with_rows_is_never_written_over(archive, tmp_path):
    back_up(archive.engine, tmp_path / "b", now=NOW)
    before = contents(archive.engine)
    with pytest.raises(UsageError, match="not empty"):
        restore(archive.engine, tmp_path / "b")
    assert contents(archive.engine) == before


def test_what_is_in_the_way_is_said(archive, tmp_path):
    file = tmp_path / "b"
    back_up(archive.engine, file, now=NOW)
    with pytest.raises(UsageError, match="exists already"):
        back_up(archive.engine, file, now=NOW)
    with pytest.raises(StoreError, match="No such file"):
        back_up(archive.engine, tmp_path / "none" / "b", now=NOW)
    target = Engine(tmp_path / "target")
    with pytest.raises(StoreError, match="No such file"):
        restore(target, tmp_path / "none")
    (tmp_path / "text").write_text("no backup")
    with pytest.raises(StoreError, match="no backup"):
        restore(target, tmp_path / "text")
    with zipfile.ZipFile(file) as given, zipfile.ZipFile(tmp_path / "newer", "w") as newer:
        manifest = given.read("manifest.json").replace(f'"{head()}"'.encode(), b'"9999"')
        newer.writestr("manifest.json", manifest)
    with pytest.raises(StoreError, match="a newer one made it"):
        restore(target, tmp_path / "newer")
    target.close()


@pytest.mark.skipif(os.name != "posix", reason="no file size limits there")
def test_a_full_disk_leaves_no_half_backup(archive, tmp_path):
    import resource

    put(archive, (1, brought(series(7, START, END))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    migrate(archive.engine)  # everything that writes to the store has done so
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"large|room|space"):
            back_up(archive.engine, tmp_path / "b", now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [name for name in os.listdir(tmp_path) if "b" in name.split(".")] == []
    back_up(archive.engine, tmp_path / "b", now=NOW)
