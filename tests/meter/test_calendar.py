"""Activity calendars that say more than rates: when seasons begin, and whose scripts run."""

from __future__ import annotations

import pytest
from meter_asking import NOW, SWITCH, act, get, put
from test_tariffication import ALL_DAYS, ALL_YEAR, by_hour, day, program, rate, season, week

from ferraris.data.kinds import Data, array, enum, long_unsigned, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.tariffication import CALENDAR, SPECIAL_DAYS, TARIFF_SCRIPTS
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates.supervision import SWITCH_SCRIPTS
from ferraris.meter.timekeeping import drift
from ferraris.meter.zone import DAY

TWO_WEEKS = array(week(b"one", *[1] * 7), week(b"two", *[2] * 7))
TWO_DAYS = array(day(1, (0, 1)), day(2, (0, 2)))


def two_seasons(meter: SimulatedMeter, first: str, second: str, days: Data = TWO_DAYS) -> None:
    seasons = array(season(b"1st", first, b"one"), season(b"2nd", second, b"two"))
    program(meter, seasons, TWO_WEEKS, days)
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS


def test_a_season_begins_at_its_time_of_day(fleet: Fleet) -> None:
    meter = fleet[0]
    days = array(day(1, (0, 1)), day(2, (0, 2), (3, 1), (4, 2), (20, 1)))
    two_seasons(meter, "ffff0401ff000000008000ff", "ffff0a01ff061e00008000ff", days)
    october = meter.zone.midnight(NOW // DAY + 10)
    assert meter.zone.stamp(october)[2:4] == b"\x0a\x01"
    # From half past six on, what would have been in force since four o'clock is.
    half_past_six = october + 6 * 3600 + 1800
    assert [rate(meter, half_past_six + seconds) for seconds in (-1, 0)] == [1, 2]
    assert by_hour(meter, october) == "1" * 7 + "2" * 13 + "1" * 4
    assert by_hour(meter, october + DAY) == "2" * 3 + "1" + "2" * 16 + "1" * 4


def test_a_special_day_counts_more_than_the_seasons_it_lies_in(fleet: Fleet) -> None:
    meter = fleet[0]
    days = array(day(1, (0, 1)), day(2, (0, 2)), day(3, (0, 2), (12, 1)))
    two_seasons(meter, "ffff0401ff000000008000ff", "ffff0a01ff060000008000ff", days)
    special = structure(long_unsigned(1), octet_string(b"\xff\xff\x0a\x01\xff"), unsigned(3))
    assert act(meter, SPECIAL_DAYS, 11, 1, special) == ActionResult.SUCCESS
    october = meter.zone.midnight(NOW // DAY + 10)
    assert by_hour(meter, october) == "2" * 12 + "1" * 12
    assert by_hour(meter, october + DAY) == "2" * 24


def test_seasons_follow_daylight_saving(fleet: Fleet) -> None:
    meter = fleet[0]
    two_seasons(meter, "fffffeffffffffffff8000ff", "fffffdffffffffffff8000ff")
    change = meter.zone.changes(2026)[1]
    assert change is not None
    day = meter.zone.midnight(meter.zone.local_day(change))
    assert [rate(meter, at) for at in (day - 1, day, day + 100 * DAY)] == [1, 2, 2]
    spring = meter.zone.changes(2027)[0]
    assert spring is not None
    day = meter.zone.midnight(meter.zone.local_day(spring))
    assert [rate(meter, at) for at in (day - 1, day)] == [2, 1]


def entry(hour: int, table: str, selector: int) -> Data:
    return structure(
        octet_string(bytes((hour, 0, 0, 0))),
        octet_string(Obis.parse(table)),
        long_unsigned(selector),
    )


def test_entries_of_the_same_time_all_run_and_those_of_one_table_hide_no_others(
    fleet: Fleet,
) -> None:
    meter = fleet[0]
    switches = array(
        entry(0, TARIFF_SCRIPTS, 1),
        entry(6, TARIFF_SCRIPTS, 2),
        entry(6, SWITCH_SCRIPTS, 1),
        entry(8, SWITCH_SCRIPTS, 2),
    )
    assert put(meter, SWITCH, 70, 4, enum(5)) == DataAccessResult.SUCCESS
    program(meter, ALL_YEAR, ALL_DAYS, array(structure(unsigned(1), switches)))
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS
    midnight = meter.zone.midnight(NOW // DAY + 2)
    seven, nine = midnight + 7 * 3600, midnight + 9 * 3600
    assert (rate(meter, seven), get(meter, SWITCH, 70, 3, now=seven)) == (2, 2)
    assert (rate(meter, nine), get(meter, SWITCH, 70, 3, now=nine)) == (2, 1)
    # Nobody but the calendar's own entries runs a script again.
    assert act(meter, SWITCH, 70, 1, now=nine) == ActionResult.SUCCESS
    assert get(meter, SWITCH, 70, 3, now=midnight + DAY) == 0
    assert rate(meter, midnight + DAY) == 1
    assert act(meter, SWITCH, 70, 2, now=midnight + DAY + 60) == ActionResult.SUCCESS
    outage(meter, midnight + DAY + 1000, midnight + DAY + 9 * 3600)
    later = midnight + DAY + 9 * 3600
    assert rate(meter, later) == 2


@pytest.mark.parametrize("place", range(12))
def test_a_fast_clock_that_leaps_over_the_activation_activates(fleet: Fleet, place: int) -> None:
    meter = fleet[0]
    drift(meter, NOW, 100_000)
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 2))), NOW + 1)
    stamp = octet_string(meter.zone.stamp(NOW + 1000 + place))
    assert put(meter, CALENDAR, 20, 10, stamp, now=NOW + 2) == DataAccessResult.SUCCESS
    assert get(meter, CALENDAR, 20, 2, now=NOW + 900) != b"NEW"
    assert get(meter, CALENDAR, 20, 2, now=NOW + 1000) == b"NEW"


@pytest.mark.parametrize(
    ("attribute", "data"),
    [
        (7, array(season(b"S", "ffff0d01ff000000008000ff", b"W"))),
        (7, array(season(b"S", "ffff0101ff180000008000ff", b"W"))),
        (9, array(day(1, (24, 1)))),
        (10, octet_string(bytes.fromhex("07ea0120ff000000008000ff"))),
    ],
)
def test_moments_that_never_come_are_refused(fleet: Fleet, attribute: int, data: Data) -> None:
    before = get(fleet[0], CALENDAR, 20, attribute)
    assert put(fleet[0], CALENDAR, 20, attribute, data) == DataAccessResult.OTHER_REASON
    assert get(fleet[0], CALENDAR, 20, attribute) == before


def test_a_special_day_that_never_comes_is_refused(fleet: Fleet) -> None:
    special = structure(long_unsigned(1), octet_string(b"\x07\xea\x0d\x01\xff"), unsigned(1))
    assert act(fleet[0], SPECIAL_DAYS, 11, 1, special) == ActionResult.OTHER_REASON
    assert get(fleet[0], SPECIAL_DAYS, 11) == []
