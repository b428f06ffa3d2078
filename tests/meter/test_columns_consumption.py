from __future__ import annotations

import pytest

from ferraris.meter.columns_consumption import day_of, day_of_fleet
from ferraris.meter.consumption import Consumption, unpack_totals
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, FIRST_DAY, QUARTERS
from ferraris.meter.power import outage
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Template
from ferraris.meter.zone import DAY, Zone

THREE_RATES = Tariff(((0, 3), (5 * 60 + 15, 1), (9 * 60, 2), (17 * 60, 1), (22 * 60 + 45, 3)))


@pytest.mark.parametrize("tariff", [Tariff(), THREE_RATES, Tariff(((0, 1),))])
@pytest.mark.parametrize("day", [0, 1, 88, 300, 700, 1001])
def test_the_columns_hold_the_integers_of_each_household(tariff: Tariff, day: int) -> None:
    consumption = Consumption(Zone(), tariff)
    seeds = [seed * 0x9E3779B97F4A7C15 % (1 << 64) for seed in range(1, 65)]
    totals = day_of(consumption, seeds, FIRST_DAY + day)
    assert totals.shape == (64, CHANNELS, QUARTERS)
    for seed, found in zip(seeds, totals.tolist(), strict=True):
        columns = consumption.household(seed).day(FIRST_DAY + day)
        assert found == [unpack_totals(column) for column in columns]


def test_nothing_was_counted_before_the_first_day() -> None:
    assert not day_of(Consumption(Zone(), Tariff()), [1, 2], FIRST_DAY - 1).any()


def test_days_follow_each_other_and_agree_with_the_registers(residential: Template) -> None:
    fleet = Fleet(residential, 20, seed=5)
    day = FIRST_DAY + 500
    today, tomorrow = day_of_fleet(fleet, day), day_of_fleet(fleet, day + 1)
    assert (tomorrow[:, :, 0] >= today[:, :, -1]).all()
    for index, meter in enumerate(fleet):
        for channel in range(CHANNELS):
            assert meter.total(channel, day * DAY) == today[index, channel, 0]
            assert meter.total(channel, (day + 1) * DAY) == tomorrow[index, channel, 0]


def test_a_meter_that_was_without_power_counts_what_it_counted(residential: Template) -> None:
    fleet = Fleet(residential, 3, seed=5)
    day = FIRST_DAY + 500
    begin = day * DAY
    outage(fleet[1], begin + 6 * 3600, begin + 12 * 3600)
    totals = day_of_fleet(fleet, day)
    assert totals[1, 0, 24] == totals[1, 0, 48] == fleet[1].total(0, begin + 9 * 3600)
    assert totals[0, 0, 24] < totals[0, 0, 48]
