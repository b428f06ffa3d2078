"""Months in PostgreSQL: made before they are needed, and nobody waits long for anybody."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from ferraris.headend.store import partitions
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.partitions import (
    PARTITIONED,
    ensure_partitions,
    following,
    month_of,
    months_of,
    partition_days,
)
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables.readings import BLOCK

from ..neighbourhood import DAY, DAY_S, series
from .test_archive import END, START, archive, brought, put, shown

__all__ = ["archive"]

ONLY_POSTGRESQL = pytest.mark.parametrize(
    "location", [pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


@given(st.dates(date(1, 2, 1), date(9999, 10, 31)))
def test_every_day_lies_in_its_month(day):
    number = (day - date(1970, 1, 1)).days
    month = month_of(number)
    assert month == (day.year, day.month)
    first, end = partition_days(month)
    assert first <= number < end
    assert month_of(end) == following(month)
    assert date(1970, 1, 1) + timedelta(days=first) == day.replace(day=1)


def months(engine, table="block"):
    with engine.reading() as connection:
        return months_of(connection, table)


@ONLY_POSTGRESQL
def test_a_writer_makes_its_month_and_the_next_one(archive):
    put(archive, (1, brought(series(7, 0, 3600), since=0)))
    assert {(1970, 1), (1970, 2)} <= set(months(archive.engine))
    with archive.engine.transaction() as connection:
        assert ensure_partitions(connection, [0, 31]) == []
        assert ensure_partitions(connection, [-1, -1, 1 << 40]) == [(1969, 12)]
    assert all((1969, 12) in months(archive.engine, table) for table in PARTITIONED)


def test_sqlite_has_none(tmp_path):
    engine = Engine(tmp_path / "s")
    with engine.transaction() as connection:
        assert ensure_partitions(connection, [DAY]) == []
    engine.close()


@ONLY_POSTGRESQL
def test_writers_that_need_the_same_month_both_get_it(archive, location):
    wrong = []

    def write(meter):
        engine = Engine(location)
        try:
            other = type(archive)(engine, archive.tenant)
            put(other, (meter, brought(series(7, START - 90 * DAY_S, END), since=0)))
        except StoreError as error:
            wrong.append(error)
        engine.close()

    threads = [threading.Thread(target=write, args=(meter,)) for meter in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [len(shown(archive, meter, since=0)) for meter in (1, 2, 3)] == [91 * 24] * 3
    assert list(check(archive.engine)) == []


@ONLY_POSTGRESQL
def test_a_long_view_keeps_no_writer_waiting_and_its_rows_move_later(archive, monkeypatch):
    monkeypatch.setattr(partitions, "PATIENCE_MS", 50)
    old = brought(series(7, START - 90 * DAY_S, START - 89 * DAY_S), since=0)
    with archive.engine.reading() as view:
        view.execute(select(BLOCK)).all()  # as a backup does
        assert put(archive, (1, old)) == [(24, 0, 0)]
        assert put(archive, (2, old)) == [(24, 0, 0)]
    assert (2024, 7) not in months(archive.engine)
    assert len(shown(archive, since=0)) == 24
    with archive.engine.transaction() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "0"
        assert (2024, 7) in ensure_partitions(connection, [DAY - 90])
        rows = connection.execute(text("SELECT count(*) FROM block_2024_07")).scalar()
        left = connection.execute(text("SELECT count(*) FROM block_default")).scalar()
    assert (rows, left) == (2, 0)
    with archive.engine.reading() as connection:
        assert connection.execute(select(func.count()).select_from(BLOCK)).scalar() == 2
    assert list(check(archive.engine)) == []
