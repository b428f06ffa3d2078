"""No interval is missing or doubled, whatever happens to the clock and to the power."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import CLOCK, LOAD, act, entries, get, put, rows, stamped

from ferraris.data.kinds import boolean, double_long_unsigned, octet_string
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.capture import STATUS_POWER_DOWN, Daily, Monthly, Periodically
from ferraris.meter.behaviour.clock import STATUS_ADJUSTED
from ferraris.meter.fleet import Fleet
from ferraris.meter.outages import is_off
from ferraris.meter.patterns import CHANNELS
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.state import Step
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import drift, set_time
from ferraris.meter.zone import DAY, Zone

RESIDENTIAL = template("residential")
AUTUMN = 1_792_886_400  # 2026-10-25 00:00 UTC, an hour before summer time ends
SPRING = 1_774_742_400  # 2026-03-29 00:00 UTC, an hour before summer time begins


class Event(NamedTuple):
    after: int
    kind: str
    amount: int


EVENTS = st.lists(
    st.builds(
        Event,
        st.integers(1, 9000),
        st.sampled_from(("set", "set", "outage", "drift", "summer")),
        st.integers(-5000, 5000) | st.integers(-9, 9),
    ),
    max_size=6,
)


def play(meter: SimulatedMeter, event: Event, now: int) -> int:
    """Let it happen; the UTC second after it."""
    if event.kind == "set":
        set_time(meter, now, meter.local(now) + event.amount)
    elif event.kind == "outage":
        outage(meter, now, now + abs(event.amount) + 1)
        return now + abs(event.amount) + 1
    elif event.kind == "drift":
        drift(meter, now, event.amount // 10)
    else:
        put(meter, CLOCK, 8, 8, boolean(event.amount > 0), now=now)
    return now


def expected(meter: SimulatedMeter, period: int, begin: int, end: int) -> list[tuple[int, bytes]]:
    """What a clock of this meter meets second by second: UTC and stamp of each capture."""
    grid, found = Periodically(period), []
    before, law = 0, meter.clock(begin)

    def number(law: Step, utc: int) -> int:
        return grid.number(law.local(utc), law.zone or RESIDENTIAL.zone)

    def capture(law: Step, utc: int, instant: int) -> None:
        zone = law.zone or RESIDENTIAL.zone
        found.append((utc, zone.stamp(grid.instant(instant, zone))))

    before = number(law, begin)
    for utc in range(begin + 1, end + 1):
        # The clock goes on as before up to the second in which it is set.
        last = number(law, utc)
        if last > before and not is_off(meter, utc - 1):
            capture(law, utc, last)
        before, following = max(before, last), meter.clock(utc)
        if (following.mark and following is not law) or following.zone != law.zone:
            before = number(following, utc)
        elif following is not law:  # it was shifted, and what it leapt over is captured
            for instant in range(before + 1, number(following, utc) + 1):
                zone = following.zone or RESIDENTIAL.zone
                capture(following, following.utc(grid.instant(instant, zone)), instant)
            before = max(before, number(following, utc))
        law = following
    return found


@settings(max_examples=25, deadline=None)
@given(st.sampled_from((AUTUMN, SPRING)), EVENTS, st.sampled_from((300, 900, 3600)))
def test_every_instant_of_the_grid_is_captured_once(
    begin: int, events: list[Event], period: int
) -> None:
    meter = Fleet(RESIDENTIAL, 1, seed=5)[0]
    begin -= 3 * 3600
    assert put(meter, LOAD, 7, 4, double_long_unsigned(period), now=begin) == 0
    now = begin
    for event in events:
        now = play(meter, event, now + event.after)
    end = now + 4 * 3600
    captured = rows(meter, LOAD, now=end)
    wanted = expected(meter, period, begin, end)
    assert [row[0] for row in captured] == [stamp for _, stamp in wanted]
    for row, (utc, _) in zip(captured, wanted, strict=True):
        assert row[2:] == tuple(meter.total(channel, utc) for channel in range(CHANNELS))
    assert get(meter, LOAD, 7, 7, now=end) == len(wanted)
    middle = len(wanted) // 2
    assert rows(meter, LOAD, entries(middle + 1, 0), now=end) == captured[middle:]


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_intervals_sum_to_the_register_and_what_is_odd_is_marked(events: list[Event]) -> None:
    meter = Fleet(RESIDENTIAL, 1, seed=6)[0]
    begin = now = AUTUMN - 7200
    for event in events:
        now = play(meter, event, now + event.after)
    end = now + 7200
    found = rows(meter, LOAD, now=end)[-200:]
    for channel in range(CHANNELS):
        column = [row[2 + channel] for row in found]
        assert column == sorted(column)
        assert column[-1] <= meter.total(channel, end)
    marks = 0
    for row in found:
        marks |= row[1]
    assert bool(marks & STATUS_POWER_DOWN) == any(event.kind == "outage" for event in events)
    was_set = any(event.kind == "set" and abs(event.amount) > 9 for event in events)
    assert bool(marks & STATUS_ADJUSTED) == was_set
    assert begin < now or not events


def test_a_capture_period_that_is_written_empties_the_buffer(fleet: Fleet) -> None:
    meter = fleet[0]
    now = AUTUMN + 100
    for wrong in (0, 59, 901, 100_000):
        refused = put(meter, LOAD, 7, 4, double_long_unsigned(wrong), now=now)
        assert refused == DataAccessResult.OTHER_REASON
    assert put(meter, LOAD, 7, 4, boolean(True), now=now) == DataAccessResult.TYPE_UNMATCHED
    assert len(rows(meter, LOAD, now=now)) == 5760
    assert put(meter, LOAD, 7, 4, double_long_unsigned(60), now=now) == 0
    assert rows(meter, LOAD, now=now) == []
    found = rows(meter, LOAD, now=now + 600)
    assert len(found) == 10
    assert [row[2] for row in found] == [
        meter.total(0, at) for at in range(AUTUMN + 120, AUTUMN + 700, 60)
    ]
    assert len(rows(meter, LOAD, stamped(meter, now + 200, now + 400), now=now + 600)) == 4
    assert get(meter, LOAD, 7, 4) == 60
    assert act(meter, LOAD, 7, 1, now=now + 600) == 0
    assert rows(meter, LOAD, now=now + 610) == []


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from((AUTUMN, SPRING)),
    st.sampled_from((60, 900, 3600, 7200, 14_400, 43_200, DAY)),
    st.sampled_from((Zone(), Zone(330, 0), Zone(630, 30), Zone(-210, 60))),
)
def test_grids_ascend_and_know_their_numbers(near: int, period: int, zone: Zone) -> None:
    for grid in (Periodically(period), Daily(), Monthly()):
        first = grid.number(near - DAY, zone)
        instants = [grid.instant(first + place, zone) for place in range(2 + 2 * DAY // period)]
        assert instants == sorted(set(instants))
        for place, instant in enumerate(instants):
            assert grid.number(instant, zone) == first + place
            assert grid.number(instant - 1, zone) == first + place - 1


def test_periods_count_from_local_midnight() -> None:
    for zone in (Zone(), Zone(330, 0)):
        for instant in range(AUTUMN - DAY, AUTUMN + 2 * DAY, 6 * 3600):
            midnight = zone.midnight(zone.local_day(instant))
            grid = Periodically(4 * 3600)
            assert grid.instant(grid.number(midnight, zone), zone) == midnight


def test_a_time_set_to_its_own_profile_keeps_its_octets(fleet: Fleet) -> None:
    meter = fleet[0]
    now = AUTUMN + 1800
    time = octet_string(meter.zone.stamp(now))
    before = rows(meter, LOAD, now=now)
    assert put(meter, CLOCK, 8, 2, time, now=now) == 0
    assert rows(meter, LOAD, now=now) == before
