"""What an activity calendar says: which script is to be run when, by seasons, weeks and days."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from ferraris.data import axdr
from ferraris.meter.dates import ANY_YEAR, wildcards
from ferraris.meter.recurrence import first_in_year, is_on
from ferraris.meter.zone import DAY, Zone
from ferraris.model.time_control import ActivityCalendar, SpecialDaysTable

__all__ = ["Calendar", "Entry", "actions_of", "due", "in_force", "next_entry", "special_day"]

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


class _Season(NamedTuple):
    """From a second of a date with wildcards on the days are those of a week."""

    date: bytes
    second: int
    week: bytes


class _Plan(NamedTuple):
    """The same, understood; the special days that say most come first."""

    seasons: tuple[_Season, ...]
    weeks: dict[bytes, tuple[int, ...]]
    days: dict[int, tuple[Entry, ...]]


def in_force(calendar: Calendar, zone: Zone, own: int) -> list[Entry]:
    """The entries that should have been run last when a clock shows `own`, UTC as it believes.

    They are the last ones of each script table, as what switches a relay has no say in the tariff.
    Until the first entry of a day, the last one of the day before stays in force [memory]. Days
    that the calendar knows nothing of change nothing; nothing is in force when nothing was said for
    a week.
    """
    day, second = divmod(own + zone.offset(own), DAY)
    found: list[Entry] = []
    for back in range(_MOST_DAYS_BACK):
        begun = [
            entry
            for entry in actions_of(calendar, zone, day - back)
            if back or entry.second <= second
        ]
        found = _last_of_tables(begun, {entry.table for entry in found}) + found
    return found


def _last_of_tables(entries: list[Entry], known: set[bytes]) -> list[Entry]:
    """The last entries of each script table but the known ones, those of one second together."""
    latest = {entry.table: entry.second for entry in entries if entry.table not in known}
    return [entry for entry in entries if entry.second == latest.get(entry.table)]


def due(calendar: Calendar, zone: Zone, before: int, own: int) -> list[Entry]:
    """The entries whose time comes after a clock showed `before`, until it shows `own`."""
    found = [
        (moment, entry)
        for day in range(zone.local_day(before) - 1, zone.local_day(own) + 1)
        for entry in actions_of(calendar, zone, day)
        for moment in _moments(zone, day * DAY + entry.second)
        if before < moment <= own
    ]
    return [entry for _, entry in sorted(found, key=lambda each: each[0])]


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
    if day_id is not None:
        return plan.days.get(day_id, ())
    found: list[Entry] = []
    begun = _begun(plan, zone, today)
    for season, end in zip(begun, [*(each.second for each in begun[1:]), DAY], strict=True):
        week = plan.weeks.get(season.week)
        own = () if week is None else plan.days.get(week[today.weekday()], ())
        earlier = _last_of_tables([each for each in own if each.second < season.second], set())
        found += [each._replace(second=season.second) for each in earlier]
        found += [each for each in own if season.second <= each.second < end]
    return tuple(found)


@lru_cache(maxsize=1 << 12)
def special_day(special_days: bytes, zone: Zone, today: date) -> int | None:
    """The day_id that a special days table gives a day; a date without wildcards counts first."""
    for pattern, day_id in _special_days(special_days):
        if is_on(zone, pattern, today):
            return day_id
    return None


def _begun(plan: _Plan, zone: Zone, today: date) -> list[_Season]:
    """The season that a day begins with, maybe of the year before, and those that begin in it."""
    starts: list[tuple[date, _Season]] = []
    for season in plan.seasons:
        year = int.from_bytes(season.date[:2], "big")
        years = (today.year, today.year - 1) if year == ANY_YEAR else (year,)
        days = (first_in_year(zone, season.date, each) for each in years)
        starts += [(day, season) for day in days if day is not None and day <= today]
    starts.sort(key=lambda each: (each[0], each[1].second))
    later = [season for day, season in starts if day == today and season.second]
    before = [season for day, season in starts if day < today or not season.second]
    return [season._replace(second=0) for season in before[-1:]] + later


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
        tuple(
            _Season(start[:5], _second(start[5:9]), bytes(season.week_name))
            for season in seasons
            for start in (bytes(season.start),)
        ),
        {bytes(week.name): tuple(week[1:]) for week in reversed(weeks)},
        {
            day.day_id: tuple(
                sorted(
                    (
                        Entry(
                            _second(bytes(action.start_time)),
                            bytes(action.script_logical_name),
                            action.script_selector,
                        )
                        for action in day.actions
                    ),
                    key=lambda entry: entry.second,
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
