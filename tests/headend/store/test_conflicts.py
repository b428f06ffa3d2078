"""Two transactions in each other's way: told apart from a store that is away, and done again."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import insert, select, text, update

from ferraris.headend.store.records import StoreAwayError, StoreConflictError, StoreFullError
from ferraris.headend.store.tables.inventory import TENANT

POSTGRESQL = pytest.mark.parametrize(
    "location", [pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


@pytest.fixture
def rows(engine):
    """Two rows, and how to write into them in an order."""
    with engine.transaction() as connection:
        connection.execute(insert(TENANT), [{"name": "a"}, {"name": "b"}])
        numbers = connection.execute(select(TENANT.c.id).order_by(TENANT.c.id)).scalars().all()
    meet = threading.Barrier(2, timeout=20)

    def crossing(order, calls):
        def work(connection):
            connection.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
            calls.append(1)
            for place in order:
                row = update(TENANT).where(TENANT.c.id == numbers[place])
                connection.execute(row.values(name=TENANT.c.name + str(order[0])))
                if len(calls) == 1 and place == order[0]:
                    meet.wait()  # both have their first row, and want that of the other
            return sum(calls)

        return work

    return crossing


def both(work):
    """Run two works in threads; what became of each."""
    found = []

    def one(each):
        try:
            found.append(each())
        except StoreAwayError as error:
            found.append(error)

    threads = [threading.Thread(target=one, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def names(engine):
    with engine.reading() as connection:
        return set(connection.execute(select(TENANT.c.name)).scalars())


@POSTGRESQL
def test_a_deadlock_is_a_conflict_and_no_trouble(engine, rows):
    def single(order):
        with engine.transaction() as connection:
            return rows(order, [])(connection)

    found = both([lambda: single((0, 1)), lambda: single((1, 0))])
    (error,) = [each for each in found if isinstance(each, StoreAwayError)]
    assert isinstance(error, StoreConflictError)
    assert "40P01" in str(error)
    assert engine.trouble.times == 0
    assert names(engine) in ({"a0", "b0"}, {"a1", "b1"})  # one of them whole, the other not at all


@POSTGRESQL
def test_a_deadlock_is_undone_and_done_again(engine, rows):
    found = both(
        [lambda: engine.repeated(rows((0, 1), [])), lambda: engine.repeated(rows((1, 0), []))]
    )
    assert sorted(found) == [1, 2]  # one was called twice
    assert names(engine) <= {"a01", "a10", "b01", "b10"}


@POSTGRESQL
def test_a_serialization_failure_is_done_again_and_not_for_ever(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(name="a"))
    calls = []

    def overtaken(times):
        def work(connection):
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.execute(select(TENANT.c.name)).all()
            calls.append(1)
            if len(calls) <= times:
                with engine.transaction() as other:
                    other.execute(update(TENANT).values(name=f"other {len(calls)}"))
            connection.execute(update(TENANT).values(name="mine"))

        return work

    engine.repeated(overtaken(2))
    assert len(calls) == 3
    assert names(engine) == {"mine"}
    calls.clear()
    with pytest.raises(StoreConflictError, match="quicker"):
        engine.repeated(overtaken(99), tries=3)
    assert len(calls) == 3


def test_only_conflicts_are_done_again(engine):
    calls = []

    def work(connection):
        calls.append(connection.execute(select(TENANT.c.id)).all())
        raise StoreFullError("no room left")

    with pytest.raises(StoreFullError):
        engine.repeated(work)
    assert len(calls) == 1
