"""Alarms: raised once by whoever comes first, read from meters, and cleared there afterwards."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import insert, select

from ferraris.headend.collect.alarms import Signal, signal
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.access import CHANGE
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.headend.store.tables.readings import ALARM

HEADS, ROUNDS, METERS = 2, 6, 3


def test_two_heads_that_hear_of_an_alarm_raise_it_once(engine, location):
    with engine.transaction() as connection:
        tenant = connection.execute(
            insert(TENANT).values(name="north").returning(TENANT.c.id)
        ).scalar_one()
        rows = [
            {"tenant": tenant, "external_id": f"M{n}", "system_title": b"", "created_s": 0,
             "changed_s": 0} for n in range(METERS)
        ]  # fmt: skip
        connection.execute(insert(METER), rows)
        numbers = dict(connection.execute(select(METER.c.external_id, METER.c.id)).all())
    together = Barrier(HEADS)

    def head(which):
        """Both tell of the same meters, each in another order; then all of it is over."""
        own = Engine(location)
        raised = 0
        for turn in range(ROUNDS):
            for is_on in (True, False):
                told = [
                    Signal(number, name, 100.0 * turn + which, {"magnet": is_on, "cover": is_on})
                    for name, number in sorted(numbers.items(), reverse=bool(which))
                ]
                together.wait(30)
                with own.transaction() as connection:
                    raised += signal(connection, tenant, told)
                together.wait(30)
        own.close()
        return raised

    with ThreadPoolExecutor(HEADS) as pool:
        raised = sum(pool.map(head, range(HEADS)))
    expected = ROUNDS * METERS * 2
    assert raised == expected
    with engine.reading() as connection:
        alarms = connection.execute(select(ALARM)).all()
        details = connection.execute(select(CHANGE.c.detail).where(CHANGE.c.kind == "alarm"))
        told = [json.loads(detail)["state"] for detail in details.scalars()]
    assert len(alarms) == expected
    assert all(row.times == HEADS and row.cleared_s is not None for row in alarms)
    assert (told.count("raised"), told.count("cleared")) == (expected, expected)
