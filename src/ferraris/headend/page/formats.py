"""Numbers, dates and times as the reader's language writes them, in the zone that is meant."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ferraris.headend.page.words import Words

__all__ = ["Formats", "zone_of"]

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_MINUS: Final = "\N{MINUS SIGN}"
_MARKS: Final = {"en": (",", "."), "de": (".", ",")}  # of thousands, of decimals
# Steps of a thousand, for units of which people say kilo and mega.
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_PREFIXED: Final = frozenset(("Wh", "W", "varh", "var", "VAh", "VA", "J"))


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@dataclass(frozen=True, slots=True)
class Formats:
    """How one reader sees values; `zone` is that of what is shown."""

    words: Words
    zone: tzinfo = UTC

    def at(self, zone: tzinfo) -> Formats:
        """The same for another zone."""
        return replace(self, zone=zone)

    def number(self, value: float | Decimal, places: int = 0) -> str:
        """A number with so many decimals."""
        thousands, decimals = _MARKS[self.words.language]
        text = f"{abs(value):,.{places}f}".translate({44: thousands, 46: decimals})
        return _MINUS + text if value < 0 and text.strip("0.,") else text

    def tick(self, value: float) -> str:
        """A number of an axis, with the decimals that it has."""
        shortest = f"{value:.6f}".rstrip("0").rstrip(".")
        return self.number(value, len(shortest.partition(".")[2]))

    def percent(self, share: float | None, places: int = 1) -> str:
        """A share of one, never rounded up to all of it."""
        if share is None:
            return self.words("none")
        scale = 10**places
        cut = math.floor(share * 100 * scale + 1e-6) / scale
        gap = "" if self.words.language == "en" else _NO_BREAK
        return f"{self.number(cut, places)}{gap}%"

    def percent_tick(self, share: float) -> str:
        """A share on an axis, with the decimals that it has."""
        value = round(share * 100, 6)
        places = 0 if value == int(value) else 1
        return self.percent(share, places)

    def quantity(self, value: Any, unit: str) -> str:
        """A value with its unit, with a prefix where people use one; text stays what it is."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return f"{value}{_NO_BREAK}{unit}" if unit else str(value)
        size, text, places = abs(float(value)), unit, _places(value)
        if unit in _PREFIXED:
            for factor, prefix in _PREFIXES:
                if size >= factor:
                    value, text = float(value) / factor, prefix + unit
                    places = 3
                    break
        return f"{self.number(value, places)}{_NO_BREAK}{text}".rstrip()

    def moment(self, at_s: float | None) -> str:
        """Date and time to the minute."""
        if at_s is None:
            return self.words("none")
        local = self.local(at_s)
        return f"{self.full_date(local)}, {local:%H:%M}"

    def near(self, at_s: float, now_s: float) -> str:
        """A moment as short as it can be told now: today its time alone, else with its day."""
        local, now = self.local(at_s), self.local(now_s)
        if local.date() == now.date():
            return f"{local:%H:%M}"
        day = self.short_date(local) if local.year == now.year else self.full_date(local)
        return f"{day}, {local:%H:%M}"

    def exact(self, at_s: float) -> str:
        """Date and time to the second, with the zone, so that a repeated hour is told apart."""
        local = self.local(at_s)
        return f"{self.full_date(local)}, {local:%H:%M:%S} {local:%Z}"

    def clock(self, at_s: float) -> str:
        """The time of day to the minute."""
        return f"{self.local(at_s):%H:%M}"

    def full_date(self, day: date) -> str:
        """A date with its year."""
        return self.words(
            "date.long", day=day.day, month=day.month, year=day.year, name=self.month(day)
        )

    def short_date(self, day: date) -> str:
        """Day and month."""
        return self.words("date.short", day=day.day, month=day.month, name=self.month(day))

    def week_day(self, day: date) -> str:
        """Week-day, day and month."""
        return f"{self.words(f'weekday.{day.isoweekday()}')} {self.short_date(day)}"

    def month(self, day: date) -> str:
        """The month's short name."""
        return self.words(f"month.{day.month}")

    def month_of_year(self, day: date) -> str:
        """Month and year."""
        return f"{self.month(day)} {day.year}"

    def local(self, at_s: float) -> datetime:
        """A moment on the clock of the zone."""
        return datetime.fromtimestamp(at_s, self.zone)

    def span(self, seconds: float) -> str:
        """A duration in its two largest units."""
        whole = max(0, round(seconds))
        if whole < 60:
            return self.words("span.seconds", count=whole)
        minutes = whole // 60
        if minutes < 60:
            return self.words("span.minutes", count=minutes)
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            rest = f" {self.words('span.minutes', count=minutes)}" if minutes else ""
            return self.words("span.hours", count=hours) + rest
        days, hours = divmod(hours, 24)
        if days < 7 and hours:
            return f"{self.words('span.days', count=days)} {self.words('span.hours', count=hours)}"
        return self.words("span.days", count=days)

    def brief(self, seconds: float) -> str:
        """A short duration, with tenths below ten seconds."""
        if seconds < 10:
            return f"{self.number(max(0.0, seconds), 1)}{_NO_BREAK}s"
        return self.span(seconds)

    def ago(self, at_s: float | None, now_s: float) -> str:
        """How long something is past."""
        if at_s is None:
            return self.words("never")
        return self.words("ago", span=self.span(now_s - at_s))

    def iso(self, at_s: float) -> str:
        """The moment for machines."""
        return self.local(at_s).isoformat(timespec="seconds")


def _places(value: float | Decimal) -> int:
    if isinstance(value, int):
        return 0
    text = f"{value:.3f}" if isinstance(value, float) else format(value, "f")
    return len(text.partition(".")[2].rstrip("0"))
