from __future__ import annotations

import itertools
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.meter.consumption import TOTAL_OCTETS, Consumption, pack_totals, unpack_totals
from ferraris.meter.patterns import ACTIVE_EXPORT, ACTIVE_IMPORT, CHANNELS, FIRST_DAY, QUARTER
from ferraris.meter.tariff import Tariff
from ferraris.meter.zone import DAY, Zone

REGION = Consumption(Zone(), Tariff())
SEEDS = st.integers(0, 2**64 - 1)
FIRST = FIRST_DAY * DAY
INSTANTS = st.integers(FIRST - DAY, FIRST + 1000 * DAY)


def _intervals(seed: int, channel: int, start: int, stop: int) -> int:
    """Sum of the quarters between two instants, taken from day profiles only."""
    household = REGION.household(seed)
    total = 0
    for day in range(start // DAY, (stop - 1) // DAY + 1):
        values = unpack_totals(household.day(day)[channel])
        values.append(unpack_totals(household.day(day + 1, 0, 1)[channel])[0])
        for quarter in range(96):
            if start <= day * DAY + quarter * QUARTER < stop:
                total += values[quarter + 1] - values[quarter]
    return total


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 3), st.integers(0, 96_000), st.integers(1, 400))
def test_registers_equal_the_sum_of_intervals(
    seed: int, channel: int, first: int, count: int
) -> None:
    start, stop = FIRST + first * QUARTER, FIRST + (first + count) * QUARTER
    household = REGION.household(seed)
    used = household.total(channel, stop) - household.total(channel, start)
    assert used == _intervals(seed, channel, start, stop)


@pytest.mark.parametrize(("month", "day", "quarters"), [(3, 29, 92), (10, 25, 100), (6, 1, 96)])
def test_local_days_of_every_length_add_up(month: int, day: int, quarters: int) -> None:
    number = int(datetime(2026, month, day, tzinfo=UTC).timestamp()) // DAY
    zone = Zone()
    start, stop = zone.midnight(number), zone.midnight(number + 1)
    assert (stop - start) // QUARTER == quarters
    for seed in range(8):
        household = REGION.household(seed)
        for channel in range(CHANNELS):
            used = household.total(channel, stop) - household.total(channel, start)
            assert used == _intervals(seed, channel, start, stop)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(0, 3), INSTANTS, st.integers(0, 100_000))
def test_energy_never_falls_and_rates_make_the_total(
    seed: int, channel: int, utc: int, later: int
) -> None:
    household = REGION.household(seed)
    before, after = household.energy(channel, utc), household.energy(channel, utc + later)
    assert all(a <= b for a, b in zip(before, after, strict=True))
    assert household.total(channel, utc) == sum(before)


@given(SEEDS, INSTANTS)
def test_only_the_rate_in_force_counts(seed: int, utc: int) -> None:
    zone, tariff, household = Zone(), Tariff(), REGION.household(seed)
    quarter = utc // QUARTER * QUARTER
    local = (quarter + zone.offset(quarter)) // QUARTER % 96
    before = household.energy(ACTIVE_IMPORT, quarter)
    after = household.energy(ACTIVE_IMPORT, quarter + QUARTER)
    idle = 2 - tariff.rate(local)
    assert before[idle] == after[idle]


@settings(deadline=None)
@given(SEEDS, st.integers(-1, 1000), st.integers(0, 96), st.integers(1, 97))
def test_part_of_a_day_is_a_slice_of_the_day(seed: int, day: int, first: int, count: int) -> None:
    household = REGION.household(seed)
    stop = min(97, first + count)
    whole = household.day(FIRST_DAY + day, 0, 97)
    assert household.day(FIRST_DAY + day, first, stop) == [
        column[TOTAL_OCTETS * first : TOTAL_OCTETS * stop] for column in whole
    ]


@settings(deadline=None)
@given(SEEDS, st.integers(-2, 1000))
def test_the_end_of_a_day_is_the_beginning_of_the_next(seed: int, day: int) -> None:
    household = REGION.household(seed)
    ends = household.day(FIRST_DAY + day, 96, 97)
    assert [unpack_totals(column) for column in ends] == [
        unpack_totals(column) for column in household.day(FIRST_DAY + day + 1, 0, 1)
    ]


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_a_column_keeps_whole_units_as_on_the_wire(totals: list[int]) -> None:
    column = pack_totals(totals)
    assert unpack_totals(column) == totals
    assert [column[n : n + 4] for n in range(0, len(column), TOTAL_OCTETS)] == [
        total.to_bytes(4, "big") for total in totals
    ]


def test_the_seed_alone_decides() -> None:
    again = Consumption(Zone(), Tariff())
    day = FIRST_DAY + 800
    again.household(3).day(day + 50)  # another order of questions
    assert [REGION.household(s).day(day) for s in range(20)] == [
        again.household(s).day(day) for s in range(20)
    ]
    days = {str(REGION.household(seed).day(day)) for seed in range(200)}
    assert len(days) == 200


def test_a_neighbourhood_is_plausible() -> None:
    """Yearly use, share of solar roofs, and noise that does not compress away."""
    year = range(FIRST_DAY + 366, FIRST_DAY + 366 + 365)
    households = [REGION.household(seed) for seed in range(300)]
    used, fed = (
        [h.total(c, year[-1] * DAY) - h.total(c, year[0] * DAY) for h in households]
        for c in (ACTIVE_IMPORT, ACTIVE_EXPORT)
    )
    assert min(used) > 900_000
    assert max(used) < 25_000_000
    assert 3_000_000 < sum(used) / 300 < 6_000_000
    assert 0.2 < sum(1 for energy in fed if energy) / 300 < 0.45
    summer, winter = (
        sum(
            h.total(ACTIVE_EXPORT, (d + 30) * DAY) - h.total(ACTIVE_EXPORT, d * DAY)
            for h in households
        )
        for d in (year[150], year[330])
    )
    assert summer > 3 * winter
    day = unpack_totals(households[0].day(year[100])[ACTIVE_IMPORT])
    steps = [b - a for a, b in itertools.pairwise(day)]
    packed = zlib.compress(b"".join(step.to_bytes(2, "big") for step in steps), 9)
    assert len(packed) > 95


def test_a_tariff_must_make_sense() -> None:
    for switches in ((), ((60, 1),), ((0, 2),), ((0, 1), (10, 2)), ((0, 1), (1440, 2))):
        with pytest.raises(UsageError):
            Tariff(switches)


def test_one_rate_and_four_rates() -> None:
    for switches in (((0, 1),), ((0, 1), (360, 2), (720, 3), (1080, 4))):
        household = Consumption(Zone(-300, 60), Tariff(switches)).household(5)
        assert len(household.energy(ACTIVE_IMPORT, FIRST + 90 * DAY)) == len(switches)
        assert all(household.energy(ACTIVE_IMPORT, FIRST + 90 * DAY))
