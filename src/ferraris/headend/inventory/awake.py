"""When a meter can be reached: known hours of one that sleeps for the rest of the day.

Hours are written as `02:00-04:00`, in the local time of the meter's zone; with days before them
and a rhythm behind, as in `sat,sun 22:00-02:00` and `00:00-24:00 every 4 h for 10 min`. Several are
parted by `;`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ferraris.core.errors import UsageError

__all__ = ["Hours", "hours_of"]

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 1440
_MOST: Final = 24
_DAY: Final = "(?:" + "|".join(_DAYS) + ")"
_HOURS: Final = re.compile(
    rf"(?:({_DAY}(?:,{_DAY})*) )?([0-9]{{1,2}}):([0-9]{{2}})-([0-9]{{1,2}}):([0-9]{{2}})"
    r"(?: every ([0-9]{1,4}) ?(min|h) for ([0-9]{1,4}) ?(min|h))?"
)


class Hours(NamedTuple):
    """Between two minutes of the local day, on some weekdays (0 is Monday).

    `until` at or before `since` lies on the next day. With `every` (minutes) it is awake again and
    again between them, for `lasting` minutes each time.
    """

    since: int
    until: int
    weekdays: frozenset[int]
    every: int = 0
    lasting: int = 0


@lru_cache(maxsize=4096)
def hours_of(text: str) -> tuple[Hours, ...]:
    """The hours that a text tells, none when it is empty: reachable at any time.

    Raises `UsageError` for what is not written so.
    """
    if not text:
        return ()
    parts = text.split(";")
    if len(parts) > _MOST:
        raise UsageError(f"at most {_MOST} hours")
    return tuple(_hours(part.strip()) for part in parts)


def _hours(text: str) -> Hours:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise UsageError(
            "hours are written as 02:00-04:00, or mon,fri 00:00-24:00 every 4 h for 10 min"
        )
    days, *clock, every, every_unit, lasting, lasting_unit = found.groups()
    since, until = (_minutes(*clock[at : at + 2]) for at in (0, 2))
    weekdays = range(7) if days is None else map(_DAYS.index, days.split(","))
    made = Hours(
        since, until, frozenset(weekdays), _span(every, every_unit), _span(lasting, lasting_unit)
    )
    if since == _DAY_MINUTES:
        raise UsageError("hours begin before 24:00")
    if every is not None and not 0 < made.lasting <= made.every <= _DAY_MINUTES:
        raise UsageError("awake every so often for so long, which is no longer, within a day")
    return made


def _minutes(hours: str, minutes: str) -> int:
    made = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or made > _DAY_MINUTES:
        raise UsageError("a time of day is written as 05:30, 24:00 at most")
    return made


def _span(number: str | None, unit: str | None) -> int:
    return 0 if number is None else int(number) * (60 if unit == "h" else 1)
