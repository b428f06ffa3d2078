from __future__ import annotations

import pytest
from meter_asking import NOW, get, put, rows

from ferraris.core.errors import UsageError
from ferraris.data.kinds import Data, integer, long_unsigned
from ferraris.meter.behaviour.quality import Kind
from ferraris.meter.disturbing import disturb, restore, reverse_phases
from ferraris.meter.fleet import Fleet
from ferraris.meter.life import live, switch_off, switch_on
from ferraris.meter.network import feeder, volts
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.voltage import NOMINAL, SLOT_S, natural

LOG, ALARMS, PROFILE = "0-0:99.98.4*255", "0-0:97.98.0*255", "1-0:99.14.0*255"
UNDER, OVER, MISSING = "1-0:12.31.0*255", "1-0:12.35.0*255", "1-0:12.39.0*255"


@pytest.fixture
def meter(fleet: Fleet) -> SimulatedMeter:
    """A meter to whose feeder nothing happens by itself for some days."""
    found = fleet[0]
    slot = NOW // SLOT_S
    coming = [each for n in (slot, slot + 1) for each in natural(feeder(found), n)]
    assert not any(NOW - 600 <= each.start <= NOW + 7200 for each in coming)
    return found


def log(meter: SimulatedMeter, now: int) -> list[tuple[int, int]]:
    """Seconds since NOW and codes."""
    found = []
    for shown, code in rows(meter, LOG, now=now):
        instant = meter.zone.instant(shown)
        assert instant is not None
        found.append((instant - NOW, code))
    return found


def spells(meter: SimulatedMeter, kind: Kind, phase: int, now: int) -> tuple[int, int, int]:
    """Number, seconds, and tenths of a volt."""
    group = 12 + 20 * phase
    return (
        get(meter, f"1-0:{group}.{kind + 1}.0*255", 1, now=now),
        get(meter, f"1-0:{group}.{kind + 2}.0*255", 3, now=now),
        get(meter, f"1-0:{group}.{kind + 3}.0*255", 3, now=now),
    )


def test_a_sag_is_told_when_it_lasts_and_counted_when_it_is_over(meter: SimulatedMeter) -> None:
    disturb(meter, NOW, 70, phases=(2,), seconds=30)
    assert log(meter, NOW + 2) == []
    assert get(meter, "1-0:52.7.0*255", 3, now=NOW + 10) == 1610
    assert 2250 <= get(meter, "1-0:32.7.0*255", 3, now=NOW + 10) <= 2400
    assert (3, 77) in log(meter, NOW + 10)
    assert spells(meter, Kind.UNDER, 2, NOW + 29) == (0, 0, 0)
    assert spells(meter, Kind.UNDER, 2, NOW + 30) == (1, 30, 1610)
    assert log(meter, NOW + 100) == [(3, 77), (3, 90), (30, 86)]
    assert spells(meter, Kind.UNDER, 1, NOW + 100) == spells(meter, Kind.OVER, 2, NOW + 100)
    assert get(meter, "1-0:12.32.24*255", 1, now=NOW + 100) == 0
    assert get(meter, "1-0:12.32.15*255", 1, now=NOW + 100) == 0  # 30 percent deep, to 60 seconds
    assert get(meter, "1-0:12.32.25*255", 1, now=NOW + 100) == 1
    assert get(meter, "1-0:12.32.255*255", 1, now=NOW + 100) == 1


def test_what_is_too_short_is_a_dip_and_no_event(meter: SimulatedMeter) -> None:
    disturb(meter, NOW, 50, seconds=2)
    assert log(meter, NOW + 60) == []
    assert spells(meter, Kind.UNDER, 1, NOW + 60) == (0, 0, 0)
    assert get(meter, "1-0:12.32.23*255", 1, now=NOW + 60) == 1


def test_swells_and_missing_phases(meter: SimulatedMeter) -> None:
    disturb(meter, NOW, 115)
    disturb(meter, NOW + 100, 0, phases=(3,))
    assert volts(meter, 3, NOW + 150) == 0
    assert get(meter, ALARMS, 1, now=NOW + 150) == 1 << 30
    restore(meter, NOW + 200)
    assert get(meter, ALARMS, 1, now=NOW + 201) == 0
    assert spells(meter, Kind.OVER, 1, NOW + 300) == (1, 100, 2645)
    assert spells(meter, Kind.MISSING, 3, NOW + 300) == (1, 100, 0)
    found = [each for each in log(meter, NOW + 300) if each[1] != 90]
    assert found == [
        (3, 79),
        (3, 80),
        (3, 81),
        (100, 85),
        (100, 86),
        (100, 87),
        (101, 84),
        (200, 87),
    ]


def test_thresholds_that_clients_write_hold(meter: SimulatedMeter) -> None:
    assert put(meter, UNDER, 3, 2, long_unsigned(1600)) == 0
    assert put(meter, "1-0:12.43.0*255", 3, 2, long_unsigned(60)) == 0
    disturb(meter, NOW, 75, phases=(1,), seconds=100)
    disturb(meter, NOW + 200, 65, phases=(1,), seconds=100)
    assert [each for each in log(meter, NOW + 400) if each[1] != 90] == [(260, 76), (300, 85)]


@pytest.mark.parametrize(
    ("name", "data", "result"),
    [
        (UNDER, long_unsigned(2250), 250),
        (OVER, long_unsigned(2350), 250),
        (MISSING, long_unsigned(1501), 250),
        (UNDER, integer(5), 12),
        ("1-0:12.44.0*255", long_unsigned(0), 250),
        ("1-0:12.44.0*255", long_unsigned(601), 250),
        ("1-0:32.32.0*255", long_unsigned(1), 4),
    ],
)
def test_writes_that_are_refused(meter: SimulatedMeter, name: str, data: Data, result: int) -> None:
    before = get(meter, name, 3)
    assert put(meter, name, 3, 2, data) in (result, 9)
    assert get(meter, name, 3) == before


def test_natural_disturbances_are_noticed_by_all_meters_of_a_feeder() -> None:
    fleet = Fleet(template("residential"), 300, 4)
    slot = NOW // SLOT_S + 1
    fleet.born = slot * SLOT_S
    end = (slot + 3) * SLOT_S
    expected = [
        each
        for n in range(slot, slot + 3)
        for each in natural(feeder(fleet[100]), n)
        if (each.stop or 0) - each.start >= 3
    ]
    assert expected
    for index in (100, 199):
        live(fleet[index], end)
        codes = [entry.code for entry in fleet[index].state.noted(4) if entry.code < 85]
        assert len(codes) == sum(len(each.phases) for each in expected)
    assert feeder(fleet[0]) != feeder(fleet[100]) == feeder(fleet[199]) != feeder(fleet[200])


def test_what_ends_without_power_has_ended(meter: SimulatedMeter) -> None:
    disturb(meter, NOW, 80, phases=(1,), seconds=60)
    assert get(meter, LOG, 7, 7, now=NOW + 10) == 1
    switch_off(meter, NOW + 20)
    switch_on(meter, NOW + 120)
    assert [code for _, code in log(meter, NOW + 130)] == [76, 232, 85]


def test_the_profile_holds_the_means(meter: SimulatedMeter) -> None:
    disturb(meter, NOW // 600 * 600, 50, phases=(2,), seconds=600)
    end = NOW // 600 * 600 + 600
    assert [get(meter, f"1-0:{group}.24.0*255", 3, now=end) for group in (32, 52, 72)] == list(
        rows(meter, PROFILE, now=end)[-1][1:]
    )
    found = rows(meter, PROFILE, now=end)
    assert found[-1][0] == meter.zone.stamp(end)
    assert found[-1][2] == NOMINAL // 2
    assert len(found) == 31 * 144
    assert all(2270 <= volts <= 2330 for row in found[-144:-1] for volts in row[1:])


def test_the_order_of_the_phases(meter: SimulatedMeter) -> None:
    angles = ["1-0:81.7.1*255", "1-0:81.7.2*255"]
    assert [get(meter, name, 3) for name in angles] == [120, 240]
    reverse_phases(meter, NOW)
    reverse_phases(meter, NOW)
    assert [get(meter, name, 3) for name in angles] == [240, 120]
    reverse_phases(meter, NOW + 5, are_reversed=False)
    assert [get(meter, name, 3, now=NOW + 6) for name in angles] == [120, 240]
    assert log(meter, NOW + 10) == [(0, 88)]


def test_distortion_and_unbalance_are_told(meter: SimulatedMeter) -> None:
    assert 0 < get(meter, "1-0:32.7.124*255", 3) < 80
    assert 0 < get(meter, "1-0:32.7.5*255", 3) < 500
    assert get(meter, "1-0:128.7.0*255", 3) < 30
    disturb(meter, NOW, 50, phases=(1,), seconds=60)
    assert 390 < get(meter, "1-0:128.7.0*255", 3, now=NOW + 5) < 420


@pytest.mark.parametrize(
    "how",
    [
        {"percent": 0},
        {"percent": 201},
        {"percent": 50, "phases": ()},
        {"percent": 50, "phases": (4,)},
        {"percent": 50, "seconds": 0},
    ],
)
def test_disturbances_that_make_no_sense(meter: SimulatedMeter, how: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        disturb(meter, NOW, **how)  # type: ignore[arg-type] # checked when it runs
