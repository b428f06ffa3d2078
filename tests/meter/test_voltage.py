from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.meter.voltage import (
    HARMONICS,
    NOMINAL,
    PERIOD_S,
    PHASES,
    SLOT_S,
    Disturbance,
    distortion,
    harmonic,
    mean,
    moment,
    natural,
)

SLOT = 740
START = SLOT * SLOT_S + 86_400
OWN = b"FRR\x00\x01\x02\x03\x04"


def test_the_same_seed_gives_the_same_voltage_and_another_one_another() -> None:
    series = [[moment(seed, OWN, 1, START + n * 60) for n in range(200)] for seed in (1, 1, 2)]
    assert series[0] == series[1] != series[2]
    phases = [[moment(1, OWN, phase, START + n * 60) for n in range(200)] for phase in PHASES]
    assert phases[0] != phases[1] != phases[2]
    assert all(2250 <= volts <= 2400 for each in phases for volts in each)


def test_natural_disturbances_are_few_short_and_within_their_slot() -> None:
    found = [each for seed in range(50) for each in natural(seed, SLOT)]
    assert 20 < len(found) < 150
    for each in found:
        assert each.stop is not None
        assert SLOT * SLOT_S <= each.start < each.stop <= (SLOT + 1) * SLOT_S
        assert each.stop - each.start <= 40
        assert 35 <= each.percent < 88 or 112 <= each.percent < 120
        assert set(each.phases) <= set(PHASES)
        phase = each.phases[0]
        seed = next(seed for seed in range(50) if each in natural(seed, SLOT))
        assert moment(seed, OWN, phase, each.start) == NOMINAL * each.percent // 100
        assert 2250 <= moment(seed, OWN, phase, each.stop) <= 2400
    assert {len(each.phases) for each in found} == {1, 3}
    assert {each.percent > 100 for each in found} == {True, False}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5),
    st.sampled_from(PHASES),
    st.integers(0, 3 * 86_400),
    st.integers(1, 900),
    st.integers(0, 130),
)
def test_the_mean_is_the_mean_of_the_seconds(
    seed: int, phase: int, offset: int, length: int, percent: int
) -> None:
    start = START + offset
    imposed = (Disturbance(start + 100, start + 100 + length, (1, 2), percent),)
    seconds = [moment(seed, OWN, phase, at, imposed) for at in range(start, start + PERIOD_S)]
    # Flicker has no mean of its own, but for one that a few hundred draws leave.
    assert abs(mean(seed, phase, start, imposed) - sum(seconds) / PERIOD_S) < 6


def test_what_lasts_counts_until_the_end() -> None:
    lasting = (Disturbance(START - 5, None, (2,), 50),)
    assert mean(1, 2, START, lasting) == NOMINAL // 2
    assert mean(1, 1, START, lasting) > NOMINAL * 9 // 10


def test_distortion_follows_from_the_harmonics() -> None:
    for phase in PHASES:
        squares = sum(harmonic(1, OWN, phase, order, START) ** 2 for order in HARMONICS)
        fundamental = moment(1, OWN, phase, START) / 10
        expected = 1000 * (squares**0.5 / 100) / fundamental
        assert abs(distortion(1, OWN, phase, START) - expected) <= 0.5
        assert 0 < expected < 80
        assert harmonic(1, OWN, phase, 2, START) == 0
