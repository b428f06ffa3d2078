"""What is read of final values: columns, sums, versions, what somebody should look at."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest
from sqlalchemy import select, true

from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.vee import Quality
from ferraris.headend.vee.columns_series import final_series, final_series_of, month_sums
from ferraris.headend.vee.exceptions import counts_by_day, exceptions, versions
from ferraris.headend.vee.local_days import DAY_S, date_of

from .world import DAY, EXPORT, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
HOLE = START + 40 * 900, START + 44 * 900


def filled(world):
    for meter in range(len(world.meters)):
        rows = [
            (end, value, 5) for end, value in rows_of(START - 900, END + DAY_S, seed=meter)
            if meter or not HOLE[0] < end < HOLE[1]
        ]  # fmt: skip
        world.put(rows, meter=meter, names=(IMPORT, EXPORT))
    world.run()
    return world


def profile_of(connection):
    return connection.execute(select(PROFILE.c.id)).scalar_one()


def test_raw_and_final_side_by_side(engine):
    world = filled(World(engine))
    with world.engine.reading() as connection:
        span = HOLE[0] - 900, END + 900
        first, other = final_series(
            connection, NoSealer(), world.meters[0], profile_of(connection), span
        )
    assert (first.channel.name, other.channel.name) == (IMPORT, EXPORT)
    assert first.ends.tolist() == list(range(HOLE[0], END + 901, 900))
    assert first.raw[:6] == [counted(HOLE[0]) - counted(HOLE[0] - 900), *[None] * 4,
                             counted(HOLE[1] + 900) - counted(HOLE[1])]  # fmt: skip
    assert None not in first.final
    assert sum(first.final) == counted(END + 900) - counted(HOLE[0] - 900)
    assert first.quality[1:5] == [Quality.ESTIMATED] * 4
    assert [each.total for each in first.day_sums] == [
        counted(END) - counted(HOLE[0] - 900), counted(END + 900) - counted(END),
    ]  # fmt: skip
    series = first.to_series("meter-0")
    assert len(series.channels) == 6
    assert [channel.unit for channel in series.channels[:2]] == [30, 30]
    assert list(series.columns[0]) == first.final
    assert set(other.final) == {0}


def test_many_meters_and_some_channels(make_world):
    world = filled(make_world(meters=3))
    with world.engine.reading() as connection:
        channel = connection.execute(
            select(CHANNEL.c.id).where(CHANNEL.c.name == IMPORT)
        ).scalar_one()
        found = list(
            final_series_of(
                connection, NoSealer(), world.meters, profile_of(connection),
                (START, END + DAY_S), channels=[channel],
            )
        )  # fmt: skip
    assert [each.meter for each in found] == world.meters
    assert [len(each) for each in found] == [192] * 3
    months = month_sums(found[1].day_sums)
    assert sum(each.total for each in months) == sum(found[1].final)
    assert all(date_of(each.day).day == 1 for each in months)


def test_somebody_should_look_at_this(engine):
    world = filled(World(engine, meters=2))
    with world.engine.reading() as connection:
        found = exceptions(connection, true(), (DAY, DAY + 1))
        assert [(day.meter, day.channel, day.estimated) for _, day in found] == [
            ("meter-0", IMPORT, 4), ("meter-0", EXPORT, 4),
        ]  # fmt: skip
        assert found[0][1].findings == ["gap"]
        (first, _), (_, second) = found
        assert exceptions(connection, true(), (DAY, DAY), after=first) == [found[1]]
        assert exceptions(connection, true(), (DAY, DAY), limit=1) == found[:1]
        assert exceptions(connection, METER.c.external_id == "meter-1", (DAY, DAY)) == []
        counts = counts_by_day(connection, true(), (DAY, DAY + 1))
        assert [(day.meters, day.intervals, day.estimated) for day in counts] == [
            (2, 384, 8), (2, 384, 0),
        ]  # fmt: skip
    assert second.channel == EXPORT


def test_versions_of_a_day(make_world):
    world = filled(make_world())
    world.put(
        [(end, value, 5) for end, value in rows_of(START, END) if HOLE[0] < end < HOLE[1]],
        names=(IMPORT, EXPORT),
    )
    world.run()
    with world.engine.reading() as connection:
        found = versions(connection, world.meters[0], profile_of(connection), DAY)
    assert [(one.channel, one.version, one.estimated) for one in found] == [
        (IMPORT, 2, 0), (IMPORT, 1, 4), (EXPORT, 2, 0), (EXPORT, 1, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("span", [(0, 1), (END + 40 * DAY_S, END + 41 * DAY_S)])
def test_nothing_there(make_world, span):
    world = filled(make_world())
    with world.engine.reading() as connection:
        assert not final_series(
            connection, NoSealer(), world.meters[0], profile_of(connection), span
        )  # fmt: skip
