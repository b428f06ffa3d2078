"""Dates with wildcards: which days fit one, and where it falls in a year."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from functools import lru_cache

__all__ = [
    "ANY",
    "ANY_YEAR",
    "DST_BEGIN",
    "DST_END",
    "fits",
    "in_year",
    "is_date",
    "is_time",
    "wildcards",
]

ANY, ANY_YEAR = 0xFF, 0xFFFF
DST_END, DST_BEGIN = 0xFD, 0xFE
"""In the place of a month: the day on which daylight saving ends or begins [facts-g]."""

_LAST, _LAST_BUT_ONE = 0xFE, 0xFD  # in the place of a day [facts-g]


def is_date(octets: bytes) -> bool:
    """Tell whether 5 octets are a date: every field in its range, special or left open."""
    if len(octets) != 5:
        return False
    month, of_month, of_week = octets[2:]
    return (
        (1 <= month <= 12 or month in (DST_END, DST_BEGIN, ANY))
        and (1 <= of_month <= 31 or of_month in (_LAST, _LAST_BUT_ONE, ANY))
        and (1 <= of_week <= 7 or of_week == ANY)
    )


def is_time(octets: bytes) -> bool:
    """Tell whether 4 octets are a time of day: every field in its range or left open."""
    limits = (24, 60, 60, 100)
    return len(octets) == 4 and all(
        octet < limit or octet == ANY for octet, limit in zip(octets, limits, strict=True)
    )


def fits(pattern: bytes, day: date) -> bool:
    """Tell whether a day fits a date of 5 octets, its month being a number or any.

    A weekday beside the last day of the month is the last such weekday, beside the last but one
    the one before that; beside a number it is the first such weekday from that day on, unless year
    and month are given as well: then both must be right [memory].
    """
    year = int.from_bytes(pattern[:2], "big")
    if year not in (ANY_YEAR, day.year) or pattern[2] not in (ANY, day.month):
        return False
    return _fits_month(pattern[3], pattern[4], day, year != ANY_YEAR and pattern[2] != ANY)


def _fits_month(of_month: int, of_week: int, day: date, is_given: bool) -> bool:
    if of_week not in (ANY, day.isoweekday()):
        return False
    if of_month == ANY:
        return True
    last = monthrange(day.year, day.month)[1]
    if of_week == ANY:
        return day.day == {_LAST: last, _LAST_BUT_ONE: last - 1}.get(of_month, of_month)
    if of_month in (_LAST, _LAST_BUT_ONE):
        behind = day.day + (7 if of_month == _LAST else 14)
        return behind > last >= behind - 7
    return day.day == of_month if is_given else 0 <= day.day - of_month < 7


@lru_cache(maxsize=1024)
def in_year(pattern: bytes, year: int) -> date | None:
    """The first day of a year that fits, None when there is none."""
    if int.from_bytes(pattern[:2], "big") not in (ANY_YEAR, year):
        return None
    months = range(1, 13) if pattern[2] == ANY else (pattern[2],)
    for month in months:
        if not 1 <= month <= 12:
            return None
        for number in range(1, monthrange(year, month)[1] + 1):
            day = date(year, month, number)
            if fits(pattern, day):
                return day
    return None


def wildcards(pattern: bytes) -> int:
    """How many fields of a date are left open: the fewer, the more it says."""
    open_year = int.from_bytes(pattern[:2], "big") == ANY_YEAR
    return open_year + sum(octet == ANY for octet in pattern[2:4])
