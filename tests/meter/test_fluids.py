from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.meter.fluids import Fluid, Use, counted
from ferraris.meter.state import COMMISSIONED, Interruption
from ferraris.meter.zone import DAY, Zone

ZONE = Zone()
SPAN = 3 * 366 * DAY
MOMENTS = st.integers(COMMISSIONED, COMMISSIONED + SPAN)


@pytest.mark.parametrize("fluid", list(Fluid))
def test_what_is_counted_never_falls_and_is_the_sum_of_its_hours(fluid: Fluid) -> None:
    use, random = Use(fluid, 77, ZONE), Random(3)
    start = COMMISSIONED + random.randrange(400) * DAY
    hours = [use.total(start + hour * 3600) for hour in range(24 * 40 + 1)]
    assert hours == sorted(hours)
    assert sum(use.rate(start + hour * 3600) for hour in range(24 * 40)) == hours[-1] - hours[0]
    seconds = [use.total(start + second) for second in range(0, 7200, 7)]
    assert seconds == sorted(seconds)


@given(st.sampled_from(Fluid), st.integers(0, (1 << 64) - 1), MOMENTS, st.integers(0, 3 * DAY))
def test_later_is_never_less(fluid: Fluid, seed: int, moment: int, later: int) -> None:
    use = Use(fluid, seed, ZONE)
    assert 0 <= use.total(moment) <= use.total(moment + later)


def test_nothing_is_counted_before_the_first_day() -> None:
    assert Use(Fluid.GAS, 1, ZONE).total(COMMISSIONED - 1) == 0
    assert Use(Fluid.GAS, 1, ZONE).total(COMMISSIONED) == 0


def test_gas_follows_the_winter_and_water_does_not() -> None:
    january, july = COMMISSIONED + 370 * DAY, COMMISSIONED + 550 * DAY

    def month(fluid: Fluid, start: int) -> int:
        uses = [Use(fluid, seed, ZONE) for seed in range(20)]
        return sum(use.total(start + 30 * DAY) - use.total(start) for use in uses)

    assert month(Fluid.GAS, january) > 4 * month(Fluid.GAS, july)
    assert 0.7 < month(Fluid.WATER, january) / month(Fluid.WATER, july) < 1.3


def test_connections_differ_and_a_seed_is_one_connection() -> None:
    moment = COMMISSIONED + 500 * DAY
    totals = {Use(Fluid.WATER, seed, ZONE).total(moment) for seed in range(50)}
    assert len(totals) > 45
    assert Use(Fluid.WATER, 7, ZONE).total(moment) == Use(Fluid.WATER, 7, ZONE).total(moment)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=4), st.integers(0, 300))
def test_interruptions_hold_back_what_would_have_flowed(
    spans: list[tuple[int, int]], after_days: int
) -> None:
    use, moment, pauses = Use(Fluid.GAS, 5, ZONE), COMMISSIONED + 100 * DAY, []
    expected = use.total(moment)
    for flowing, pause in spans:
        before, moment = moment, moment + flowing * 7919
        expected += use.total(moment) - use.total(before)
        pauses.append(Interruption(moment, moment + pause * 7919))
        assert counted(use, moment + pause * 4000, tuple(pauses)) == expected
        moment += pause * 7919
    later = moment + after_days * DAY
    expected += use.total(later) - use.total(moment)
    assert counted(use, later, tuple(pauses)) == expected
    open_end = (*pauses, Interruption(later, None))
    assert counted(use, later + 9 * DAY, open_end) == expected
