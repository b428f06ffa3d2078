from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.vee import Axis, same_wall_time

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (date(2026, 3, 30), 96), (AUTUMN, 100)])
def test_a_local_day_has_the_intervals_that_it_has(day, count):
    axis = Axis.of_day(day, BERLIN)
    assert axis.count == count == len(axis.ends)
    assert axis.ends[0] == axis.start + 900
    assert axis.ends[-1] == axis.end == Axis.of_day(day.replace(day=day.day + 1), BERLIN).start


def test_ends_are_utc():
    assert Axis.of_day(date(2026, 1, 2)).start == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    assert Axis.of_day(date(2026, 1, 2), BERLIN).start % 86_400 == 23 * 3600


def test_months():
    assert Axis.of_month(2026, 2).count == 28 * 96
    assert Axis.of_month(2026, 10, BERLIN).count == 31 * 96 + 4
    assert Axis.of_month(2026, 12).end == Axis.of_day(date(2027, 1, 1)).start


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Axis.of_day(SPRING, "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        (lambda: Axis.of_day(SPRING, BERLIN, 7 * 60), "420 s do not fill"),
        (lambda: Axis.of_day(SPRING, BERLIN, 0), "0 s do not fill"),
        (lambda: Axis.of_month(2026, 13), "no month 2026-13"),
        (lambda: Axis(0, 900, 0), "not 0 of 900 s"),
    ],
)
def test_what_is_no_axis(make, what):
    with pytest.raises(UsageError, match=what):
        make()


def test_the_same_time_of_day_across_a_change_of_the_clock():
    usual = Axis.of_day(date(2026, 3, 22), BERLIN, 3600)
    spring, autumn = Axis.of_day(SPRING, BERLIN, 3600), Axis.of_day(AUTUMN, BERLIN, 3600)
    assert same_wall_time(usual, usual, BERLIN) == list(range(24))
    assert same_wall_time(spring, usual, BERLIN) == [0, 1, *range(3, 24)]
    assert same_wall_time(usual, spring, BERLIN) == [0, 1, -1, *range(2, 23)]
    assert same_wall_time(autumn, usual, BERLIN) == [0, 1, 2, 2, *range(3, 24)]
    assert same_wall_time(autumn, autumn, BERLIN) == list(range(25))
