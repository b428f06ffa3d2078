"""From raw blocks to final days."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sqlalchemy import insert, update

from ferraris.core.errors import UsageError
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.tables.inventory import METER, SERVICE_POINT, SERVICE_POINT_METER
from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.columns_judging import Judging
from ferraris.headend.vee.local_days import DAY_S, day_bounds, number_of

from .world import DAY, EXPORT, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S


def truth(first, last):
    return [counted(end) - counted(end - 900) for end in range(first + 900, last + 1, 900)]


def without(rows, *holes):
    return [row for row in rows if not any(first < row[0] < last for first, last in holes)]


def test_a_day_that_is_all_there(engine):
    world = World(engine)
    world.put(rows_of(START - 900, END))
    kept = world.run()
    assert (kept.due, kept.finals, kept.overtaken) == (2, 1, 0)
    row, columns = world.finals()[IMPORT, DAY]
    assert columns.final[0].tolist() == truth(START, END)
    assert (columns.raw == columns.final).all()
    assert (columns.quality == Quality.VALID).all()
    assert (columns.rule == Made.MEASURED).all()
    assert (columns.version == 1).all()
    assert (row.zone, row.start_s, row.period_s, row.intervals) == ("UTC", START, 900, 96)
    assert (row.suspect, row.estimated, row.missing, row.findings) == (0, 0, 0, 0)
    assert world.due() == []


def test_late_rows_make_a_new_version_of_what_they_change(engine):
    world = World(engine)
    rows = rows_of(START - 900, END)
    hole = START + 10 * 900, START + 13 * 900
    world.put(without(rows, hole))
    world.run()
    first, columns = world.finals()[IMPORT, DAY]
    assert first.estimated == 3
    assert sum(world.values()) == sum(truth(START, END))
    assert set(columns.rule[0, 10:13]) == {Made.INTERPOLATION}
    world.put([row for row in rows if hole[0] < row[0] < hole[1]])
    world.run()
    versions = world.versions()
    assert [key for key in versions if key[:2] == (IMPORT, DAY)] == [
        (IMPORT, DAY, 1), (IMPORT, DAY, 2),
    ]  # fmt: skip
    _, now = versions[IMPORT, DAY, 2]
    assert now.final[0].tolist() == truth(START, END)
    assert now.version[0].tolist() == [1] * 10 + [2] * 3 + [1] * 83
    assert versions[IMPORT, DAY, 1][1].final[0].tolist() == columns.final[0].tolist()


def test_the_same_again_changes_nothing(make_world):
    world = make_world()
    rows = rows_of(START - 900, END)
    world.put(rows)
    world.run()
    before = world.versions().keys()
    world.put(rows)
    assert world.due() == []
    with world.engine.transaction() as connection:
        mark_due(connection, world.tenant, [(world.meters[0], 1, DAY)], reason="x", at_s=1.0)
    assert world.run().finals == 0
    assert world.versions().keys() == before


def test_a_day_that_is_not_over_waits(make_world):
    world = make_world()
    world.now = float(END - 1)
    world.put(rows_of(START - 900, END - 3600))
    world.run()
    assert (IMPORT, DAY) not in world.finals()
    world.now = float(END)
    world.put(rows_of(END - 3600, END))
    world.run()
    assert world.values() == truth(START, END)


@pytest.mark.parametrize(
    ("day", "quarters"),
    [(date(2024, 3, 31), 92), (date(2024, 10, 27), 100), (date(2024, 7, 1), 96)],
)
def test_local_days_have_as_many_quarters_as_they_have(make_world, day, quarters):
    world = make_world(zone="Europe/Berlin")
    local = number_of(day)
    start, end = day_bounds(local, "Europe/Berlin")
    shift = (DAY - 20) * DAY_S - start // DAY_S * DAY_S
    rows = [(at, counted(at + shift)) for at in range(start, end + 1, 900)]
    world.put(rows)
    world.run()
    row, columns = world.finals()[IMPORT, local]
    assert (row.zone, row.intervals, row.start_s) == ("Europe/Berlin", quarters, start)
    assert columns.final[0].sum() == rows[-1][1] - rows[0][1]
    assert (columns.quality == Quality.VALID).all()


def test_an_outage_over_midnight_counted_nothing(make_world):
    world = make_world()
    off, on = END - 2 * 3600, END + 3 * 3600

    def at(end):
        return counted(min(end, off)) + max(0, counted(max(end, on)) - counted(on))

    ends = [end for end in range(START, END + DAY_S + 1, 900) if end <= off or end >= on]
    world.put([(end, at(end)) for end in ends])
    world.run()
    for day, zeros in ((DAY, slice(88, 96)), (DAY + 1, slice(0, 12))):
        row, columns = world.finals()[IMPORT, day]
        assert columns.final[0, zeros].tolist() == [0] * (zeros.stop - zeros.start)
        assert set(columns.rule[0, zeros]) == {Made.REGISTER_DIFFERENCE}
        assert row.missing == 0


def test_days_that_are_lost_sum_to_what_the_register_counted(make_world):
    world = make_world()
    gone = END - 5 * 3600, END + 2 * DAY_S + 7 * 3600
    world.put(without(rows_of(START - 7 * DAY_S - 900, START), gone))
    world.put(without(rows_of(START, END + 3 * DAY_S), gone))
    world.run()
    finals = world.finals()
    whole = sum(int(finals[IMPORT, DAY + n][1].final.sum()) for n in range(4))
    assert whole == counted(END + 3 * DAY_S) - counted(START)
    assert finals[IMPORT, DAY + 1][0].estimated == 96
    assert set(finals[IMPORT, DAY + 1][1].rule[0]) == {Made.SIMILAR_DAYS}


def test_a_late_day_improves_what_was_guessed_from_it_and_no_other(make_world):
    world = make_world()
    week = 7 * DAY_S
    late = START - week, END - week
    guess = START + week + 5 * 3600, START + week + 15 * 3600
    world.put(without(rows_of(late[0] - 900, END + week), late, guess))
    world.run()
    before = world.versions()
    assert set(before[IMPORT, DAY + 7, 1][1].rule[0, 20:60]) == {Made.SIMILAR_DAYS}
    world.put(rows_of(*late))
    assert world.run().marked == 1
    new = world.versions().keys() - before.keys()
    assert new == {(IMPORT, DAY - 7, 2), (IMPORT, DAY + 7, 2)}


def test_a_counter_that_begins_again_and_one_that_is_exchanged(make_world):
    world = make_world()
    modulus, shift = 1 << 32, (1 << 32) - counted(START + 40 * 900) + 1
    world.put([(end, (value + shift) % modulus) for end, value in rows_of(START - 900, END)])
    world.put([(end, value if end < END else 3) for end, value in rows_of(END - 900, END + 900)])
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert columns.final[0, :95].tolist() == truth(START, END)[:95]
    assert columns.rule[0].tolist().count(Made.ROLLOVER) == 1
    assert row.findings & Finding.ROLLOVER


def test_rows_that_contradict_each_other_and_a_status_that_denies(make_world):
    world = make_world()
    rows = rows_of(START - 900, END)
    status = [0] * 20 + [4] + [0] * 76
    world.put(rows, status=status)
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert (columns.findings[0, 19:21] & Finding.STATUS).all()
    assert columns.quality[0, 19] == columns.quality[0, 20] == Quality.ESTIMATED
    assert sum(world.values()) == sum(truth(START, END))
    assert row.estimated == 2


def test_nothing_is_guessed_where_a_meter_is_not_mounted(make_world):
    """A meter is exchanged at noon: each has its half of the day."""
    world = make_world(meters=2)
    noon = START + 12 * 3600
    with world.engine.transaction() as connection:
        point = connection.execute(
            insert(SERVICE_POINT)
            .values(tenant=world.tenant, name="house", zone="UTC")
            .returning(SERVICE_POINT.c.id)
        ).scalar_one()
        spans = [(START - DAY_S, noon), (noon, None)]
        for meter, (since, until) in zip(world.meters, spans, strict=True):
            connection.execute(
                insert(SERVICE_POINT_METER).values(
                    tenant=world.tenant, service_point=point, meter=meter, since_s=since,
                    until_s=until,
                )
            )  # fmt: skip
    world.put(rows_of(START - 900, noon))
    world.put(rows_of(noon - 900, END, seed=1), meter=1)
    world.run()
    (old, before), (new, after) = (world.finals(meter)[IMPORT, DAY] for meter in (0, 1))
    assert (old.start_s, old.intervals, old.missing) == (START, 48, 0)
    assert (new.start_s, new.intervals, new.missing) == (noon, 48, 0)
    assert before.final.sum() == counted(noon) - counted(START)
    assert after.final.sum() == counted(END, 1) - counted(noon, 1)


def test_a_history_begins_with_its_first_reading(make_world):
    world = make_world()
    begin = START + 10 * 3600
    world.put(rows_of(begin - 900, END))
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert (row.start_s, row.intervals, row.missing) == (begin, 56, 0)
    assert (columns.quality == Quality.VALID).all()
    world.put(rows_of(START - 900, START + 3600))
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert (row.start_s, row.intervals, row.estimated) == (START, 96, 36)
    assert columns.final.sum() == counted(END) - counted(START)


def test_daily_rows_and_other_scalers(make_world):
    world = make_world(zone="Europe/Berlin")
    days = [day_bounds(DAY + n, "Europe/Berlin")[0] for n in range(5)]
    world.put([(at, n * 1000) for n, at in enumerate(days)], profile="1-0:99.2.0*255", scaler=-1)
    world.run()
    finals = world.finals()
    assert [finals[IMPORT, DAY + n][0].intervals for n in range(4)] == [1] * 4
    assert [finals[IMPORT, DAY + n][1].final[0, 0] for n in range(4)] == [1000] * 4


def test_a_register_that_jumps_beyond_all_bounds_harms_no_other(make_world):
    world = make_world(meters=2)
    rows = rows_of(START - 900, END)
    world.put([(end, value if n != 50 else (1 << 61) + n) for n, (end, value) in enumerate(rows)])
    world.put(rows, meter=1)
    world.run()
    row, columns = world.finals()[IMPORT, DAY]
    assert row.estimated == 2
    assert columns.final.sum() == sum(truth(START, END))
    assert world.values(meter=1) == truth(START, END)


def test_channels_without_rules_have_no_final_days(make_world):
    world = make_world()
    rows = [(end, value, value) for end, value in rows_of(START - 900, END)]
    world.put(rows, names=(EXPORT, "1-0:32.7.0*255"))
    world.run()
    assert {name for name, _ in world.finals()} == {EXPORT}


def test_an_unknown_zone_counts_as_utc(make_world):
    world = make_world()
    with world.engine.transaction() as connection:
        connection.execute(update(METER).values(zone="Mars/Olympus"))
    world.put(rows_of(START - 900, END))
    world.run()
    assert np.array_equal(world.values(), truth(START, END))


def test_what_cannot_be_judged_harms_no_other_and_is_told(make_world, monkeypatch):
    world = make_world(meters=3)
    for meter in range(3):
        world.put(rows_of(START - 900, END, seed=meter), meter=meter)
    judged = Judging.run

    def fails_for_one(self, channels):
        if world.meters[1] in self.meters:
            raise UsageError("of this nothing can be made")
        return judged(self, channels)

    monkeypatch.setattr(Judging, "run", fails_for_one)
    kept = world.run()
    assert (kept.finals, kept.failed, kept.why) == (2, 1, "of this nothing can be made")
    assert world.due() == []
    assert [len(world.finals(meter)) for meter in range(3)] == [1, 0, 1]
