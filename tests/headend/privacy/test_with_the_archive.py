"""The archive keeps readings of customers, and nothing of those who are erased."""

from __future__ import annotations

from array import array

import pytest
from sqlalchemy import select

from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.privacy.erasing import erase
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought
from ferraris.headend.store.sealing import SHREDDED
from ferraris.headend.store.tables.readings import BLOCK, DAY_TOTAL, REGISTER_READ, UNDATED

DAY = 86_400
PROFILE = "1-0:99.1.0*255"
ENERGY = Channel(Obis.parse("1-0:1.8.0*255"), 3, 2, -3, 30)


def brought(first_day, days, start=0):
    ends = array("q", range(first_day * DAY + 3600, (first_day + days) * DAY + 1, 3600))
    column = [start + end // 3600 for end in ends]
    series = Series("A", PROFILE, ends, [ENERGY], [column], undated=[(b"\xff" * 12, start)])
    reading = Reading("A", Obis.parse("1-0:1.8.0*255"), start)
    return Brought(
        blocks=pack_series(PROFILE, series, 0, 1 << 40),
        reads=[pack_readings(first_day, first_day * DAY + 900, [reading])],
        undated=pack_undated(PROFILE, series),
    )


def rows(engine, table):
    with engine.reading() as connection:
        return connection.execute(select(table)).all()


def test_readings_of_customers_in_the_archive(engine, town, sealer):
    archive = Archive(engine, town.tenant, sealer)
    given = brought(8, 7)

    def put(what, now=11 * DAY + 5):
        with engine.transaction() as connection:
            return archive.put(connection, town.a, what, now=now)

    def shown(through):
        with engine.reading() as connection:
            return through.series(connection, town.a, PROFILE, 0, 1 << 40)

    assert put(given).intervals == 7 * 24
    before = rows(engine, BLOCK)
    assert put(given) == put(given)  # what is known changes nothing, sealed or not
    assert rows(engine, BLOCK) == before
    assert [row.seal for row in sorted(before, key=lambda row: row.day)] == [
        0, 0, town.ann, town.ann, town.ann, town.bob, town.bob,
    ]  # fmt: skip
    assert len(shown(archive)) == 7 * 24
    assert shown(Archive(engine, town.tenant, CustomerSealer(engine, sealer.keys))).undated

    with engine.transaction() as connection:
        erase(connection, sealer, town.tenant, "C-1", reason="asked", at_s=1.0)
    # 12 hours of day 10, 24 of day 11 and 6 of day 12 were ann's.
    assert len(shown(archive)) == 7 * 24 - 42
    assert {row.day for row in rows(engine, DAY_TOTAL)} == {8, 9, 13, 14}

    # Late for ann: what is there stays, what is new is not kept, and no totals are made of it.
    late = brought(10, 2, start=7)
    put(late)
    again = rows(engine, BLOCK), rows(engine, REGISTER_READ), rows(engine, UNDATED)
    put(late)
    assert (rows(engine, BLOCK), rows(engine, REGISTER_READ), rows(engine, UNDATED)) == again
    assert {row.body for row in rows(engine, REGISTER_READ) if row.day == 10} == {SHREDDED}
    assert {row.day for row in rows(engine, DAY_TOTAL)} & {11} == set()
    assert 11 not in {end // DAY for end in shown(archive).ends if end % DAY}


@pytest.mark.parametrize("count", [200])
def test_late_days_that_were_never_there_fill_their_gap_with_nothing(engine, town, sealer, count):
    archive = Archive(engine, town.tenant, sealer)
    with engine.transaction() as connection:
        made = town.town(connection, "south")
        meters = [made.meter(f"M{n}") for n in range(count)]
        who = made.customer("C-9")
        for meter in meters:
            made.assign(meter, who, 0)
        sealed = Archive(engine, made.tenant, sealer)
        erase(connection, sealer, made.tenant, "C-9", reason="asked", at_s=1.0)
        sealed.put_many(connection, [(meter, brought(8, 1)) for meter in meters], now=9 * DAY)
    stored = rows(engine, BLOCK)
    assert len(stored) == count
    assert {(row.body, row.rows) for row in stored} == {(SHREDDED, 24)}
    assert rows(engine, DAY_TOTAL) == []
    with engine.reading() as connection:
        assert len(archive.series(connection, town.b, PROFILE, 0, 1 << 40)) == 0
        assert len(sealed.series(connection, meters[0], PROFILE, 0, 1 << 40)) == 0
