"""Names get one number each, whoever asks first; what is rolled back is not remembered."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from ferraris.headend.store.catalogue import Catalogue, tenant_number
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import ChannelKey, StoreError
from ferraris.headend.store.tables.inventory import TENANT
from ferraris.headend.store.tables.readings import CHANNEL, LAYOUT, PROFILE
from ferraris.headend.store.upsert import add, upsert

KEYS = tuple(ChannelKey(f"1-0:{n}.8.0*255", 1, 3, 2, 0, -1, 30) for n in (1, 2, 3))


@pytest.fixture
def catalogue(engine):
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
    return Catalogue(engine, tenant)


def count(engine, table):
    with engine.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def test_a_name_of_an_open_transaction_is_nobody_elses(engine, catalogue):
    with engine.transaction() as connection:
        profile = catalogue.make_profile(connection, "1-0:99.1.0")
        layout = catalogue.make_layout(connection, KEYS)
        assert catalogue.profile(connection, "1-0:99.1.0*255") == profile
        assert catalogue.layout(connection, layout).channels == KEYS
        other = Catalogue(engine, catalogue.tenant)
        with engine.reading() as view:
            assert other.profile(view, "1-0:99.1.0") is None
            with pytest.raises(StoreError, match="no layout"):
                other.layout(view, layout)
    with engine.reading() as view:
        assert other.profile(view, "1-0:99.1.0") == profile
        assert other.layout(view, layout).channels == KEYS


def test_what_is_rolled_back_is_forgotten(engine, catalogue):
    with pytest.raises(ZeroDivisionError), engine.transaction() as connection:
        catalogue.make_layout(connection, KEYS)
        raise ZeroDivisionError
    with engine.transaction() as connection:
        with pytest.raises(ZeroDivisionError), connection.begin_nested():
            catalogue.make_profile(connection, "1-0:99.2.0")
            raise ZeroDivisionError
        assert catalogue.profile(connection, "1-0:99.2.0") is None
        catalogue.make_profile(connection, "1-0:99.1.0")
        layout = catalogue.make_layout(connection, KEYS[::-1])
    assert (count(engine, PROFILE), count(engine, LAYOUT), count(engine, CHANNEL)) == (1, 1, 3)
    with engine.transaction() as connection:
        assert catalogue.make_layout(connection, KEYS[::-1]) == layout
        assert catalogue.make_layout(connection, KEYS) != layout


def test_many_who_ask_at_once_get_the_same_number(location):
    engines = [Engine(location) for _ in range(4)]
    from ferraris.headend.store.migrations import migrate

    migrate(engines[0])
    with engines[0].transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
    found, wrong = [], []

    def ask(engine):
        catalogue = Catalogue(engine, tenant)
        for turn in range(10):
            keys = tuple(key._replace(scaler=turn) for key in KEYS)
            for _ in range(20):
                try:
                    with engine.transaction() as connection:
                        found.append((turn, catalogue.make_layout(connection, keys)))
                    break
                except StoreError as error:
                    wrong.append(str(error))

    threads = [threading.Thread(target=ask, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line for line in wrong if "quicker" not in line] == []
    assert len(found) == 40
    assert len(set(found)) == 10
    with engines[0].reading() as connection:
        versions = connection.execute(select(CHANNEL.c.name, CHANNEL.c.version)).all()
    assert sorted(map(tuple, versions)) == sorted((k.name, n) for k in KEYS for n in range(1, 11))
    for engine in engines:
        engine.close()


def test_rows_that_may_be_there_already(engine):
    with engine.transaction() as connection:
        assert add(connection, TENANT, [{"name": "a"}, {"name": "b"}]) == 2
        assert add(connection, TENANT, [{"name": "b"}, {"name": "c"}]) == 1
        assert add(connection, TENANT, []) == upsert(connection, TENANT, []) == 0
        assert upsert(connection, TENANT, [{"id": 1, "name": "z"}, {"id": 9, "name": "y"}]) == 2
        assert upsert(connection, TENANT, [{"name": "z"}], key=["name"]) == 0
        assert upsert(connection, TENANT, [{"id": 9, "name": "x"}], update=[]) == 0
        rows = connection.execute(select(TENANT.c.id, TENANT.c.name).order_by(TENANT.c.id)).all()
    assert [name for _, name in rows] == ["z", "b", "c", "y"]
