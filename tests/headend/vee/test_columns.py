from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.vee import Axis, Finding
from ferraris.headend.vee.columns import MOST_VALUE, Intervals, between, placed, together

AXIS = Axis(90_000, 900, 6)
ENDS = list(AXIS.ends)


def test_rows_find_their_places_in_any_order():
    found = placed(AXIS, [ENDS[3], ENDS[0], ENDS[5]], [30, 0, 50], [1, 0, 2])
    assert found.values.tolist() == [[0, 0, 0, 30, 0, 50]]
    assert found.present.tolist() == [[True, False, False, True, False, True]]
    assert found.status.tolist() == [[0, 0, 0, 1, 0, 2]]
    assert found.noted.tolist() == [[0, Finding.GAP, Finding.GAP, 0, Finding.GAP, 0]]
    assert not found.registers_known[0]


def test_rows_beyond_the_axis_are_not_looked_at():
    found = placed(AXIS, [AXIS.start, *ENDS, AXIS.end + 900, AXIS.start - 5], [9, *range(6), 9, 9])
    assert found.values.tolist() == [list(range(6))]
    assert not found.noted.any()


def test_duplicates_that_agree_and_that_do_not():
    ends = [ENDS[0], ENDS[0], ENDS[1], ENDS[1], ENDS[2], ENDS[2], ENDS[2]]
    found = placed(AXIS, ends, [5, 5, 6, 7, 8, 8, 9])
    assert found.values[0, :3].tolist() == [5, 6, 8]
    assert found.noted[0, :3].tolist() == [Finding.DUPLICATE, Finding.CONFLICT, Finding.CONFLICT]
    status = placed(AXIS, [ENDS[0], ENDS[0]], [5, 5], [0, 1])
    assert status.noted[0, 0] == Finding.CONFLICT


@pytest.mark.parametrize(
    ("end", "touched"),
    [
        (ENDS[2] - 300, [1, 2]),
        (AXIS.start + 1, [0]),
        (AXIS.end + 899, [5]),
        (AXIS.end + 901, []),
    ],
)
def test_a_row_between_two_places_touches_both(end, touched):
    found = placed(AXIS, [*ENDS, end], [*range(6), 99])
    assert found.values.tolist() == [list(range(6))]
    assert np.flatnonzero(found.noted[0] & Finding.OVERLAP).tolist() == touched


@given(
    st.lists(st.tuples(st.integers(89_000, 97_000), st.integers(-5, 5)), max_size=30),
)
def test_a_value_on_the_axis_is_the_first_of_its_end(rows):
    found = placed(AXIS, [end for end, _ in rows], [value for _, value in rows])
    for place, end in enumerate(ENDS):
        values = [value for at, value in rows if at == end]
        assert bool(found.present[0, place]) == bool(values)
        assert found.values[0, place] == (values[0] if values else 0)
        assert bool(found.noted[0, place] & Finding.CONFLICT) == (len(set(values)) > 1)


def test_intervals_between_readings_of_a_register():
    axis = Axis(0, 900, 3)
    found = between(axis, [100, 110, 0, 130], [True, True, False, True])
    assert found.values.tolist() == [[10, 0, 0]]
    assert found.present.tolist() == [[True, False, False]]
    assert (found.opening[0], found.closing[0], found.registers_known[0]) == (100, 130, True)
    assert not between(axis, [0, 1, 2, 3], [False, True, True, True]).registers_known[0]


def test_meters_together():
    both = together([placed(AXIS, ENDS, range(6), registers=(0, 15)), placed(AXIS, [], [])])
    assert both.values.shape == (2, 6)
    assert both.registers_known.tolist() == [True, False]
    with pytest.raises(UsageError, match="one axis"):
        together([placed(AXIS, [], []), placed(Axis(0, 900, 6), [], [])])
    with pytest.raises(UsageError, match="at least one"):
        together([])


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Intervals.of(AXIS, [1, 2]), "values: 1 x 6 expected"),
        (lambda: Intervals.of(AXIS, [1.5] * 6), "values: whole numbers"),
        (lambda: Intervals.of(AXIS, [None] * 6), "values: whole numbers"),
        (lambda: Intervals.of(AXIS, [MOST_VALUE] * 6), "values: between"),
        (lambda: Intervals.of(AXIS, [1 << 64] * 6), "values: whole numbers"),
        (lambda: Intervals.of(AXIS, [1] * 6, present=[True]), "present: 1 x 6 expected"),
        (lambda: Intervals.of(AXIS, [1] * 6, status=[256] * 6), "status: one octet"),
        (
            lambda: Intervals.of(AXIS, [1] * 6, registers=([1, 2], [3, 4])),
            "registers: one for each",
        ),
        (lambda: Intervals.of(AXIS, [1] * 6, registers=(1, 1 << 62)), "readings: between"),
        (lambda: between(AXIS, [1, 2], [True, True]), "7 readings a row"),
        (lambda: placed(AXIS, [1, 2], [1]), "one length"),
    ],
)
def test_columns_that_do_not_fit(make, what):
    with pytest.raises(UsageError, match=what):
        make()
