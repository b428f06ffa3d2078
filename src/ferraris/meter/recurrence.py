"""When a date and time with wildcards comes round again, by the clock of a zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from ferraris.meter.dates import ANY, ANY_YEAR, DST_BEGIN, DST_END, fits, in_year
from ferraris.meter.zone import DAY, Zone

__all__ = ["ANY_DATE", "ANY_TIME", "Window", "first_in_year", "is_on", "next_time", "within"]

ANY_DATE, ANY_TIME = b"\xff" * 5, b"\xff" * 4
Window = tuple[bytes, bytes]
"""Start and end as date-times of 12 octets."""

_EPOCH = date(1970, 1, 1)
_MOST_DAYS = 4 * 366  # a leap day is never further away
_DATE_OCTETS, _TIME_OCTETS = 5, 4


@lru_cache(maxsize=4096)
def next_time(zone: Zone, day: bytes, time: bytes, after: int) -> int | None:
    """The first UTC second after `after` at which the clock shows date `day` (5 octets) and `time`.

    Octets FF match anything [facts-g]; hundredths and the deviation are left aside. None when it
    does not come within four years, or never.
    """
    local = after + zone.offset(after)
    first = local // DAY - 1  # the clock may have been set back since midnight
    begin = max(first, _first_day(day))
    for number in range(begin, begin + _MOST_DAYS):
        today = _EPOCH + timedelta(days=number)
        if not is_on(zone, day, today):
            if _is_past(day, today):
                return None
            continue
        for second in _seconds(time, _least(zone, number, after)):
            moments = {zone.utc(number * DAY + second, summer) for summer in (True, False)}
            coming = [moment for moment in moments if moment > after]
            if coming:
                return min(coming)
    return None


def within(zone: Zone, windows: tuple[Window, ...], now: int) -> tuple[bool, int | None]:
    """Whether a window is open at UTC second `now`, and when that may change.

    No window at all means always [facts-g]. A start or an end of nothing but wildcards leaves that
    side open; an end is not part of its window.
    """
    if not windows:
        return True, None
    found = [_window(zone, start, end, now) for start, end in windows]
    changes = [change for _, change in found if change is not None]
    return any(is_open for is_open, _ in found), min(changes, default=None)


def _window(zone: Zone, start: bytes, end: bytes, now: int) -> tuple[bool, int | None]:
    opens = None if _is_open(start) else next_time(zone, start[:5], start[5:9], now)
    closes = None if _is_open(end) else next_time(zone, end[:5], end[5:9], now)
    change = min((each for each in (opens, closes) if each is not None), default=None)
    if _is_open(end):
        return opens is None or not _is_ahead(start), change
    return closes is not None and (opens is None or closes < opens), change


def _is_open(stamp: bytes) -> bool:
    return stamp[:9] == ANY_DATE + ANY_TIME


def _is_ahead(start: bytes) -> bool:
    """A start that comes once is either past or ahead; one that comes again has been."""
    return ANY not in start[2:4] and int.from_bytes(start[:2], "big") != ANY_YEAR


def _first_day(day: bytes) -> int:
    year = int.from_bytes(day[:2], "big")
    return -1 if not 1970 <= year < 9999 else (date(year, 1, 1) - _EPOCH).days


def _is_past(day: bytes, today: date) -> bool:
    return today.year > int.from_bytes(day[:2], "big")


def is_on(zone: Zone, day: bytes, today: date) -> bool:
    """Tell whether a local day fits a date of 5 octets with wildcards."""
    if day[2] not in (DST_END, DST_BEGIN):
        return fits(day, today)
    return first_in_year(zone, day, today.year) == today


def first_in_year(zone: Zone, day: bytes, year: int) -> date | None:
    """The first local day of a year that fits a date with wildcards, None when there is none.

    In the place of the month may stand the day on which daylight saving begins or ends.
    """
    if day[2] not in (DST_END, DST_BEGIN):
        return in_year(day, year)
    change = zone.changes(year)[day[2] == DST_END]
    if change is None or int.from_bytes(day[:2], "big") not in (ANY_YEAR, year):
        return None
    return _EPOCH + timedelta(days=zone.local_day(change))


def _least(zone: Zone, number: int, after: int) -> int:
    """The second of the day before which nothing can come after `after`."""
    earliest = after + 1 + 60 * zone.east - number * DAY
    return max(0, earliest)


def _seconds(time: bytes, least: int) -> Iterator[int]:
    """Seconds of the day that fit, from `least` on."""
    hours, minutes, seconds = (
        range(limit) if octet == ANY else range(octet, min(octet + 1, limit))
        for octet, limit in zip(time[:3], (24, 60, 60), strict=True)
    )
    for hour in hours:
        if hour * 3600 + 3599 < least:
            continue
        for minute in minutes:
            start = hour * 3600 + minute * 60
            if start + 59 < least:
                continue
            yield from (start + second for second in seconds if start + second >= least)
