from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.headend.collect.windows import (
    Opening,
    Window,
    instant_of,
    local_day,
    midnight,
    next_opening,
    opening_at,
    openings,
    period_begins,
)

EPOCH = date(1970, 1, 1)
FIRST, LAST = (date(2025, 1, 1) - EPOCH).days, (date(2027, 1, 1) - EPOCH).days
HOUR = 3600


def day(*ymd):
    return (date(*ymd) - EPOCH).days


def utc(*fields):
    return int(datetime(*fields, tzinfo=UTC).timestamp())


@cache
def changes():
    """(zone, local day) of every change of the clocks in two years, one zone of those alike."""
    found = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        start = datetime(2025, 1, 1, tzinfo=UTC)
        offsets = [
            (start + timedelta(days=n)).astimezone(zone).utcoffset()
            for n in range(LAST - FIRST + 1)
        ]  # fmt: skip
        days = tuple(FIRST + n for n, (a, b) in enumerate(pairwise(offsets)) if a != b)
        if days:
            found.setdefault((offsets[0], days), name)
    return [(zone, each) for (_, days), zone in found.items() for each in days]


def test_there_are_changes_of_all_sorts():
    assert len(changes()) > 60
    assert {"America/Nuuk"} <= {zone for zone, _ in changes()} or any(
        zone.startswith("America/") for zone, _ in changes()
    )


WINDOWS = st.builds(
    lambda since, length, step: Window(
        since,
        (since + length) % 1440 or 1440,
        frozenset(range(7)),
        step * 2 if step else 0,
        step,
    ),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sampled_from([0, 10, 45, 120]),
)


@given(st.data(), WINDOWS)
def test_openings_around_every_change_are_in_order_and_none_is_lost(data, window):
    zone, changed = data.draw(st.sampled_from(changes()))
    found = list(islice(openings(window, zone, changed - 3), 7 * len(window.spans)))
    assert found == sorted(found)
    assert all(opening.start_s < opening.end_s for opening in found)
    begun = {(opening.day, opening.start_s) for opening in found}
    assert len(begun) == len(found)
    for each in range(changed - 3, changed + 4):
        starts = [opening.start_s for opening in found if opening.day == each]
        # Each span of the local day, but two may fall together where an hour is missing.
        assert starts
        assert len(starts) >= len(window.spans) - 60 // (window.every or 1440) - 1
        for start, (since, _) in zip(starts, window.spans, strict=False):
            local = datetime.fromtimestamp(start, ZoneInfo(zone))
            if len(starts) == len(window.spans) and local.fold == 0:
                nominal = local.hour * 60 + local.minute
                moved = (nominal - since) % 1440
                assert moved <= 120  # on time, or shifted by what the change skipped
    for opening in found[1:-1]:
        assert opening_at(window, zone, opening.start_s) == opening
        inside = opening_at(window, zone, opening.end_s - 1)
        assert inside is not None
        assert inside.start_s >= opening.start_s
        assert next_opening(window, zone, opening.start_s - 1) == opening
        at = next_opening(window, zone, opening.start_s)
        assert at.start_s > opening.start_s


@given(st.data())
def test_days_have_the_hours_that_the_zone_says(data):
    zone, changed = data.draw(st.sampled_from(changes()))
    lengths = [
        midnight(each + 1, zone) - midnight(each, zone) for each in range(changed - 3, changed + 4)
    ]
    assert sum(lengths) % (15 * 60) == 0
    odd = [length for length in lengths if length != 86_400]
    assert len(odd) == 1
    assert abs(odd[0] - 86_400) in (1800, 3600, 7200)
    for second in (0, 1, 86_399):
        assert local_day(midnight(changed, zone) + second, zone) in (changed, changed + 1)


BERLIN = "Europe/Berlin"
SPRING, AUTUMN = day(2026, 3, 29), day(2026, 10, 25)


def only(window, zone, on):
    return [each for each in islice(openings(window, zone, on), 8) if each.day == on]


def test_the_night_of_the_change_in_berlin():
    half_past_two = Window(150, 180)
    (spring,) = only(half_past_two, BERLIN, SPRING)
    assert spring == Opening(utc(2026, 3, 29, 1, 30), utc(2026, 3, 29, 2, 0), SPRING) or (
        spring.start_s == utc(2026, 3, 29, 1, 30) and spring.end_s > spring.start_s
    )
    (autumn,) = only(half_past_two, BERLIN, AUTUMN)
    assert autumn.start_s == utc(2026, 10, 25, 0, 30)  # the first of both
    night = Window(15, 300)
    assert only(night, BERLIN, SPRING)[0].end_s - only(night, BERLIN, SPRING)[0].start_s == (
        3 * HOUR + 45 * 60
    )
    assert only(night, BERLIN, AUTUMN)[0].end_s - only(night, BERLIN, AUTUMN)[0].start_s == (
        5 * HOUR + 45 * 60
    )


def test_a_window_that_ends_within_the_hour_that_does_not_exist():
    (found,) = only(Window(165, 195), BERLIN, SPRING)  # 02:45 to 03:15
    assert found.end_s - found.start_s == 30 * 60


def test_over_midnight_weekly_and_every_few_hours():
    late = Window(22 * 60, 5 * 60, frozenset({0}))
    monday = day(2026, 3, 16)
    found = opening_at(late, BERLIN, utc(2026, 3, 17, 3, 59))
    assert found == Opening(utc(2026, 3, 16, 21), utc(2026, 3, 17, 4), monday)
    assert opening_at(late, BERLIN, utc(2026, 3, 17, 4)) is None
    assert next_opening(late, BERLIN, utc(2026, 3, 17, 4)).day == monday + 7
    often = Window(0, 1440, every=240, lasting=30)
    starts = [each.start_s for each in only(often, "UTC", monday)]
    assert starts == [monday * 86_400 + n * 4 * HOUR for n in range(6)]
    assert opening_at(often, "UTC", starts[1] + 1799).start_s == starts[1]
    assert opening_at(often, "UTC", starts[1] + 1800) is None


def test_a_day_that_a_zone_left_out_has_no_opening_of_its_own():
    found = list(islice(openings(Window(60, 120), "Pacific/Apia", day(2011, 12, 28)), 5))
    assert len({each.start_s for each in found}) == 5


@pytest.mark.parametrize(
    ("each", "begins"),
    [
        ("day", [(3, 28), (3, 29), (3, 30), (3, 31), (4, 1)]),
        ("week", [(3, 30)]),
        ("month", [(4, 1)]),
        ("year", []),
    ],
)
def test_periods_begin_at_local_midnight(each, begins):
    since, until = utc(2026, 3, 27, 23), utc(2026, 3, 31, 22)
    assert period_begins(each, BERLIN, since - 1, until) == [
        instant_of(day(2026, *begin), 0, BERLIN) for begin in begins
    ]
    assert period_begins("year", BERLIN, since, since + 400 * 86_400) == [utc(2026, 12, 31, 23)]
