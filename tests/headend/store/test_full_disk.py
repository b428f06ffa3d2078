"""A disk full to its last octet: a clear error, nothing lost, and on when there is room."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import random
from array import array

import pytest
from small_disk import AS_ROOT
from sqlalchemy import func, select

from ferraris.data.readings import Channel, Series
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import Brought, StoreAwayError, StoreFullError
from ferraris.headend.store.tables.readings import BLOCK

from ..neighbourhood import DAY, DAY_S, NOW, PROFILE
from .test_archive import enrol

METERS, BATCH, MOST = 200, 20, 400
SPAN = (DAY * DAY_S, (DAY + 1) * DAY_S)
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.fixture(params=BOTH)
def small_store(request):
    return request.getfixturevalue(f"small_{request.param}")


def noise(meter, day):
    """A day that packs badly, so that a few thousand of them fill a small disk."""
    source = random.Random(meter * 10_000 + day)
    ends = array("q", range(day * DAY_S + 900, (day + 1) * DAY_S + 1, 900))
    values = [[source.getrandbits(60) for _ in ends] for _ in range(4)]
    channels = [Channel(f"noise {n}", 3, 2, 0, 30) for n in range(4)]
    series = Series("", PROFILE, ends, channels, values)
    return Brought(pack_series(PROFILE, series, day * DAY_S, (day + 1) * DAY_S))


def batches():
    for turn in range(MOST):
        day, place = divmod(turn, METERS // BATCH)
        first = 1 + place * BATCH
        yield [(meter, noise(meter, DAY - day)) for meter in range(first, first + BATCH)]


def write(store, batch):
    with store.engine.transaction() as connection:
        store.archive.put_many(connection, batch, now=NOW)


def blocks(store):
    with store.engine.reading() as connection:
        return connection.execute(select(func.count()).select_from(BLOCK)).scalar()


def until_full(store, work, error):
    """Write until it no longer goes; the number of blocks that were told to be there."""
    for number, batch in enumerate(work):
        try:
            write(store, batch)
        except error as told:
            return number * BATCH, batch, told
    raise AssertionError("never full")


def test_a_full_disk_is_told_and_waited_for(small_store):
    with Store.open(small_store.location) as store:
        with store.engine.transaction() as connection:
            enrol(connection, store.tenant, METERS)
        work = batches()
        write(store, next(work))
        small_store.fill()
        told, batch, error = until_full(store, work, StoreFullError)
        assert "has no room left: free some" in str(error)
        assert "disk of" in str(error)
        assert store.engine.trouble.error.message == error.message
        assert blocks(store) == BATCH + told  # what is there can be read, and nothing half is
        with pytest.raises(StoreFullError):
            write(store, batch)
        small_store.free()
        write(store, batch)
        for _, more in zip(range(5), work, strict=False):
            write(store, more)
        assert store.engine.trouble.times == 2
        assert blocks(store) == told + 7 * BATCH
        assert store.check() == []


@pytest.mark.services
@pytest.mark.skipif(not AS_ROOT, reason="needs a second disk, which only root mounts")
def test_a_full_disk_of_the_write_ahead_log_ends_the_server_and_loses_nothing(small_postgresql):
    with Store.open(small_postgresql.location) as store:
        with store.engine.transaction() as connection:
            enrol(connection, store.tenant, METERS)
        work = batches()
        small_postgresql.fill_log()
        told, batch, error = until_full(store, work, (StoreAwayError, StoreFullError))
        assert "tried again" in str(error) or "write-ahead log" in str(error)
        small_postgresql.free_log()
        small_postgresql.begin_again()
        found = blocks(store)
        assert told <= found <= told + BATCH  # of the last one nobody knows
        write(store, batch)
        assert blocks(store) == told + BATCH
        assert store.check() == []
