from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ferraris.headend.page.formats import Formats, zone_of
from ferraris.headend.page.words import words_of

BERLIN = ZoneInfo("Europe/Berlin")
EN = Formats(words_of("en"), BERLIN)
DE = Formats(words_of("de"), BERLIN)
# An hour before and an hour after the clocks went back.
SUMMER = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "places", "english", "german"),
    [
        (1234567.891, 2, "1,234,567.89", "1.234.567,89"),
        (-0.001, 2, "0.00", "0,00"),
        (-12, 0, "−12", "−12"),
        (Decimal("0.125"), 3, "0.125", "0,125"),
    ],
)
def test_numbers(value, places, english, german):
    assert EN.number(value, places) == english
    assert DE.number(value, places) == german


@pytest.mark.parametrize(
    ("share", "places", "english"),
    [
        (0.99999, 1, "99.9%"),
        (1.0, 1, "100.0%"),
        (0.29, 0, "29%"),
        (0.9799999999999999, 1, "98.0%"),
        (None, 1, "–"),
    ],
)
def test_shares_are_never_rounded_up_to_all(share, places, english):
    assert EN.percent(share, places) == english


def test_german_shares_keep_their_distance():
    assert DE.percent(0.975) == "97,5\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (10_543_210, "Wh", "10.543 MWh"),
        (999, "Wh", "999 Wh"),
        (-1500, "W", "−1.500 kW"),
        (Decimal("230.1"), "V", "230.1 V"),
        (12_345, "m3", "12,345 m3"),
        ("text", "", "text"),
        (True, "", "True"),
    ],
)
def test_quantities(value, unit, text):
    assert EN.quantity(value, unit).replace("\N{NO-BREAK SPACE}", " ") == text


def test_moments_are_those_of_the_zone():
    assert EN.moment(SUMMER) == "25 Oct 2026, 02:30"
    assert DE.moment(SUMMER) == "25.10.2026, 02:30"
    assert EN.at(ZoneInfo("Asia/Kolkata")).moment(SUMMER) == "25 Oct 2026, 06:00"
    assert EN.moment(None) == "–"


def test_a_repeated_hour_can_be_told_apart():
    assert EN.exact(SUMMER) == "25 Oct 2026, 02:30:00 CEST"
    assert EN.exact(SUMMER + 3600) == "25 Oct 2026, 02:30:00 CET"


def test_a_moment_is_as_short_as_it_can_be():
    now = datetime(2026, 3, 10, 8, tzinfo=UTC).timestamp()
    assert EN.near(now - 3600, now) == "08:00"
    assert EN.near(now - 86_400, now) == "9 Mar, 09:00"
    assert DE.near(now - 86_400, now) == "09.03., 09:00"
    assert EN.near(now - 100 * 86_400, now) == "30 Nov 2025, 09:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (7260, "2 h 1 min"),
        (7200, "2 h"),
        (86_400, "1 day"),
        (90_000, "1 day 1 h"),
        (30 * 86_400 + 7200, "30 days"),
        (-5, "0 s"),
    ],
)
def test_durations(seconds, text):
    assert EN.span(seconds) == text


def test_days():
    assert EN.week_day(date(2026, 3, 9)) == "Mon 9 Mar"
    assert DE.week_day(date(2026, 3, 9)) == "Mo 09.03."
    assert DE.month_of_year(date(2026, 3, 9)) == "März 2026"


def test_an_unknown_zone_is_utc():
    assert zone_of("Europe/Berlin") == BERLIN
    assert [zone_of(name) for name in ("Nowhere/Town", "", "/etc/passwd", "a" * 5000)] == [UTC] * 4
