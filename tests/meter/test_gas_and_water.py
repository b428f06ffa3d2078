"""Meters of gas and water: what they count, their battery, and when they are awake."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from meter_asking import NOW, act, get, put, rows

from ferraris.client.push_receiving import PushReceiver
from ferraris.data.kinds import array, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.battery import replace_battery, run_down
from ferraris.meter.behaviour.push_setup import PushList, course_of
from ferraris.meter.behaviour.windows import Calling, Listening
from ferraris.meter.fleet import Fleet
from ferraris.meter.fluids import Fluid, conversion
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.zone import DAY

HOUR = 3600
GAS, WATER = template("gas"), template("water")
TEMPLATES = {"gas": GAS, "water": WATER}
LISTENING, CALLING = "0-0:2.2.0*255", "0-0:2.1.0*255"
METERED, CONVERTED = "7-0:3.0.0*255", "7-0:3.2.0*255"
VOLUME = "8-0:1.0.0*255"
SIX = NOW // DAY * DAY + 4 * HOUR  # 06:00 local summer time of the day of NOW


@pytest.fixture
def gas() -> SimulatedMeter:
    return Fleet(GAS, 3, seed=7)[1]


@pytest.fixture
def water() -> SimulatedMeter:
    return Fleet(WATER, 3, seed=7)[1]


def value(meter: SimulatedMeter, name: str, **more: Any) -> int:
    found: int = get(meter, name, 3, **more)
    return found


@pytest.mark.parametrize("name", ["gas", "water"])
def test_every_attribute_reads(name: str) -> None:
    meter = Fleet(TEMPLATES[name], 1, seed=7)[0]
    for (class_id, logical_name), behaviour in meter.fleet.template.behaviours.items():
        if class_id in (15, 17):  # those that the server engine answers for
            continue
        for attribute in behaviour.attributes:
            found = get(meter, str(Obis(logical_name)), class_id, attribute)
            assert not isinstance(found, DataAccessResult), (behaviour, attribute)


def test_gas_is_converted_by_its_temperature(gas: SimulatedMeter) -> None:
    for name, unit in ((METERED, 13), (CONVERTED, 14)):
        assert [part for _, part in get(gas, name, 3, 3)] == [-3, unit]
    metered, converted = value(gas, METERED), value(gas, CONVERTED)
    assert metered == gas.use(Fluid.GAS).total(NOW)
    assert 1.0 < converted / metered < 1.08
    january, july = 1_768_000_000, 1_784_000_000
    for moment in (january, july):
        span = [
            value(gas, name, now=moment + 20 * DAY) - value(gas, name, now=moment)
            for name in (METERED, CONVERTED)
        ]
        factor = conversion(moment + 10 * DAY) / 10_000
        assert abs(span[1] / span[0] - factor) < 0.01
    assert conversion(january) > conversion(july)
    assert value(gas, "7-0:52.0.0*255") == conversion(NOW)
    assert 2750 < value(gas, "7-0:41.0.0*255") < 2950
    assert value(gas, "7-0:42.0.0*255") == 1035
    assert get(gas, "7-0:0.9.3*255", 1) == bytes((6, 0, 0, 0))


@pytest.mark.parametrize(("name", "index"), [("gas", METERED), ("water", VOLUME)])
def test_indexes_are_the_sum_of_their_hours(name: str, index: str) -> None:
    meter = Fleet(TEMPLATES[name], 3, seed=7)[1]
    medium = index[0]
    hours = rows(meter, f"{medium}-0:99.1.0*255")
    assert len(hours) == 70 * 24
    for row in hours[-30:]:
        instant = meter.zone.instant(row[0])
        assert instant is not None
        assert instant % HOUR == 0
        assert row[2] == value(meter, index, now=instant)
    indexes = [row[2] for row in hours]
    assert indexes == sorted(indexes)
    assert hours[-1][2] <= value(meter, index)
    assert all(row[1] == 0x08 for row in hours[-30:])


def test_the_gas_day_begins_at_six(gas: SimulatedMeter) -> None:
    days = rows(gas, "7-0:99.2.0*255")
    assert len(days) == 70
    assert {row[0][5:8] for row in days} == {bytes((6, 0, 0))}
    assert gas.zone.instant(days[-1][0]) == SIX
    assert days[-1][2:] == (value(gas, METERED, now=SIX), value(gas, CONVERTED, now=SIX))
    assert value(gas, "7-0:3.24.0*255") == days[-1][2]
    assert value(gas, "7-0:3.26.0*255") == days[-1][3]
    assert value(gas, "7-0:3.30.0*255") == days[-1][2] - days[-2][2]
    assert value(gas, "7-0:3.24.0*255", now=SIX + DAY - 1) == days[-1][2]
    assert value(gas, "7-0:3.24.0*255", now=SIX + DAY) > days[-1][2]


def test_the_gas_day_has_23_and_25_hours_when_the_clocks_change(gas: SimulatedMeter) -> None:
    after = 1_793_500_000  # November 2026
    days = rows(gas, "7-0:99.2.0*255", now=after)
    instants = [gas.zone.instant(row[0]) for row in days]
    lengths = {(b - a) // HOUR for a, b in pairwise(instants) if a and b}
    assert lengths == {24, 25}
    days = rows(gas, "7-0:99.2.0*255", now=1_776_000_000)  # April 2026
    instants = [gas.zone.instant(row[0]) for row in days]
    assert {(b - a) // HOUR for a, b in pairwise(instants) if a and b} == {
        23,
        24,
    }


def test_months_begin_with_the_gas_day(gas: SimulatedMeter) -> None:
    months = rows(gas, "7-0:98.1.0*255")
    assert len(months) == 24
    assert {(row[0][3], *row[0][5:8]) for row in months} == {(1, 6, 0, 0)}
    first = gas.zone.instant(months[-1][0])
    assert first is not None
    assert months[-1][2] == value(gas, METERED, now=first)


def test_the_last_hour(gas: SimulatedMeter) -> None:
    end = NOW // HOUR * HOUR
    for difference, index in (("7-0:3.15.0*255", METERED), ("7-0:3.17.0*255", CONVERTED)):
        used = value(gas, index, now=end) - value(gas, index, now=end - HOUR)
        assert value(gas, difference) == used
    assert value(gas, "7-0:43.0.0*255") == gas.use(Fluid.GAS).rate(NOW)


def test_a_closed_valve_lets_no_gas_through(gas: SimulatedMeter) -> None:
    before = value(gas, METERED), value(gas, CONVERTED)
    assert act(gas, "0-0:96.3.10*255", 70, 1) == ActionResult.SUCCESS
    later = NOW + 9 * DAY
    assert (value(gas, METERED, now=later), value(gas, CONVERTED, now=later)) == before
    assert value(gas, "7-0:43.0.0*255", now=later) == 0
    assert act(gas, "0-0:96.3.10*255", 70, 2, now=later) == ActionResult.SUCCESS
    assert value(gas, METERED, now=later + DAY) > before[0]
    assert [row[1] for row in rows(gas, "0-0:99.98.2*255", now=later)] == [62, 63]


def test_water_and_its_set_date(water: SimulatedMeter) -> None:
    new_year = water.zone.month_begin(2026 * 12)
    assert value(water, "8-0:1.2.0*255") == value(water, VOLUME, now=new_year)
    assert value(water, "8-0:1.2.0*255", now=new_year - 1) < value(water, "8-0:1.2.0*255")
    assert value(water, "8-0:2.0.0*255") == water.use(Fluid.WATER).rate(NOW)
    assert get(water, "8-0:0.2.0*255", 1) == b"FRR-R1.0"


# -- battery ------------------------------------------------------------------------------------


def test_a_battery_runs_down_and_is_replaced(gas: SimulatedMeter) -> None:
    percent, days = "0-0:96.6.1*255", "0-0:96.6.6*255"
    assert 75 < value(gas, percent) < 90
    assert 3000 < value(gas, days) < 5500
    assert value(gas, percent, now=NOW + 1000 * DAY) < value(gas, percent)
    other = Fleet(GAS, 3, seed=7)[1]
    run_down(other, NOW, 11)
    assert value(other, percent) in (10, 11)
    log = "0-0:99.98.0*255"
    assert not {7, 8} & {row[1] for row in rows(other, log)}
    a_year = NOW + 366 * DAY
    codes = [row[1] for row in rows(other, log, now=a_year) if row[1] in (7, 8)]
    assert codes == [8]
    assert get(other, "0-0:97.98.0*255", 1, now=a_year) & 2 == 0
    run_down(other, a_year, 1)
    codes = [row[1] for row in rows(other, log, now=a_year + 1) if row[1] in (7, 8)]
    assert codes == [8, 7]
    assert get(other, "0-0:97.98.0*255", 1, now=a_year + 1) & 2
    replace_battery(other, a_year + 10)
    assert value(other, percent, now=a_year + 10) == 100
    assert get(other, "0-0:97.98.0*255", 1, now=a_year + 10) & 2 == 0


# -- windows ------------------------------------------------------------------------------------


def window(meter: SimulatedMeter) -> tuple[int, int]:
    """Begin and end of the next window, UTC seconds."""
    listening = meter.fleet.template.behaviours[28, bytes(Obis.parse(LISTENING))]
    assert isinstance(listening, Listening)
    is_open, change = listening.change(meter, NOW)
    assert not is_open
    assert change is not None
    is_open, end = listening.change(meter, change)
    assert is_open
    assert end is not None
    return change, end


@pytest.mark.parametrize("name", ["gas", "water"])
def test_ten_minutes_a_day(name: str) -> None:
    meter = Fleet(TEMPLATES[name], 3, seed=7)[0]
    begin, end = window(meter)
    assert end - begin == 600
    for moment, awake in ((begin - 1, False), (begin, True), (end - 1, True), (end, False)):
        assert meter.is_reachable(moment) is awake
        assert get(meter, LISTENING, 28, 4, now=moment) == int(awake)
    assert meter.is_reachable(begin + DAY)
    awake_seconds = sum(meter.is_reachable(NOW + minute * 60) for minute in range(24 * 60))
    assert awake_seconds == 10


def test_the_file_of_keys_tells_when() -> None:
    fleet = Fleet(GAS, 3, seed=7)
    stamps = (fleet[0].zone.stamp(moment) for moment in window(fleet[0]))
    begin, end = (f"{stamp[5]:02d}:{stamp[6]:02d}" for stamp in stamps)
    assert fleet.line(0, "tcp://there")["awake"] == f"{begin}-{end}"
    fleet.always_awake = True
    assert "awake" not in fleet.line(0, "tcp://there")


def test_not_all_are_awake_at_once() -> None:
    begins = {window(meter)[0] for meter in Fleet(GAS, 30, seed=7)}
    assert len(begins) > 25


def test_those_that_shall_not_sleep() -> None:
    fleet = Fleet(GAS, 3, seed=7)
    assert not all(meter.is_reachable(NOW) for meter in fleet)
    fleet.always_awake = True
    assert all(meter.is_reachable(NOW) for meter in fleet)


def test_windows_are_written(gas: SimulatedMeter) -> None:
    def stamp(hour: int, minute: int) -> Any:
        return octet_string(b"\xff" * 5 + bytes((hour, minute, 0, 0)) + b"\x80\x00\xff")

    hourly = array(structure(stamp(0xFF, 0), stamp(0xFF, 5)))
    for name, class_id, attribute in ((LISTENING, 28, 3), (CALLING, 29, 5)):
        assert put(gas, name, class_id, attribute, hourly) == DataAccessResult.SUCCESS
    minutes = [gas.is_reachable(NOW // HOUR * HOUR + minute * 60) for minute in range(60)]
    assert minutes == [True] * 5 + [False] * 55
    wrong = put(gas, LISTENING, 28, 3, array(structure(octet_string(b"x"), octet_string(b"y"))))
    assert wrong == DataAccessResult.TYPE_UNMATCHED
    many = array(*[structure(stamp(1, 0), stamp(2, 0))] * 17)
    assert put(gas, CALLING, 29, 5, many) == DataAccessResult.OTHER_REASON
    assert put(gas, CALLING, 29, 5, array(), client=2) != DataAccessResult.SUCCESS
    assert put(gas, CALLING, 29, 5, array()) == DataAccessResult.SUCCESS
    assert gas.is_reachable(NOW)  # no window at all means always


def test_an_object_for_calls(gas: SimulatedMeter) -> None:
    calling = gas.fleet.template.behaviours[29, bytes(Obis.parse(CALLING))]
    assert isinstance(calling, Calling)
    assert calling.change(gas, NOW)[1] == window(gas)[0]
    assert get(gas, CALLING, 29, 2) == 2


# -- pushes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "index"), [("gas", METERED), ("water", VOLUME)])
def test_what_a_meter_pushes(name: str, index: str) -> None:
    meter = Fleet(TEMPLATES[name], 3, seed=7)[1]
    receiver = PushReceiver()
    for channel in (0, 1):
        setup = (40, bytes(Obis.parse(f"0-{channel}:25.9.0*255")))
        behaviour = meter.fleet.template.behaviours[setup]
        assert isinstance(behaviour, PushList)
        course = course_of(meter, behaviour)
        course.invoke(NOW)
        (push,) = receiver.take(course.notification(NOW), "tcp://there")
        if not channel:
            readings = {str(each.name): each.value for each in push.readings}
            assert int(readings[index] * 1000) == value(meter, index)
        else:
            (series,) = push.series
            end = NOW // HOUR * HOUR
            assert series.ends[-1] == end
            assert series.columns[0][-1] == value(meter, index, now=end)
