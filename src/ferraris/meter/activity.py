"""What an activity calendar says: which script is to be run when, by seasons, weeks and days."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from ferraris.data import axdr
from ferraris.meter.dates import ANY_YEAR, in_year, wildcards
from ferraris.meter.recurrence import is_on
from ferraris.meter.zone import DAY, Zone
from ferraris.model.time_control import ActivityCalendar, SpecialDaysTable

__all__ = ["Calendar", "Entry", "actions_of", "in_force", "next_entry", "special_day"]

_EPOCH = date(1970, 1, 1)
_MOST_DAYS = 370
_MOST_DAYS_BACK = 8


class Entry(NamedTuple):
    """A script that is run at a second of the local day."""

    second: int
    table: bytes
    selector: int


class Calendar(NamedTuple):
    """Seasons, weeks, days and special days as they are on the wire."""

    seasons: bytes
    weeks: bytes
    days: bytes
    special_days: bytes


class _Plan(NamedTuple):
    """The same, understood; the special days that say most come first."""

    seasons: tuple[tuple[bytes, bytes], ...]
    weeks: dict[bytes, tuple[int, ...]]
    days: dict[int, tuple[Entry, ...]]


def in_force(calendar: Calendar, zone: Zone, own: int) -> Entry | None:
    """The entry that should have been run last when a clock shows `own`, UTC as it believes.

    Until the first entry of a day, the last one of the day before stays in force [memory]. Days
    that the calendar knows nothing of change nothing; None when nothing was said for a week.
    """
    day, second = divmod(own + zone.offset(own), DAY)
    for back in range(_MOST_DAYS_BACK):
        found = [
            entry
            for entry in actions_of(calendar, zone, day - back)
            if back or entry.second <= second
        ]
        if found:
            return found[-1]
    return None


def next_entry(calendar: Calendar, zone: Zone, own: int) -> int | None:
    """When the next entry is to be run after a clock shows `own`, as the same clock shows it.

    None when none comes within a year.
    """
    first = zone.local_day(own) - 1  # the clock may have been set back since midnight
    for day in range(first, first + _MOST_DAYS):
        coming = [
            moment
            for entry in actions_of(calendar, zone, day)
            for moment in _moments(zone, day * DAY + entry.second)
            if moment > own
        ]
        if coming:
            return min(coming)
    return None


@lru_cache(maxsize=1 << 13)
def actions_of(calendar: Calendar, zone: Zone, day: int) -> tuple[Entry, ...]:
    """The entries of a local day, days since 1970, in order of time; () for an unknown day."""
    today = _EPOCH + timedelta(days=day)
    plan = _plan(calendar)
    day_id = special_day(calendar.special_days, zone, today)
    if day_id is None:
        week = plan.weeks.get(_week_name(plan, today))
        day_id = None if week is None else week[today.weekday()]
    return () if day_id is None else plan.days.get(day_id, ())


@lru_cache(maxsize=1 << 12)
def special_day(special_days: bytes, zone: Zone, today: date) -> int | None:
    """The day_id that a special days table gives a day; a date without wildcards counts first."""
    for pattern, day_id in _special_days(special_days):
        if is_on(zone, pattern, today):
            return day_id
    return None


def _week_name(plan: _Plan, today: date) -> bytes:
    """The week of the season that began last, maybe in the year before."""
    begun: list[tuple[date, bytes]] = []
    for start, week in plan.seasons:
        year = int.from_bytes(start[:2], "big")
        years = (today.year, today.year - 1) if year == ANY_YEAR else (year,)
        days = [day for each in years if (day := in_year(start, each)) and day <= today]
        if days:
            begun.append((days[0], week))
    return max(begun, key=lambda each: each[0])[1] if begun else b""


def _moments(zone: Zone, local: int) -> set[int]:
    """When a local second comes: twice when the clock goes back, at the change if it is skipped."""
    moments = {zone.utc(local, summer) for summer in (True, False)}
    (latest,) = moments if len(moments) == 1 else (None,)
    if latest is not None and latest + zone.offset(latest) != local:
        begin = zone.changes(_year(latest))[0]
        return {latest if begin is None else begin}
    return moments


def _year(utc: int) -> int:
    return (_EPOCH + timedelta(days=utc // DAY)).year


@lru_cache(maxsize=256)
def _plan(calendar: Calendar) -> _Plan:
    declared = ActivityCalendar
    seasons = declared.season_profile_active.type.load(axdr.decode(calendar.seasons))
    weeks = declared.week_profile_table_active.type.load(axdr.decode(calendar.weeks))
    days = declared.day_profile_table_active.type.load(axdr.decode(calendar.days))
    return _Plan(
        tuple((bytes(season.start)[:5], bytes(season.week_name)) for season in seasons),
        {bytes(week.name): tuple(week[1:]) for week in reversed(weeks)},
        {
            day.day_id: tuple(
                sorted(
                    Entry(
                        _second(bytes(action.start_time)),
                        bytes(action.script_logical_name),
                        action.script_selector,
                    )
                    for action in day.actions
                )
            )
            for day in reversed(days)
        },
    )


@lru_cache(maxsize=256)
def _special_days(octets: bytes) -> tuple[tuple[bytes, int], ...]:
    found = SpecialDaysTable.entries.type.load(axdr.decode(octets))
    dated = [(bytes(each.special_day_date), each.day_id) for each in found]
    return tuple(sorted(dated, key=lambda each: wildcards(each[0])))


def _second(time: bytes) -> int:
    hour, minute, second = (0 if part == 0xFF else part for part in time[:3])
    return hour * 3600 + minute * 60 + second
