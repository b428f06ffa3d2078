from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from meter_asking import CLOCK, LOAD, NOW, act, get, put, rows, stamped

from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    boolean,
    date_time,
    double_long_unsigned,
    enum,
    integer,
    long,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.clock import (
    DOUBTFUL,
    INVALID,
    STATUS_ADJUSTED,
    STATUS_NOT_VALID,
    Clock,
)
from ferraris.meter.behaviour.periodic import STATUS_SUMMER
from ferraris.meter.fleet import Fleet
from ferraris.meter.state import COMMISSIONED
from ferraris.meter.template import Placed, Template
from ferraris.meter.timekeeping import drift, lose_time
from ferraris.meter.zone import Zone

LIMIT, STATUS, LOG = "1-0:0.9.11*255", "0-0:96.10.1*255", "0-0:99.98.0*255"


def test_it_tells_local_time(fleet: Fleet) -> None:
    assert get(fleet[0], CLOCK, 8) == fleet.template.zone.stamp(NOW)
    assert get(fleet[0], CLOCK, 8, 4) == 0x80
    assert get(fleet[0], CLOCK, 8, 3) == -60
    assert get(fleet[0], CLOCK, 8, 4, now=NOW + 60 * 86400) == 0


@pytest.mark.parametrize("client", [1, 2])
@pytest.mark.parametrize("seconds", [-100_000, -1, 1, 77, 86_400])
def test_setting_is_kept_for_one_meter(fleet: Fleet, client: int, seconds: int) -> None:
    zone = fleet.template.zone
    stamp = octet_string(zone.stamp(NOW + seconds))
    assert put(fleet[0], CLOCK, 8, 2, stamp, client=client) == DataAccessResult.SUCCESS
    assert get(fleet[0], CLOCK, 8, now=NOW + 1000) == zone.stamp(NOW + 1000 + seconds)
    assert get(fleet[1], CLOCK, 8) == zone.stamp(NOW)
    assert get(fleet[0], CLOCK, 8, now=NOW - 1) == zone.stamp(NOW - 1)


def test_setting_without_deviation_and_under_its_own_tag(fleet: Fleet) -> None:
    zone = fleet.template.zone
    stamp = zone.stamp(NOW + 50)
    assert put(fleet[0], CLOCK, 8, 2, octet_string(stamp[:9] + b"\x80\x00\xff")) == 0
    assert get(fleet[0], CLOCK, 8) == stamp
    assert put(fleet[1], CLOCK, 8, 2, date_time(stamp)) == 0
    assert get(fleet[1], CLOCK, 8) == stamp


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (unsigned(1), DataAccessResult.TYPE_UNMATCHED),
        (octet_string(b"\xff" * 12), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("07ea0916ffff1e0000ff8880")), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("07ea0916ff10ff0000ff8880")), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("07d0010f040d000000ffc400")), DataAccessResult.OTHER_REASON),
        (octet_string(bytes.fromhex("0bb8010f040d000000ffc400")), DataAccessResult.OTHER_REASON),
    ],
)
def test_times_that_are_refused(fleet: Fleet, data: Data, result: DataAccessResult) -> None:
    assert put(fleet[0], CLOCK, 8, 2, data) == result
    assert get(fleet[0], CLOCK, 8) == fleet.template.zone.stamp(NOW)
    assert put(fleet[0], CLOCK, 8, 4, unsigned(0)) == DataAccessResult.READ_WRITE_DENIED


def test_adjusting(fleet: Fleet) -> None:
    zone = fleet.template.zone
    assert act(fleet[0], CLOCK, 8, 3) == ActionResult.SUCCESS
    assert get(fleet[0], CLOCK, 8) == zone.stamp(NOW - 23)
    assert act(fleet[1], CLOCK, 8, 1) == ActionResult.SUCCESS
    assert get(fleet[1], CLOCK, 8) == zone.stamp(NOW // 900 * 900)
    assert act(fleet[2], CLOCK, 8, 6, long(-900)) == ActionResult.SUCCESS
    assert act(fleet[2], CLOCK, 8, 6, long(5)) == ActionResult.SUCCESS
    assert get(fleet[2], CLOCK, 8) == zone.stamp(NOW - 895)
    assert act(fleet[2], CLOCK, 8, 6, long(901)) == ActionResult.OTHER_REASON
    assert act(fleet[2], CLOCK, 8, 6, integer(1)) == ActionResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("second", "method", "shown"),
    [
        (449, 1, 0),
        (450, 1, 900),
        (899, 1, 900),
        (29, 3, 0),
        (30, 3, 60),
    ],
)
def test_adjusting_goes_to_the_nearest(fleet: Fleet, second: int, method: int, shown: int) -> None:
    """Of two that are as near, to the later one."""
    quarter = NOW // 900 * 900
    assert act(fleet[0], CLOCK, 8, method, now=quarter + second) == ActionResult.SUCCESS
    now = quarter + second
    assert get(fleet[0], CLOCK, 8, now=now) == fleet.template.zone.stamp(quarter + shown)


@pytest.mark.parametrize(("period_s", "shown"), [(900, -23), (3600, -923), (10_800, -4523)])
def test_adjusting_to_the_measuring_period(fleet: Fleet, period_s: int, shown: int) -> None:
    meter = fleet[0]  # it is 16:15:23
    assert put(meter, LOAD, 7, 4, double_long_unsigned(period_s)) == DataAccessResult.SUCCESS
    assert act(meter, CLOCK, 8, 2) == ActionResult.SUCCESS
    assert get(meter, CLOCK, 8) == meter.zone.stamp(NOW + shown)


def test_adjusting_to_a_preset_time(fleet: Fleet) -> None:
    zone, meter = fleet.template.zone, fleet[0]
    assert act(meter, CLOCK, 8, 4) == ActionResult.OTHER_REASON
    times = [octet_string(zone.stamp(t)) for t in (NOW + 300, NOW - 60, NOW + 60)]
    assert act(meter, CLOCK, 8, 5, structure(*times)) == ActionResult.SUCCESS
    assert act(meter, CLOCK, 8, 4, now=NOW + 61) == ActionResult.OTHER_REASON
    assert act(meter, CLOCK, 8, 4, now=NOW - 61) == ActionResult.OTHER_REASON
    assert act(meter, CLOCK, 8, 4) == ActionResult.SUCCESS
    assert get(meter, CLOCK, 8) == zone.stamp(NOW + 300)
    assert [row[1] for row in rows(meter, LOG)][-2:] == [4, 5]
    assert act(meter, CLOCK, 8, 5, structure(*times[:2])) == ActionResult.TYPE_UNMATCHED


def test_a_clock_set_over_and_over_stays_small(fleet: Fleet) -> None:
    meter = fleet[0]
    for second in range(300):
        assert act(meter, CLOCK, 8, 6, long(10 - second % 2 * 20), now=NOW + second) == 0
    assert len(meter.state.steps) == 256
    assert len(meter.state.noted(0)) == 512
    assert get(meter, CLOCK, 8, now=NOW + 300) == fleet.template.zone.stamp(NOW + 300)


@pytest.mark.parametrize(("seconds", "events"), [(9, []), (-9, []), (10, [4, 5]), (-10, [4, 5])])
def test_up_to_the_limit_a_set_clock_is_a_shift(
    fleet: Fleet, seconds: int, events: list[int]
) -> None:
    meter = fleet[0]
    before = len(rows(meter, LOG))
    assert put(meter, CLOCK, 8, 2, octet_string(meter.zone.stamp(NOW + seconds))) == 0
    assert [row[1] for row in rows(meter, LOG)[before:]] == events
    marks = STATUS_ADJUSTED | STATUS_NOT_VALID if events else 0
    assert get(meter, STATUS, 1) == STATUS_SUMMER | marks
    found = rows(meter, LOAD, stamped(meter, NOW, NOW + 2000), now=NOW + 2000)
    assert [row[1] for row in found] == [STATUS_SUMMER | marks, STATUS_SUMMER]
    assert get(meter, STATUS, 1, now=NOW + 2000) == STATUS_SUMMER


def test_the_limit_is_written_by_clients(fleet: Fleet) -> None:
    assert put(fleet[0], LIMIT, 3, 2, long_unsigned(60)) == DataAccessResult.SUCCESS
    assert act(fleet[0], CLOCK, 8, 6, long(60)) == ActionResult.SUCCESS
    assert [row[1] for row in rows(fleet[0], LOG)][-1] == 3
    assert act(fleet[0], CLOCK, 8, 6, long(61)) == ActionResult.SUCCESS
    assert [row[1] for row in rows(fleet[0], LOG)][-2:] == [4, 5]


def test_a_clock_that_lost_its_time_says_so_until_it_is_set(fleet: Fleet) -> None:
    meter = fleet[0]
    lose_time(meter, NOW, NOW - 86_400)
    assert get(meter, CLOCK, 8, 4) == 0x80 | INVALID
    assert get(meter, CLOCK, 8)[11] == 0x80 | INVALID
    assert rows(meter, LOG)[-1][1] == 6
    assert get(meter, "0-0:97.98.0*255", 1) == 1
    yesterday = rows(meter, LOAD, stamped(meter, NOW - 86_000, NOW - 84_000), now=NOW + 2400)
    twice = [row[0][11] for row in yesterday]
    assert twice == [0x80, 0x80, 0x81, 0x81]
    assert [row[1] & 0x02 for row in yesterday] == [0, 0, 2, 2]
    assert act(meter, CLOCK, 8, 3, now=NOW + 30) == 0
    assert get(meter, CLOCK, 8, 4, now=NOW + 30) == 0x80 | INVALID
    assert put(meter, CLOCK, 8, 2, octet_string(meter.zone.stamp(NOW + 60)), now=NOW + 60) == 0
    assert get(meter, CLOCK, 8, now=NOW + 70) == meter.zone.stamp(NOW + 70)
    lose_time(meter, NOW + 80, NOW + 80, DOUBTFUL)
    assert get(meter, CLOCK, 8, 4, now=NOW + 90) == 0x80 | DOUBTFUL


def test_a_drifting_clock_gains_and_is_shifted_back(fleet: Fleet) -> None:
    meter = fleet[0]
    drift(meter, NOW, 50)
    later = NOW + 10 * 86_400
    assert meter.offset(later) == 43
    assert get(meter, CLOCK, 8, now=later) == meter.zone.stamp(later + 43)
    assert act(meter, CLOCK, 8, 6, long(-43), now=later) == 0
    assert meter.offset(later) == 0
    assert meter.offset(later + 20_000) == 1
    drift(meter, later + 20_000, -100)
    assert meter.offset(later + 30_000) == 0


def test_the_drift_of_a_meter_is_drawn_from_its_seed(residential: Template) -> None:
    made = Template(
        "drifting",
        residential.consumption,
        [Placed(Clock(CLOCK, residential.zone), frozenset((1,)))],
        (),
        drifts=(-20, 20),
    )
    meters = list(Fleet(made, 60, seed=3))
    drifts = [meter.first_clock.drift for meter in meters]
    assert drifts == [meter.first_clock.drift for meter in Fleet(made, 60, seed=3)]
    assert min(drifts) < -10 < 10 < max(drifts)
    assert all(abs(drift) <= 20 for drift in drifts)
    million = [meter.offset(COMMISSIONED + 1_000_000) for meter in meters]
    assert million == drifts


def test_rules_of_the_zone_are_written_and_old_rows_keep_their_stamps(fleet: Fleet) -> None:
    meter, template = fleet[0], fleet.template
    before = rows(meter, LOAD, stamped(meter, NOW - 3000, NOW))
    assert put(meter, CLOCK, 8, 8, boolean(False)) == DataAccessResult.SUCCESS
    assert get(meter, CLOCK, 8) == Zone(60, 0).stamp(NOW)
    assert get(meter, CLOCK, 8, 4) == 0
    found = rows(meter, LOAD, stamped(meter, NOW - 3000, NOW + 1000), now=NOW + 1000)
    assert found[: len(before)] == before
    (after,) = found[len(before) :]
    assert (after[0], after[1]) == (Zone(60, 0).stamp(NOW // 900 * 900 + 900), 0)
    assert put(meter, CLOCK, 8, 8, boolean(True)) == DataAccessResult.SUCCESS
    assert meter.zone is template.zone
    assert put(meter, CLOCK, 8, 3, long(300)) == DataAccessResult.SUCCESS
    begin, end = (bytes.fromhex(f"ffff{each}020000008000ff") for each in ("030807", "0b0107"))
    assert put(meter, CLOCK, 8, 5, octet_string(begin)) == DataAccessResult.SUCCESS
    assert put(meter, CLOCK, 8, 6, date_time(end)) == DataAccessResult.SUCCESS
    assert get(meter, CLOCK, 8, 6) == end
    york = ZoneInfo("America/New_York")
    for utc in range(NOW, NOW + 400 * 86_400, 40_000):
        offset = datetime.fromtimestamp(utc, york).utcoffset()
        assert offset is not None
        assert meter.zone.offset(utc) == offset.total_seconds()


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (3, integer(1), DataAccessResult.TYPE_UNMATCHED),
        (3, long(900), DataAccessResult.OTHER_REASON),
        (5, octet_string(bytes.fromhex("ffff03fe07020000007fff00")), DataAccessResult.OTHER_REASON),
        (5, octet_string(bytes.fromhex("ffff03fe07023c00008000ff")), DataAccessResult.OTHER_REASON),
        (7, integer(121), DataAccessResult.OTHER_REASON),
        (5, octet_string(b"\xff" * 12), DataAccessResult.OTHER_REASON),
        (6, octet_string(b"\xff" * 5), DataAccessResult.TYPE_UNMATCHED),
        (6, long(1), DataAccessResult.TYPE_UNMATCHED),
        (7, long(60), DataAccessResult.TYPE_UNMATCHED),
        (8, integer(1), DataAccessResult.TYPE_UNMATCHED),
        (9, enum(0), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_rules_that_are_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = get(fleet[0], CLOCK, 8, attribute)
    assert put(fleet[0], CLOCK, 8, attribute, data) == result
    assert get(fleet[0], CLOCK, 8, attribute) == before
    assert fleet[0].state.steps == ()


@pytest.mark.parametrize("zone", [Zone(), Zone(0), Zone(-300), Zone(120), Zone(600, 30)])
def test_the_rules_told_are_those_the_zone_follows(zone: Zone) -> None:
    clock = Clock(CLOCK, zone)
    begin, end = (axdr.decode(clock.fixed[index])[1] for index in (5, 6))
    told = Zone(zone.east, zone.summer, bytes(begin), bytes(end))
    for year in range(2024, 2040):
        assert told.changes(year) == zone.changes(year)


def test_profiles_go_by_rules_that_were_written(fleet: Fleet) -> None:
    """Daylight saving ends on 3rd October at three, unless it is written otherwise again."""
    meter = fleet[0]
    end = octet_string(bytes.fromhex("ffff0a03ff0300ff008000ff"))
    assert put(meter, CLOCK, 8, 6, end) == DataAccessResult.SUCCESS
    change = meter.zone.changes(2026)[1]
    assert change is not None
    assert get(meter, CLOCK, 8, now=change)[2:8] == bytes((10, 3, 6, 2, 0, 0))
    span = stamped(meter, change - 7200, change + 7200)
    found = rows(meter, LOAD, span, now=change + 8000)
    instants = [meter.zone.instant(row[0]) or 0 for row in found]
    assert instants == list(range(change - 7200, change + 7201, 900))
    assert [bool(row[1] & STATUS_SUMMER) for row in found] == [at < change for at in instants]


def test_no_clock_is_faster_than_can_be(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="million"):
        drift(fleet[0], NOW, 200_000)
