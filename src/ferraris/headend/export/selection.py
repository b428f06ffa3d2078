"""What is wanted out of the archive, and in which portions it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Select, select

from ferraris.core.errors import UsageError
from ferraris.headend.store.blocks import DAY_S, day_of
from ferraris.headend.store.tables.inventory import METER

__all__ = ["Choice", "Portion", "Progress", "Selection", "portions"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many portions are done, and of how many."""

PORTION: Final = 256
"""Most days of meters in one portion: some 100,000 values, a few ten megabytes while it is made."""

_MOST_DAYS: Final = 40_000


class Choice(StrEnum):
    """Which values are wanted."""

    RAW = "raw"
    """What the meters said, newest version."""
    FINAL = "final"
    """What validation made of it, with the raw value beside each; nothing where none has run."""
    BOTH = "both"
    """Final values where there are some, and raw ones of all other channels and days."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows with `since_s < end <= until_s` of some meters, of one tenant.

    `meters` selects `meter.id`, None for all meters. Empty `profiles` and `channels` mean all;
    names are OBIS codes. `registers` adds what was read from registers, with `end` as the moment.
    """

    tenant: int
    since_s: int
    until_s: int
    meters: Select[Any] | None = None
    profiles: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    choice: Choice = Choice.RAW
    registers: bool = False

    def __post_init__(self) -> None:
        if not self.since_s < self.until_s:
            raise UsageError("an export ends after it begins", where="export")
        if self.last_day - self.first_day > _MOST_DAYS:
            raise UsageError(f"an export has at most {_MOST_DAYS} days", where="export")

    @property
    def first_day(self) -> int:
        """The first UTC day that has rows in it."""
        return day_of(self.since_s + 1)

    @property
    def last_day(self) -> int:
        """The last UTC day that has rows in it."""
        return day_of(self.until_s)

    def whole_days(self) -> Selection:
        """The same with the days at both ends taken whole."""
        return replace(
            self, since_s=self.first_day * DAY_S, until_s=(self.last_day + 1) * DAY_S
        )  # fmt: skip

    def statement(self) -> Select[Any]:
        """Number and external id of its meters, in the order of numbers."""
        found = select(METER.c.id, METER.c.external_id).where(METER.c.tenant == self.tenant)
        if self.meters is not None:
            found = found.where(METER.c.id.in_(self.meters))
        return found.order_by(METER.c.id)


class Portion(NamedTuple):
    """What is read and made at once: some meters on some days."""

    meters: Sequence[int]
    first_day: int
    last_day: int


def portions(meters: Sequence[int], first_day: int, last_day: int) -> Iterator[Portion]:
    """Cut a selection by day and then by meters; few meters have several days in one portion."""
    if not meters:
        return
    days = max(1, PORTION // len(meters))
    for first in range(first_day, last_day + 1, days):
        last = min(last_day, first + days - 1)
        for at in range(0, len(meters), PORTION):
            yield Portion(meters[at : at + PORTION], first, last)
