"""A sound store has no faults; whatever was damaged is named."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import delete, insert, text, update

from ferraris.data.readings import Reading
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.checking import check
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
)
from ferraris.headend.store.tables.readings import (
    BLOCK,
    CHANNEL,
    DAY_TOTAL,
    LAYOUT,
    REGISTER_READ,
    UNDATED,
)

from ..neighbourhood import DAY_S, series
from .test_archive import END, START, Shift, archive, brought, put

__all__ = ["archive"]

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.services)


@pytest.fixture
def filled(archive):
    """Two meters with two days, versions, registers and rows without an instant; one sealed."""
    archive = Archive(archive.engine, archive.tenant, Shift())
    given = series(7, START - DAY_S, END - 3600)
    given.undated = [(b"\xff" * 12, 1, None)]
    readings = [Reading("", "one", 1), Reading("", "two", b"\x01")]
    put(archive, *[(meter, brought(given, readings=readings)) for meter in (1, 2)])
    put(archive, *[(meter, brought(series(7, END - 3600, END))) for meter in (1, 2)])
    return archive


def change(archive, statement):
    with archive.engine.transaction() as connection:
        assert connection.execute(statement).rowcount == 1


def test_a_sound_store_has_no_faults_and_tells_its_progress(filled):
    told = []
    assert list(check(filled.engine, progress=lambda *of: told.append(of))) == []
    assert told == [(10, 10)]


def test_further_checks_are_asked_in_the_same_view(filled):
    def further(connection):
        yield f"{connection.execute(text('SELECT count(*) FROM block')).scalar()} seen"

    assert list(check(filled.engine, further=[further])) == ["6 seen"]


def of(table, **values):
    return [table.c[name] == value for name, value in values.items()]


NEWEST = of(BLOCK, meter=2, day=20_000, version=2)
DAMAGE = {
    "a body": (
        update(BLOCK).where(*NEWEST).values(body=b"\x01\x02"),
        "block of meter meter-1, profile 1-0:99.1.0*255, day 2024-10-04, version 2: the contents "
        "do not match their hash",
    ),
    "a sealed body": (
        update(BLOCK).where(*of(BLOCK, meter=1, day=20_000, version=2)).values(digest=b"12345678"),
        "block of meter meter-0, profile 1-0:99.1.0*255, day 2024-10-04, version 2: the contents "
        "do not match their hash",
    ),
    "a count": (
        update(BLOCK).where(*NEWEST).values(rows=23),
        "block of meter meter-1, profile 1-0:99.1.0*255, day 2024-10-04, version 2: the contents "
        "do not match their row",
    ),
    "a read": (
        update(REGISTER_READ).where(REGISTER_READ.c.meter == 2).values(body=b"\x00"),
        "register read of meter meter-1, day 2024-10-04, version 1: the contents do not match "
        "their hash",
    ),
    "undated rows": (
        update(UNDATED).where(UNDATED.c.meter == 2).values(rows=2),
        "undated rows of meter meter-1, profile 1-0:99.1.0*255: ",
    ),
    "a total": (
        update(DAY_TOTAL).where(*of(DAY_TOTAL, meter=2, day=19_999, channel=1)).values(last=5),
        "block of meter meter-1, profile 1-0:99.1.0*255, day 2024-10-03, version 1: the total of "
        "channel 1 is not that of its rows",
    ),
    "a missing total": (
        delete(DAY_TOTAL).where(*of(DAY_TOTAL, meter=2, day=19_999, channel=2)),
        "block of meter meter-1, profile 1-0:99.1.0*255, day 2024-10-03, version 1: the total of "
        "channel 2 is not that of its rows",
    ),
    "a layout": (
        update(LAYOUT).where(LAYOUT.c.id == 2).values(channels="[3, 99]"),
        "layout 2: there is no channel 99",
    ),
    "a channel": (delete(CHANNEL).where(CHANNEL.c.id == 4), "layout 2: there is no channel 4"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named(filled, what):
    statement, sentence = DAMAGE[what]
    change(filled, statement)
    (fault,) = check(filled.engine)
    assert fault.startswith(sentence)


def test_totals_that_went_with_a_customer_are_no_fault(filled):
    change(filled, delete(DAY_TOTAL).where(*of(DAY_TOTAL, meter=2, day=19_999, channel=2)))
    assert len(list(check(filled.engine))) == 1
    with filled.engine.transaction() as connection:
        shared = {"tenant": filled.tenant}
        connection.execute(insert(CUSTOMER).values(name="c", erased_s=1.0, **shared))
        connection.execute(insert(SERVICE_POINT).values(name="p", **shared))
        place = {"service_point": 1, "since_s": 0, "meter": 2, "customer": 1}
        connection.execute(insert(SERVICE_POINT_METER).values(**place, **shared))
    assert list(check(filled.engine)) == []
    change(filled, update(DAY_TOTAL).where(*of(DAY_TOTAL, meter=2, day=19_999)).values(last=5))
    assert len(list(check(filled.engine))) == 1


def test_a_revision_of_another_program_is_named(filled):
    change(filled, text("UPDATE store_revision SET version_num = '9999'"))
    assert next(check(filled.engine)).startswith("the schema is of revision 9999")


def test_missing_rows_are_named(filled):
    engine = filled.engine
    with engine.transaction() as connection:
        if engine.is_postgresql:  # rows get lost where rules do not hold, by a bad disk
            connection.execute(text("SET session_replication_role = replica"))
            connection.execute(text("DELETE FROM profile"))
            connection.execute(text("SET session_replication_role = DEFAULT"))
    if not engine.is_postgresql:
        plain = sqlite3.connect(engine.url.database)
        plain.execute("DELETE FROM profile")
        plain.commit()
        plain.close()
    faults = list(check(engine))
    assert [fault for fault in faults if "missing row" in fault and "block" in fault]


@pytest.mark.parametrize("location", [POSTGRESQL], indirect=True)
def test_numbers_that_would_come_twice_are_named(filled):
    with filled.engine.transaction() as connection:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('meter', 'id'), 1)"))
    assert list(check(filled.engine)) == ["table meter: the next number would be 2, there is 3"]


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_damaged_page_is_named(filled):
    engine = filled.engine
    with engine.reading() as connection:
        root = connection.execute(
            text("SELECT rootpage FROM sqlite_schema WHERE name = 'ix_block_day'")
        ).scalar()
    engine.close()
    plain = sqlite3.connect(engine.url.database)
    plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = plain.execute("PRAGMA page_size").fetchone()[0]
    plain.close()
    with open(engine.url.database, "r+b") as file:
        file.seek((root - 1) * size + size - 20)
        file.write(b"\x55" * 20)
    assert any("ix_block_day" in fault for fault in check(engine))
