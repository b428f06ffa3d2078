"""A clock that is only kept in step leaves no trace: nothing is missing, nothing comes twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import CLOCK, LOAD, NOW, act, get, put, rows, stamped
from test_captured import PROFILE, made

from ferraris.data.kinds import double_long_unsigned, long, long_unsigned
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.periodic import STATUS_SUMMER
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import set_time

RESIDENTIAL = template("residential")
BEGIN = NOW // QUARTER * QUARTER
DEMAND, MAXIMUM, STATUS = "1-0:1.4.0*255", "1-0:1.6.0*255", "0-0:96.10.1*255"
SHIFTS = st.lists(
    st.tuples(st.integers(1, 2 * QUARTER), st.integers(-9, 9).filter(bool)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(SHIFTS)
def test_every_interval_is_there_once_and_they_sum_to_the_register(
    shifts: list[tuple[int, int]],
) -> None:
    meter = Fleet(RESIDENTIAL, 1, seed=9)[0]
    now = BEGIN
    for after, seconds in shifts:
        now += after
        assert act(meter, CLOCK, 8, 6, long(seconds), now=now) == ActionResult.SUCCESS
    end = now + 3 * QUARTER
    found = rows(meter, LOAD, stamped(meter, BEGIN, end + 200), now=end)
    instants = [meter.zone.instant(row[0]) for row in found]
    assert instants == [BEGIN + place * QUARTER for place in range(len(found))]
    assert meter.local(end) - QUARTER - 9 * 13 < instants[-1]
    assert {row[1] for row in found} == {STATUS_SUMMER}
    for channel in range(CHANNELS):
        column = [row[2 + channel] for row in found]
        assert column == sorted(column)
        assert column[-1] <= meter.total(channel, end)
    assert get(meter, LOAD, 7, 7, now=end) == len(rows(meter, LOAD, now=end))


@pytest.mark.parametrize(("at", "seconds"), [(-3, 5), (3, -5)])
def test_a_mark_waits_for_the_next_row_whichever_way_the_clock_is_shifted(
    fleet: Fleet, at: int, seconds: int
) -> None:
    meter = fleet[0]
    set_time(meter, BEGIN + 100, BEGIN + 200)  # a hundred seconds ahead from now on, and marked
    boundary = BEGIN + QUARTER - 100
    assert act(meter, CLOCK, 8, 6, long(seconds), now=boundary + at) == ActionResult.SUCCESS
    assert get(meter, STATUS, 1, now=boundary + at + 1) == STATUS_SUMMER
    found = rows(meter, LOAD, now=boundary + QUARTER + 20)[-2:]
    assert [row[1] & ~STATUS_SUMMER for row in found] == [0x24, 0]


@pytest.mark.parametrize(("at", "seconds", "captured"), [(-3, 5, 2), (3, -5, 2), (3, -50, 3)])
def test_a_profile_of_anything_captures_once(at: int, seconds: int, captured: int) -> None:
    meter = made()
    get(meter, CLOCK, 8)
    assert put(meter, PROFILE, 7, 4, double_long_unsigned(300)) == 0
    boundary = NOW // 300 * 300 + 300
    set_time(meter, boundary + at, boundary + at + seconds)
    assert len(rows(meter, PROFILE, now=boundary + 500)) == captured


def test_the_maximum_is_the_highest_that_was_seen_over_shifts(fleet: Fleet) -> None:
    meter = fleet[3]
    begin = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    assert put(meter, DEMAND, 5, 8, double_long_unsigned(300), now=begin) == 0
    assert put(meter, DEMAND, 5, 9, long_unsigned(3), now=begin) == 0
    seen = [0]
    for place in range(1, 60):
        end = begin + place * 300
        if place % 7 == 3:
            assert act(meter, CLOCK, 8, 6, long((-1) ** place * 3), now=end - 100) == 0
        last = meter.clock(end).utc(end)
        seen.append(get(meter, DEMAND, 5, 3, now=last))
        assert get(meter, MAXIMUM, 4, now=last) == max(seen)
