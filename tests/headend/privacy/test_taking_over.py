"""An assignment that is noted late, or put right, brings readings under the right key."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from ferraris.headend.privacy import CustomerSealer, erase, take_over
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.tables.inventory import CUSTOMER, SERVICE_POINT_METER
from ferraris.headend.store.tables.readings import BLOCK, REGISTER_READ, UNDATED
from ferraris.headend.store.tables.validated import FINAL
from ferraris.keys import MemoryKeys

DAY = 86_400


def seals(connection, table, meter, when="day"):
    rows = connection.execute(select(table).where(table.c.meter == meter)).all()
    assert all(digest(row.body) == row.digest for row in rows)
    return {getattr(row, when): row.seal for row in rows}


def test_what_lies_in_the_clear_is_sealed(engine, town, sealer):
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for day in (8, 9, 10):
            shelf.block(town.b, day)
            shelf.read(town.b, day * DAY + 900, day)
            shelf.final(town.b, day, day * DAY)
            shelf.undated(town.b, day * DAY + 60)
        before = connection.execute(select(BLOCK.c.body).order_by(BLOCK.c.day)).scalars().all()
        made = object.__new__(town.town)
        made._connection, made.tenant, made._count = connection, town.tenant, 100
        cat = made.customer("C-3")  # of this very transaction
        made.assign(town.b, cat, 9 * DAY + 1800)
        assert take_over(connection, sealer, town.b) == 2 * 4
        assert take_over(connection, sealer, town.b) == 0
        for table in (BLOCK, REGISTER_READ, FINAL):
            assert seals(connection, table, town.b) == {8: 0, 9: cat, 10: cat}
        by_time = sorted(seals(connection, UNDATED, town.b, "stored_s").items())
        assert [seal for _, seal in by_time] == [0, cat, cat]
        rows = connection.execute(select(BLOCK).order_by(BLOCK.c.day)).all()
        assert [shelf.open(row, BLOCK) for row in rows] == before
        assert rows[1].body != before[1]
        for row in connection.execute(select(FINAL)).all():
            assert shelf.open(row, FINAL) == b"final"


def test_an_assignment_that_is_put_right(engine, town, sealer):
    """Ann's days turn out to be bob's; what was erased before does not come back."""
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for day in (10, 11, 12, 13):
            shelf.block(town.a, day)
        at = SERVICE_POINT_METER
        connection.execute(delete(at).where(at.c.customer == town.ann))
        connection.execute(update(at).values(since_s=11 * DAY))
        assert take_over(connection, sealer, town.a) == 2
        assert seals(connection, BLOCK, town.a) == {
            10: town.ann, 11: town.bob, 12: town.bob, 13: town.bob,
        }  # fmt: skip
        erase(connection, sealer, town.tenant, "C-2", reason="asked", at_s=1.0)
        connection.execute(update(at).values(customer=town.ann))
        assert take_over(connection, sealer, town.a) == 0


def test_the_key_store_is_asked_only_where_there_is_something(engine, town):
    class Locked(MemoryKeys):
        def destructions(self):
            raise AssertionError("the key store was asked")

    with engine.transaction() as connection:
        connection.execute(select(CUSTOMER))
        assert take_over(connection, CustomerSealer(engine, Locked()), town.a) == 0
        assert take_over(connection, CustomerSealer(engine, Locked()), town.b) == 0
