"""Single action schedules: what their types allow, and that each time is run once."""

from __future__ import annotations

import pytest
from meter_asking import CLOCK, NOW, SWITCH, act, get, put, rows

from ferraris.data.kinds import Data, array, enum, long, octet_string, structure
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.timekeeping import set_time
from ferraris.meter.zone import DAY

SCHEDULE, LOG = "0-0:15.0.1*255", "0-0:99.98.2*255"
SUCCESS, REFUSED = DataAccessResult.SUCCESS, DataAccessResult.OTHER_REASON
DISCONNECTED, CLOSED = 64, 61


def when(time: str, date: str) -> Data:
    return structure(octet_string(bytes.fromhex(time)), octet_string(bytes.fromhex(date)))


ONCE = when("06000000", "07ea0a01ff")
THE_DAY_AFTER = when("06000000", "07ea0a02ff")
LATER = when("07000000", "07ea0a02ff")
DAILY = when("06000000", "ffffffffff")
MONTHLY_LATER = when("07000000", "ffffff01ff")
ANY_HOUR = when("ff000000", "07ea0a01ff")


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (1, [[], [ONCE], [DAILY]], [[ONCE, THE_DAY_AFTER]]),
        (2, [[], [ONCE, THE_DAY_AFTER]], [[DAILY], [ONCE, LATER], [ANY_HOUR]]),
        (3, [[], [ONCE, DAILY]], [[ONCE, LATER], [DAILY, MONTHLY_LATER]]),
        (4, [[], [ONCE, LATER]], [[DAILY], [ONCE, MONTHLY_LATER], [ANY_HOUR]]),
        (5, [[], [ONCE, DAILY, MONTHLY_LATER, ANY_HOUR]], []),
    ],
)
def test_a_type_says_what_times_there_may_be(
    fleet: Fleet, kind: int, allowed: list[list[Data]], refused: list[list[Data]]
) -> None:
    meter = fleet[0]
    assert put(meter, SCHEDULE, 22, 3, enum(kind)) == SUCCESS
    for times in allowed:
        assert put(meter, SCHEDULE, 22, 4, array(*times)) == SUCCESS
        assert get(meter, SCHEDULE, 22, 4) == times
        for wrong in refused:
            assert put(meter, SCHEDULE, 22, 4, array(*wrong)) == REFUSED
            assert get(meter, SCHEDULE, 22, 4) == times


def test_a_type_that_the_times_do_not_fit_is_refused(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, SCHEDULE, 22, 4, array(DAILY, MONTHLY_LATER)) == SUCCESS
    for kind in (1, 2, 3, 4):
        assert put(meter, SCHEDULE, 22, 3, enum(kind)) == REFUSED
    assert put(meter, SCHEDULE, 22, 3, enum(6)) == REFUSED
    assert put(meter, SCHEDULE, 22, 3, (17, 5)) == DataAccessResult.TYPE_UNMATCHED
    assert get(meter, SCHEDULE, 22, 3) == 5
    assert put(meter, SCHEDULE, 22, 4, array(DAILY)) == SUCCESS
    assert put(meter, SCHEDULE, 22, 3, enum(1)) == SUCCESS


@pytest.mark.parametrize(
    "times",
    [
        [when("18000000", "ffffffffff")],
        [when("06000000", "ffff0dffff")],
        [when("0600", "ffffffffff")],
        [DAILY] * 129,
    ],
)
def test_times_that_never_come_and_too_many_are_refused(fleet: Fleet, times: list[Data]) -> None:
    assert put(fleet[0], SCHEDULE, 22, 4, array(*times)) != SUCCESS
    assert get(fleet[0], SCHEDULE, 22, 4) == []


def opened(meter: SimulatedMeter, now: int) -> int:
    return [row[1] for row in rows(meter, LOG, now=now)].count(DISCONNECTED)


def every_day(meter: SimulatedMeter, at: int) -> None:
    """Open the switch every day at the time of an instant; whoever opened it closes by itself."""
    time = meter.zone.stamp(at)[5:8].hex() + "00"
    assert put(meter, SWITCH, 70, 4, enum(5)) == SUCCESS
    assert put(meter, SCHEDULE, 22, 4, array(when(time, "ffffffffff"))) == SUCCESS


def closed(meter: SimulatedMeter, now: int) -> None:
    scripts = "0-0:10.0.106*255"
    assert act(meter, scripts, 9, 1, (18, 2), now=now) == 0


def test_days_that_were_missed_without_power_are_run_once(fleet: Fleet) -> None:
    meter = fleet[0]
    every_day(meter, NOW + 600)
    outage(meter, NOW + 100, NOW + 5 * DAY)
    assert get(meter, SWITCH, 70, 3, now=NOW + 5 * DAY) == 2
    assert opened(meter, NOW + 5 * DAY) == 1


@pytest.mark.parametrize(("shift_s", "again"), [(-5, 0), (-9, 0), (-10, 1), (-100, 1)])
def test_what_a_shift_goes_back_over_is_not_run_again(
    fleet: Fleet, shift_s: int, again: int
) -> None:
    """A clock is shifted to keep it in step, beyond the limit it is set, and times come again."""
    meter = fleet[0]
    every_day(meter, NOW + 600)
    assert opened(meter, NOW + 602) == 1
    closed(meter, NOW + 602)
    assert act(meter, CLOCK, 8, 6, long(shift_s), now=NOW + 603) == 0
    assert opened(meter, NOW + 1000) == 1 + again
    closed(meter, NOW + 1001)
    # Shifted forth and back, it is run on the next day all the same.
    for second in range(4):
        closed(meter, NOW + 1001)
        assert act(meter, CLOCK, 8, 6, long(5 - second % 2 * 10), now=NOW + 1010 + second) == 0
    assert opened(meter, NOW + DAY + 1000) == 2 + again


def test_what_a_shift_leaps_over_is_run(fleet: Fleet) -> None:
    meter = fleet[0]
    every_day(meter, NOW + 600)
    assert act(meter, CLOCK, 8, 6, long(5), now=NOW + 597) == 0
    assert opened(meter, NOW + 597) == 1
    closed(meter, NOW + 598)
    assert opened(meter, NOW + 1000) == 1
    set_time(fleet[1], NOW, NOW)
    assert opened(fleet[1], NOW + 1000) == 0
