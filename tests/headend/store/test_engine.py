"""Transactions and errors are the same on both back ends."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.headend.store.changes import changes_after, forget_changes, newest_change, note
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError, StoreError
from ferraris.headend.store.tables.inventory import TENANT


def names(engine):
    with engine.reading() as connection:
        return connection.execute(select(TENANT.c.name).order_by(TENANT.c.id)).scalars().all()


def test_a_transaction_is_all_or_nothing(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(name="a"))
    with pytest.raises(ZeroDivisionError), engine.transaction() as connection:
        connection.execute(insert(TENANT).values(name="b"))
        raise ZeroDivisionError
    assert names(engine) == ["a"]


def test_a_broken_rule_is_a_store_error(engine):
    for _ in range(2):
        with engine.transaction() as connection:
            connection.execute(insert(TENANT).values(name="x" * 3))
            break
    with pytest.raises(StoreError) as caught, engine.transaction() as connection:
        connection.execute(insert(TENANT).values(name="xxx"))
    assert not isinstance(caught.value, StoreAwayError)
    assert names(engine) == ["xxx"]


def test_writers_of_several_threads_lose_nothing(engine):
    def write(number):
        for turn in range(10):
            with engine.transaction() as connection:
                connection.execute(insert(TENANT).values(name=f"{number}-{turn}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names(engine))) == 40


def test_changes_are_told_in_order_and_by_tenant(engine):
    with engine.transaction() as connection:
        for name in ("a", "b"):
            connection.execute(insert(TENANT).values(name=name))
        note(connection, 1, "meter", "m1", at_s=10.0, detail={"state": "active"})
        note(connection, 2, "meter", "m2", at_s=11.0)
        note(connection, 1, "meter", "m3", at_s=12.0)
    with engine.reading() as connection:
        found = changes_after(connection, 1, 0)
        assert [(line.subject, dict(line.detail)) for line in found] == [
            ("m1", {"state": "active"}),
            ("m3", {}),
        ]
        assert changes_after(connection, 1, found[0].number)[0].subject == "m3"
        newest = newest_change(connection)
    with engine.transaction() as connection:
        assert forget_changes(connection, 12.0) == 2
        note(connection, 1, "meter", "m4", at_s=13.0)
        assert newest_change(connection) > newest


def test_a_database_that_is_not_there_is_away_and_keeps_its_password():
    engine = Engine("postgresql://somebody:s3cret@127.0.0.1:1/none")
    with pytest.raises(StoreAwayError) as caught, engine.reading():
        pass
    assert "s3cret" not in f"{caught.value!s}{caught.value!r}{engine.location}"


@pytest.mark.parametrize("location", ["mysql://x/y", "sqlite://", "://"])
def test_other_databases_are_refused(location):
    with pytest.raises(UsageError):
        Engine(location)


def test_a_file_that_is_no_store(tmp_path):
    file = tmp_path / "x.sqlite"
    file.write_bytes(b"nonsense " * 1000)
    with pytest.raises(StoreError, match="not a store"), Engine(file).reading():
        pass
