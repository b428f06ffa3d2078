from __future__ import annotations

import pytest
from meter_asking import NOW, get, put, rows

from ferraris.data.kinds import double_long_unsigned, unsigned
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.alarms import ENDS
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import IDIS_LIKE, STANDARD_LOG, Coded, Happening
from ferraris.meter.push_plan import PushPlan
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.templates.residential import residential

ERRORS, ALARMS, FILTER, DESCRIPTOR = (
    f"0-0:97.{group}*255" for group in ("97.0", "98.0", "98.10", "98.20")
)
STANDARD = "0-0:99.98.0*255"
FRAUD = 1 << 13


def _flags(meter: SimulatedMeter, name: str) -> int:
    flags = get(meter, name, 1)
    assert isinstance(flags, int)
    return flags


def _write(meter: SimulatedMeter, name: str, flags: int) -> DataAccessResult:
    return put(meter, name, 1, 2, double_long_unsigned(flags))


def _pushes(meter: SimulatedMeter) -> int:
    courses = meter.state.courses or {}
    return sum(course.invocations for course in courses.values())


def test_a_bit_lasts_as_long_as_its_condition(fleet: Fleet) -> None:
    meter = fleet[0]
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    assert _flags(meter, ALARMS) == _flags(meter, DESCRIPTOR) == FRAUD
    assert _write(meter, ALARMS, 0) == DataAccessResult.SUCCESS
    assert _flags(meter, ALARMS) == FRAUD
    meter.note(Happening.MAGNETIC_FIELD_GONE, NOW)
    assert (_flags(meter, ALARMS), _flags(meter, DESCRIPTOR)) == (0, FRAUD)
    assert [row[1] for row in rows(meter, STANDARD)][6:] == []


def test_what_came_and_went_stays_until_it_is_cleared(fleet: Fleet) -> None:
    meter = fleet[0]
    meter.note(Happening.FAILED_LOGINS, NOW)
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    meter.note(Happening.MAGNETIC_FIELD_GONE, NOW)
    assert _flags(meter, ALARMS) == FRAUD
    assert _write(meter, ALARMS, ~FRAUD & 0xFFFFFFFF) == DataAccessResult.SUCCESS
    assert _flags(meter, ALARMS) == 0
    assert _write(meter, ALARMS, 0) == DataAccessResult.SUCCESS
    assert [row[1] for row in rows(meter, STANDARD)][6:] == [11]


def test_two_conditions_share_a_bit(fleet: Fleet) -> None:
    meter = fleet[0]
    meter.note(Happening.METER_COVER_OPENED, NOW)
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    meter.note(Happening.METER_COVER_CLOSED, NOW)
    assert _flags(meter, ALARMS) == FRAUD
    meter.note(Happening.MAGNETIC_FIELD_GONE, NOW)
    assert _flags(meter, ALARMS) == 0


def test_a_new_push_needs_a_bit_that_is_new(fleet: Fleet) -> None:
    PushPlan(fleet, NOW)
    meter = fleet[0]
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    assert _pushes(meter) == 1
    meter.note(Happening.METER_COVER_OPENED, NOW)
    assert _pushes(meter) == 1
    meter.note(Happening.WATCHDOG_ERROR, NOW)  # another bit, while the first push is under way
    assert _flags(meter, DESCRIPTOR) == FRAUD | 1 << 12
    assert _write(meter, DESCRIPTOR, 0) == DataAccessResult.SUCCESS
    assert _flags(meter, DESCRIPTOR) == 0
    meter.note(Happening.MAGNETIC_FIELD_GONE, NOW)
    assert _flags(meter, DESCRIPTOR) == 0
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    assert _flags(meter, DESCRIPTOR) == FRAUD


def test_the_filter_keeps_bits_from_the_descriptor(fleet: Fleet) -> None:
    PushPlan(fleet, NOW)
    meter = fleet[0]
    assert _write(meter, FILTER, ~FRAUD & 0xFFFFFFFF) == DataAccessResult.SUCCESS
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    assert (_flags(meter, ALARMS), _flags(meter, DESCRIPTOR), _pushes(meter)) == (FRAUD, 0, 0)
    assert _write(meter, FILTER, 0xFFFFFFFF) == DataAccessResult.SUCCESS
    assert _flags(meter, DESCRIPTOR) == 0  # it began while nobody wanted to hear of it


def test_a_meter_without_descriptors_pushes_what_is_new_in_its_register() -> None:
    dutch = Fleet(template("smr-5.2"), 1, seed=4)
    PushPlan(dutch, NOW)
    meter = dutch[0]
    assert _write(meter, FILTER, ~1 & 0xFFFFFFFF) == DataAccessResult.SUCCESS
    meter.note(Happening.CLOCK_INVALID, NOW)  # bit 0, which nobody wants to hear of
    assert (_flags(meter, ALARMS) & 1, _pushes(meter)) == (1, 0)
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    assert (_flags(meter, ALARMS) & FRAUD, _pushes(meter)) == (FRAUD, 1)
    meter.note(Happening.METER_COVER_OPENED, NOW)  # the same bit, which is there already
    assert _pushes(meter) == 1
    pushed = [bytes(each[1][1][1]) for each in get(meter, "0-1:25.9.0*255", 40, 2)]
    assert bytes.fromhex("0000616200ff") in pushed


@pytest.mark.parametrize("name", [ERRORS, ALARMS, "0-0:97.98.1*255", DESCRIPTOR])
def test_ones_set_nothing(fleet: Fleet, name: str) -> None:
    meter = fleet[0]
    assert _write(meter, name, 0xFFFFFFFF) == DataAccessResult.SUCCESS
    assert _flags(meter, name) == 0
    assert put(meter, name, 1, 2, unsigned(0)) == DataAccessResult.TYPE_UNMATCHED
    assert len(rows(meter, STANDARD)) == 6


def test_errors_are_cleared_with_an_event(fleet: Fleet) -> None:
    meter = fleet[0]
    meter.note(Happening.RAM_ERROR, NOW)
    meter.note(Happening.BATTERY_LOW, NOW)
    meter.note(Happening.REPLACE_BATTERY, NOW)
    assert _flags(meter, ERRORS) == 1 << 9 | 1 << 1
    assert _write(meter, ERRORS, 0) == DataAccessResult.SUCCESS
    assert _flags(meter, ERRORS) == 1 << 1
    meter.note(Happening.BATTERY_REPLACED, NOW)
    assert _flags(meter, ERRORS) == 0
    assert [row[1] for row in rows(meter, STANDARD)][6:] == [13, 8, 7, 10]


def test_the_second_register_has_bits_from_32_on() -> None:
    kind = residential()
    kind.codes = {**IDIS_LIKE, Happening.CURRENT_REVERSAL: Coded(STANDARD_LOG, 200, 32 + 5)}
    meter = Fleet(kind, 1)[0]
    meter.note(Happening.CURRENT_REVERSAL, NOW)
    flags = [_flags(meter, f"0-0:97.98.{number}*255") for number in (0, 1, 20, 21)]
    assert flags == [0, 1 << 5, 0, 1 << 5]
    assert _write(meter, "0-0:97.98.21*255", 0) == DataAccessResult.SUCCESS
    assert _write(meter, "0-0:97.98.1*255", 0) == DataAccessResult.SUCCESS
    assert not any(_flags(meter, f"0-0:97.98.{number}*255") for number in (1, 21))
    assert [row[1] for row in rows(meter, STANDARD)][6:] == [200, 24, 24]


def test_meters_without_alarm_registers_only_log() -> None:
    meter = Fleet(template("residential-sn"), 1)[0]
    meter.note(Happening.MAGNETIC_FIELD, NOW)
    meter.note(Happening.MAGNETIC_FIELD_GONE, NOW)
    assert [entry.code for entry in meter.state.noted(1)] == [42, 43]


def test_whatever_begins_can_end() -> None:
    begun = [each for found in ENDS.values() for each in found]
    assert len(begun) == len(set(begun))
    assert not set(begun) & set(ENDS)
