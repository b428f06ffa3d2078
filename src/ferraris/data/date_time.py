"""COSEM dates and times: every octet kept, and one documented way to an instant.

`DateTime` (12 octets), `Date` (5) and `Time` (4) *are* their octets, so wildcards, deviation and
clock status survive untouched and values compare and hash like octets. [facts-g]

The way to an instant (`DateTime.to_datetime`, `epoch`):

1. Year, month, day, hour and minute must be definite; "last" and "second last day of month" are
   resolved. Unspecified seconds and hundredths count as zero. The day of week is ignored.
2. A specified deviation is minutes from local time to UTC and already includes daylight saving:
   UTC = local + deviation. UTC+1 is -60.
3. Without a deviation the caller's zone decides. In a repeated hour the daylight saving flag of
   the clock status tells the first pass (set) from the second (clear); with the status
   unspecified the first pass is taken and `DateTime.is_ambiguous` says so.
"""

from __future__ import annotations

import datetime as _datetime
from functools import lru_cache

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.clock_status import ClockStatus

__all__ = [
    "ANY",
    "ANY_YEAR",
    "DAYLIGHT_SAVING",
    "DST_BEGIN",
    "DST_END",
    "LAST_DAY",
    "NO_DEVIATION",
    "SECOND_LAST_DAY",
    "Date",
    "DateTime",
    "Time",
    "advance",
    "epoch",
]

ANY = 0xFF
"""Field not specified."""
ANY_YEAR = 0xFFFF
"""Year not specified."""
DST_END = 0xFD
"""As month: the month in which daylight saving ends."""
DST_BEGIN = 0xFE
"""As month: the month in which daylight saving begins."""
LAST_DAY = 0xFE
"""As day of month: the last one."""
SECOND_LAST_DAY = 0xFD
"""As day of month: the one before the last."""
NO_DEVIATION = -0x8000
"""Deviation not specified, octets 8000."""
DAYLIGHT_SAVING = int(ClockStatus.DAYLIGHT_SAVING)
"""The bit of a clock status, as a plain number for speed."""

_EPOCH_ORDINAL = 719163  # datetime.date(1970, 1, 1).toordinal() [computed]
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WHERE = "date-time"


class _Octets(bytes):
    __slots__ = ()

    @property
    def octets(self) -> bytes:
        """The octets as plain `bytes`."""
        return bytes(self)


class _DateFields(_Octets):
    __slots__ = ()

    @property
    def year(self) -> int | None:
        """Year, None when not specified."""
        value = self[0] << 8 | self[1]
        return None if value == ANY_YEAR else value

    @property
    def month(self) -> int | None:
        """Month 1-12, `DST_END`, `DST_BEGIN`, None when not specified."""
        return _definite(self[2])

    @property
    def day(self) -> int | None:
        """Day of month 1-31, `SECOND_LAST_DAY`, `LAST_DAY`, None when not specified."""
        return _definite(self[3])

    @property
    def day_of_week(self) -> int | None:
        """1 Monday to 7 Sunday, None when not specified."""
        return _definite(self[4])

    def _day(self) -> _datetime.date:
        """The one day meant; `DecodeError` when there is none or more than one."""
        year, month, day = self[0] << 8 | self[1], self[2], self[3]
        try:
            if day in (LAST_DAY, SECOND_LAST_DAY):
                first = _datetime.date(year, month, 1)
                next_month = (first + _datetime.timedelta(31)).replace(day=1)
                return next_month - _datetime.timedelta(0xFF - day)
            return _datetime.date(year, month, day)
        except (ValueError, OverflowError):
            raise DecodeError("not one definite day", where=_WHERE, octets=self) from None

    def _date_text(self) -> str:
        year = "*" if self.year is None else f"{self.year:04d}"
        months = {ANY: "*", DST_END: "dst-end", DST_BEGIN: "dst-begin"}
        days = {ANY: "*", SECOND_LAST_DAY: "second-last", LAST_DAY: "last"}
        month = months.get(self[2], f"{self[2]:02d}")
        day = days.get(self[3], f"{self[3]:02d}")
        weekday = self[4]
        named = "" if weekday == ANY else f" weekday {weekday}"
        if 1 <= weekday <= 7:
            named = f" {_WEEKDAYS[weekday - 1]}"
        return f"{year}-{month}-{day}{named}"


class Date(_DateFields):
    """A date of 5 octets: year, month, day of month, day of week, each perhaps a wildcard."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Date:
        """Wrap 5 octets; any values are kept, another length raises `UsageError`."""
        return super().__new__(cls, _sized(octets, 5, "date"))

    @classmethod
    def of(
        cls,
        year: int | None = None,
        month: int | None = None,
        day: int | None = None,
        day_of_week: int | None = None,
    ) -> Date:
        """Make it field by field; None is the wildcard."""
        return cls(_date_octets(year, month, day, day_of_week))

    @classmethod
    def from_date(cls, day: _datetime.date) -> Date:
        """A definite day with its day of week."""
        return cls.of(day.year, day.month, day.day, day.isoweekday())

    def to_date(self) -> _datetime.date:
        """The one day meant, `DecodeError` when wildcards leave more than one."""
        return self._day()

    def __str__(self) -> str:
        return self._date_text()

    def __repr__(self) -> str:
        return f"Date({self.hex()!r}: {self})"


class Time(_Octets):
    """A time of day of 4 octets: hour, minute, second, hundredths, each perhaps a wildcard."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Time:
        """Wrap 4 octets; any values are kept, another length raises `UsageError`."""
        return super().__new__(cls, _sized(octets, 4, "time"))

    @classmethod
    def of(
        cls,
        hour: int | None = None,
        minute: int | None = None,
        second: int | None = None,
        hundredths: int | None = None,
    ) -> Time:
        """Make it field by field; None is the wildcard."""
        return cls(_time_octets(hour, minute, second, hundredths))

    @property
    def hour(self) -> int | None:
        """Hour 0-23, None when not specified."""
        return _definite(self[0])

    @property
    def minute(self) -> int | None:
        """Minute, None when not specified."""
        return _definite(self[1])

    @property
    def second(self) -> int | None:
        """Second, None when not specified."""
        return _definite(self[2])

    @property
    def hundredths(self) -> int | None:
        """Hundredths of a second, None when not specified."""
        return _definite(self[3])

    def to_time(self) -> _datetime.time:
        """The time of day; unspecified seconds count as zero, else `DecodeError`."""
        return _time_of_day(self, self)

    def __str__(self) -> str:
        return _time_text(self)

    def __repr__(self) -> str:
        return f"Time({self.hex()!r}: {self})"


class DateTime(_DateFields):
    """A date-time of 12 octets: date, time, deviation from local time to UTC, clock status."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> DateTime:
        """Wrap 12 octets; any values are kept, another length raises `UsageError`."""
        return super().__new__(cls, _sized(octets, 12, "date-time"))

    @classmethod
    def of(  # noqa: PLR0917 - the fields in the order of the octets
        cls,
        year: int | None = None,
        month: int | None = None,
        day: int | None = None,
        day_of_week: int | None = None,
        hour: int | None = None,
        minute: int | None = None,
        second: int | None = None,
        hundredths: int | None = None,
        deviation: int | None = None,
        status: int | None = None,
    ) -> DateTime:
        """Make it field by field; None is "not specified"."""
        minutes = NO_DEVIATION if deviation is None else deviation
        if not -0x8000 <= minutes <= 0x7FFF:
            raise UsageError(f"a deviation is -720 to 840 minutes, not {minutes}")
        return cls(
            _date_octets(year, month, day, day_of_week)
            + _time_octets(hour, minute, second, hundredths)
            + minutes.to_bytes(2, "big", signed=True)
            + _field(status, "clock status")
        )

    @classmethod
    def from_datetime(cls, moment: _datetime.datetime, *, status: int | None = None) -> DateTime:
        """Local time as `moment` shows it; an aware one gives the deviation.

        Without `status` an aware moment tells daylight saving by its zone, a naive one leaves the
        status unspecified. Microseconds are cut to hundredths. `UsageError` when the zone is not
        whole minutes from UTC.
        """
        offset = moment.utcoffset()
        deviation = None
        if offset is not None:
            seconds = offset.days * 86400 + offset.seconds
            if seconds % 60 or offset.microseconds:
                raise UsageError("a deviation counts whole minutes")
            deviation = -seconds // 60
            if status is None:
                status = DAYLIGHT_SAVING if moment.dst() else 0
        return cls.of(
            moment.year,
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond // 10000,
            deviation,
            status,
        )

    @classmethod
    def from_epoch(cls, seconds: int, *, zone: _datetime.tzinfo = _datetime.UTC) -> DateTime:
        """The instant `seconds` after 1970 UTC as a clock in `zone` shows it."""
        return cls.from_datetime(_datetime.datetime.fromtimestamp(seconds, zone))

    @property
    def date(self) -> Date:
        """The first five octets."""
        return Date(self[:5])

    @property
    def time(self) -> Time:
        """The octets of the time of day."""
        return Time(self[5:9])

    @property
    def hour(self) -> int | None:
        """Hour 0-23, None when not specified."""
        return _definite(self[5])

    @property
    def minute(self) -> int | None:
        """Minute, None when not specified."""
        return _definite(self[6])

    @property
    def second(self) -> int | None:
        """Second, None when not specified."""
        return _definite(self[7])

    @property
    def hundredths(self) -> int | None:
        """Hundredths of a second, None when not specified."""
        return _definite(self[8])

    @property
    def deviation(self) -> int | None:
        """Minutes from local time to UTC (UTC+1: -60), None when not specified."""
        value = int.from_bytes(self[9:11], "big", signed=True)
        return None if value == NO_DEVIATION else value

    @property
    def status(self) -> int | None:
        """Clock status octet, None when not specified (FF)."""
        return _definite(self[11])

    @property
    def daylight_saving(self) -> bool | None:
        """Daylight saving active, None when the status is not specified."""
        status = self[11]
        return None if status == ANY else bool(status & DAYLIGHT_SAVING)

    def to_datetime(self, zone: _datetime.tzinfo | None = None) -> _datetime.datetime:
        """The instant meant, aware, by the rules at the head of this module.

        With a deviation the result shows the meter's own offset, or `zone` when one is given.

        Raises:
            DecodeError: wildcards or impossible fields leave no single instant.
            UsageError: no deviation and no zone.
        """
        local = _datetime.datetime.combine(self._day(), _time_of_day(self[5:9], self))
        deviation = self.deviation
        if deviation is None:
            if zone is None:
                raise UsageError("the date-time has no deviation: a zone is needed")
            return local.replace(tzinfo=zone, fold=int(self.daylight_saving is False))
        if not -1440 < deviation < 1440:
            raise DecodeError("impossible deviation", where=_WHERE, offset=9, octets=self)
        offset = _datetime.timedelta(minutes=-deviation)
        moment = local.replace(tzinfo=_datetime.timezone(offset))
        try:
            return moment if zone is None else moment.astimezone(zone)
        except OverflowError:
            raise DecodeError("beyond the calendar", where=_WHERE, octets=self) from None

    def is_ambiguous(self, zone: _datetime.tzinfo) -> bool:
        """Whether this lies in a repeated hour of `zone` and nothing tells which pass is meant."""
        if self.deviation is not None or self.daylight_saving is not None:
            return False
        moment = self.to_datetime(zone)
        return moment.utcoffset() != moment.replace(fold=1).utcoffset() and _exists(moment)

    def __str__(self) -> str:
        deviation = self.deviation
        zone = "" if deviation is None else f" {_offset_text(-deviation)}"
        status = "" if self[11] == ANY else f" status {self[11]:02x}"
        return f"{self._date_text()} {_time_text(self[5:9])}{zone}{status}"

    def __repr__(self) -> str:
        return f"DateTime({self.hex()!r}: {self})"


@lru_cache(maxsize=16384)
def epoch(octets: bytes, zone: _datetime.tzinfo | None = None) -> int | None:
    """Seconds since 1970 UTC of a raw date-time of 12 octets, None when they tell no instant.

    Cached on the octets: meters of one fleet share their time stamps. Follows the rules of
    `DateTime.to_datetime`, hundredths cut off.
    """
    if len(octets) != 12:
        return None
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    hour, minute, second = octets[5], octets[6], octets[7]
    if second == ANY:
        second = 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        if deviation == NO_DEVIATION or octets[3] >= SECOND_LAST_DAY:
            if deviation == NO_DEVIATION and zone is None:
                return None
            moment = DateTime(octets).to_datetime(zone)
            return int((moment - _ORIGIN) // _SECOND)
        day = _datetime.date(octets[0] << 8 | octets[1], octets[2], octets[3]).toordinal()
    except (ValueError, OverflowError, DecodeError):
        return None
    if not -1440 < deviation < 1440:
        return None
    minutes = hour * 60 + minute + deviation
    return (day - _EPOCH_ORDINAL) * 86400 + minutes * 60 + second


@lru_cache(maxsize=16384)
def advance(octets: bytes, seconds: int) -> bytes:
    """A raw date-time moved on by `seconds`, its deviation and status kept.

    This is how a null-data clock of a profile row is read: the time before plus the capture
    period. A date-time that is not definite is returned as it is.
    """
    if len(octets) != 12:
        return octets
    try:
        stamp = DateTime(octets)
        local = _datetime.datetime.combine(stamp._day(), _time_of_day(octets[5:9], octets))
        local += _datetime.timedelta(seconds=seconds)
    except (OverflowError, DecodeError):
        return octets
    weekday = octets[4] if octets[4] == ANY else local.isoweekday()
    date = bytes((local.year >> 8, local.year & 0xFF, local.month, local.day, weekday))
    second = ANY if octets[7] == ANY and local.second == 0 else local.second
    return date + bytes((local.hour, local.minute, second)) + octets[8:]


_ORIGIN = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)
_SECOND = _datetime.timedelta(seconds=1)


def _definite(octet: int) -> int | None:
    return None if octet == ANY else octet


def _sized(octets: bytes, count: int, name: str) -> bytes:
    if len(octets) != count:
        raise UsageError(f"a {name} has {count} octets, not {len(octets)}")
    return octets


def _field(value: int | None, name: str) -> bytes:
    if value is None:
        return b"\xff"
    if not 0 <= value <= 255:
        raise UsageError(f"{name} {value} is out of range")
    return bytes((value,))


def _date_octets(
    year: int | None, month: int | None, day: int | None, day_of_week: int | None
) -> bytes:
    number = ANY_YEAR if year is None else year
    if not 0 <= number <= ANY_YEAR:
        raise UsageError(f"year {number} is out of range")
    fields = _field(month, "month") + _field(day, "day of month") + _field(day_of_week, "weekday")
    return number.to_bytes(2, "big") + fields


def _time_octets(
    hour: int | None, minute: int | None, second: int | None, hundredths: int | None
) -> bytes:
    first = _field(hour, "hour") + _field(minute, "minute")
    return first + _field(second, "second") + _field(hundredths, "hundredths")


def _time_of_day(fields: bytes, whole: bytes) -> _datetime.time:
    hour, minute, second, hundredths = fields
    second = 0 if second == ANY else second
    hundredths = 0 if hundredths == ANY else hundredths
    try:
        return _datetime.time(hour, minute, second, hundredths * 10000)
    except ValueError:
        raise DecodeError("not one definite time of day", where=_WHERE, octets=whole) from None


def _time_text(fields: bytes) -> str:
    hour, minute, second, hundredths = ("*" if x == ANY else f"{x:02d}" for x in fields)
    end = "" if hundredths in ("*", "00") else f".{hundredths}"
    return f"{hour}:{minute}:{second}{end}"


def _offset_text(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _exists(moment: _datetime.datetime) -> bool:
    """Whether a local time is no gap: it comes back the same from UTC."""
    back = moment.astimezone(_datetime.UTC).astimezone(moment.tzinfo)
    return back.replace(tzinfo=None) == moment.replace(tzinfo=None)
