from __future__ import annotations

import itertools

import pytest
from meter_asking import CLOCK, MONTHLY, NOW, act, get, put, rows, stamped

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
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import billing
from ferraris.meter.behaviour.bills import (
    BILLING,
    BILLING_SCRIPTS,
    END_OF_BILLING,
    BillingPeriods,
    EndOfBilling,
    PeriodFact,
    PeriodFacts,
    ResetLockout,
    billing_scripts,
    stored,
)
from ferraris.meter.behaviour.clock import Clock
from ferraris.meter.behaviour.demand import Demand, MaximumDemand, RatchetDemand
from ferraris.meter.behaviour.registers import Energy
from ferraris.meter.behaviour.scripts import Scripts
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.timekeeping import set_time
from ferraris.meter.zone import DAY
from ferraris.server.device import AssociationSettings

LOCKOUT = "1-0:0.9.12*255"
COUNTER, STAMP = "1-0:0.1.0*255", "1-0:0.1.2*255"
MAXIMUM, RATCHET = "1-0:1.6.0*255", "1-0:1.6.128*255"
LOCKOUT_S = 3600


@pytest.fixture
def industrial(residential: Template) -> SimulatedMeter:
    """A meter that bills demand, names stored values by the counter and locks resets out."""
    one = frozenset((1,))
    demand = Demand("1-0:1.4.0*255")
    maximum, energy = MaximumDemand(MAXIMUM, demand=demand), Energy("1-0:1.8.0*255", 0)
    lockout = ResetLockout(seconds=LOCKOUT_S)
    captured = [(energy, 2), (maximum, 2), (maximum, 5)]
    resets = {1: one, 2: one}
    placed = [
        Placed(Clock(CLOCK, residential.zone), one, {2: one}),
        Placed(energy, one),
        Placed(demand, one, {8: one, 9: one}, resets),
        Placed(maximum, one, {}, resets),
        Placed(RatchetDemand(RATCHET, maximum, 80, 3), one),
        Placed(lockout, one, {2: one}),
        Placed(BillingPeriods(BILLING, captured, 5, lockout), one, {}, resets),
        Placed(Scripts(BILLING_SCRIPTS, billing_scripts()), one, {}, {1: one}),
        Placed(EndOfBilling(), one, {4: one}),
        Placed(PeriodFact(COUNTER, PeriodFacts.COUNTER), one),
        Placed(PeriodFact("1-0:0.1.1*255", PeriodFacts.AVAILABLE, 5), one),
        *(Placed(each, one) for each in stored([energy, maximum], range(100), 5)),
    ]
    settings = AssociationSettings(
        1, Obis.parse("0-0:40.0.1*255"), conformance=0xFFFFFF, rights=rights_of(1, placed)
    )
    return Fleet(Template("industrial", residential.consumption, placed, [settings]), 1)[0]


def months(meter: SimulatedMeter, back: int) -> list[int]:
    """The last local months' beginnings, oldest first."""
    zone = meter.fleet.template.zone
    return [zone.month_begin(zone.month(NOW) - each) for each in reversed(range(back))]


def times(hour: int, *days: int) -> Data:
    """Execution times on days of every month."""
    return array(
        *(
            structure(
                octet_string(bytes((hour, 0, 0, 0))), octet_string(bytes((255, 255, 255, day, 255)))
            )
            for day in days
        )
    )


def test_periods_close_with_the_month_and_nothing_is_remembered(fleet: Fleet) -> None:
    meter = fleet[0]
    found = rows(meter, MONTHLY)
    begins = months(meter, 13)
    assert [row[0] for row in found] == [meter.zone.stamp(at) for at in begins]
    for row, at in zip(found, begins, strict=True):
        assert row[1:] == (
            meter.total(0, at),
            meter.total(1, at),
            *meter.energy(0, at),
            *meter.energy(1, at),
        )
    assert get(meter, COUNTER, 1) == 12 * 2 + 8  # since January 2024
    assert get(meter, STAMP, 1) == meter.zone.stamp(begins[-1])
    later = NOW + 60 * DAY
    assert get(meter, COUNTER, 1, now=later) == 12 * 2 + 10
    assert meter.state.found(billing.Billing) is None


def test_stored_values_are_named_back_from_the_last(fleet: Fleet) -> None:
    meter = fleet[0]
    begin, before, last = months(meter, 3)
    for place, start, at in ((101, before, last), (102, begin, before)):
        assert get(meter, f"1-0:1.8.0*{place}", 3) == meter.total(0, at)
        assert get(meter, f"1-0:2.8.0*{place}", 3) == meter.total(1, at)
        assert get(meter, f"1-0:1.8.0*{place}", 3, 3) == get(meter, "1-0:1.8.0*255", 3, 3)
        blocks = [meter.total(0, each) for each in range(start, at + 1, 900)]
        highest = max(b - a for a, b in itertools.pairwise(blocks))
        assert get(meter, f"1-0:1.6.0*{place}", 4) == 4 * highest
    long_ago = NOW - 990 * DAY
    assert get(meter, "1-0:1.8.0*101", 3, now=long_ago) == DataAccessResult.OBJECT_UNAVAILABLE


def test_a_client_closes_a_period_and_the_maximum_begins_anew(fleet: Fleet) -> None:
    meter = fleet[0]
    counter = get(meter, COUNTER, 1)
    maximum = get(meter, MAXIMUM, 4)
    assert act(meter, BILLING_SCRIPTS, 9, 1, long_unsigned(1)) == ActionResult.SUCCESS
    assert get(meter, COUNTER, 1) == counter + 1
    assert get(meter, STAMP, 1) == meter.zone.stamp(NOW)
    found = rows(meter, MONTHLY)
    assert found[-1][:2] == (meter.zone.stamp(NOW), meter.total(0, NOW))
    assert len(found) == 13
    assert get(meter, MAXIMUM, 4) == 0
    assert get(meter, "1-0:1.6.0*101", 4) == maximum
    assert get(meter, "1-0:1.8.0*101", 3, now=NOW + DAY) == meter.total(0, NOW)
    assert rows(meter, MONTHLY, stamped(meter, NOW, NOW)) == found[-1:]
    october = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    again = rows(meter, MONTHLY, now=october + 10)
    assert [row[0] for row in again[-2:]] == [meter.zone.stamp(NOW), meter.zone.stamp(october)]
    assert act(meter, MONTHLY, 7, 1, now=october + 10) == ActionResult.SUCCESS
    assert rows(meter, MONTHLY, now=october + 20) == []


def test_other_times_are_written(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, END_OF_BILLING, 22, 4, times(6, 5, 20)) == DataAccessResult.SUCCESS
    later = NOW + 60 * DAY  # 20th November
    found = rows(meter, MONTHLY, now=later)
    ends = [(row[0][2], row[0][3], row[0][5]) for row in found]
    assert ends[-5:] == [(9, 1, 0), (10, 5, 6), (10, 20, 6), (11, 5, 6), (11, 20, 6)]
    assert get(meter, COUNTER, 1, now=later) == 12 * 2 + 8 + 4
    totals = [row[1] for row in found]
    assert totals == sorted(totals)


def test_a_month_that_ended_without_power_closes_when_it_is_back(fleet: Fleet) -> None:
    meter = fleet[0]
    october = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    outage(meter, october - 5000, october + 7000)
    found = rows(meter, MONTHLY, now=october + 9000)
    assert found[-1][:2] == (meter.zone.stamp(october + 7000), meter.total(0, october))
    november = meter.zone.month_begin(meter.zone.month(NOW) + 2)
    ends = [row[0] for row in rows(meter, MONTHLY, now=november + 10)]
    assert ends[-2:] == [meter.zone.stamp(october + 7000), meter.zone.stamp(november)]
    assert get(meter, COUNTER, 1, now=november + 10) == 12 * 2 + 10


def test_a_clock_that_is_off_closes_periods_by_itself(fleet: Fleet) -> None:
    meter, other = fleet[0], fleet[1]
    october = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    set_time(meter, NOW, NOW + 7200)
    set_time(other, NOW, october + 5000)
    assert get(meter, COUNTER, 1, now=october - 7200 + 10) == 12 * 2 + 9
    assert rows(meter, MONTHLY, now=october)[-1][:2] == (
        meter.zone.stamp(october),
        meter.total(0, october - 7200),
    )
    assert get(other, COUNTER, 1) == 12 * 2 + 9
    assert rows(other, MONTHLY)[-1][0] == other.zone.stamp(october + 5000)


def test_stored_values_are_numbered_by_the_counter(industrial: SimulatedMeter) -> None:
    meter = industrial
    begins = months(meter, 5)
    assert get(meter, COUNTER, 1) == 32
    for number, at in zip(range(28, 33), begins, strict=True):
        assert get(meter, f"1-0:1.8.0*{number}", 3) == meter.total(0, at)
    for number in (0, 27, 33, 99):
        refused = get(meter, f"1-0:1.8.0*{number}", 3)
        assert refused == DataAccessResult.OBJECT_UNAVAILABLE
    assert get(meter, "1-0:0.1.1*255", 1) == 5


def test_a_second_reset_is_locked_out(industrial: SimulatedMeter) -> None:
    meter = industrial
    one = long_unsigned(1)
    assert act(meter, BILLING_SCRIPTS, 9, 1, one) == ActionResult.SUCCESS
    locked = act(meter, BILLING, 7, 2, now=NOW + LOCKOUT_S - 1)
    assert locked == ActionResult.TEMPORARY_FAILURE
    assert get(meter, COUNTER, 1, now=NOW + 10) == 33
    assert act(meter, BILLING, 7, 2, now=NOW + LOCKOUT_S) == ActionResult.SUCCESS
    for place in range(50):
        later = NOW + (2 + place) * LOCKOUT_S
        assert act(meter, BILLING, 7, 2, now=later) == ActionResult.SUCCESS
    assert get(meter, COUNTER, 1, now=later) == 84
    assert len(rows(meter, BILLING, now=later)) == 5


def test_numbers_of_stored_values_begin_anew_after_99(industrial: SimulatedMeter) -> None:
    meter = industrial
    assert put(meter, LOCKOUT, 3, 2, long_unsigned(0)) == DataAccessResult.SUCCESS
    for place in range(75):
        assert act(meter, BILLING, 7, 2, now=NOW + place * 10) == ActionResult.SUCCESS
    later = NOW + 750
    assert get(meter, COUNTER, 1, now=later) == 107
    for number in range(103, 108):
        closed = NOW + 10 * (number - 33)
        assert get(meter, f"1-0:1.8.0*{number % 100}", 3, now=later) == meter.total(0, closed)
    for gone in (2, 8, 99):
        refused = get(meter, f"1-0:1.8.0*{gone}", 3, now=later)
        assert refused == DataAccessResult.OBJECT_UNAVAILABLE


def test_the_lockout_is_written_and_its_end_is_where_it_says(industrial: SimulatedMeter) -> None:
    meter = industrial
    assert get(meter, LOCKOUT, 3) == LOCKOUT_S
    assert get(meter, LOCKOUT, 3, 3) == [integer(0), enum(7)]
    assert put(meter, LOCKOUT, 3, 2, long_unsigned(60)) == DataAccessResult.SUCCESS
    assert act(meter, BILLING, 7, 2) == ActionResult.SUCCESS
    assert act(meter, BILLING, 7, 2, now=NOW + 59) == ActionResult.TEMPORARY_FAILURE
    assert act(meter, BILLING, 7, 2, now=NOW + 60) == ActionResult.SUCCESS


@pytest.mark.parametrize("is_disturbed", [False, True])
def test_no_lockout_keeps_the_month_from_ending(
    industrial: SimulatedMeter, is_disturbed: bool
) -> None:
    """Also not in a meter whose periods no longer follow from the calendar alone."""
    meter = industrial
    get(meter, COUNTER, 1)
    if is_disturbed:
        outage(meter, NOW + 10, NOW + 20)
    october = meter.zone.month_begin(meter.zone.month(NOW) + 1)
    assert act(meter, BILLING, 7, 2, now=october - 600) == ActionResult.SUCCESS
    assert [row[0] for row in rows(meter, BILLING, now=october + 10)][-2:] == [
        meter.zone.stamp(october - 600),
        meter.zone.stamp(october),
    ]
    refused = act(meter, BILLING, 7, 2, now=october + LOCKOUT_S - 1)
    assert refused == ActionResult.TEMPORARY_FAILURE


def test_maxima_of_past_periods_are_those_the_register_showed(industrial: SimulatedMeter) -> None:
    meter = industrial
    found = rows(meter, BILLING)
    for row, at in zip(found, months(meter, 5), strict=True):
        power, when = get(meter, MAXIMUM, 4, now=at - 1), get(meter, MAXIMUM, 4, 5, now=at - 1)
        if row[3] != meter.zone.stamp(at):  # else the last block of the month was the highest
            assert row[2:] == (power, when)
        assert row[2] >= power


def test_a_ratchet_bills_a_part_of_the_highest(industrial: SimulatedMeter) -> None:
    meter = industrial
    before = [row[2] for row in rows(meter, BILLING)][-3:]
    now = months(meter, 1)[0] + 3 * 900
    running = get(meter, MAXIMUM, 4, now=now)
    expected = max(running, max(before) * 80 // 100)
    assert expected > running
    assert get(meter, RATCHET, 4, now=now) == expected
    assert double_long_unsigned(expected)[1] == get(meter, RATCHET, 4, now=now + 1)
