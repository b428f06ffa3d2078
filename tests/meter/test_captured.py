from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import CLOCK, NOW, act, between, captured, entries, get, put, rows, stamped

from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    double_long,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import Selection
from ferraris.meter.behaviour.captured import CapturedProfile
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.demand import MaximumDemand
from ferraris.meter.behaviour.event_log import EventCode
from ferraris.meter.behaviour.identity import FixedData
from ferraris.meter.behaviour.periodic import ProfileStatus
from ferraris.meter.behaviour.power_failures import FailureDuration
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column
from ferraris.meter.behaviour.registers import Energy
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import Happening
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import set_time
from ferraris.server.device import AssociationSettings

PROFILE, FAILURES = "1-0:99.2.1*255", "1-0:99.97.0*255"
VALUE, PAIR, CODE, DURATION = (
    f"0-0:{name}*255" for name in ("96.1.9", "96.1.8", "96.11.0", "96.7.19")
)
ENERGY = "1-0:1.8.0*255"
BASE = template("residential").consumption


def made() -> SimulatedMeter:
    one = frozenset((1,))
    writes = dict.fromkeys((3, 4, 5, 6, 8), one)
    columns = (CLOCK_COLUMN, Column(1, VALUE, 2, 5), Column(3, ENERGY, 2, 5))
    failures = (CLOCK_COLUMN, Column(1, CODE, 2, 2), Column(3, DURATION, 2, 5))
    placed = [
        Placed(Clock(CLOCK, BASE.zone), one, {2: one}),
        Placed(ShiftLimit(), one),
        Placed(FixedData(VALUE, double_long(0)), one, {2: one}),
        Placed(FixedData(PAIR, structure(unsigned(7), integer(-8))), one),
        Placed(Energy(ENERGY, 0), one),
        Placed(MaximumDemand("1-0:1.6.0*255"), one),
        Placed(ProfileStatus("0-0:96.10.1*255"), one),
        Placed(EventCode(CODE, 0), one),
        Placed(FailureDuration(), one),
        Placed(CapturedProfile(PROFILE, columns, entries=10), one, writes, {1: one, 2: one}),
        Placed(CapturedProfile(FAILURES, failures, happenings=(Happening.POWER_UP,)), one),
    ]
    settings = AssociationSettings(
        1, Obis.parse("0-0:40.0.1*255"), conformance=0xFFFFFF, rights=rights_of(1, placed)
    )
    return Fleet(Template("captured", BASE, placed, [settings]), 1)[0]


@pytest.fixture
def meter() -> SimulatedMeter:
    return made()


def wanted(class_id: int, name: str, attribute: int = 2, index: int = 0) -> Data:
    return structure(
        long_unsigned(class_id),
        octet_string(bytes(Obis.parse(name))),
        integer(attribute),
        long_unsigned(index),
    )


def capture(meter: SimulatedMeter, value: int, now: int) -> None:
    assert put(meter, VALUE, 1, 2, double_long(value), now=now) == DataAccessResult.SUCCESS
    assert act(meter, PROFILE, 7, 2, now=now) == ActionResult.SUCCESS


def test_rows_are_kept_as_they_were(meter: SimulatedMeter) -> None:
    for place in range(12):
        capture(meter, place, NOW + place)
    later = NOW + 5000
    assert rows(meter, PROFILE, now=later) == [
        (meter.zone.stamp(NOW + place), place, meter.total(0, NOW + place))
        for place in range(2, 12)
    ]
    assert get(meter, PROFILE, 7, 7, now=later) == 10
    assert act(meter, PROFILE, 7, 1, now=later) == ActionResult.SUCCESS
    assert rows(meter, PROFILE, now=later) == []


def test_a_period_captures_by_the_own_clock(meter: SimulatedMeter) -> None:
    get(meter, CLOCK, 8)
    assert put(meter, PROFILE, 7, 4, double_long_unsigned(300)) == DataAccessResult.SUCCESS
    set_time(meter, NOW + 700, NOW + 760)
    found = rows(meter, PROFILE, now=NOW + 1300)
    grid = NOW // 300 * 300
    assert [row[0] for row in found] == [
        meter.zone.stamp(grid + each * 300) for each in (1, 2, 3, 4)
    ]
    assert found[-1][2] == meter.total(0, grid + 1200 - 60)
    outage(meter, NOW + 1300, NOW + 2500)
    assert len(rows(meter, PROFILE, now=NOW + 2500)) == 4
    assert put(meter, PROFILE, 7, 4, double_long_unsigned(7)) == DataAccessResult.OTHER_REASON


def test_anything_is_captured_whole_or_by_element(meter: SimulatedMeter) -> None:
    columns = array(
        wanted(8, CLOCK),
        wanted(1, PAIR),
        wanted(1, PAIR, index=2),
        wanted(1, PAIR, index=3),
        wanted(3, ENERGY, 1),
        wanted(3, ENERGY, 3),
        wanted(4, "1-0:1.6.0*255", 5),
    )
    assert put(meter, PROFILE, 7, 3, columns) == DataAccessResult.SUCCESS
    assert act(meter, PROFILE, 7, 2) == ActionResult.SUCCESS
    ((_, pair, second, none, name, unit, when),) = rows(meter, PROFILE)
    assert pair == [unsigned(7), integer(-8)]
    assert (second, none, name) == (-8, None, bytes(Obis.parse(ENERGY)))
    assert unit == [integer(0), enum(30)]
    assert when == get(meter, "1-0:1.6.0*255", 4, 5)
    assert rows(meter, PROFILE, entries(1, 1, 3, 4)) == [(-8, None)]


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (3, array(), DataAccessResult.OTHER_REASON),
        (3, array(wanted(3, "1-0:9.9.9*255")), DataAccessResult.OTHER_REASON),
        (3, array(wanted(3, ENERGY, 0)), DataAccessResult.OTHER_REASON),
        (3, array(wanted(3, ENERGY, 9)), DataAccessResult.OTHER_REASON),
        (3, array(wanted(7, PROFILE)), DataAccessResult.OTHER_REASON),
        (3, array(*[wanted(8, CLOCK)] * 33), DataAccessResult.OTHER_REASON),
        (3, unsigned(1), DataAccessResult.TYPE_UNMATCHED),
        (5, enum(7), DataAccessResult.OTHER_REASON),
        (6, wanted(1, PAIR), DataAccessResult.OTHER_REASON),
        (8, double_long_unsigned(11), DataAccessResult.OTHER_REASON),
        (8, double_long_unsigned(0), DataAccessResult.OTHER_REASON),
        (7, double_long_unsigned(0), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_lost(
    meter: SimulatedMeter, attribute: int, data: Data, result: DataAccessResult
) -> None:
    capture(meter, 1, NOW)
    before = get(meter, PROFILE, 7, attribute)
    assert put(meter, PROFILE, 7, attribute, data) == result
    assert get(meter, PROFILE, 7, attribute) == before
    assert len(rows(meter, PROFILE)) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 10), st.lists(st.integers(-50, 50), max_size=14))
def test_sort_methods(method: int, most: int, values: list[int]) -> None:
    meter = made()
    assert put(meter, PROFILE, 7, 8, double_long_unsigned(most)) == DataAccessResult.SUCCESS
    assert put(meter, PROFILE, 7, 5, enum(method)) == DataAccessResult.SUCCESS
    assert put(meter, PROFILE, 7, 6, captured(1, VALUE)) == DataAccessResult.SUCCESS
    for place, value in enumerate(values):
        capture(meter, value, NOW + place)
    found = [row[1] for row in rows(meter, PROFILE, now=NOW + 100)]
    expected = {
        1: values[-most:],
        2: values[::-1][:most],
        3: sorted(values, reverse=True)[:most],
        4: sorted(values)[:most],
        5: sorted(values, key=abs)[:most],
        6: sorted(values, key=lambda each: -abs(each))[:most],
    }
    assert found == expected[method]


def test_ranges_of_times_and_of_values(meter: SimulatedMeter) -> None:
    for place in range(6):
        capture(meter, 10 * place, NOW + 60 * place)
    later = NOW + 1000
    everything = rows(meter, PROFILE, now=later)
    some = rows(meter, PROFILE, stamped(meter, NOW + 60, NOW + 180), now=later)
    assert some == everything[1:4]
    one_column = stamped(meter, NOW + 60, NOW + 180, captured(1, VALUE))
    assert rows(meter, PROFILE, one_column, now=later) == [(10,), (20,), (30,)]
    assert rows(meter, PROFILE, between(null_data(), null_data()), now=later) == everything

    def by_value(first: Data, last: Data) -> Selection:
        return Selection(1, axdr.encode(structure(captured(1, VALUE), first, last, array())))

    assert (
        rows(meter, PROFILE, by_value(double_long(15), double_long(40)), now=later)
        == (everything[2:5])
    )
    assert rows(meter, PROFILE, by_value(octet_string(b"A"), null_data()), now=later) == []
    assert rows(meter, PROFILE, entries(2, 3), now=later) == everything[1:3]
    strange = stamped(meter, NOW, NOW, captured(3, "1-0:2.8.0*255"))
    assert rows(meter, PROFILE, strange, now=later) == DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    broken = Selection(1, b"\x02\x04")
    assert rows(meter, PROFILE, broken, now=later) == DataAccessResult.TYPE_UNMATCHED


def test_a_log_of_failures_captures_when_power_is_back(meter: SimulatedMeter) -> None:
    outage(meter, NOW, NOW + 1000)
    outage(meter, NOW + 2000, NOW + 2500)
    zone = meter.zone
    assert rows(meter, FAILURES, now=NOW + 3000) == [
        (zone.stamp(NOW + 1000), 2, 1000),
        (zone.stamp(NOW + 2500), 2, 500),
    ]


def test_a_status_column_marks_what_happened_before(meter: SimulatedMeter) -> None:
    columns = array(wanted(8, CLOCK), wanted(1, "0-0:96.10.1*255"))
    assert put(meter, PROFILE, 7, 3, columns) == DataAccessResult.SUCCESS
    assert put(meter, PROFILE, 7, 4, double_long_unsigned(900)) == DataAccessResult.SUCCESS
    outage(meter, NOW + 1000, NOW + 1100)
    found = rows(meter, PROFILE, now=NOW + 3600)
    assert [row[1] for row in found] == [0x08, 0x88, 0x08, 0x08]
