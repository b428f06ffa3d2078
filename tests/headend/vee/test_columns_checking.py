"""Sound final days have no faults, of whatever kind they are; damage that a hash hides is named."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from ferraris.headend.store.exchange import digest
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee import columns_checking
from ferraris.headend.vee.columns_checking import check_finals
from ferraris.headend.vee.local_days import DAY_S

from .test_decisions import SET, at, decided, late, with_a_hole
from .world import DAY, EXPORT, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S


@pytest.fixture
def world(engine):
    """Versions with estimates, decisions, doubts, gaps to the end and such that were withdrawn."""
    world = with_a_hole(World(engine))
    decided(world, SET, [(at(41), 7)])
    world.run()
    late(world)
    world.put([(end, value, 0) for end, value in rows_of(END, END + DAY_S)], names=(IMPORT, EXPORT))
    world.run()
    world.put(rows_of(END + DAY_S, END + 2 * DAY_S - 7200))
    world.run()
    world.read({IMPORT: counted(END + 2 * DAY_S)}, END + 2 * DAY_S)
    world.run()
    return world


def faults(world, **how):
    with world.engine.reading() as connection:
        return list(check_finals(connection, **how))


def test_sound_final_days_have_no_faults(world, monkeypatch):
    monkeypatch.setattr(columns_checking, "_STEP", 2)
    with world.engine.reading() as connection:
        rows = connection.execute(select(FINAL)).all()
    assert len(rows) > 5
    for kind in ("estimated", "edited", "missing"):
        assert any(row._mapping[kind] for row in rows)
    assert faults(world) == []


@pytest.mark.parametrize("column", ["estimated", "suspect", "edited", "missing", "findings"])
def test_a_row_that_says_something_else_is_named(world, column):
    with world.engine.transaction() as connection:
        mine = FINAL.c.day == DAY, FINAL.c.version == 2
        connection.execute(update(FINAL).where(*mine).values({column: FINAL.c[column] + 1}))
    (fault,) = faults(world, tenant=world.tenant)
    assert fault == (
        "final values of meter meter-0, profile 1-0:99.1.0*255, channel 1-0:1.8.0*255, day "
        "2024-10-04, version 2: the contents do not match their row"
    )
    assert faults(world, tenant=world.tenant + 1) == []


def test_contents_that_cannot_be_read_are_named(world):
    body = b"\x01\xff"
    with world.engine.transaction() as connection:
        mine = FINAL.c.day == DAY, FINAL.c.version == 1
        connection.execute(update(FINAL).where(*mine).values(body=body, digest=digest(body)))
    (fault,) = faults(world)
    assert "day 2024-10-04, version 1: " in fault
