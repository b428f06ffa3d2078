from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import CLOCK, DAILY, NOW, SWITCH, act, get, put, rows

from ferraris.data.kinds import (
    Data,
    array,
    boolean,
    date_time,
    integer,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import rates
from ferraris.meter.behaviour.register_activation import ACTIVATION, ACTIVE_RATE
from ferraris.meter.behaviour.tariffication import CALENDAR, SPECIAL_DAYS, TARIFF_SCRIPTS
from ferraris.meter.fleet import Fleet
from ferraris.meter.power import outage
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.timekeeping import drift, set_time
from ferraris.meter.zone import DAY

LOG = "0-0:99.98.0*255"
NEVER = octet_string(b"\xff" * 9 + b"\x80\x00\xff")
RESIDENTIAL = template("residential")
AUTUMN = 1_792_886_400  # 2026-10-25 00:00 UTC, an hour before summer time ends


def day(day_id: int, *switches: tuple[float, int]) -> Data:
    """A day profile of (hour, rate)."""
    return structure(
        unsigned(day_id),
        array(
            *(
                structure(
                    octet_string(bytes((int(hour), int(hour * 60) % 60, 0, 0))),
                    octet_string(bytes(Obis.parse(TARIFF_SCRIPTS))),
                    long_unsigned(rate),
                )
                for hour, rate in switches
            )
        ),
    )


def week(name: bytes, *days: int) -> Data:
    return structure(octet_string(name), *(unsigned(each) for each in days))


def season(name: bytes, start: str, week_name: bytes) -> Data:
    return structure(
        octet_string(name), octet_string(bytes.fromhex(start)), octet_string(week_name)
    )


def program(meter: SimulatedMeter, seasons: Data, weeks: Data, days: Data, now: int = NOW) -> None:
    for index, data in ((6, octet_string(b"NEW")), (7, seasons), (8, weeks), (9, days)):
        assert put(meter, CALENDAR, 20, index, data, now=now) == DataAccessResult.SUCCESS


ANY_TIME = "ff" * 9 + "8000ff"
ALL_DAYS = array(week(b"W", *[1] * 7))
ALL_YEAR = array(season(b"S", ANY_TIME, b"W"))


def rate(meter: SimulatedMeter, now: int) -> int:
    return int(get(meter, ACTIVE_RATE, 1, now=now))


def registers(meter: SimulatedMeter, now: int, group: int = 1) -> tuple[int, ...]:
    return tuple(get(meter, f"1-0:{group}.8.{e}*255", 3, now=now) for e in range(3))


def by_hour(meter: SimulatedMeter, midnight: int) -> str:
    return "".join(str(rate(meter, midnight + hour * 3600)) for hour in range(24))


def test_nothing_is_remembered_while_the_tariff_is_that_of_the_template(fleet: Fleet) -> None:
    meter = fleet[0]
    get(meter, CALENDAR, 20, now=NOW)
    get(meter, ACTIVE_RATE, 1, now=NOW + 40 * DAY)
    assert not rates.has_departed(meter)
    assert act(meter, CALENDAR, 20, 1, now=NOW + 40 * DAY) == ActionResult.SUCCESS
    assert not rates.has_departed(meter)


def test_a_calendar_that_is_activated_takes_over_at_once(fleet: Fleet) -> None:
    meter = fleet[0]
    before = registers(meter, NOW)
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 1), (6, 2), (18.5, 1))))
    assert registers(meter, NOW + 60)[0] - sum(before[1:]) == meter.total(0, NOW + 60) - before[0]
    assert rate(meter, NOW + 60) == 1
    assert act(meter, CALENDAR, 20, 1, now=NOW + 60) == ActionResult.SUCCESS
    assert rate(meter, NOW + 60) == 2
    assert get(meter, CALENDAR, 20, 2) == b"NEW"
    assert get(meter, CALENDAR, 20, 5) == get(meter, CALENDAR, 20, 9)
    assert [row[1] for row in rows(meter, LOG, now=NOW + 60)][-5:] == [19, 19, 19, 19, 9]
    midnight = meter.zone.midnight(NOW // DAY + 3)
    assert by_hour(meter, midnight) == "1" * 6 + "2" * 13 + "1" * 5
    start, end = registers(meter, midnight), registers(meter, midnight + DAY)
    used = [
        meter.total(0, midnight + int(b * 3600)) - meter.total(0, midnight + int(a * 3600))
        for a, b in ((0, 6), (6, 18.5), (18.5, 24))
    ]
    assert end[1] - start[1] == used[0] + used[2]
    assert end[2] - start[2] == used[1]


@pytest.mark.parametrize("encode", [octet_string, date_time])
def test_a_calendar_is_activated_at_its_time(fleet: Fleet, encode: Any) -> None:
    meter = fleet[0]
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 2))))
    at = NOW + 86_400
    assert put(meter, CALENDAR, 20, 10, encode(meter.zone.stamp(at))) == DataAccessResult.SUCCESS
    assert rate(meter, at - 1) == 1
    assert rate(meter, at) == 2
    assert rows(meter, LOG, now=at)[-1] == (meter.zone.stamp(at), 9)
    before = registers(meter, at)
    after = registers(meter, at + DAY)
    assert after[1] == before[1]
    assert after[2] - before[2] == after[0] - before[0]


def test_an_activation_that_was_missed_is_made_up_for(fleet: Fleet) -> None:
    for meter in (fleet[0], fleet[1]):
        program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 2))))
        time = octet_string(meter.zone.stamp(NOW + 3600))
        assert put(meter, CALENDAR, 20, 10, time) == DataAccessResult.SUCCESS
    outage(fleet[0], NOW + 1000, NOW + 5000)
    assert rate(fleet[0], NOW + 5000) == 2
    set_time(fleet[1], NOW + 1000, NOW + 7000)
    assert rate(fleet[1], NOW + 1000) == 2


def test_seasons_weeks_and_wrapping_round_the_year(fleet: Fleet) -> None:
    meter = fleet[0]
    seasons = array(
        season(b"summer", "ffff0401ff000000008000ff", b"hot"),
        season(b"winter", "ffff0a01ff000000008000ff", b"cold"),
    )
    weeks = array(week(b"hot", 1, 1, 1, 1, 1, 2, 2), week(b"cold", 2, 2, 2, 2, 2, 2, 1))
    program(meter, seasons, weeks, array(day(1, (0, 1)), day(2, (0, 2))))
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS
    noon = meter.zone.midnight(NOW // DAY) + 43_200  # a Monday in September
    found = "".join(str(rate(meter, noon + place * DAY)) for place in range(21))
    #  Mon 21st … 30th September is a Wednesday; winter begins on Thursday
    assert found == "111112211122212222221"
    february = noon + 140 * DAY
    assert meter.zone.stamp(february)[2] == 2
    for place in range(7):
        weekday = meter.zone.stamp(february + place * DAY)[4]
        assert rate(meter, february + place * DAY) == (1 if weekday == 7 else 2)


def test_a_special_day_has_its_own_profile(fleet: Fleet) -> None:
    meter = fleet[0]
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 1)), day(7, (0, 2), (12, 1))))
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS
    midnight = meter.zone.midnight(NOW // DAY + 2)
    date = meter.zone.stamp(midnight)[:4] + b"\xff"

    def special(index: int, when: bytes, day_id: int) -> Data:
        return structure(long_unsigned(index), octet_string(when), unsigned(day_id))

    yearly = b"\xff\xff" + date[2:]
    assert act(meter, SPECIAL_DAYS, 11, 1, special(2, yearly, 1)) == ActionResult.SUCCESS
    assert act(meter, SPECIAL_DAYS, 11, 1, special(1, date, 7)) == ActionResult.SUCCESS
    assert [row[1][0][1] for row in get(meter, SPECIAL_DAYS, 11)] == [1, 2]
    assert by_hour(meter, midnight) == "2" * 12 + "1" * 12
    assert by_hour(meter, midnight + DAY) == "1" * 24
    now = midnight + 2 * DAY
    assert act(meter, SPECIAL_DAYS, 11, 2, long_unsigned(9), now=now) == ActionResult.OTHER_REASON
    assert act(meter, SPECIAL_DAYS, 11, 2, long_unsigned(1), now=now) == ActionResult.SUCCESS
    today = meter.zone.stamp(now)[:4] + b"\xff"
    assert act(meter, SPECIAL_DAYS, 11, 1, special(3, today, 7), now=now) == ActionResult.SUCCESS
    assert rate(meter, now) == 2
    wrong = act(meter, SPECIAL_DAYS, 11, 1, structure(long_unsigned(1)), now=now)
    assert wrong == ActionResult.TYPE_UNMATCHED


def test_what_the_calendar_does_not_know_changes_nothing(fleet: Fleet) -> None:
    meter = fleet[0]
    seasons = array(season(b"S", ANY_TIME, b"nowhere"))
    program(meter, seasons, ALL_DAYS, array(day(1, (0, 2))))
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS
    assert [rate(meter, NOW + place * 7200) for place in range(24)] == [1] * 24
    program(meter, ALL_YEAR, array(week(b"W", *[9] * 7)), array(day(1, (0, 2))), NOW + 5 * DAY)
    assert act(meter, CALENDAR, 20, 1, now=NOW + 5 * DAY) == ActionResult.SUCCESS
    assert rate(meter, NOW + 6 * DAY) == 1
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, (0, 17))), NOW + 6 * DAY)
    assert act(meter, CALENDAR, 20, 1, now=NOW + 6 * DAY) == ActionResult.SUCCESS
    assert rate(meter, NOW + 8 * DAY) == 1


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (7, array(unsigned(1)), DataAccessResult.TYPE_UNMATCHED),
        (9, octet_string(b""), DataAccessResult.TYPE_UNMATCHED),
        (10, octet_string(b"\xff" * 5), DataAccessResult.TYPE_UNMATCHED),
        (2, octet_string(b"A"), DataAccessResult.READ_WRITE_DENIED),
        (6, octet_string(b"A" * 9000), DataAccessResult.OTHER_REASON),
    ],
)
def test_what_is_no_calendar_is_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = get(fleet[0], CALENDAR, 20, attribute)
    assert put(fleet[0], CALENDAR, 20, attribute, data) == result
    assert get(fleet[0], CALENDAR, 20, attribute) == before


def test_a_script_switches_until_the_calendar_does(fleet: Fleet) -> None:
    meter = fleet[0]
    assert get(meter, ACTIVATION, 6, 4) == b"1"
    assert act(meter, TARIFF_SCRIPTS, 9, 1, long_unsigned(2)) == ActionResult.SUCCESS
    assert get(meter, ACTIVATION, 6, 4) == b"2"
    seven = meter.zone.midnight(NOW // DAY + 1) + 7 * 3600
    assert [rate(meter, at) for at in (NOW, seven - 1, seven)] == [2, 2, 1]


def test_a_clock_that_is_off_switches_rates_by_itself(fleet: Fleet) -> None:
    meter = fleet[0]
    set_time(meter, NOW, NOW + 4 * 3600)
    midnight = meter.zone.midnight(NOW // DAY + 1)
    assert by_hour(meter, midnight) == "222" + "1" * 16 + "2" * 5


def test_a_small_shift_leaves_the_tariff_to_the_template(fleet: Fleet) -> None:
    set_time(fleet[0], NOW, NOW + 5)
    assert not rates.has_departed(fleet[0])
    assert put(fleet[0], CLOCK, 8, 8, boolean(False)) == DataAccessResult.SUCCESS
    assert rates.has_departed(fleet[0])
    eight = fleet[0].zone.midnight(NOW // DAY + 1) + 7 * 3600
    assert [rate(fleet[0], at) for at in (eight - 6, eight - 5)] == [2, 1]


@pytest.mark.parametrize(("seconds", "departs"), [(-20, False), (20, False), (200, True)])
def test_a_clock_that_runs_fast_takes_its_tariff_along(
    fleet: Fleet, seconds: int, departs: bool
) -> None:
    meter = fleet[0]
    drift(meter, NOW, seconds)
    assert rates.has_departed(meter) is departs
    seven = meter.zone.midnight(NOW // DAY + 50) + 7 * 3600
    shown = meter.clock(seven).utc(seven) if departs else seven
    assert [rate(meter, at) for at in (shown - 1, shown)] == [2, 1]


def test_masks_are_made_and_deleted() -> None:
    from ferraris.meter.behaviour.register_activation import RegisterActivation, tariff_scripts
    from ferraris.meter.behaviour.registers import Energy
    from ferraris.meter.behaviour.scripts import Scripts
    from ferraris.meter.template import Placed, Template, rights_of
    from ferraris.server.device import AssociationSettings

    one = frozenset((1,))
    registers = [Energy(f"1-0:1.8.{rate}*255", 0, rate) for rate in (1, 2)]
    placed = [
        Placed(
            RegisterActivation(ACTIVATION, registers), one, {4: one}, dict.fromkeys((1, 2, 3), one)
        ),
        Placed(Scripts(TARIFF_SCRIPTS, tariff_scripts(2)), one, {}, {1: one}),
        *(Placed(each, one) for each in (*registers, Energy("1-0:1.8.3*255", 0, 3))),
    ]
    settings = AssociationSettings(
        1, Obis.parse("0-0:40.0.1*255"), conformance=0xFFFFFF, rights=rights_of(1, placed)
    )
    meter = Fleet(Template("masks", RESIDENTIAL.consumption, placed, [settings]), 1)[0]

    def register(name: str) -> Data:
        return structure(long_unsigned(3), octet_string(bytes(Obis.parse(name))))

    def mask(name: bytes, *indices: int) -> Data:
        return structure(octet_string(name), array(*(unsigned(each) for each in indices)))

    assert act(meter, ACTIVATION, 6, 1, register("1-0:9.9.9*255")) == ActionResult.OBJECT_UNDEFINED
    assert act(meter, ACTIVATION, 6, 2, mask(b"both", 1, 3)) == ActionResult.OTHER_REASON
    assert act(meter, ACTIVATION, 6, 1, register("1-0:1.8.3*255")) == ActionResult.SUCCESS
    assert len(get(meter, ACTIVATION, 6, 2)) == 3
    assert act(meter, ACTIVATION, 6, 2, mask(b"both", 1, 3)) == ActionResult.SUCCESS
    assert act(meter, ACTIVATION, 6, 2, mask(b"none")) == ActionResult.SUCCESS
    wrong = put(meter, ACTIVATION, 6, 4, octet_string(b"other"))
    assert wrong == DataAccessResult.OTHER_REASON
    assert put(meter, ACTIVATION, 6, 4, octet_string(b"both")) == DataAccessResult.SUCCESS
    start = [get(meter, f"1-0:1.8.{rate}*255", 3) for rate in (1, 2, 3)]
    end = [get(meter, f"1-0:1.8.{rate}*255", 3, now=NOW + DAY) for rate in (1, 2, 3)]
    used = meter.total(0, NOW + DAY) - meter.total(0, NOW)
    assert [b - a for a, b in zip(start, end, strict=True)] == [used, 0, used]
    assert act(meter, ACTIVATION, 6, 3, octet_string(b"both")) == ActionResult.OTHER_REASON
    now = NOW + DAY
    assert act(meter, ACTIVATION, 6, 2, mask(b"both", 2), now=now) == ActionResult.SUCCESS
    assert get(meter, "1-0:1.8.2*255", 3, now=now + DAY) - end[1] == (
        meter.total(0, now + DAY) - meter.total(0, now)
    )
    put(meter, ACTIVATION, 6, 4, octet_string(b"none"), now=now + DAY)
    kept = [get(meter, f"1-0:1.8.{rate}*255", 3, now=now + DAY) for rate in (1, 2, 3)]
    assert kept == [get(meter, f"1-0:1.8.{r}*255", 3, now=now + 3 * DAY) for r in (1, 2, 3)]
    assert act(meter, ACTIVATION, 6, 3, octet_string(b"both"), now=now) == ActionResult.SUCCESS
    assert act(meter, ACTIVATION, 6, 2, integer(0)) == ActionResult.TYPE_UNMATCHED


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 30_000),
        st.sampled_from(("clock", "outage", "switch", "script", "calendar", "summer", "special")),
        st.integers(-9000, 9000),
    ),
    min_size=1,
    max_size=7,
)


def play(meter: SimulatedMeter, kind: str, amount: int, now: int) -> int:
    if kind == "clock":
        set_time(meter, now, meter.local(now) + amount)
    elif kind == "outage":
        outage(meter, now, now + abs(amount) + 1)
        now += abs(amount) + 1
    elif kind == "switch":
        act(meter, SWITCH, 70, 1 if meter.connection else 2, now=now)
    elif kind == "script":
        act(meter, TARIFF_SCRIPTS, 9, 1, long_unsigned(1 + amount % 2), now=now)
    elif kind == "calendar":
        switches = [(hour, 1 + (amount + hour) % 2) for hour in range(abs(amount) % 5, 24, 3)]
        program(meter, ALL_YEAR, ALL_DAYS, array(day(1, *switches)), now)
        act(meter, CALENDAR, 20, 1, now=now)
    elif kind == "summer":
        put(meter, CLOCK, 8, 8, boolean(amount > 0), now=now)
    else:
        date = meter.zone.stamp(now + amount)[:4] + b"\xff"
        entry = structure(long_unsigned(1), octet_string(date), unsigned(2))
        act(meter, SPECIAL_DAYS, 11, 1, entry, now=now)
    return now


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.integers(0, 9))
def test_rates_sum_to_the_total_whatever_happens(
    events: list[tuple[int, str, int]], index: int
) -> None:
    """And between two switches one rate takes all that flows, the other stands."""
    meter = Fleet(RESIDENTIAL, 10, seed=8)[index]
    begin = now = AUTUMN - 30_000
    for after, kind, amount in events:
        now = play(meter, kind, amount, now + after)
    end = now + 20_000
    get(meter, ACTIVE_RATE, 1, now=end)
    instants = sorted({*range(begin, end, 1717), *(e.at for e in _switches(meter)), end})
    for group, channel in ((1, 0), (2, 1)):
        before = None
        for instant in instants:
            shown = registers(meter, instant, group)
            assert shown[0] == shown[1] + shown[2] == meter.total(channel, instant)
            if before is not None:
                used = [b - a for a, b in zip(before, shown, strict=True)]
                assert min(used) >= 0
            before = shown
    for first, last in zip(_switches(meter), _switches(meter)[1:], strict=False):
        (active,) = first.rates[0]
        start, stop = registers(meter, first.at), registers(meter, last.at)
        assert stop[3 - active] == start[3 - active]


def _switches(meter: SimulatedMeter) -> list[rates.Switch]:
    part = meter.state.found(rates.Rates)
    return [] if part is None else part.switches


def test_daily_values_are_the_registers_also_after_years(fleet: Fleet) -> None:
    meter = fleet[0]
    switches = [(hour, 1 + hour % 2) for hour in range(0, 24, 3)]
    program(meter, ALL_YEAR, ALL_DAYS, array(day(1, *switches)))
    assert act(meter, CALENDAR, 20, 1) == ActionResult.SUCCESS
    later = NOW + 400 * DAY
    daily = rows(meter, DAILY, now=later)
    assert len(_switches(meter)) <= 1024
    assert len(daily) == 62
    for row in daily[-30:]:
        instant = meter.zone.instant(row[0])
        assert instant is not None
        assert row[1] + row[2] == meter.total(0, instant)
    columns = list(zip(*daily, strict=True))[1:]
    assert all(list(column) == sorted(column) for column in columns)
    months = [meter.zone.month_begin(meter.zone.month(later) - back) for back in range(12)]
    for channel in (0, 1):
        by_month = [meter.energy(channel, at) for at in reversed(months)]
        for rate_values in zip(*by_month, strict=True):
            assert list(rate_values) == sorted(rate_values)
