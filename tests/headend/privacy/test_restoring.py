"""An older backup brings nobody back: who was erased since stays erased, in either back end."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.headend.audit import Journal
from ferraris.headend.privacy import CustomerSealer, complete, erase, settle
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.backing_up import back_up
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.restoring import restore, rows_in
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import CUSTOMER
from ferraris.headend.store.tables.readings import DAY_TOTAL, EVENT
from ferraris.headend.store.tables.validated import HUMAN_EDIT

from .test_with_the_archive import PROFILE, brought

DAY = 86_400
NOW = 1_773_187_200.0


@pytest.fixture
def old(sqlite_engine, keys, tmp_path):
    """A backup from before the erasure of C-1: sealed readings, and what lies in the clear."""
    from .conftest import Town

    with sqlite_engine.transaction() as connection:
        made = Town(connection)
        meter, ann, bob = made.meter("A"), made.customer("C-1"), made.customer("C-2")
        made.assign(meter, ann, 9 * DAY, 11 * DAY)
        made.assign(meter, bob, 11 * DAY)
    sealer = CustomerSealer(sqlite_engine, keys)
    archive = Archive(sqlite_engine, made.tenant, sealer)
    with sqlite_engine.transaction() as connection:
        archive.put(connection, meter, brought(9, 4), now=12 * DAY)
        block = connection.execute(select(DAY_TOTAL)).first()
        of = {"tenant": made.tenant, "meter": meter}
        edit = of | {"profile": block.profile, "channel": block.channel, "version": 1}
        connection.execute(
            insert(HUMAN_EDIT).values(
                edit | {"end_s": 10 * DAY, "kind": "set", "value": 1, "by": "x", "reason": "r",
                        "at_s": 0.0}
            )
        )  # fmt: skip
        connection.execute(
            insert(EVENT).values(
                of | {"log": "l", "at_s": 10 * DAY, "turn": 0, "code": 1, "stamp": b"",
                      "stored_s": 0}
            )
        )  # fmt: skip
    file = tmp_path / "old.ferraris"
    back_up(sqlite_engine, file, now=NOW)
    return sqlite_engine, file, made.tenant, meter


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def target(request, tmp_path):
    """An empty place in either back end."""
    if request.param == "sqlite":
        opened = Engine(tmp_path / "restored.sqlite")
    else:
        opened = Engine(request.getfixturevalue("postgresql_location"))
    yield opened
    opened.close()


def days_in(engine, table, column="day"):
    with engine.reading() as connection:
        return sorted(set(connection.execute(select(table.c[column])).scalars()))


def test_who_was_erased_stays_erased_when_an_older_backup_comes_back(old, target, keys):
    engine, file, tenant, meter = old
    with engine.transaction() as connection:
        erase(
            connection, CustomerSealer(engine, keys), tenant, "C-1", reason="asked", at_s=NOW
        )  # fmt: skip
    assert rows_in(file, "customer") == 2
    restore(target, file)
    assert days_in(target, DAY_TOTAL) == [9, 10, 11, 12]  # in the clear, and back

    done = settle(target, keys, at_s=NOW + DAY, journal=Journal().write)
    assert [(each.customer, each.erased_s) for each in done] == [("C-1", NOW)]
    assert days_in(target, DAY_TOTAL) == [11, 12]
    assert days_in(target, HUMAN_EDIT, "end_s") == days_in(target, EVENT, "at_s") == []
    sealer = CustomerSealer(target, keys)
    with target.reading() as connection:
        archive = Archive(target, tenant, sealer)
        ends = archive.series(connection, meter, PROFILE, 0, 1 << 40).ends
        assert (ends[0], len(ends)) == (11 * DAY + 3600, 48)
        erased = dict(connection.execute(select(CUSTOMER.c.name, CUSTOMER.c.erased_s)).all())
        lines = connection.execute(select(AUDIT.c.action, AUDIT.c.subject)).all()
    assert erased == {"C-1": NOW, "C-2": None}
    assert ("erase_customer", "C-1") in [tuple(line) for line in lines]
    assert settle(target, keys, at_s=NOW + DAY, journal=Journal().write) == []


def test_database_and_keys_that_know_of_equally_many_are_compared(old, keys):
    """The database knows that C-2 is gone, the keys that C-1 is: each learns from the other."""
    engine, _, tenant, _ = old
    sealer = CustomerSealer(engine, keys)
    with engine.transaction() as connection:
        numbers = dict(connection.execute(select(CUSTOMER.c.name, CUSTOMER.c.id)).all())
        connection.execute(CUSTOMER.update().where(CUSTOMER.c.name == "C-2").values(erased_s=NOW))
        sealer.destroy(connection, numbers["C-1"], NOW)
        journal = Journal().write
        assert complete(connection, sealer, at_s=NOW + 30 * DAY, journal=journal) == []
    (done,) = settle(engine, keys, at_s=NOW + 30 * DAY, journal=journal)
    assert done.customer == "C-1"
    assert sealer.erased_s(numbers["C-2"]) == NOW
    assert tenant


def test_nothing_of_a_customer_is_kept_without_a_sealer(engine, town):
    """Who forgets to hand one in writes nothing in the clear."""
    archive = Archive(engine, town.tenant)
    for first, days in ((8, 2), (10, 1), (12, 1)):
        given = brought(first, days)
        with engine.transaction() as connection:
            if first == 8:  # before the first customer came
                assert archive.put(connection, town.a, given, now=9 * DAY).intervals == 48
            assert archive.put(connection, town.b, given, now=9 * DAY).intervals == 24 * days
        if first > 8:
            with (
                pytest.raises(UsageError, match="measures for a customer: open the key store"),
                engine.transaction() as connection,
            ):
                archive.put(connection, town.a, given, now=9 * DAY)
