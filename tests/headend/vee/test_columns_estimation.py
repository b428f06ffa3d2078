from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.vee import Estimation, Made
from ferraris.headend.vee.columns_estimation import Support, estimate

R, L, S, C = (
    Made.REGISTER_DIFFERENCE,
    Made.INTERPOLATION,
    Made.SIMILAR_DAYS,
    Made.CLASS_PROFILE,
)
N, _ = Made.NOTHING, Made.MEASURED
NO_SUPPORT = Support()
NO_INNER: dict[int, int] = {}


def run(values, total=None, support=NO_SUPPORT, inner=NO_INNER, **limits):
    """Estimate one row in which None is missing; `total` is what the register counted."""
    fixed = np.array([[value is not None for value in values]])
    column = np.array([[value or 0 for value in values]], np.int64)
    readings = np.zeros((1, len(values) + 1), np.int64)
    known = np.zeros(readings.shape, bool)
    for place, reading in ({} if total is None else {0: 0, len(values): total} | inner).items():
        readings[0, place], known[0, place] = reading, True
    found = estimate(column, fixed, (readings, known), support, Estimation(**limits))
    assert (found.missing == (found.made == Made.NOTHING)).all()
    return found.values[0].tolist(), found.made[0].tolist()


def days(*columns):
    history = np.array([[column] for column in columns], np.int64)
    return Support(history=np.maximum(history, 0), history_good=history >= 0)


def test_one_missing_interval_is_what_the_register_leaves():
    assert run([10, None, 30], 100) == ([10, 60, 30], [_, R, _])


def test_nothing_left_is_nothing_for_all():
    assert run([10, None, None, 30], 40) == ([10, 0, 0, 30], [_, R, R, _])


def test_more_than_the_register_counted_leaves_nothing_and_never_less():
    assert run([10, None, None, 30], 35) == ([10, 0, 0, 30], [_, R, R, _])
    assert run([10, None, 30], 35) == ([10, 0, 30], [_, R, _])


def test_short_gaps_are_interpolated():
    assert run([10, None, None, 40]) == ([10, 20, 30, 40], [_, L, L, _])
    assert run([10, None, None, 40], 150) == ([10, 40, 60, 40], [_, L, L, _])


def test_long_gaps_and_those_at_the_edge_are_not_interpolated():
    assert run([10, None, None, 40], longest_interpolated=1)[1] == [_, N, N, _]
    assert run([None, 10, None])[1] == [N, _, N]


def test_similar_days_give_their_mean_of_what_was_good():
    support = days([1, 20, 30, 4], [1, 40, -1, 4])
    assert run([1, None, None, 4], None, support, longest_interpolated=0) == (
        [1, 30, 30, 4],
        [_, S, S, _],
    )
    found = run([1, None, None, 4], None, support, longest_interpolated=0, least_days=2)
    assert found == ([1, 30, 0, 4], [_, S, N, _])


def test_similar_days_are_scaled_to_the_register():
    support = days([0, 10, 30, 0])
    assert run([5, None, None, 5], 90, support, longest_interpolated=0) == (
        [5, 20, 60, 5],
        [_, S, S, _],
    )


def test_the_class_profile_is_as_high_as_the_customer():
    support = Support(class_profile=np.array([10, 20, 30, 40]))
    assert run([20, 40, None, None], None, support) == ([20, 40, 60, 80], [_, _, C, C])
    assert run([None] * 4, None, support) == ([10, 20, 30, 40], [C] * 4)
    assert run([None] * 4, 1000, support) == ([100, 200, 300, 400], [C] * 4)


def test_a_tenth_of_the_curve_tells_too_little():
    support = Support(class_profile=np.array([10, 20, 30, 40]))
    assert run([1000, None, None, None], None, support)[0] == [1000, 20, 30, 40]


def test_the_order_of_methods():
    support = Support(
        history=np.array([[[0, 0, 0, 7, 7]]]),
        history_good=np.array([[[True, True, True, True, False]]]),
        class_profile=np.array([1, 1, 1, 1, 1]),
    )
    values = [1, None, 1, None, None]
    assert run(values, None, support)[1] == [_, L, _, S, C]
    assert run(values, None, support, methods=frozenset({"class_profile"}))[1] == [_, C, _, C, C]


def test_without_any_shape_the_register_is_spread_evenly():
    assert run([None, 4, None, None], 14) == ([4, 4, 3, 3], [R, _, R, R])
    assert run([None, 4, None], 14, methods=frozenset())[1] == [N, _, N]


def test_each_gap_gets_what_the_register_counted_within_it():
    inner = {1: 10, 3: 40, 4: 50, 6: 100}
    values = [10, None, None, 10, None, None, 10]
    assert run(values, 110, NO_SUPPORT, inner) == (
        [10, 15, 15, 10, 25, 25, 10],
        [_, L, L, _, L, L, _],
    )
    assert run(values, 110)[0] == [10, 20, 20, 10, 20, 20, 10]


def test_a_reading_amid_a_gap_parts_it():
    found = run([10, None, None, 40], 100, NO_SUPPORT, {2: 15})
    assert found == ([10, 5, 45, 40], [_, R, R, _])


def test_a_part_of_the_missing_does_not_get_the_whole():
    found = run([1, None, 1, None], 50, methods=frozenset({"interpolation"}))
    assert found == ([1, 0, 1, 0], [_, N, _, N])


MAYBE = st.one_of(st.none(), st.integers(0, 1 << 40))


@given(st.data(), st.integers(1, 30), st.integers(0, 1 << 48))
def test_the_sum_is_exactly_the_registers(data, width, more):
    values = data.draw(st.lists(MAYBE, min_size=width, max_size=width))
    past = data.draw(
        st.lists(st.lists(st.integers(-1, 1 << 40), min_size=width, max_size=width), max_size=3)
    )
    support = days(*past) if past else Support()
    total = sum(value or 0 for value in values) + more
    found, made = run(values, total, support)
    if None in values:
        assert sum(found) == total
    assert min(found) >= 0
    for value, final, rule in zip(values, found, made, strict=True):
        assert (value is not None) == (rule == Made.MEASURED)
        assert value is None or value == final


@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=20), st.data())
def test_missing_never_becomes_negative(values, data):
    total = data.draw(st.one_of(st.none(), st.integers(0, 100)))
    found, made = run(values, total)
    assert all(value >= 0 for value, rule in zip(found, made, strict=True) if rule != _)


@pytest.mark.parametrize(
    ("support", "what"),
    [
        (lambda: Support(history=np.zeros((1, 4), np.int64)), "days x rows x intervals"),
        (lambda: Support(class_profile=np.array([-1])), "zero or more"),
        (lambda: run([1, 2], None, days([1, 2, 3])), "days x 1 x 2"),
        (lambda: run([1, 2], None, Support(class_profile=np.array([1]))), "2 intervals expected"),
    ],
)
def test_support_that_does_not_fit(support, what):
    with pytest.raises(UsageError, match=what):
        support()
