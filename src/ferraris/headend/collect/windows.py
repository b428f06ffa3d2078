"""When a plan is at work: openings in local time, with changes of daylight saving done right.

A local time that a change of the clocks skips counts as if the change had not happened yet; one
that happens twice is the first of both. A day has 23, 24 or 25 hours as its zone says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ferraris.core.errors import UsageError

__all__ = [
    "DAY_MINUTES",
    "WEEKDAYS",
    "Opening",
    "Window",
    "instant_of",
    "local_day",
    "midnight",
    "next_opening",
    "opening_at",
    "openings",
    "period_begins",
    "zone_of",
]

DAY_MINUTES: Final = 1440
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_EPOCH: Final = date(1970, 1, 1)
_LOOK_AHEAD_DAYS: Final = 15


class Opening(NamedTuple):
    """A plan works from `start_s` on and before `end_s` (UTC); `day` is the local day it began."""

    start_s: int
    end_s: int
    day: int


@dataclass(frozen=True, slots=True)
class Window:
    """Every day, or on some `weekdays` (0 is Monday), between two minutes of the local day.

    `until` at or before `since` lies on the next day. With `every` (minutes) it opens again and
    again between them, for `lasting` minutes each time.
    """

    since: int = 0
    until: int = DAY_MINUTES
    weekdays: frozenset[int] = frozenset(range(7))
    every: int = 0
    lasting: int = 0

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Pairs of minutes after local midnight, in order."""
        end = self.until if self.until > self.since else self.until + DAY_MINUTES
        if not self.every:
            return ((self.since, end),)
        return tuple(
            (start, min(start + self.lasting, end)) for start in range(self.since, end, self.every)
        )


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name; `UsageError` when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}", where="plan") from None


@lru_cache(maxsize=8192)
def instant_of(day: int, minutes: int, zone: str) -> int:
    """UTC seconds of a local time, in minutes after the midnight of a local day since 1970."""
    days, minute = divmod(minutes, DAY_MINUTES)
    when = _EPOCH + timedelta(days=day + days)
    local = datetime.combine(when, time(minute // 60, minute % 60), zone_of(zone))
    return int(local.timestamp())


def midnight(day: int, zone: str) -> int:
    """UTC seconds of the begin of a local day."""
    return instant_of(day, 0, zone)


def local_day(now: float, zone: str) -> int:
    """The local day (since 1970-01-01) in which a moment lies."""
    return (datetime.fromtimestamp(now, UTC).astimezone(zone_of(zone)).date() - _EPOCH).days


def openings(window: Window, zone: str, first_day: int) -> Iterator[Opening]:
    """All openings that begin on a local day from `first_day` on, in order; endless."""
    latest = -(1 << 62)
    for day in count(first_day):
        if (day + 3) % 7 not in window.weekdays:  # 1970-01-01 was a Thursday
            continue
        for since, until in window.spans:
            start, end = instant_of(day, since, zone), instant_of(day, until, zone)
            if end <= start:  # it ends where it begins: in an hour that does not exist
                end = start + (until - since) * 60
            if start > latest:  # a whole day can be missing from a zone
                yield Opening(start, end, day)
            latest = max(latest, start)


def opening_at(window: Window, zone: str, now: float) -> Opening | None:
    """The opening in which a moment lies; the later one where two overlap."""
    found = None
    for opening in openings(window, zone, local_day(now, zone) - 2):
        if opening.start_s > now:
            return found
        if now < opening.end_s:
            found = opening
    return None


def next_opening(window: Window, zone: str, now: float) -> Opening:
    """The first opening that begins after a moment."""
    for opening in openings(window, zone, local_day(now, zone) - 2):
        if opening.start_s > now:
            return opening
    raise AssertionError("openings never end")


def period_begins(each: str, zone: str, since_s: float, until_s: float) -> list[int]:
    """UTC seconds of the begins of local days, weeks, months or years in (since_s, until_s]."""
    found = []
    for day in range(local_day(since_s, zone), local_day(until_s, zone) + 1):
        if _begins(_EPOCH + timedelta(days=day), each):
            begin = midnight(day, zone)
            if since_s < begin <= until_s:
                found.append(begin)
    return found


def _begins(day: date, each: str) -> bool:
    if each == "week":
        return day.weekday() == 0
    if each == "month":
        return day.day == 1
    if each == "year":
        return (day.month, day.day) == (1, 1)
    return True
