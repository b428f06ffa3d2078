from __future__ import annotations

import pytest
from meter_asking import CLOCK, LOAD, NOW, SWITCH, act, get, put, rows, stamped

from ferraris.core.errors import UsageError
from ferraris.data.kinds import double_long_unsigned, octet_string
from ferraris.meter.behaviour.capture import STATUS_POWER_DOWN
from ferraris.meter.behaviour.clock import INVALID
from ferraris.meter.behaviour.periodic import STATUS_SUMMER
from ferraris.meter.fleet import Fleet
from ferraris.meter.outages import MOST_OUTAGES, Outages
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.power import is_off, outage
from ferraris.meter.state import Interruption
from ferraris.meter.template import RESERVE_S

LOG = "0-0:99.98.0*255"
COUNT, LONG_COUNT, LAST, TIME = (
    ("0-0:96.7.21*255", 1),
    ("0-0:96.7.9*255", 1),
    ("0-0:96.7.19*255", 3),
    ("0-0:96.7.14*255", 1),
)
GONE, BACK = NOW + 2000, NOW + 5000


def test_nothing_flows_and_nothing_is_captured_without_power(fleet: Fleet) -> None:
    meter, other = fleet[0], fleet[1]
    outage(meter, GONE, BACK)
    later = BACK + 3000
    assert [is_off(meter, at) for at in (GONE - 1, GONE, BACK - 1, BACK)] == [0, 1, 1, 0]
    for channel in range(CHANNELS):
        assert meter.total(channel, BACK) == meter.total(channel, GONE)
        held = meter.household.total(channel, BACK) - meter.household.total(channel, GONE)
        assert meter.total(channel, later) == meter.household.total(channel, later) - held
    found = rows(meter, LOAD, stamped(meter, NOW, later), now=later)
    instants = [meter.zone.instant(row[0]) or 0 for row in found]
    grid = range((NOW // QUARTER + 1) * QUARTER, later + 1, QUARTER)
    assert instants == [at for at in grid if not GONE < at <= BACK]
    first = next(place for place, at in enumerate(instants) if at > BACK)
    assert [row[1] for row in found] == [
        STATUS_SUMMER | (STATUS_POWER_DOWN if place == first else 0) for place in range(len(found))
    ]
    for row, at in zip(found, instants, strict=True):
        assert row[2:] == tuple(meter.total(channel, at) for channel in range(CHANNELS))
    assert len(rows(other, LOAD, stamped(other, NOW, later), now=later)) == len(grid)


def test_power_and_switch_may_be_off_at_once(fleet: Fleet) -> None:
    meter = fleet[0]
    assert act(meter, SWITCH, 70, 1, now=NOW + 1000) == 0
    outage(meter, GONE, BACK)
    assert act(meter, SWITCH, 70, 2, now=BACK + 1000) == 0
    outage(meter, BACK + 2000, BACK + 3000)
    later = BACK + 4000
    for channel in range(CHANNELS):
        flowed = [
            meter.household.total(channel, stop) - meter.household.total(channel, start)
            for start, stop in ((BACK + 1000, BACK + 2000), (BACK + 3000, later))
        ]
        assert meter.total(channel, later) - meter.total(channel, NOW + 1000) == sum(flowed)


def test_events_of_an_outage_come_once_and_in_time(fleet: Fleet) -> None:
    meter = fleet[0]
    before = len(rows(meter, LOG))
    outage(meter, GONE, BACK)
    zone = meter.zone
    log = rows(meter, LOG, now=BACK)
    assert log[before:] == [(zone.stamp(GONE), 1), (zone.stamp(BACK), 2)]
    assert log[0][1] == 2


def test_registers_of_power_failures(fleet: Fleet) -> None:
    meter = fleet[0]
    assert get(meter, *TIME) == b"\xff" * 9 + b"\x80\x00\xff"
    outage(meter, GONE, GONE + 180)
    outage(meter, GONE + 300, BACK)
    outage(meter, BACK + 10)
    now = BACK + 100
    assert [get(meter, *each, now=now) for each in (COUNT, LONG_COUNT, LAST)] == [
        2,
        1,
        BACK - GONE - 300,
    ]
    assert get(meter, *TIME, now=now) == meter.zone.stamp(GONE + 300)
    assert put(meter, "0-0:96.7.20*255", 3, 2, double_long_unsigned(60), now=now) == 0
    assert get(meter, *LONG_COUNT, now=now) == 2


def test_long_failures_are_logged_when_they_are_over(fleet: Fleet) -> None:
    meter, log = fleet[0], "1-0:99.97.0*255"
    for place in range(12):
        outage(meter, NOW + place * 1000, NOW + place * 1000 + 170 + place)
    now = NOW + 12_000
    ended = [(NOW + place * 1000 + 170 + place, 170 + place) for place in (11,)]
    expected = [(meter.zone.stamp(at), duration) for at, duration in ended]
    assert rows(meter, log, now=now) == expected
    assert put(meter, "0-0:96.7.20*255", 3, 2, double_long_unsigned(10), now=now) == 0
    everything = rows(meter, log, now=now)
    assert [duration for _, duration in everything] == list(range(172, 182))
    assert rows(meter, log, stamped(meter, NOW + 9000, NOW + 10_500), now=now) == everything[-3:-1]
    assert act(meter, log, 7, 1, now=now) == 0
    assert rows(meter, log, now=now) == []


def test_nothing_is_measured_without_power(fleet: Fleet) -> None:
    meter = fleet[0]
    outage(meter, GONE)
    for name in ("1.7.0", "2.7.0", "31.7.0", "32.7.0", "13.7.0", "14.7.0"):
        assert get(meter, f"1-0:{name}*255", 3, now=GONE + 10) == 0


def test_a_clock_stands_when_its_reserve_is_used_up(fleet: Fleet) -> None:
    meter, other = fleet[0], fleet[1]
    back = NOW + RESERVE_S + 1000
    outage(other, NOW, back - 1000)
    assert other.offset(back) == 0
    outage(meter, NOW, back)
    assert meter.offset(back) == -1000
    assert get(meter, CLOCK, 8, 4, now=back) == 0x80 | INVALID
    assert [row[1] for row in rows(meter, LOG, now=back)][-3:] == [1, 6, 2]
    found = rows(meter, LOAD, stamped(meter, NOW, back), now=back + 2000)
    assert found[0][1] == STATUS_SUMMER | STATUS_POWER_DOWN | 0x04 | 0x02
    time = octet_string(meter.zone.stamp(back + 2100))
    assert put(meter, CLOCK, 8, 2, time, now=back + 2100) == 0
    assert get(meter, CLOCK, 8, 4, now=back + 2200) == 0x80


def test_the_past_is_not_changed(fleet: Fleet) -> None:
    get(fleet[0], CLOCK, 8)
    with pytest.raises(UsageError, match="later"):
        outage(fleet[0], NOW - 100, NOW + 100)
    with pytest.raises(UsageError, match="after"):
        outage(fleet[0], NOW + 100, NOW + 100)


def test_a_meter_lives_through_so_many_outages_and_no_more(fleet: Fleet) -> None:
    meter = fleet[0]
    get(meter, CLOCK, 8)
    spans = (Interruption(NOW + place, NOW + place) for place in range(MOST_OUTAGES - 1))
    meter.change().part(Outages).spans = tuple(spans)
    later = NOW + MOST_OUTAGES
    outage(meter, later, later + 10)
    before = rows(meter, LOG, now=later + 20)
    with pytest.raises(UsageError, match="begin with a new one"):
        outage(meter, later + 30, later + 40)
    assert not is_off(meter, later + 35)
    assert rows(meter, LOG, now=later + 50) == before
