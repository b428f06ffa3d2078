from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import NOW, SWITCH, get, put, rows

from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.disconnector import push_button
from ferraris.meter.behaviour.limiter import LEAST_REST_S, LimiterState
from ferraris.meter.behaviour.states import LIMITER, Crossing, LimiterPhase
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import CONTROL_LOG
from ferraris.meter.life import due, switch_off, switch_on
from ferraris.meter.patterns import QUARTER
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import drift, set_time
from ferraris.meter.zone import DAY

TEMPLATE = template("residential")
LIMIT, LOG = "0-0:17.0.0*255", "0-0:99.98.2*255"
KEY = (71, bytes(Obis.parse(LIMIT)))
HIGHEST = 0xFFFFFFFF
FIRST = NOW // QUARTER + 1


def powers(meter: SimulatedMeter, first: int, stop: int) -> list[int]:
    totals = [meter.household.total(0, n * QUARTER) for n in range(first, stop + 1)]
    return [4 * (b - a) for a, b in itertools.pairwise(totals)]


def limit(meter: SimulatedMeter, watts: int, over_s: int, under_s: int, *, mode: int = 4) -> None:
    assert put(meter, SWITCH, 70, 4, enum(mode)) == 0
    assert put(meter, LIMIT, 71, 6, double_long_unsigned(over_s)) == 0
    assert put(meter, LIMIT, 71, 7, double_long_unsigned(under_s)) == 0
    assert put(meter, LIMIT, 71, 4, double_long_unsigned(watts)) == 0


def emergency(begin: bytes, duration_s: int, group: int = 1) -> Data:
    return structure(long_unsigned(group), octet_string(begin), double_long_unsigned(duration_s))


def log(meter: SimulatedMeter, now: int) -> list[tuple[int, int]]:
    """Seconds since NOW and codes."""
    found = []
    for stamp, code in rows(meter, LOG, now=now):
        instant = meter.zone.instant(stamp)
        assert instant is not None
        found.append((instant - NOW, code))
    return found


def test_it_trips_after_the_duration_and_a_hand_closes_again(fleet: Fleet) -> None:
    meter = next(each for each in fleet if _rises(powers(each, FIRST - 1, FIRST + 96)))
    series = powers(meter, FIRST, FIRST + 96)
    watts = sorted(series)[60]
    over_s = QUARTER + 100
    limit(meter, watts, over_s, 120)
    # The first two quarters in a row that are over.
    place = next(n for n in range(95) if min(series[n : n + 2]) > watts)
    trip = (FIRST + place) * QUARTER + over_s
    assert get(meter, SWITCH, 70, 3, now=trip - 1) == 1
    assert get(meter, SWITCH, 70, 3, now=trip) == 2
    assert get(meter, "1-0:1.7.0*255", 3, now=trip + 5) == 0
    # Nothing flows, so the value is under again; mode 4 leaves the reconnection to a hand.
    assert get(meter, SWITCH, 70, 3, now=trip + 600) == 2
    assert push_button(meter, trip + 700)
    assert get(meter, SWITCH, 70, 3, now=trip + 700) == 1
    offset = trip - NOW
    expected = [(0, 67), (offset, 65), (offset, 64), (offset + 121, 66), (offset + 700, 61)]
    assert log(meter, trip + 700) == expected


def _rises(series: list[int]) -> bool:
    """Whether the running quarter is below what most of the day exceeds now and then."""
    return series[0] < sorted(series)[60]


def test_in_mode_5_it_closes_by_itself(fleet: Fleet) -> None:
    meter = fleet[0]
    watts = powers(meter, FIRST - 1, FIRST)[0] - 1
    limit(meter, watts, 10, 300, mode=5)
    assert get(meter, SWITCH, 70, 3, now=NOW + 10) == 1
    assert get(meter, SWITCH, 70, 3, now=NOW + 11) == 2
    assert get(meter, SWITCH, 70, 3, now=NOW + 311) == 2
    assert get(meter, SWITCH, 70, 3, now=NOW + 312) == 1
    assert log(meter, NOW + 312) == [(0, 67), (11, 65), (11, 64), (312, 66), (312, 69)]


@pytest.mark.parametrize(("above", "state"), [(0, 1), (1, 2)])
def test_a_value_equal_to_the_threshold_is_not_above_it(
    fleet: Fleet, above: int, state: int
) -> None:
    meter = fleet[0]
    watts = powers(meter, FIRST - 1, FIRST)[0] - above
    limit(meter, watts, 10, 300)
    assert get(meter, SWITCH, 70, 3, now=FIRST * QUARTER - 1) == state


def test_a_duration_that_is_written_counts_from_when_it_was_exceeded(fleet: Fleet) -> None:
    meter = fleet[0]
    limit(meter, 0, 300, 60)
    assert get(meter, SWITCH, 70, 3, now=NOW + 100) == 1
    assert put(meter, LIMIT, 71, 6, double_long_unsigned(150), now=NOW + 100) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 150) == 1
    assert get(meter, SWITCH, 70, 3, now=NOW + 151) == 2


def test_it_never_flutters(fleet: Fleet) -> None:
    meter = fleet[0]
    limit(meter, 1, 0, 0, mode=5)
    get(meter, SWITCH, 70, 3, now=NOW + 3600)
    assert 50 < len(meter.state.interruptions) <= 3600 // LEAST_REST_S


def test_a_quarter_that_falls_back_in_time_does_nothing(fleet: Fleet) -> None:
    """The timer begins anew whenever the value falls back."""
    meter = fleet[0]
    series = powers(meter, FIRST, FIRST + 96)
    watts = sorted(series)[80]
    longest, run = 0, 0
    for power in series:
        run = run + 1 if power > watts else 0
        longest = max(longest, run)
    limit(meter, watts, longest * QUARTER + 1, 60)
    assert get(meter, SWITCH, 70, 3, now=NOW + DAY) == 1
    assert [code for _, code in log(meter, NOW + DAY)] == [67]


def test_an_emergency_profile_of_our_group_takes_over(fleet: Fleet) -> None:
    meter = fleet[0]
    limit(meter, 50_000, 60, 60)
    assert put(meter, LIMIT, 71, 5, double_long_unsigned(1)) == 0
    begin = NOW + 1000
    for group, is_ours in ((2, False), (1, True)):
        assert put(meter, LIMIT, 71, 8, emergency(meter.zone.stamp(begin), 500, group)) == 0
        states = [
            (get(meter, LIMIT, 71, 10, now=at), get(meter, LIMIT, 71, 3, now=at))
            for at in (begin - 1, begin)
        ]
        assert states == [(False, 50_000), (True, 1) if is_ours else (False, 50_000)]
    assert get(meter, SWITCH, 70, 3, now=begin + 59) == 1
    assert get(meter, SWITCH, 70, 3, now=begin + 60) == 2
    assert get(meter, LIMIT, 71, 10, now=begin + 499) is True
    assert get(meter, LIMIT, 71, 10, now=begin + 500) is False
    codes = [(at, code) for at, code in log(meter, begin + 600) if code == 67]
    assert codes == [(0, 67), (1000, 67), (1500, 67)]


def test_an_empty_profile_ends_the_emergency(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, LIMIT, 71, 8, emergency(meter.zone.stamp(NOW - 10), 500)) == 0
    assert get(meter, LIMIT, 71, 10) is True
    assert put(meter, LIMIT, 71, 8, emergency(b"\xff" * 12, 0)) == 0
    assert get(meter, LIMIT, 71, 10) is False
    assert put(meter, LIMIT, 71, 9, array()) == 0
    assert put(meter, LIMIT, 71, 8, emergency(meter.zone.stamp(NOW - 10), 500)) == 0
    assert get(meter, LIMIT, 71, 10) is False


def test_an_emergency_goes_by_a_clock_that_is_set(fleet: Fleet) -> None:
    """Each change of the threshold is an event, also those that the clock leaps over."""
    meter = fleet[0]
    assert put(meter, LIMIT, 71, 5, double_long_unsigned(40_000)) == 0
    assert put(meter, LIMIT, 71, 8, emergency(meter.zone.stamp(NOW + 1000), 500)) == 0
    changed: list[int] = []
    for after, shown, is_active in ((100, 1200, True), (200, 5000, False), (300, 1400, True)):
        set_time(meter, NOW + after, NOW + shown)
        changed.append(after)
        assert get(meter, LIMIT, 71, 10, now=NOW + after) is is_active
        assert get(meter, LIMIT, 71, 3, now=NOW + after) == (40_000 if is_active else HIGHEST)
    assert get(meter, LIMIT, 71, 10, now=NOW + 399) is True
    assert get(meter, LIMIT, 71, 10, now=NOW + 400) is False
    noted = meter.state.noted(CONTROL_LOG)
    assert [each.at - NOW for each in noted if each.code == 67] == [*changed, 400]


@pytest.mark.parametrize("drifting", [100_000, -100_000])
def test_an_emergency_goes_by_a_clock_that_drifts(fleet: Fleet, drifting: int) -> None:
    meter = fleet[0]
    drift(meter, NOW, drifting)
    assert put(meter, LIMIT, 71, 5, double_long_unsigned(40_000), now=NOW + 1) == 0
    profile = emergency(meter.zone.stamp(NOW + 1000), 500)
    assert put(meter, LIMIT, 71, 8, profile, now=NOW + 1) == 0
    begin, end = (meter.clock(NOW + 1).utc(NOW + second) for second in (1000, 1500))
    states = [get(meter, LIMIT, 71, 10, now=at) for at in (begin - 1, begin, end - 1, end)]
    assert states == [False, True, True, False]
    assert [each.at for each in meter.state.noted(CONTROL_LOG) if each.code == 67] == [begin, end]


def test_an_emergency_that_ends_without_power(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, LIMIT, 71, 5, double_long_unsigned(40_000)) == 0
    assert put(meter, LIMIT, 71, 8, emergency(meter.zone.stamp(NOW + 10), 50)) == 0
    assert get(meter, LIMIT, 71, 10, now=NOW + 20) is True
    switch_off(meter, NOW + 30)
    switch_on(meter, NOW + 300)
    assert get(meter, LIMIT, 71, 10, now=NOW + 300) is False
    assert [at for at, code in log(meter, NOW + 300) if code == 67] == [10, 300]


def test_timers_are_forgotten_without_power(fleet: Fleet) -> None:
    meter = fleet[0]
    limit(meter, 0, 100, 60)
    get(meter, SWITCH, 70, 3, now=NOW + 50)
    switch_off(meter, NOW + 60)
    switch_on(meter, NOW + 70)
    assert get(meter, SWITCH, 70, 3, now=NOW + 120) == 1
    assert get(meter, SWITCH, 70, 3, now=NOW + 171) == 2


def test_a_limiter_that_nobody_sets_waits_for_nothing(fleet: Fleet) -> None:
    limiter = fleet.template.behaviours[KEY]
    assert limiter in fleet.template.living
    assert limiter.due(fleet[0], NOW) is None  # type: ignore[attr-defined] # it lives
    assert get(fleet[0], LIMIT, 71, 3) == HIGHEST
    assert due(fleet[1], NOW) is None or fleet[1].state.found(LimiterState, KEY) is None


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (2, structure(long_unsigned(3), octet_string(bytes(6)), integer(2)), 3),
        (3, double_long_unsigned(5), 3),
        (4, long_unsigned(5), 12),
        (5, integer(5), 12),
        (6, long_unsigned(5), 12),
        (8, structure(long_unsigned(1), octet_string(bytes(11)), double_long_unsigned(1)), 12),
        (9, array(*(long_unsigned(n) for n in range(33))), 250),
        (9, array(integer(1)), 12),
        (10, enum(1), 3),
        (11, structure(long_unsigned(1)), 12),
    ],
)
def test_writes_that_are_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = [get(fleet[0], LIMIT, 71, index) for index in range(2, 12)]
    assert put(fleet[0], LIMIT, 71, attribute, data) == result
    assert [get(fleet[0], LIMIT, 71, index) for index in range(2, 12)] == before


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(0, 95),
    st.integers(0, 3000),
    st.integers(60, 3000),
    st.tuples(st.sampled_from([2, 4, 5]), st.lists(st.integers(1, DAY), max_size=5)),
)
def test_it_does_what_a_meter_asked_every_second_would_do(
    index: int, rank: int, over_s: int, under_s: int, asked: tuple[int, list[int]]
) -> None:
    """A model that looks at every second of a day agrees on every event, however seldom asked."""
    meter = Fleet(TEMPLATE, 21, 5)[index]
    mode, moments = asked
    watts = sorted(powers(meter, FIRST, FIRST + 96))[rank]
    limit(meter, watts, over_s, under_s, mode=mode)
    for moment in sorted(moments):
        get(meter, SWITCH, 70, 3, now=NOW + moment)
    expected = _model(meter, watts, over_s, under_s, closes=mode == 5)
    get(meter, SWITCH, 70, 3, now=NOW + DAY)
    noted = [(entry.at - NOW, entry.code) for entry in meter.state.noted(CONTROL_LOG)]
    assert noted[-300:] == [(0, 67), *expected][-300:]


def _model(
    meter: SimulatedMeter, watts: int, over_s: int, under_s: int, *, closes: bool
) -> list[tuple[int, int]]:
    series = powers(meter, FIRST - 1, FIRST + 97)
    events: list[tuple[int, int]] = []
    connected, over, since = True, False, None
    for second in range(1, DAY + 1):
        power = series[(NOW + second) // QUARTER - FIRST + 1] if connected else 0
        if not over:
            since = (second if since is None else since) if power > watts else None
            if since is not None and second - since >= over_s:
                events += [(second, 65), (second, 64)] if connected else [(second, 65)]
                over, connected, since = True, False, None
        else:
            since = (second if since is None else since) if power < watts else None
            if since is not None and second - since >= under_s:
                events.append((second, 66))
                over, since = False, None
                if closes:
                    events.append((second, 69))
                    connected = True
    return events


def test_the_table_has_an_answer_to_every_pair_that_matters() -> None:
    assert {phase for phase, _ in LIMITER} == set(LimiterPhase)
    assert {crossing for _, crossing in LIMITER} == set(Crossing)
    assert set(LIMITER.values()) == set(LimiterPhase)
