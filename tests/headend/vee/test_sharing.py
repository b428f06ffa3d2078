from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.vee import share

TOTAL = st.integers(0, 1 << 62)
WEIGHTS = st.lists(st.integers(0, 1 << 60), min_size=1, max_size=40)


@given(TOTAL, WEIGHTS)
def test_shares_sum_to_the_total_and_none_is_negative(total, weights):
    shares = share(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 0


@given(TOTAL, WEIGHTS)
def test_a_share_is_less_than_one_away_from_its_proportion(total, weights):
    whole = sum(weights)
    if whole:
        for part, weight in zip(share(total, weights), weights, strict=True):
            assert abs(part * whole - total * weight) < whole


def test_the_largest_remainder_gets_the_rest_and_the_first_wins_a_tie():
    assert share(10, [1, 1, 1]) == [4, 3, 3]
    assert share(10, [5, 3, 1]) == [6, 3, 1]
    assert share(5, [0, 0]) == [3, 2]


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, []), (1, [2, -1])])
def test_what_cannot_be_shared(total, weights):
    with pytest.raises(UsageError, match="zero or more"):
        share(total, weights)
