from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.vee import dependent_days, similar_days

DAY = date(2026, 3, 11)  # a Wednesday
DAYS = st.dates(date(2025, 1, 1), date(2027, 1, 1))
HOLIDAYS = st.frozensets(st.dates(date(2026, 2, 1), date(2026, 4, 30)), max_size=20)


def test_similar_days_are_the_same_weekday():
    assert similar_days(DAY, 2) == [date(2026, 3, 4), date(2026, 2, 25)]
    assert similar_days(DAY, 0) == []


def test_a_holiday_is_a_sunday():
    holidays = {date(2026, 3, 4)}
    assert similar_days(DAY, 2, holidays) == [date(2026, 2, 25)]
    assert similar_days(date(2026, 3, 4), 1, holidays) == [date(2026, 3, 1)]
    assert date(2026, 3, 4) in similar_days(date(2026, 3, 8), 1, holidays)


def test_a_changed_day_reaches_itself_and_those_it_resembles():
    assert dependent_days(DAY, 2) == [DAY, date(2026, 3, 18), date(2026, 3, 25)]
    assert dependent_days(DAY, 2, until=date(2026, 3, 20)) == [DAY, date(2026, 3, 18)]


def test_a_register_at_midnight_closes_the_day_before():
    assert dependent_days(DAY, 0, opening_register=True) == [date(2026, 3, 10), DAY]


@given(st.dates(date(2026, 2, 1), date(2026, 4, 30)), st.integers(0, 5), HOLIDAYS)
def test_dependence_is_similarity_seen_from_the_other_side(changed, weeks, holidays):
    reached = dependent_days(changed, weeks, holidays=holidays)
    for ahead in range(45):
        day = changed + timedelta(days=ahead)
        serves = changed in similar_days(day, weeks, holidays)
        assert (day in reached) == (serves or day == changed)


def test_too_many_weeks():
    with pytest.raises(UsageError, match="54"):
        dependent_days(DAY, 54)
