"""Local days: where they begin and end in UTC, and which of them the block of a UTC day reaches.

Days are numbered from 1970-01-01. A day of gas begins at six o'clock, others at midnight.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["DAY_S", "date_of", "day_at", "day_bounds", "hour_of", "number_of", "touched_days"]

DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1)
_GAS, _GAS_HOUR = "7-", 6  # [facts-g]


def date_of(day: int) -> date:
    """The date of a local day."""
    return _EPOCH + timedelta(days=day)


def number_of(day: date) -> int:
    """The number of a local day."""
    return (day - _EPOCH).days


def hour_of(profile: str) -> int:
    """The hour at which the days of a profile begin, by its OBIS code."""
    return _GAS_HOUR if profile.startswith(_GAS) else 0


@lru_cache(maxsize=1 << 14)
def day_bounds(day: int, zone: str, hour: int = 0) -> tuple[int, int]:
    """Begin and end of a local day, in seconds UTC; a zone that nobody knows counts as UTC."""
    return _begin(day, zone, hour), _begin(day + 1, zone, hour)


@lru_cache(maxsize=1 << 14)
def touched_days(utc_day: int, zone: str, hour: int = 0) -> tuple[int, ...]:
    """The local days with an interval that a row of the UTC day can end or begin.

    That is one more than those in which its rows lie, as the register at midnight opens a day.
    """
    first, last = utc_day * DAY_S, (utc_day + 1) * DAY_S
    around = range(utc_day - 2, utc_day + 3)
    bounds = {day: day_bounds(day, zone, hour) for day in around}
    return tuple([day for day, (start, end) in bounds.items() if start <= last and end > first])


def day_at(end_s: int, zone: str, hour: int = 0) -> int:
    """The local day of the interval that ends then."""
    local = datetime.fromtimestamp(end_s - 1, UTC).astimezone(_zone(zone))
    return number_of((local - timedelta(hours=hour)).date())


def _begin(day: int, zone: str, hour: int) -> int:
    return int(datetime.combine(date_of(day), time(hour), _zone(zone)).timestamp())


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
