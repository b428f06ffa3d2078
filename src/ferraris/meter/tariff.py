"""When which rate is active: the activity calendar shows it and the registers obey it."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import UsageError

__all__ = ["Tariff"]

_QUARTERS = 96


@dataclass(frozen=True, slots=True)
class Tariff:
    """Rates by local time of day, the same every day.

    `switches` are (minutes after local midnight, rate number from 1), ascending, quarter-aligned,
    the first at 0. `UsageError` otherwise.
    """

    switches: tuple[tuple[int, int], ...] = ((0, 2), (7 * 60, 1), (23 * 60, 2))

    def __post_init__(self) -> None:
        minutes = [minute for minute, _ in self.switches]
        if not minutes or minutes[0] != 0 or minutes != sorted(set(minutes)):
            raise UsageError("the switches of a tariff ascend from 0")
        if any(minute % 15 or not 0 <= minute < 1440 for minute in minutes):
            raise UsageError("a tariff switches on the quarters of an hour of one day")
        if sorted({rate for _, rate in self.switches}) != list(range(1, self.rates + 1)):
            raise UsageError("rates are numbered from 1 without gaps")

    @property
    def rates(self) -> int:
        """Number of rates."""
        return max(rate for _, rate in self.switches)

    def rate(self, quarter: int) -> int:
        """Rate number in the local quarter of an hour, 0..95."""
        minute = quarter % _QUARTERS * 15
        return next(rate for start, rate in reversed(self.switches) if start <= minute)
