"""Which days serve the estimate of a day, and so which days a late datum reaches.

Only measured and human values serve as similar days, never estimates. So a change goes one step
and no further, and the two functions are each other's inverse.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from ferraris.core.errors import UsageError

__all__ = ["dependent_days", "similar_days"]

_MOST_WEEKS = 53
_SUNDAY = 6


def similar_days(day: date, weeks: int, holidays: Collection[date] = ()) -> list[date]:
    """Days of the `weeks` before that resemble this one, latest first.

    A working day resembles the same weekday that was no holiday; a holiday is a Sunday and
    resembles Sundays and holidays.
    """
    _check(weeks)
    span = (day - timedelta(days=back) for back in range(1, 7 * weeks + 1))
    return [each for each in span if _kind(each, holidays) == _kind(day, holidays)]


def dependent_days(
    changed: date,
    weeks: int,
    *,
    opening_register: bool = False,
    holidays: Collection[date] = (),
    until: date | None = None,
) -> list[date]:
    """Days that must run again when something of `changed` is new or differs, earliest first.

    The day itself; the day before when what changed is the register at its beginning
    (`opening_register`), which is that day's closing one; and each day up to `until` for which
    the changed day is a similar one.
    """
    _check(weeks)
    days = [changed - timedelta(days=1)] if opening_register else []
    days.append(changed)
    for ahead in range(1, 7 * weeks + 1):
        day = changed + timedelta(days=ahead)
        if until is not None and day > until:
            break
        if _kind(day, holidays) == _kind(changed, holidays):
            days.append(day)
    return days


def _kind(day: date, holidays: Collection[date]) -> int:
    return _SUNDAY if day in holidays else day.weekday()


def _check(weeks: int) -> None:
    if not 0 <= weeks <= _MOST_WEEKS:
        raise UsageError(f"0..{_MOST_WEEKS} weeks of similar days, not {weeks}")
