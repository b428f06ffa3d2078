"""Other profiles and reads tell what a profile does not know about its registers."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.local_days import DAY_S

from .world import DAY, IMPORT, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
DAILY = "1-0:99.2.0*255"
DELTA = "1-0:1.29.0*255"


def deltas(first, last, skip=()):
    ends = range(first + 900, last + 1, 900)
    return [(end, counted(end) - counted(end - 900)) for end in ends if end not in skip]


def midnights(*instants):
    return [(at, counted(at)) for at in instants]


@pytest.mark.parametrize("daily_first", [True, False])
def test_intervals_are_compared_with_their_register(make_world, daily_first):
    world = make_world()
    hole = range(START + 20 * 900, START + 60 * 900, 900)
    lots = [
        lambda: world.put(deltas(START, END, hole), names=(DELTA,)),
        lambda: world.put(midnights(START, END, END + DAY_S), profile=DAILY),
    ]
    for lot in lots if not daily_first else reversed(lots):
        lot()
        world.run()
    row, columns = world.finals()[DELTA, DAY]
    assert row.estimated == len(hole)
    assert columns.final.sum() == counted(END) - counted(START)
    assert not row.findings & Finding.SUM


@pytest.mark.parametrize("daily_first", [True, False])
def test_intervals_that_do_not_sum_to_their_register_are_suspect(make_world, daily_first):
    world = make_world()
    rows = deltas(START, END)
    rows[50] = rows[50][0], rows[50][1] + 100
    lots = [
        lambda: world.put(rows, names=(DELTA,)),
        lambda: world.put(midnights(START, END), profile=DAILY),
    ]
    for lot in lots if not daily_first else reversed(lots):
        lot()
        world.run()
    row, columns = world.finals()[DELTA, DAY]
    assert row.findings & Finding.SUM
    assert (columns.quality == Quality.SUSPECT).all()


def test_a_register_read_at_midnight_closes_a_day(make_world):
    world = make_world()
    world.put(rows_of(START - 900, END - 8 * 900))
    world.read({IMPORT: counted(END)}, END)
    world.read({IMPORT: counted(END) + 7}, END + 1)  # not at midnight
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert columns.final.sum() == counted(END) - counted(START)
    assert set(columns.rule[0, 88:]) == {Made.REGISTER_DIFFERENCE}
    assert row.estimated == 8


def test_the_daily_profile_parts_lost_days(make_world):
    world = make_world()
    gone = START + 12 * 3600, END + 12 * 3600
    world.put([row for row in rows_of(START - 900, END + DAY_S) if not gone[0] < row[0] < gone[1]])
    world.run()
    world.put(midnights(START, END, END + DAY_S), profile=DAILY)
    world.run()
    for day in (0, 1):
        begin = START + day * DAY_S
        assert sum(world.values(DAY + day)) == counted(begin + DAY_S) - counted(begin)
