"""The regular axis of a day or a month: interval ends in UTC, after the start, up to the end.

A local day of a quarter of an hour has 92, 96 or 100 of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ferraris.core.errors import UsageError

__all__ = ["MOST_INTERVALS", "Axis", "same_wall_time"]

MOST_INTERVALS = 1 << 16
"""Most intervals of one axis: a month of minutes and room to spare."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`count` intervals of `period_s` seconds; the first begins at `start`, in seconds UTC."""

    start: int
    period_s: int
    count: int

    def __post_init__(self) -> None:
        if self.period_s < 1 or not 1 <= self.count <= MOST_INTERVALS:
            raise UsageError(
                f"an axis has 1..{MOST_INTERVALS} intervals of a second or more, "
                f"not {self.count} of {self.period_s} s"
            )

    @classmethod
    def of_day(cls, day: date, zone: str = "UTC", period_s: int = 900) -> Axis:
        """The local day of a time zone (IANA name).

        Raises `UsageError` when the zone is unknown, or when the period does not divide the day.
        """
        return cls._between(day, day + timedelta(days=1), zone, period_s)

    @classmethod
    def of_month(cls, year: int, month: int, zone: str = "UTC", period_s: int = 900) -> Axis:
        """The local month; raises `UsageError` as `of_day` does."""
        if not 1 <= month <= 12 or not 1 <= year <= 9998:
            raise UsageError(f"no month {year}-{month}")
        until = date(year + month // 12, month % 12 + 1, 1)
        return cls._between(date(year, month, 1), until, zone, period_s)

    @property
    def end(self) -> int:
        """The end of the last interval."""
        return self.start + self.count * self.period_s

    @property
    def ends(self) -> range:
        """All interval ends."""
        return range(self.start + self.period_s, self.end + 1, self.period_s)

    @classmethod
    def _between(cls, first: date, after: date, zone: str, period_s: int) -> Axis:
        start, end = _midnight(first, zone), _midnight(after, zone)
        if period_s < 1 or (end - start) % period_s:
            raise UsageError(f"intervals of {period_s} s do not fill {first}..{after} in {zone}")
        return cls(start, period_s, (end - start) // period_s)


def same_wall_time(axis: Axis, other: Axis, zone: str) -> list[int]:
    """For each interval of `axis` the one of `other` at the same time of day, -1 for none.

    Where a repeated hour meets an ordinary one, the ordinary one serves twice; where both repeat
    it, in their order. Days are meant, so the date is not looked at.
    """
    found: defaultdict[time, list[int]] = defaultdict(list)
    for place, clock in enumerate(_wall_times(other, zone)):
        found[clock].append(place)
    seen: defaultdict[time, int] = defaultdict(int)
    places = []
    for clock in _wall_times(axis, zone):
        among = found.get(clock)
        places.append(among[min(seen[clock], len(among) - 1)] if among else -1)
        seen[clock] += 1
    return places


def _wall_times(axis: Axis, zone: str) -> list[time]:
    """The local time at which each interval begins."""
    local = _zone(zone)
    begins = range(axis.start, axis.end, axis.period_s)
    return [datetime.fromtimestamp(at, UTC).astimezone(local).time() for at in begins]


def _midnight(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), _zone(zone)).timestamp())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"no time zone {name!r}: an IANA name like Europe/Berlin") from error
