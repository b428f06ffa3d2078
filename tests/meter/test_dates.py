from __future__ import annotations

from datetime import date, timedelta

import pytest

from ferraris.meter.dates import fits, in_year, wildcards
from ferraris.meter.recurrence import is_on
from ferraris.meter.zone import Zone


def days(pattern: str) -> list[str]:
    """The days of 2026 that fit."""
    octets = bytes.fromhex(pattern)
    every = (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
    return [day.strftime("%m%d") for day in every if fits(octets, day)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("07ea0509ff", ["0509"]),
        ("ffff0509ff", ["0509"]),
        ("ffff050906", ["0509"]),
        ("07ea050906", ["0509"]),
        ("07ea050905", []),
        ("07eb0509ff", []),
        ("ffff03fe07", ["0329"]),
        ("ffff03fd07", ["0322"]),
        ("ffff02feff", ["0228"]),
        ("ffff02fdff", ["0227"]),
        ("ffff030807", ["0308"]),
        ("ffff0b0107", ["1101"]),
        ("ffff0b0103", ["1104"]),
        ("ffff02ff07", ["0201", "0208", "0215", "0222"]),
        ("ffff0220ff", []),
    ],
)
def test_which_days_fit(pattern: str, expected: list[str]) -> None:
    assert days(pattern) == expected
    first = in_year(bytes.fromhex(pattern), 2026)
    assert (first.strftime("%m%d") if first else None) == (expected[0] if expected else None)


def test_any_day_and_every_month() -> None:
    assert len(days("ffffffffff")) == 365
    assert days("ffffff01ff") == [f"{month:02d}01" for month in range(1, 13)]
    assert in_year(bytes.fromhex("ffff0d01ff"), 2026) is None


def test_an_exact_date_says_more() -> None:
    patterns = ("07ea0509ff", "ffff0509ff", "ffffff09ff", "ffffffffff")
    assert [wildcards(bytes.fromhex(each)) for each in patterns] == [0, 1, 2, 3]


def test_days_on_which_daylight_saving_changes() -> None:
    every = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    for month, expected in ((0xFE, date(2026, 3, 29)), (0xFD, date(2026, 10, 25))):
        pattern = bytes((0xFF, 0xFF, month, 0xFF, 0xFF))
        assert [day for day in every if is_on(Zone(), pattern, day)] == [expected]
        assert not any(is_on(Zone(60, 0), b"\x07\xeb" + pattern[2:], day) for day in every)
