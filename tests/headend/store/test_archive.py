"""What is put into the archive comes out again, once, in versions; the same on both back ends."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import threading
from array import array
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Event, Quality, Reading
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.exchange import pack_events, pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought, StoreError
from ferraris.headend.store.sealing import ErasedError
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK, CHANNEL, DAY_TOTAL, EVENT, UNDATED
from ferraris.headend.store.tables.validated import VEE_DUE

from ..neighbourhood import CHANNELS, DAY, DAY_S, NOW, PROFILE, series

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
ALL_TIME = 1 << 40


def enrol(connection, tenant, count, prefix="meter"):
    rows = [
        {"tenant": tenant, "external_id": f"{prefix}-{n}", "system_title": b"", "created_s": 0,
         "changed_s": 0}
        for n in range(count)
    ]  # fmt: skip
    connection.execute(insert(METER), rows)
    names = METER.c.external_id.startswith(prefix)
    return list(connection.execute(select(METER.c.id).where(names).order_by(METER.c.id)).scalars())


@pytest.fixture
def archive(engine):
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
        enrol(connection, tenant, 3)
    return Archive(engine, tenant)


def brought(*serieses, readings=(), events=(), since=START - 5 * DAY_S, until=END + 5 * DAY_S):
    found = Brought(events=pack_events(events))
    for given in serieses:
        found.blocks += pack_series(PROFILE, given, since, until)
        found.undated += pack_undated(PROFILE, given)
    if readings:
        found.reads.append(pack_readings(DAY, int(NOW), readings))
    return found


def put(archive, *batch, now=NOW, source="pull"):
    with archive.engine.transaction() as connection:
        stored = archive.put_many(connection, list(batch), now=now, source=source)
    return [(one.intervals, one.registers, one.events) for one in stored]


def shown(archive, meter=1, since=START, until=END, **more):
    with archive.engine.reading() as connection:
        return archive.series(connection, meter, PROFILE, since, until, **more)


def totals(archive):
    with archive.engine.reading() as connection:
        rows = connection.execute(select(DAY_TOTAL).order_by(*DAY_TOTAL.primary_key)).all()
    return [tuple(row)[1:] for row in rows]


def rows_of(archive, table):
    with archive.engine.reading() as connection:
        return connection.execute(select(table)).all()


def test_a_series_comes_back(archive):
    given = series(7, START, END)
    assert put(archive, (1, brought(given))) == [(24, 0, 0)]
    found = shown(archive)
    given.device = "meter-0"
    assert found == given
    moment = datetime.fromtimestamp(START, UTC) + timedelta(hours=3)
    assert len(shown(archive, until=moment)) == 3
    with archive.engine.reading() as connection:
        assert len(archive.series(connection, 1, "0-0:98.1.0", START, END)) == 0
        with pytest.raises(UsageError, match="no meter"):
            archive.series(connection, 99, PROFILE, START, END)
        with pytest.raises(UsageError, match="time zone"):
            archive.series(connection, 1, PROFILE, datetime(2024, 1, 1), END)


def test_the_same_read_twice_changes_nothing(archive):
    readings = [Reading("", Obis.parse("1-0:1.8.0"), 5, units.unit(30))]
    events = [Event("", "0-0:99.98.0", datetime.fromtimestamp(START + 9, UTC), 3)]
    new = brought(series(7, START, END), readings=readings, events=events)
    for again in range(3):
        found = put(archive, (1, new), (2, new), (1, new))
        assert found == [(0, 0, 0)] * 3 if again else [(24, 1, 1), (24, 1, 1), (0, 0, 0)]
    assert len(rows_of(archive, BLOCK)) == 2
    assert len(rows_of(archive, EVENT)) == 2


def test_changed_content_is_a_new_version_and_the_old_one_stays(archive):
    first = series(7, START, END)
    put(archive, (1, brought(first)), now=NOW)
    changed = series(7, START, START + 3600)
    changed.columns[0][0] = 1
    assert put(archive, (1, brought(changed)), now=NOW + 60, source="push") == [(0, 0, 0)]
    found = shown(archive)
    assert list(found.columns[0]) == [1, *first.columns[0][1:]]
    assert list(shown(archive, as_of_s=int(NOW)).columns[0]) == list(first.columns[0])
    assert len(shown(archive, as_of_s=int(NOW) - 1)) == 0
    with archive.engine.reading() as connection:
        history = archive.versions(connection, 1, PROFILE, DAY)
        assert archive.versions(connection, 1, "1-0:99.9.9", DAY) == []
    assert [(v.version, v.rows, v.source, v.stored_s) for v in history] == [
        (1, 24, "pull", int(NOW)),
        (2, 24, "push", int(NOW) + 60),
    ]
    assert totals(archive)[0][-4:] == (
        1, first.columns[0][-1], 1, first.columns[0][-1],
    )  # fmt: skip


def test_later_reads_fill_up_a_day_also_within_one_batch(archive):
    part = series(7, START, START + 10 * 3600)
    more, rest = series(7, START + 5 * 3600, END - 3600), series(7, START, END)
    assert put(archive, (1, brought(part))) == [(10, 0, 0)]
    batch = [(1, brought(more, rest)), (2, brought(part)), (2, brought(more, rest))]
    assert put(archive, *batch) == [(14, 0, 0), (10, 0, 0), (14, 0, 0)]
    for meter in (1, 2):
        assert list(shown(archive, meter).rows()) == list(rest.rows())
    assert [line[4] for line in totals(archive)] == [24] * 4


def test_totals_are_of_whole_numbers_in_the_order_of_time(archive):
    given = series(7, START, END)
    given.columns[1] = [None, *given.columns[1][1:]]
    given.channels = (*CHANNELS, Channel("text"), Channel("huge"), Channel("nothing"))
    given.columns += [["a"] * 24, [1 << 70] * 24, [None] * 24]
    put(archive, (1, brought(given)))
    column = list(given.columns[1][1:])
    found = [line[-5:] for line in totals(archive)]
    assert found[1] == (23, column[0], column[-1], min(column), max(column))
    assert len(found) == 2
    backwards = series(8, START, END)
    backwards.ends = array("q", list(backwards.ends)[::-1])
    put(archive, (2, brought(backwards)))
    (line,) = [line for line in totals(archive) if line[2:4] == (1, 2)]
    assert line[-4:-2] == (backwards.columns[0][-1], backwards.columns[0][0])
    # When a later version is no number any more, its total goes.
    given.columns[0] = ["now a text", *given.columns[0][1:]]
    put(archive, (1, brought(given)))
    assert [line[2] for line in totals(archive) if line[3] == 1] == [2]


def test_a_day_in_two_layouts_has_one_total_a_channel(archive):
    morning, evening = series(7, START, START + 12 * 3600), series(7, START + 12 * 3600, END)
    evening.channels, evening.columns = (CHANNELS[0],), evening.columns[:1]
    whole = list(series(7, START, END).columns[0])
    put(archive, (1, brought(morning)))
    put(archive, (1, brought(evening)))
    put(archive, (2, brought(evening, morning)))
    found = {(line[3], line[2]): line[-5:] for line in totals(archive)}
    for meter in (1, 2):
        assert found[meter, 1] == (24, whole[0], whole[-1], min(whole), max(whole))
        assert found[meter, 2][0] == 12
        assert list(shown(archive, meter).columns[0]) == whole


def test_new_days_are_due_for_validation(archive):
    put(archive, (1, brought(series(7, START - DAY_S, END))))
    put(archive, (1, brought(series(7, START - DAY_S, END))))
    due = [(row.meter, row.day, row.reason, row.marks) for row in rows_of(archive, VEE_DUE)]
    assert sorted(due) == [(1, DAY - 1, "new", 1), (1, DAY, "new", 1)]


def test_another_scaler_is_another_channel(archive):
    other = series(7, END, END + 2 * 3600)
    other.channels = (CHANNELS[0]._replace(scaler=0), CHANNELS[1])
    put(archive, (1, brought(series(7, START, END), other)))
    found = shown(archive, until=END + DAY_S)
    assert found.channels == (*CHANNELS, other.channels[0])
    assert list(found.columns[2]) == [None] * 24 + list(other.columns[0])
    assert sorted((row.name, row.version) for row in rows_of(archive, CHANNEL)) == [
        ("1-0:1.8.0*255", 1),
        ("1-0:1.8.0*255", 2),
        ("1-0:2.8.0*255", 1),
    ]


def test_quality_and_rows_without_an_instant_are_kept(archive):
    given = series(7, START, END)
    given.quality[3] = int(Quality.AMBIGUOUS_TIME)
    given.undated = [(b"\xff" * 12, 1, None), (b"\xff" * 12, 2, 3)]
    for _ in range(2):
        put(archive, (1, brought(given)))
    found = shown(archive)
    assert (found.quality, found.undated) == (given.quality, given.undated)
    assert len(rows_of(archive, UNDATED)) == 1


def test_readings_of_every_kind_come_back(archive):
    at = datetime(2024, 10, 4, 0, 10, 7, 250_000, tzinfo=UTC)
    energy = Obis.parse("1-0:1.8.0")
    given = [
        Reading("meter-0", energy, 12345, units.unit(30), at, origin="dlms 3/2"),
        Reading("meter-0", energy, Decimal("1.500"), units.unit(30), at, Quality.DOUBTFUL),
        Reading("meter-0", "own name", Decimal("NaN"), None, None),
        Reading("meter-0", "octets", b"\x00\xff", None, at),
        Reading("meter-0", "clock", DateTime.from_epoch(int(NOW)), None, at),
        Reading("meter-0", "nothing", None, None, at),
        Reading("meter-0", "huge", 1 << 70, None, at),
    ]
    assert put(archive, (1, brought(readings=given))) == [(0, len(given), 0)]
    other = [Reading("meter-0", "one", 1)]
    changed = [Reading("meter-0", "one", 2)]
    put(archive, (1, brought(readings=other)))
    assert put(archive, (1, brought(readings=changed))) == [(0, 0, 0)]
    with archive.engine.reading() as connection:
        found = archive.registers(connection, 1, 0, ALL_TIME)
        assert repr(found) == repr(given + changed)
        assert archive.registers(connection, 1, 0, int(NOW)) == []


def test_events_of_every_kind_come_back_once(archive):
    at = datetime.fromtimestamp(START + 60, UTC)
    log = Obis.parse("0-0:99.98.0")
    given = [
        Event("meter-0", log, at, 1),
        Event("meter-0", log, at, 1, stamp=b"\x01" * 12),
        Event("meter-0", log, at, 2, "cover", b"\x02", Quality.DOUBTFUL, (1, b"\xff", None)),
        Event("meter-0", "push", at + timedelta(seconds=1), None, "told"),
        Event("meter-0", log, None, 7, stamp=b"\xff" * 12),
        Event("meter-0", log, None, 7, stamp=b"\xfe" * 12),
    ]
    assert put(archive, (1, brought(events=given)), (2, brought(events=given[:2]))) == [
        (0, 0, 6),
        (0, 0, 2),
    ]
    assert put(archive, (1, brought(events=given))) == [(0, 0, 0)]
    with archive.engine.reading() as connection:
        assert archive.events(connection, 1, START, END) == given[:4]
        assert archive.events(connection, 1, START, END, log="push") == given[3:4]
        assert sorted(archive.events(connection, 1, 0, 1)) == sorted(given[4:])


def test_a_batch_is_stored_wholly_or_not_at_all(archive):
    whole = brought(series(7, START, END))
    with pytest.raises(StoreError):
        put(archive, (1, whole), (999, whole))
    assert (rows_of(archive, BLOCK), rows_of(archive, CHANNEL), totals(archive)) == ([], [], [])
    # What was learnt in it is forgotten.
    assert put(archive, (2, whole)) == [(24, 0, 0)]
    assert len(shown(archive, 2)) == 24


def test_tenants_do_not_see_each_other(archive):
    put(archive, (1, brought(series(7, START, END))))
    with archive.engine.transaction() as connection:
        tenant = tenant_number(connection, "other", make=True)
        (meter,) = enrol(connection, tenant, 1, "theirs")
        assert tenant_number(connection, "nobody") is None
    other = Archive(archive.engine, tenant)
    with archive.engine.reading() as connection:
        assert len(other.series(connection, meter, PROFILE, START, END)) == 0
        with pytest.raises(UsageError, match="no meter"):
            other.series(connection, 1, PROFILE, START, END)


class Shift:
    """A sealer that adds its number to every octet, for meter 1."""

    def __init__(self):
        self.erased = set()

    def holders(self, connection, days):
        return {(meter, day): 5 for meter, day in days if meter == 1}

    def close(self, seal, octets, context):
        return bytes(len(context) for _ in "x") + bytes((octet + seal) % 256 for octet in octets)

    def open(self, seal, octets, context):
        if seal in self.erased:
            raise ErasedError
        assert octets[0] == len(context)
        return bytes((octet - seal) % 256 for octet in octets[1:])


def test_sealed_bodies_open_for_reading_and_merging_until_the_key_is_gone(archive):
    sealer = Shift()
    sealed = Archive(archive.engine, archive.tenant, sealer)
    given = series(7, START, START + 3 * 3600)
    given.undated = [(b"\xff" * 12, 1, None)]
    readings = [Reading("meter-0", "one", 1)]
    for _ in range(2):
        put(sealed, *[(n, brought(given, readings=readings)) for n in (1, 2)])
    assert [(row.meter, row.seal) for row in rows_of(sealed, BLOCK)] == [(1, 5), (2, 0)]
    assert [row.seal for row in rows_of(sealed, UNDATED)] == [5, 0]
    assert put(sealed, (1, brought(series(7, START, END)))) == [(21, 0, 0)]
    assert shown(sealed).undated == given.undated
    assert list(shown(sealed).rows()) == list(series(7, START, END).rows())
    with archive.engine.reading() as connection:
        assert sealed.registers(connection, 1, 0, ALL_TIME) == readings
        with pytest.raises(UsageError, match="sealed"):
            archive.series(connection, 1, PROFILE, START, END)
    sealer.erased.add(5)
    assert len(shown(sealed)) == 0
    assert shown(sealed).undated == []
    # A customer who was erased may have new readings under another key.
    assert put(sealed, (1, brought(series(9, START, END)))) == [(24, 0, 0)]


def test_writers_of_the_same_meters_lose_nothing(archive):
    """Every writer has other hours of the same days, many times over: in the end all are there."""
    wrong = []

    def write(hour):
        for n in range(4):
            at = START + (hour + 6 * n) * 3600
            parts = [(meter, brought(series(meter, at, at + 3600))) for meter in (1, 2, 3)]
            for _ in range(40):
                try:
                    put(archive, *parts)
                    break
                except StoreError as error:
                    wrong.append(str(error))

    threads = [threading.Thread(target=write, args=(hour,)) for hour in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line for line in wrong if "quicker" not in line] == []
    for meter in (1, 2, 3):
        assert list(shown(archive, meter).rows()) == list(series(meter, START, END).rows())
    assert [line[4] for line in totals(archive)] == [24] * 6
