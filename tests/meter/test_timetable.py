from __future__ import annotations

import pytest
from meter_asking import NOW, act, get, put

from ferraris.data.kinds import (
    Data,
    array,
    bit_string,
    boolean,
    long,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.register_activation import (
    ACTIVATION,
    ACTIVE_RATE,
    ActiveRate,
    RegisterActivation,
    tariff_scripts,
)
from ferraris.meter.behaviour.registers import Energy
from ferraris.meter.behaviour.scripts import Scripts
from ferraris.meter.behaviour.tariffication import SPECIAL_DAYS, TARIFF_SCRIPTS, SpecialDays
from ferraris.meter.behaviour.timetable import Timetable
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.timekeeping import set_time
from ferraris.meter.zone import DAY
from ferraris.server.device import AssociationSettings

TABLE = "0-0:12.0.0*255"
ANY = b"\xff" * 5
EVERY_DAY, NEVER = "1111111", "0000000"


@pytest.fixture
def meter(residential: Template) -> SimulatedMeter:
    """A meter whose rates are switched by nothing but a schedule; there are three of them."""
    one = frozenset((1,))
    registers = [Energy(f"1-0:1.8.{rate}*255", 0, rate) for rate in (1, 2, 3)]
    methods = dict.fromkeys((1, 2, 3), one)
    placed = [
        *(Placed(each, one) for each in (*registers, ActiveRate(ACTIVE_RATE))),
        Placed(Clock("0-0:1.0.0*255", residential.zone), one, {2: one}, {6: one}),
        Placed(ShiftLimit(), one),
        Placed(RegisterActivation(ACTIVATION, registers), one),
        Placed(Scripts(TARIFF_SCRIPTS, tariff_scripts(3)), one, {}, {1: one}),
        Placed(SpecialDays(), one, {2: one}, methods),
        Placed(Timetable(TABLE), one, {2: one}, methods),
    ]
    settings = AssociationSettings(
        1, Obis.parse("0-0:40.0.1*255"), conformance=0xFFFFFF, rights=rights_of(1, placed)
    )
    made = Fleet(Template("timetable", residential.consumption, placed, [settings]), 1)[0]
    get(made, ACTIVE_RATE, 1)
    return made


def entry(
    index: int,
    hour: int,
    rate: int,
    *,
    minute: int = 0,
    enable: bool = True,
    window: int = 0xFFFF,
    weekdays: str = EVERY_DAY,
    special: str = "",
    begin: bytes = ANY,
    end: bytes = ANY,
) -> Data:
    return structure(
        long_unsigned(index),
        boolean(enable),
        octet_string(bytes(Obis.parse(TARIFF_SCRIPTS))),
        long_unsigned(rate),
        octet_string(bytes((hour, minute, 0, 0))),
        long_unsigned(window),
        bit_string(weekdays),
        bit_string(special),
        octet_string(begin),
        octet_string(end),
    )


def write(meter: SimulatedMeter, *entries: Data, now: int = NOW) -> DataAccessResult:
    return put(meter, TABLE, 10, 2, array(*entries), now=now)


def rate(meter: SimulatedMeter, now: int) -> int:
    return int(get(meter, ACTIVE_RATE, 1, now=now))


def by_hour(meter: SimulatedMeter, midnight: int) -> str:
    return "".join(str(rate(meter, midnight + hour * 3600)) for hour in range(24))


def midnight_after(meter: SimulatedMeter, days: int) -> int:
    return meter.zone.midnight(NOW // DAY + days)  # NOW is a Monday


def test_entries_run_scripts_at_their_times_in_order(meter: SimulatedMeter) -> None:
    later = entry(2, 18, 2)
    assert write(meter, later, entry(9, 6, 1), entry(3, 18, 3), entry(1, 18, 1)) == 0
    assert by_hour(meter, midnight_after(meter, 2)) == "3" * 6 + "1" * 12 + "3" * 6


def test_weekdays_and_special_days(meter: SimulatedMeter) -> None:
    entries = (
        entry(1, 0, 1, weekdays="1111100"),
        entry(2, 0, 2, weekdays="0000011"),
        entry(3, 0, 3, weekdays=NEVER, special="01"),
    )
    assert write(meter, *entries) == DataAccessResult.SUCCESS
    wednesday = meter.zone.stamp(midnight_after(meter, 2))[:4] + b"\xff"
    special = structure(long_unsigned(1), octet_string(wednesday), unsigned(2))
    assert act(meter, SPECIAL_DAYS, 11, 1, special) == ActionResult.SUCCESS
    noon = midnight_after(meter, 1) + DAY // 2
    assert "".join(str(rate(meter, noon + place * DAY)) for place in range(7)) == "1311221"


def test_dates_between_which_an_entry_counts(meter: SimulatedMeter) -> None:
    first, last = (meter.zone.stamp(midnight_after(meter, days))[:4] + b"\xff" for days in (3, 4))
    winter = (b"\xff\xff\x0a\x01\xff", b"\xff\xff\x03\x1f\xff")
    assert (
        write(
            meter,
            entry(1, 1, 3, begin=first, end=last),
            entry(2, 3, 1, begin=winter[0], end=winter[1]),
        )
        == 0
    )
    assert [rate(meter, midnight_after(meter, days) + 2 * 3600) for days in (2, 3, 4)] == [2, 3, 3]
    october = midnight_after(meter, 11)
    assert meter.zone.stamp(october)[2:4] == b"\x0a\x02"
    assert rate(meter, october + 4 * 3600) == 1
    assert act(meter, TABLE, 10, 3, structure(long_unsigned(1), long_unsigned(1)), now=october) == 0
    assert len(get(meter, TABLE, 10, now=october)) == 1


def test_entries_are_enabled_disabled_inserted_and_deleted(meter: SimulatedMeter) -> None:
    assert write(meter, entry(1, 1, 2), entry(2, 2, 3)) == DataAccessResult.SUCCESS
    two = structure(*(long_unsigned(each) for each in (2, 2, 0, 0)))
    assert act(meter, TABLE, 10, 1, two) == ActionResult.SUCCESS
    assert [row[1][1][1] for row in get(meter, TABLE, 10)] == [True, False]
    morning = midnight_after(meter, 1) + 3 * 3600
    assert rate(meter, morning) == 2
    back = structure(*(long_unsigned(each) for each in (1, 1, 2, 2)))
    assert act(meter, TABLE, 10, 1, back, now=morning) == ActionResult.SUCCESS
    assert act(meter, TABLE, 10, 2, entry(1, 4, 1), now=morning) == ActionResult.SUCCESS
    assert [row[1][0][1] for row in get(meter, TABLE, 10, now=morning)] == [1, 2]
    assert [rate(meter, morning + hours * 3600) for hours in (1, 23)] == [1, 3]
    both = structure(long_unsigned(1), long_unsigned(2))
    assert act(meter, TABLE, 10, 3, both, now=morning + DAY) == ActionResult.SUCCESS
    assert get(meter, TABLE, 10, now=morning + DAY) == []


@pytest.mark.parametrize(("window", "after"), [(0xFFFF, 3), (61, 3), (59, 1), (0, 1)])
def test_what_an_outage_leapt_over_is_run_while_it_is_valid(
    meter: SimulatedMeter, window: int, after: int
) -> None:
    assert write(meter, entry(1, 5, 2, window=window), entry(2, 6, 3, window=window)) == 0
    midnight = midnight_after(meter, 1)
    outage(meter, midnight + 4 * 3600, midnight + 7 * 3600)
    assert rate(meter, midnight + 7 * 3600) == after


def test_a_clock_set_forward_is_like_an_outage_and_back_repeats(meter: SimulatedMeter) -> None:
    assert write(meter, entry(1, 5, 2), entry(2, 6, 3)) == DataAccessResult.SUCCESS
    midnight = midnight_after(meter, 1)
    four, seven = midnight + 4 * 3600, midnight + 7 * 3600
    set_time(meter, four, seven)
    assert rate(meter, four) == 3
    set_time(meter, four + 60, four)
    assert [rate(meter, four + 60 + hours * 3600) for hours in (0, 1, 2)] == [3, 2, 3]


def test_a_shift_neither_repeats_an_entry_nor_leaves_one_out(meter: SimulatedMeter) -> None:
    assert write(meter, entry(1, 5, 2), entry(2, 6, 3)) == DataAccessResult.SUCCESS
    five = midnight_after(meter, 1) + 5 * 3600
    assert rate(meter, five + 2) == 2
    script = act(meter, TARIFF_SCRIPTS, 9, 1, long_unsigned(1), now=five + 3)
    assert script == ActionResult.SUCCESS
    assert act(meter, "0-0:1.0.0*255", 8, 6, long(-9), now=five + 4) == ActionResult.SUCCESS
    assert rate(meter, five + 60) == 1
    assert act(meter, "0-0:1.0.0*255", 8, 6, long(9), now=five + 3600) == ActionResult.SUCCESS
    assert rate(meter, five + 3600) == 3


def test_no_range_of_indices_names_nothing(meter: SimulatedMeter) -> None:
    """Indices begin at 1: a range from 0 to 0 is none."""
    assert write(meter, entry(0, 1, 2)) == DataAccessResult.OTHER_REASON
    assert write(meter, entry(1, 1, 2)) == DataAccessResult.SUCCESS
    none = structure(*(long_unsigned(0) for _ in range(4)))
    assert act(meter, TABLE, 10, 1, none) == ActionResult.SUCCESS
    assert [row[1][1][1] for row in get(meter, TABLE, 10)] == [True]


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (array(entry(1, 24, 1)), DataAccessResult.OTHER_REASON),
        (array(entry(1, 1, 1, minute=60)), DataAccessResult.OTHER_REASON),
        (array(entry(1, 1, 1, end=b"\x07\xea\x00\x01\xff")), DataAccessResult.OTHER_REASON),
        (array(unsigned(1)), DataAccessResult.TYPE_UNMATCHED),
        (array(entry(1, 0xFF, 1)), DataAccessResult.OTHER_REASON),
        (array(*(entry(index, 1, 1) for index in range(65))), DataAccessResult.OTHER_REASON),
    ],
)
def test_what_is_no_schedule_is_refused(
    meter: SimulatedMeter, data: Data, result: DataAccessResult
) -> None:
    assert put(meter, TABLE, 10, 2, data) == result
    assert get(meter, TABLE, 10) == []
    assert act(meter, TABLE, 10, 2, entry(1, 0xFF, 1)) == ActionResult.OTHER_REASON
    assert act(meter, TABLE, 10, 3, unsigned(1)) == ActionResult.TYPE_UNMATCHED
