"""A register that comes late and by itself: the days that it decides run again, and no others."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from ferraris.headend.store.tables.validated import VEE_DUE
from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.local_days import DAY_S

from .world import DAY, EXPORT, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
DELTA = "1-0:1.29.0*255"
DUE = "register"


@pytest.fixture
def world(engine):
    """One meter, in either store."""
    return World(engine)


def days_due(world):
    return [(day, bool(local), reason) for _, day, local, reason in world.due()]


def test_a_late_register_closes_a_day_by_itself(world):
    world.put(rows_of(START - 900, END - 8 * 900))
    world.run()
    row, _ = world.finals()[IMPORT, DAY]
    assert (row.version, row.missing) == (1, 8)
    world.read({IMPORT: counted(END)}, END)
    assert days_due(world) == [(DAY, True, DUE)]
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert row.version == 2
    assert columns.final.sum() == counted(END) - counted(START)
    assert set(columns.rule[0, 88:]) == {Made.REGISTER_DIFFERENCE}


def test_a_late_register_opens_a_day_by_itself(world):
    """A day at whose beginning the register is not known lacks its first interval."""
    world.put([row for row in rows_of(START - DAY_S, END) if row[0] != START])
    world.run()
    first = world.values()[0] + world.values(DAY - 1)[-1]
    world.read({IMPORT: counted(START)}, START)
    assert days_due(world) == [(DAY - 1, True, DUE), (DAY, True, DUE)]
    world.run()
    assert world.values()[0] == counted(START + 900) - counted(START)
    assert world.values()[0] + world.values(DAY - 1)[-1] == first


def test_late_registers_prove_intervals(world):
    rows = [(end, counted(end) - counted(end - 900)) for end, _ in rows_of(START, END)]
    rows[50] = rows[50][0], rows[50][1] + 100
    world.put(rows, names=(DELTA,))
    world.run()
    assert set(world.finals()[DELTA, DAY][1].quality[0]) == {Quality.VALID}
    for instant in (START, END):
        world.read({IMPORT: counted(instant)}, instant)
        assert days_due(world) == [(DAY, True, DUE)]
        world.run()
    row, columns = world.finals()[DELTA, DAY]
    assert row.findings & Finding.SUM
    assert set(columns.quality[0]) == {Quality.SUSPECT}
    rows[50] = rows[50][0], rows[50][1] - 100
    world.put(rows, names=(DELTA,))
    world.run()
    assert set(world.finals()[DELTA, DAY][1].quality[0]) == {Quality.VALID}


def test_what_a_meter_kept_of_midnight_is_heard_when_it_is_read_later(world):
    world.put(rows_of(START - 900, END - 8 * 900))
    world.run()
    world.read({IMPORT: counted(END)}, END + 3 * 3600 + 17, of=END)
    world.run()
    assert sum(world.values()) == counted(END) - counted(START)


def test_the_same_read_twice_marks_nothing(world):
    world.put(rows_of(START - 900, END - 8 * 900))
    world.read({IMPORT: counted(END)}, END)
    world.run()
    world.read({IMPORT: counted(END)}, END)
    assert world.due() == []
    world.read({IMPORT: counted(END) + 5}, END)  # told again, it counts as it was told last
    world.run()
    assert sum(world.values()) == counted(END) + 5 - counted(START)


@pytest.mark.parametrize(
    ("readings", "at"),
    [
        ({IMPORT: counted(END - 900)}, END - 899),  # no interval begins or ends then
        ({IMPORT: counted(END - 900)}, END - 840),
        ({EXPORT: 5}, END),  # no channel of the day
        ({IMPORT: counted(END + 3 * DAY_S)}, END + 3 * DAY_S),  # no final day
    ],
)
def test_a_read_that_decides_nothing_marks_nothing(world, readings, at):
    world.put(rows_of(START - 900, END - 8 * 900))
    world.run()
    world.read(readings, at)
    assert world.due() == []


def test_a_whole_valid_day_is_left_alone(world):
    world.put(rows_of(START - 900, END))
    world.run()
    world.read({IMPORT: counted(END)}, END)
    assert [each for each in days_due(world) if each[0] == DAY] == []


def test_whoever_is_at_work_on_the_meter_has_not_seen_it(world):
    """A day that is being made has no final values yet, and must not be made without the read."""
    world.put(rows_of(START - 900, END - 8 * 900))
    claimed = update(VEE_DUE).values(claimed_until_s=world.now + 60)
    marks = select(VEE_DUE.c.marks, VEE_DUE.c.claimed_until_s)
    with world.engine.transaction() as connection:
        connection.execute(claimed)
        before = connection.execute(marks).all()
    world.read({IMPORT: counted(END)}, END)
    with world.engine.reading() as connection:
        after = connection.execute(marks).all()
    assert [tuple(row) for row in after] == [(row.marks + 1, None) for row in before]


def test_a_day_of_gas_hears_its_register_at_six(engine):
    world = World(engine, zone="Europe/Berlin")
    begin, end = START + 4 * 3600, END + 4 * 3600  # six o'clock in summer
    gas = "7-0:99.1.0*255"
    rows = rows_of(begin - 3600, end - 3 * 3600, step=3600)
    world.put(rows, profile=gas)
    world.run()
    world.read({IMPORT: counted(end)}, end)
    assert days_due(world) == [(DAY, True, DUE)]
    world.run()
    assert sum(world.values()) == counted(end) - counted(begin)
