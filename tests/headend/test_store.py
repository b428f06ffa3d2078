# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ferraris.core.errors import UsageError
from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Quality, Reading
from ferraris.headend.store import Deferred, MeterEntry, Plan, Result, Store, StoreError, Work
from ferraris.headend.store.exchange import pack_readings, pack_series, pack_undated
from ferraris.headend.store.schema import MIGRATIONS, migrate, version_of

from .neighbourhood import CHANNELS, DAY, DAY_S, NOW, PLAN, PROFILE, counts, enrol, series

START, END = DAY * DAY_S, (DAY + 1) * DAY_S


def brought(work, *serieses, readings=(), days=2):
    result = Result(work, NOW, NOW)
    for found in serieses:
        result.blocks += pack_series(PROFILE, found, START - days * DAY_S, END + days * DAY_S)
        result.undated += pack_undated(PROFILE, found)
    if readings:
        result.reads.append(pack_readings(DAY, int(NOW), readings))
    return result


def claimed(store, count=1):
    gaps = store.plan(PLAN, enrol(store, count))
    gaps.keep_alive(NOW + 30)
    work, _ = gaps.claim([DAY], NOW, 1000)
    return gaps, work


def test_a_series_comes_back(store):
    gaps, (work,) = claimed(store)
    given = series(7, START, END)
    stored = store.commit(gaps, [brought(work, given)], NOW)
    assert (stored.intervals, stored.registers) == (24, 0)
    found = store.series("meter-0", "1-0:99.1.0", START, END)
    given.device = "meter-0"
    assert found == given
    assert found.scaled(0)[0] == units.scale(given.columns[0][0], -1)
    moment = datetime.fromtimestamp(START, UTC) + timedelta(hours=3)
    assert len(store.series("meter-0", PROFILE, START, moment)) == 3
    assert len(store.series("meter-0", "0-0:98.1.0", START, END)) == 0
    assert store.check() == []


def test_the_same_read_twice_changes_nothing(store):
    gaps, (work,) = claimed(store)
    readings = [Reading("", Obis.parse("1-0:1.8.0"), 5, units.unit(30))]
    for again in range(3):
        stored = store.commit(gaps, [brought(work, series(7, START, END), readings=readings)], NOW)
        assert (stored.intervals, stored.registers) == ((0, 0) if again else (24, 1))
    assert counts(store) == (1, 1, 24, 1, 1)


def test_changed_content_is_a_new_version_and_the_old_one_stays(store, tmp_path):
    with Store.open(tmp_path / "s.sqlite") as kept:
        gaps, (work,) = claimed(kept)
        kept.commit(gaps, [brought(work, series(7, START, END))], NOW)
        changed = series(7, START, START + 3600)
        changed.columns[0][0] = 1
        assert kept.commit(gaps, [brought(work, changed)], NOW).intervals == 0
        found = kept.series("meter-0", PROFILE, START, END)
        assert len(found) == 24
        assert found.columns[0][:2] == [1, series(7, START, END).columns[0][1]]
        assert kept.summary().blocks == 2
        assert kept.summary().intervals == 24
    plain = sqlite3.connect(tmp_path / "s.sqlite")
    assert plain.execute("SELECT version, rows FROM block").fetchall() == [(1, 24), (2, 24)]
    plain.close()


def test_a_later_read_fills_up_a_day(store):
    gaps, (work,) = claimed(store)
    store.commit(gaps, [brought(work, series(7, START, START + 10 * 3600))], NOW)
    assert [gap.profile_days for gap in gaps.open_gaps([DAY])] == [(DAY,)]
    more = brought(work, series(7, START + 5 * 3600, END))
    assert store.commit(gaps, [more], NOW).intervals == 14
    assert store.series("meter-0", PROFILE, START, END).ends == series(7, START, END).ends
    assert [gap.profile_days for gap in gaps.open_gaps([DAY])] == [()]


def test_another_scaler_is_another_channel(store):
    gaps, (work,) = claimed(store)
    other = series(7, END, END + 2 * 3600)
    other.channels = (CHANNELS[0]._replace(scaler=0), CHANNELS[1])
    store.commit(gaps, [brought(work, series(7, START, END), other)], NOW)
    found = store.series("meter-0", PROFILE, START, END + DAY_S)
    assert len(found) == 26
    assert found.channels == (*CHANNELS, other.channels[0])
    assert found.columns[0][-2:] == [None, None]
    assert found.columns[2] == [None] * 24 + list(other.columns[0])


def test_quality_and_rows_without_an_instant_are_kept(store):
    gaps, (work,) = claimed(store)
    given = series(7, START, END)
    given.quality[3] = int(Quality.AMBIGUOUS_TIME)
    given.undated = [(b"\xff" * 12, 1, None), (b"\xff" * 12, 2, 3)]
    for _ in range(2):
        store.commit(gaps, [brought(work, given)], NOW)
    found = store.series("meter-0", PROFILE, START, END)
    assert found.quality == given.quality
    assert found.undated == given.undated


def test_readings_of_every_kind_come_back(store):
    gaps, (work,) = claimed(store)
    at = datetime(2024, 10, 4, 0, 10, 7, 250_000, tzinfo=UTC)
    energy = Obis.parse("1-0:1.8.0")
    given = [
        Reading("meter-0", energy, 12345, units.unit(30), at, origin="dlms 3/2"),
        Reading("meter-0", energy, Decimal("1.500"), units.unit(30), at, Quality.DOUBTFUL),
        Reading("meter-0", energy, Decimal("-0.05"), None, None),
        Reading("meter-0", "own name", Decimal("NaN"), None, None),
        Reading("meter-0", "text", "ä", None, at),
        Reading("meter-0", "octets", b"\x00\xff", None, at),
        Reading("meter-0", "flag", True, None, at),
        Reading("meter-0", "float", 0.1, None, at),
        Reading("meter-0", "clock", DateTime.from_epoch(int(NOW)), None, at),
        Reading("meter-0", "nothing", None, None, at),
        Reading("meter-0", "huge", 1 << 70, None, at),
        Reading("meter-0", "long", Decimal("1." + "3" * 40), None, at),
    ]
    stored = store.commit(gaps, [brought(work, readings=given)], NOW)
    found = list(store.registers("meter-0", 0, 1 << 40))
    assert stored.registers == len(given)
    assert repr(found) == repr(given)
    assert list(store.registers("meter-0", 0, int(NOW))) == []
    assert store.check() == []


def test_a_meter_moves_between_service_points(store):
    enrol(store, 2)
    first, second = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
    store.mount("AT001", "meter-0", first)
    store.mount("AT001", "meter-1", second)
    assert store.meter_at("AT001", first) == "meter-0"
    assert store.meter_at("AT001", second - timedelta(seconds=1)) == "meter-0"
    assert store.meter_at("AT001", second) == "meter-1"
    assert store.meter_at("AT001", first - timedelta(seconds=1)) is None
    with pytest.raises(UsageError, match="time zone"):
        store.meter_at("AT001", datetime(2024, 1, 1))
    with pytest.raises(UsageError, match="removed before"):
        store.mount("AT001", "meter-0", second, first)


def test_tenants_do_not_see_each_other(tmp_path):
    with (
        Store.open(tmp_path / "s", tenant="a") as one,
        Store.open(tmp_path / "s", tenant="b") as two,
    ):
        gaps, (work,) = claimed(one)
        one.commit(gaps, [brought(work, series(7, START, END))], NOW)
        two.enrol([MeterEntry("meter-0", b"ABC12345", "Europe/Vienna")])
        assert len(two.series("meter-0", PROFILE, START, END)) == 0
        assert counts(two) == (1, 0, 0, 0, 0)
        assert two.meters() == [MeterEntry("meter-0", b"ABC12345", "Europe/Vienna")]
        assert one.meters() == [MeterEntry("meter-0")]


def test_wrong_use_is_said(store, tmp_path):
    enrol(store, 1)
    with pytest.raises(UsageError, match="not enrolled"):
        store.plan(PLAN, ["nobody"])
    with pytest.raises(UsageError, match="not enrolled"):
        store.series("nobody", PROFILE, 0, 1)
    with pytest.raises(UsageError, match="divide"):
        store.plan(Plan("odd", PROFILE, 7000), [])
    with pytest.raises(UsageError, match="no store for"):
        Store.open("postgresql://x")
    with pytest.raises(StoreError, match="cannot open"):
        Store.open(tmp_path / "missing" / "x")


def test_urls_name_files(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/a.sqlite") as opened:
        assert opened.location == f"{tmp_path}/a.sqlite"
    assert (tmp_path / "a.sqlite").exists()


def test_gaps_wait_for_worker_time_or_human(store):
    gaps = store.plan(PLAN, enrol(store, 5), worker="one")
    other = store.plan(PLAN, [], worker="two")
    gaps.keep_alive(NOW + 30)
    other.keep_alive(NOW + 60)
    work, after = gaps.claim([DAY, DAY - 1], NOW, 3)
    assert [item.external_id for item in work] == ["meter-0", "meter-1", "meter-2"]
    assert (work[0].days, work[0].registers) == ((DAY - 1, DAY), True)
    rest, end = other.claim([DAY - 1, DAY], NOW, 9, after)
    assert (len(rest), end) == (2, None)
    assert gaps.claim([DAY], NOW, 9) == ([], None)
    assert gaps.others_until() == NOW + 60
    results = [
        Result(work[0], NOW, NOW, "line", deferred=[Deferred(DAY, False, NOW + 5, "line", 1)]),
        Result(work[1], NOW, NOW, "security", deferred=[Deferred(DAY, True, NOW, "security", 1)]),
    ]
    store.commit(gaps, results, NOW)
    assert [item.external_id for item in gaps.claim([DAY], NOW, 9)[0]] == []
    waited, _ = gaps.claim([DAY], NOW + 5, 9)
    assert [(item.external_id, item.tries, item.reason) for item in waited] == [
        ("meter-0", 1, "line")
    ]
    assert [(held.external_id, held.reason) for held in gaps.held()] == [("meter-1", "security")]
    assert len(gaps.open_gaps([DAY])) == 5
    dead, _ = other.claim([DAY], NOW + 31, 9)
    assert [item.external_id for item in dead] == ["meter-0", "meter-2"]
    other.leave()
    assert gaps.release() == 1
    taken, _ = gaps.claim([DAY], NOW + 31, 9)
    assert [item.external_id for item in taken] == [f"meter-{n}" for n in range(5)]
    assert gaps.take_over() > 0


def test_the_gap_list_is_walked_in_windows(store):
    gaps = store.plan(PLAN, enrol(store, 700))
    gaps.keep_alive(NOW + 30)
    seen, after = [], 0
    while after is not None:
        work, after = gaps.claim([DAY], NOW, 100, after, range(50, 651))
        seen += [item.meter for item in work]
    assert seen == list(range(50, 651))


def test_migrations_go_forward_only(tmp_path):
    path = tmp_path / "s.sqlite"
    Store.open(path).close()
    with sqlite3.connect(path, isolation_level=None) as plain:
        more = (*MIGRATIONS, "CREATE TABLE extra (id INTEGER) STRICT;\n")
        assert migrate(plain, more) == len(more)
        assert version_of(plain) == len(more)
        assert plain.execute("SELECT * FROM extra").fetchall() == []
    plain.close()
    with pytest.raises(StoreError, match="newer"):
        Store.open(path)


def test_a_failed_migration_leaves_the_version_before(tmp_path):
    path = tmp_path / "s.sqlite"
    Store.open(path).close()
    broken = (*MIGRATIONS, "CREATE TABLE extra (id INTEGER);\nCREATE TABLE meter (id INTEGER);\n")
    plain = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(plain, broken)
    assert version_of(plain) == len(MIGRATIONS)
    plain.close()
    Store.open(path).close()


def test_foreign_files_are_not_touched(tmp_path):
    plain = sqlite3.connect(tmp_path / "other")
    plain.execute("CREATE TABLE t (x)")
    plain.close()
    with pytest.raises(StoreError, match="something else"):
        Store.open(tmp_path / "other")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(StoreError, match="not a store"):
        Store.open(tmp_path / "text")


def test_check_finds_damage(tmp_path):
    with Store.open(tmp_path / "s") as kept:
        gaps, (work,) = claimed(kept)
        kept.commit(gaps, [brought(work, series(7, START, END))], NOW)
        assert kept.check() == []
        plain = sqlite3.connect(tmp_path / "s")
        plain.execute("UPDATE block SET body = x'0102'")
        plain.commit()
        plain.close()
        assert kept.check() == ["block 1: the contents do not match their hash"]


def test_results_commit_together_or_not_at_all(store):
    gaps, (work, other) = claimed(store, 2)
    bad = Result(Work(999, "nobody", (DAY,), (DAY,), False), NOW, NOW)
    with pytest.raises(StoreError):
        store.commit(gaps, [brought(work, series(7, START, END)), bad], NOW)
    assert counts(store) == (2, 0, 0, 0, 0)
    store.commit(gaps, [brought(other, series(7, START, END))], NOW)
    assert counts(store) == (2, 1, 24, 0, 0)


def test_channels_may_have_names_of_their_own(store):
    gaps, (work,) = claimed(store)
    given = series(7, START, END)
    given.channels = (Channel("volume", unit=13), CHANNELS[0]._replace(element=2))
    store.commit(gaps, [brought(work, given)], NOW)
    assert store.series("meter-0", PROFILE, START, END).channels == given.channels
