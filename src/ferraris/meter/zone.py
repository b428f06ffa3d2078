"""Civil time of a meter: a zone with its summer-time rule, and COSEM date-times in it.

Inside the simulator every instant is an integer of UTC seconds; only stamps on the wire are local.
"""

from __future__ import annotations

from calendar import monthcalendar, timegm
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from struct import Struct

from ferraris.meter.dates import in_year

__all__ = ["DAY", "Zone"]

DAY = 86400
_DATE_TIME = Struct(">HBBBBBBBhB")  # 12 octets of a date-time [facts-g]
_UNSPECIFIED_DEVIATION = -0x8000
_SUMMER = 0x80  # clock status: daylight saving active [facts-g]
_CHANGE_HOUR = 3600  # both changes happen at 01:00 UTC
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Zone:
    """Standard time `east` minutes ahead of UTC; `summer` more minutes from March to October.

    `begin` and `end` are date-times of 12 octets, with wildcards, at which daylight saving begins
    and ends by local time, or by the deviation that they carry. Empty, the changes are those of the
    European Union: 01:00 UTC on the last Sundays of March and October. A `summer` of 0 is a zone
    without daylight saving.
    """

    east: int = 60
    summer: int = 60
    begin: bytes = b""
    end: bytes = b""

    def changes(self, year: int) -> tuple[int | None, int | None]:
        """UTC seconds at which daylight saving begins and ends in `year`, None where it does not.

        Years are those of local time, and a rule names a moment in each at most.
        """
        return _own_changes(self, year) if self.begin else _changes(year)

    def is_summer(self, utc: int) -> bool:
        """Tell whether daylight saving is active at `utc`."""
        if not self.summer:
            return False
        year = _year(utc // DAY)
        if self.begin:
            return _is_own_summer(self, utc, year)
        begin, end = _changes(year)
        return begin <= utc < end

    def offset(self, utc: int) -> int:
        """Seconds that local time is ahead of UTC at `utc`."""
        return 60 * (self.east + (self.summer if self.is_summer(utc) else 0))

    def stamp(self, utc: int) -> bytes:
        """Encode the instant as 12 octets of local time with deviation and clock status."""
        summer = self.is_summer(utc)
        east = self.east + (self.summer if summer else 0)
        days, seconds = divmod(utc + 60 * east, DAY)
        year, month, day, weekday = _civil(days)
        return _DATE_TIME.pack(
            year,
            month,
            day,
            weekday,
            seconds // 3600,
            seconds // 60 % 60,
            seconds % 60,
            0,
            -east,
            _SUMMER if summer else 0,
        )

    def instant(self, stamp: bytes) -> int | None:
        """UTC seconds of a 12-octet date-time; None when a field that is needed is not specified.

        The deviation of the stamp counts; without one, the time is local to this zone, and in the
        repeated hour the status octet decides. An unspecified hour, minute or second is zero.
        """
        if len(stamp) != _DATE_TIME.size:
            return None
        year, month, day, _, hour, minute, second, _, deviation, status = _DATE_TIME.unpack(stamp)
        hour, minute, second = (0 if part == 0xFF else part for part in (hour, minute, second))
        if hour > 23 or minute > 59 or second > 59 or not 1970 < year < 9999:
            return None
        try:
            days = (date(year, month, day) - _EPOCH).days
        except ValueError:
            return None
        local = days * DAY + hour * 3600 + minute * 60 + second
        if deviation != _UNSPECIFIED_DEVIATION:
            return local + 60 * deviation if -720 <= deviation <= 840 else None
        return self.utc(local, summer=None if status == 0xFF else bool(status & _SUMMER))

    def utc(self, local: int, summer: bool | None = None) -> int:
        """UTC seconds of a local second; `summer` decides in the hour that comes twice."""
        early = local - 60 * (self.east + self.summer)
        late = local - 60 * self.east
        early_fits, late_fits = self.is_summer(early), not self.is_summer(late)
        if early_fits and late_fits:
            return late if summer is False else early
        return early if early_fits else late

    def midnight(self, day: int) -> int:
        """UTC seconds at which local day number `day` (days since 1970) begins."""
        return self.utc(day * DAY)

    def local_day(self, utc: int) -> int:
        """Number of the local day at `utc`, days since 1970."""
        return (utc + self.offset(utc)) // DAY

    def month(self, utc: int) -> int:
        """Number of the local month at `utc`: 12 x year + month - 1."""
        year, month, _, _ = _civil(self.local_day(utc))
        return 12 * year + month - 1

    def month_begin(self, number: int) -> int:
        """UTC seconds at which the local month with this number begins."""
        return self.midnight((date(number // 12, number % 12 + 1, 1) - _EPOCH).days)


@lru_cache(maxsize=4096)
def _civil(days: int) -> tuple[int, int, int, int]:
    moment = _EPOCH + timedelta(days=days)
    return moment.year, moment.month, moment.day, moment.isoweekday()


def _year(days: int) -> int:
    return _civil(days)[0]


@lru_cache(maxsize=256)
def _changes(year: int) -> tuple[int, int]:
    begin, end = (
        timegm((year, month, max(week[6] for week in monthcalendar(year, month)), 0, 0, 0))
        for month in (3, 10)
    )
    return begin + _CHANGE_HOUR, end + _CHANGE_HOUR


@lru_cache(maxsize=1024)
def _own_changes(zone: Zone, year: int) -> tuple[int | None, int | None]:
    return (
        _moment(zone.begin, zone.east, year),
        _moment(zone.end, zone.east + zone.summer, year),
    )


def _moment(rule: bytes, east: int, year: int) -> int | None:
    """UTC seconds of a rule in a year; its own deviation counts more than `east` minutes."""
    day = in_year(rule[:5], year)
    if day is None:
        return None
    hour, minute, second = (0 if part == 0xFF else part for part in rule[5:8])
    deviation = int.from_bytes(rule[9:11], "big", signed=True)
    east = east if deviation == _UNSPECIFIED_DEVIATION else -deviation
    return (day - _EPOCH).days * DAY + hour * 3600 + minute * 60 + second - 60 * east


def _is_own_summer(zone: Zone, utc: int, year: int) -> bool:
    """The latest change decides: it may be one of the year before, south of the equator."""
    latest = [
        (moment, is_begin)
        for number in (year - 1, year, year + 1)
        for moment, is_begin in zip(_own_changes(zone, number), (True, False), strict=True)
        if moment is not None and moment <= utc
    ]
    return max(latest)[1] if latest else False
