"""What a customer of a class uses over a day: curves for kinds of days, data beside the rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ferraris.core.errors import UsageError

__all__ = ["ClassProfile", "KindOfDay"]

_DAY_S = 86_400
_MOST = 1 << 46
_SATURDAY, _SUNDAY = 5, 6


class KindOfDay(StrEnum):
    """What a curve is for; the narrower one counts."""

    ANY = "any"
    WORKDAY = "workday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    """Sundays and holidays."""

    @classmethod
    def of(cls, day: date, holidays: Collection[date] = ()) -> KindOfDay:
        """The narrower kind."""
        if day in holidays or day.weekday() == _SUNDAY:
            return cls.SUNDAY
        return cls.SATURDAY if day.weekday() == _SATURDAY else cls.WORKDAY


@dataclass(frozen=True, slots=True)
class ClassProfile:
    """Values in the unit of the rules for equal parts of a day of 24 hours, in local time."""

    kind: KindOfDay
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.values)
        if not 1 <= count <= _DAY_S or _DAY_S % count:
            raise UsageError(f"a class profile of {count} values does not divide a day")
        if min(self.values) < 0 or max(self.values) >= _MOST:
            raise UsageError("a class profile has values of zero or more")

    def at(self, second: int, period_s: int) -> float:
        """What an interval that begins at a second of the day uses, evenly within a part."""
        part_s = _DAY_S // len(self.values)
        total, at, left = 0.0, second, period_s
        while left > 0:
            here = min(left, part_s - at % part_s)
            total += self.values[at % _DAY_S // part_s] * here / part_s
            at, left = at + here, left - here
        return total
