"""From raw blocks to final days, on both back ends."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.local_days import DAY_S, day_bounds

from .world import DAY, EXPORT, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S


@pytest.fixture
def world(engine):
    return World(engine)


def truth(first, last):
    return [counted(end) - counted(end - 900) for end in range(first + 900, last + 1, 900)]


def test_a_day_that_is_all_there(world):
    world.put(rows_of(START - 900, END))
    kept = world.run()
    assert (kept.due, kept.finals, kept.overtaken) == (2, 1, 0)
    row, columns = world.finals()[IMPORT, DAY]
    assert columns.final[0].tolist() == truth(START, END)
    assert (columns.raw == columns.final).all()
    assert (columns.quality == Quality.VALID).all() and (columns.rule == Made.MEASURED).all()
    assert (columns.version == 1).all()
    assert (row.zone, row.start_s, row.period_s, row.intervals) == ("UTC", START, 900, 96)
    assert (row.suspect, row.estimated, row.missing, row.findings) == (0, 0, 0, 0)
    assert world.due() == []


def test_the_same_again_changes_nothing(world):
    rows = rows_of(START - 900, END)
    world.put(rows)
    world.run()
    before = world.versions().keys()
    world.put(rows)
    assert world.due() == []
    with world.engine.transaction() as connection:
        from ferraris.headend.store.due import mark_due

        mark_due(connection, world.tenant, [(world.meters[0], 1, DAY)], reason="x", at_s=1.0)
    assert world.run().finals == 0
    assert world.versions().keys() == before


def test_a_day_that_is_not_over_waits(world):
    world.now = float(END - 1)
    world.put(rows_of(START - 900, END - 3600))
    world.run()
    assert (IMPORT, DAY) not in world.finals()
    world.now = float(END)
    world.put(rows_of(END - 3600, END))
    world.run()
    assert world.values() == truth(START, END)
