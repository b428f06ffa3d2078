from __future__ import annotations

from sqlalchemy import insert, select

from ferraris.headend.store.due import mark_due
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.headend.store.tables.readings import PROFILE
from ferraris.headend.store.tables.validated import VEE_DUE

QUERY = select(VEE_DUE.c.day, VEE_DUE.c.local, VEE_DUE.c.reason, VEE_DUE.c.marks).order_by("day")


def test_marks_count_and_a_block_reaches_more_than_a_day(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(id=1, name="main"))
        connection.execute(
            insert(METER).values(
                id=1, tenant=1, external_id="a", system_title=b"", created_s=0, changed_s=0
            )
        )
        connection.execute(insert(PROFILE).values(id=1, tenant=1, obis="1-0:99.1.0*255"))
        keys = [(1, 1, 7), (1, 1, 8), (1, 1, 8)]
        assert mark_due(connection, 1, keys, reason="new", at_s=1.0) == 2
        assert mark_due(connection, 1, [(1, 1, 8), (1, 1, 9)], reason="x", at_s=2, local=True) == 2
        assert mark_due(connection, 1, [(1, 1, 9)], reason="y", at_s=3.0, local=True) == 1
        assert mark_due(connection, 1, [], reason="none", at_s=3.0) == 0
        found = [tuple(row) for row in connection.execute(QUERY)]
    assert found == [(7, 0, "new", 1), (8, 0, "x", 2), (9, 1, "y", 2)]
