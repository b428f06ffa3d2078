from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import (
    DAILY,
    LOAD,
    MONTHLY,
    NOW,
    act,
    between,
    captured,
    entries,
    get,
    put,
    raw,
    rows,
    stamped,
)

from ferraris.data.kinds import date_time, null_data, octet_string, unsigned
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.meter.behaviour.clock import STATUS_ADJUSTED
from ferraris.meter.behaviour.periodic import STATUS_SUMMER
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.templates import template
from ferraris.meter.zone import DAY

FLEET = Fleet(template("residential"), 1000, seed=11)
MIDNIGHT = NOW // DAY * DAY
TOTALS = ("1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:3.8.0*255", "1-0:4.8.0*255")


def test_a_row_is_38_octets_of_clock_status_and_four_totals() -> None:
    meter = FLEET[0]
    octets = raw(meter, LOAD, 7, selection=stamped(meter, MIDNIGHT, MIDNIGHT))
    assert isinstance(octets, bytes)
    assert octets[:2] == b"\x01\x01"
    row = octets[2:]
    assert len(row) == 38
    assert row[:4] == b"\x02\x06\x09\x0c"
    assert row[4:16] == meter.zone.stamp(MIDNIGHT)
    assert row[16:18] == bytes((17, STATUS_SUMMER))
    for place, name in zip((18, 23, 28, 33), TOTALS, strict=True):
        assert row[place] == 6
        total = int.from_bytes(row[place + 1 : place + 5], "big")
        assert total == get(meter, name, 3, now=MIDNIGHT)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(0, 5700), st.integers(0, 300))
def test_a_range_includes_both_ends(index: int, first: int, count: int) -> None:
    meter = FLEET[index]
    begin = (NOW // QUARTER - 5759 + first) * QUARTER
    end = min(begin + count * QUARTER, NOW // QUARTER * QUARTER)
    found = rows(meter, LOAD, stamped(meter, begin, end))
    assert [row[0] for row in found] == [
        meter.zone.stamp(t) for t in range(begin, end + 1, QUARTER)
    ]
    wider = rows(meter, LOAD, stamped(meter, begin - QUARTER + 1, end + QUARTER - 1))
    assert wider == found
    narrower = rows(meter, LOAD, stamped(meter, begin + 1, end - 1))
    assert narrower == found[1:-1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(0, 5759), st.integers(0, 3))
def test_rows_show_the_registers(index: int, place: int, channel: int) -> None:
    meter = FLEET[index]
    instant = (NOW // QUARTER - place) * QUARTER
    (row,) = rows(meter, LOAD, stamped(meter, instant, instant))
    assert row[2 + channel] == get(meter, TOTALS[channel], 3, now=instant)


def test_the_whole_buffer_holds_60_days() -> None:
    meter = FLEET[5]
    everything = rows(meter, LOAD)
    assert len(everything) == get(meter, LOAD, 7, 7) == get(meter, LOAD, 7, 8) == 5760
    assert everything[-1][0] == meter.zone.stamp(NOW // QUARTER * QUARTER)
    instants = [meter.zone.instant(row[0]) for row in everything]
    assert instants == list(range(instants[0] or 0, NOW, QUARTER))


@pytest.mark.parametrize(("month", "day", "quarters"), [(3, 29, 92), (10, 25, 100), (6, 3, 96)])
def test_local_days(month: int, day: int, quarters: int) -> None:
    meter = FLEET[8]
    number = int(datetime(2026, month, day, tzinfo=UTC).timestamp()) // DAY
    begin, end = meter.zone.midnight(number), meter.zone.midnight(number + 1)
    now = end + 600
    found = rows(meter, LOAD, stamped(meter, begin + QUARTER, end), now=now)
    assert len(found) == quarters
    assert len({row[0] for row in found}) == quarters
    for row in found:
        instant = meter.zone.instant(row[0])
        assert instant is not None
        assert row[1] == (STATUS_SUMMER if meter.zone.is_summer(instant) else 0)
    before = rows(meter, LOAD, stamped(meter, begin, begin), now=now)[0]
    for channel in range(CHANNELS):
        used = found[-1][2 + channel] - before[2 + channel]
        assert used == meter.total(channel, end) - meter.total(channel, begin)


def test_no_match_is_an_empty_array() -> None:
    meter = FLEET[0]
    for first, last in (
        (NOW + 1, NOW + DAY),
        (NOW - 200 * DAY, NOW - 100 * DAY),
        (NOW - 10, NOW),
        (NOW, NOW - DAY),
    ):
        assert raw(meter, LOAD, 7, selection=stamped(meter, first, last)) == b"\x01\x00"
    assert raw(meter, LOAD, 7, selection=entries(9000, 9100)) == b"\x01\x00"
    assert raw(meter, LOAD, 7, selection=entries(1, 2, 7, 9)) == b"\x01\x00"


def test_ends_may_be_open_or_carry_their_own_tag() -> None:
    meter = FLEET[0]
    begin = octet_string(meter.zone.stamp(NOW - DAY))
    assert len(rows(meter, LOAD, between(begin, null_data()))) == 96
    assert len(rows(meter, LOAD, between(begin, octet_string(b"\xff" * 12)))) == 96
    tagged = date_time(meter.zone.stamp(NOW - DAY))
    assert len(rows(meter, LOAD, between(tagged, null_data()))) == 96
    local = meter.zone.stamp(NOW - DAY)
    assert (
        len(rows(meter, LOAD, between(octet_string(local[:9] + b"\x80\x00\xff"), null_data())))
        == 96
    )


def test_chosen_columns() -> None:
    meter = FLEET[0]
    whole = rows(meter, LOAD, stamped(meter, MIDNIGHT, MIDNIGHT + DAY // 2))
    columns = (captured(3, "1-0:2.8.0*255"), captured(8, "0-0:1.0.0*255"))
    some = rows(meter, LOAD, stamped(meter, MIDNIGHT, MIDNIGHT + DAY // 2, *columns))
    assert some == [(row[3], row[0]) for row in whole]
    strange = stamped(meter, MIDNIGHT, NOW, captured(3, "1-0:9.8.0*255"))
    assert rows(meter, LOAD, strange) == DataAccessResult.SCOPE_OF_ACCESS_VIOLATED


def test_entries_count_from_one_and_zero_is_the_last() -> None:
    meter = FLEET[0]
    everything = rows(meter, LOAD)
    assert rows(meter, LOAD, entries(1, 1)) == everything[:1]
    assert rows(meter, LOAD, entries(5665, 5760)) == everything[-96:]
    assert rows(meter, LOAD, entries(5700, 0)) == everything[5699:]
    assert rows(meter, LOAD, entries(0, 3)) == everything[:3]
    assert rows(meter, LOAD, entries(10, 12, 2, 3)) == [row[1:3] for row in everything[9:12]]
    assert rows(meter, LOAD, entries(10, 10, 6, 0)) == [everything[9][5:]]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(1, b"\x00"),
        Selection(2, b"\x00"),
        Selection(1, b"\x02\x04"),
        between(unsigned(1), unsigned(2)),
        between(octet_string(b"1"), null_data()),
    ],
)
def test_selections_of_the_wrong_form(selection: Selection) -> None:
    assert rows(FLEET[0], LOAD, selection) == DataAccessResult.TYPE_UNMATCHED


def test_an_unknown_selector_is_refused() -> None:
    found = rows(FLEET[0], LOAD, Selection(3, b"\x00"))
    assert found == DataAccessResult.OTHER_REASON


def test_daily_and_monthly_values_are_the_registers_at_local_midnight() -> None:
    meter = FLEET[3]
    daily = rows(meter, DAILY)
    assert len(daily) == 62
    today = meter.zone.local_day(NOW)
    for back, row in enumerate(reversed(daily)):
        instant = meter.zone.midnight(today - back)
        assert row[0] == meter.zone.stamp(instant)
        assert row[0][5:8] == bytes(3)
        assert row[1:] == tuple(
            get(meter, f"1-0:{c}.8.{e}*255", 3, now=instant) for c in (1, 2) for e in (1, 2)
        )
    monthly = rows(meter, MONTHLY)
    assert [row[0][3] for row in monthly] == [1] * 13
    assert monthly[-1][0][2] == 9
    since = meter.zone.midnight(today)
    assert rows(meter, DAILY, stamped(meter, since, since)) == daily[-1:]
    assert rows(meter, DAILY, stamped(meter, since + 1, NOW)) == []


def test_a_profile_begins_when_the_meter_is_commissioned() -> None:
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    assert rows(FLEET[0], LOAD, now=start) == []
    assert get(FLEET[0], LOAD, 7, 7, now=start - 5000) == 0
    assert len(rows(FLEET[0], LOAD, now=start + 3 * QUARTER)) == 3


def test_a_reset_empties_the_buffer(fleet: Fleet) -> None:
    meter = fleet[0]
    assert act(meter, LOAD, 7, 1) == ActionResult.SUCCESS
    assert rows(meter, LOAD) == []
    assert len(rows(meter, LOAD, now=NOW + DAY)) == 96
    assert act(meter, LOAD, 7, 2) == ActionResult.READ_WRITE_DENIED
    assert len(rows(fleet[1], LOAD)) == 5760


def test_a_clock_that_was_set_leaves_its_mark_in_the_profile(fleet: Fleet) -> None:
    """Forward: a gap, and values between the quarters. Back: instants that come twice."""
    meter, other = fleet[0], fleet[1]
    later = NOW + 2 * 3600
    for each, seconds in ((meter, 4000), (other, -4000)):
        time = octet_string(each.zone.stamp(NOW + seconds))
        assert put(each, "0-0:1.0.0*255", 8, 2, time) == 0
    ahead = rows(meter, LOAD, stamped(meter, NOW - 3600, NOW + 3 * 3600), now=later)
    instants = [meter.zone.instant(row[0]) or 0 for row in ahead]
    gaps = [b - a for a, b in itertools.pairwise(instants)]
    assert sorted(set(gaps)) == [QUARTER, 5 * QUARTER]
    cut = gaps.index(5 * QUARTER)
    assert [row[1] & STATUS_ADJUSTED for row in ahead] == [
        STATUS_ADJUSTED if place == cut + 1 else 0 for place in range(len(ahead))
    ]
    for row, instant in zip(ahead, instants, strict=True):
        true = instant if instant <= NOW else instant - 4000
        assert row[2:] == tuple(meter.total(c, true) for c in range(CHANNELS))
    behind = rows(other, LOAD, stamped(other, NOW - 3 * 3600, NOW + 3600), now=later)
    stamps = [row[0] for row in behind]
    assert len(stamps) - len(set(stamps)) == NOW // QUARTER - (NOW - 4000) // QUARTER
    totals = [row[2] for row in behind]
    assert totals == sorted(totals)
    everything = rows(other, LOAD, now=later)
    assert len(everything) == 5760
    assert rows(other, LOAD, entries(5741, 5760), now=later) == everything[-20:]
