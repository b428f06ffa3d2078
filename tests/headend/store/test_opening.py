"""A store is opened for one tenant, and tells how much it has."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.data.readings import Event, Reading
from ferraris.headend.store.checking import examine
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import StoreError

from ..neighbourhood import series
from .test_archive import END, START, brought, enrol, put, shown


def test_tenants_of_one_store(location):
    with Store.open(location) as one, Store.open(location, tenant="two") as two:
        for store in (one, two):
            with store.engine.transaction() as connection:
                enrol(connection, store.tenant, 1, f"m{store.tenant}")
        readings = [Reading("", "x", 1), Reading("", "y", 2)]
        events = [Event("", "push", None, 1)]
        first = brought(series(7, START, END - 3600), readings=readings, events=events)
        assert put(one.archive, (1, first)) == [(23, 2, 1)]
        assert put(one.archive, (1, brought(series(7, START, END)))) == [(1, 0, 0)]
        found = one.summary()
        held = (found.meters, found.blocks, found.intervals, found.register_reads, found.registers)
        assert held == (1, 2, 24, 1, 2)
        assert (found.events, found.sessions) == (1, 0)
        assert found.octets > 100_000
        assert two.summary().blocks == two.summary().events == 0
        assert one.check() == two.check() == []
        assert "two" not in one.location
    with Store.open(location) as again:
        assert again.tenant == 1
        assert len(shown(again.archive)) == 24


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_one_tenant_learns_of_its_own_faults_only(location):
    with Store.open(location) as store, Store.open(location, tenant="two") as two:
        for each in (store, two):
            with each.engine.transaction() as connection:
                enrol(connection, each.tenant, 1, f"m{each.tenant}")
            put(each.archive, (each.tenant, brought(series(7, START, END))))
        with store.engine.transaction() as connection:
            connection.exec_driver_sql("UPDATE block SET body = x'00' WHERE meter = 2")
        with store.engine.reading() as connection:
            assert list(examine(connection, tenant=1)) == []
            assert len(list(examine(connection, tenant=2))) == 1
        assert len(store.check()) == 1


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(StoreError, match="not a store"):
        Store.open(tmp_path / "text")
    with pytest.raises(StoreError, match="unable to open"):
        Store.open(tmp_path / "none" / "store.sqlite")
    with pytest.raises(UsageError, match="no store at"):
        Store.open("mysql://x/y")
