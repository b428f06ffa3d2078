"""The values behind a curve: raw rows of the archive, and what validation made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Quality, Series
from ferraris.headend.page.asking_meter import archive
from ferraris.headend.page.charts import Mark
from ferraris.headend.page.look import Look
from ferraris.headend.store.tables.readings import BLOCK, PROFILE

__all__ = ["Choice", "Values", "choices", "last_day", "values"]

_DAY_S: Final = 86_400
_HOUR_S: Final = 3600
_TIME_INTEGRAL_1: Final = 8  # group D of a total since the beginning [OBIS]
_DOUBTFUL: Final = Quality.DOUBTFUL | Quality.INVALID | Quality.INVALID_TIME


@dataclass(frozen=True, slots=True)
class Choice:
    """A channel of a profile that can be shown."""

    profile: str
    channel: str
    unit: str


@dataclass(frozen=True, slots=True)
class Values:
    """Amounts of intervals: what was measured, what counts, and how good it is."""

    period_s: int
    unit: str
    ends: Sequence[int]
    raw: Sequence[float | None]
    final: Sequence[float | None]
    marks: Sequence[Mark]
    validated: bool


def last_day(look: Look, meter: Any) -> int | None:
    """The newest UTC day of which there are rows."""
    return look.connection.execute(
        select(func.max(BLOCK.c.day)).where(BLOCK.c.meter == meter.id)
    ).scalar()


def choices(look: Look, meter: Any, day: int) -> Sequence[Choice]:
    """What the profiles of a meter hold around a UTC day, finest period first."""
    rows = look.connection.execute(
        select(PROFILE.c.obis)
        .join(BLOCK, BLOCK.c.profile == PROFILE.c.id)
        .where(BLOCK.c.meter == meter.id, BLOCK.c.day.between(day - 31, day + 1))
        .distinct()
    )
    found: list[Choice] = []
    for profile in sorted(row.obis for row in rows):
        series = archive(look).series(
            look.connection, meter.id, profile, day * _DAY_S, (day + 1) * _DAY_S
        )
        for channel, column in zip(series.channels, series.columns, strict=True):
            if any(isinstance(value, int) for value in column[:4]):
                symbol = units.unit(channel.unit).symbol
                found.append(Choice(profile, str(channel.name).partition("*")[0], symbol))
    return found


def values(
    look: Look, meter: Any, choice: Choice, start_s: int, end_s: int
) -> Values | None:  # fmt: skip
    """The intervals with `start_s < end <= end_s`; None when there are no rows."""
    raw = archive(look).series(look.connection, meter.id, choice.profile, start_s - _HOUR_S, end_s)
    place = next(
        (
            at
            for at, channel in enumerate(raw.channels)
            if str(channel.name).partition("*")[0] == choice.channel
        ),
        None,
    )
    if place is None or not len(raw.ends):
        return None
    period_s = _period(raw)
    amounts = _amounts(raw, place, period_s)
    ends = [end for end in raw.ends if start_s < end <= end_s]
    marks = [
        Mark.SUSPECT if Quality(quality) & _DOUBTFUL else Mark.VALID
        for end, quality in zip(raw.ends, raw.quality, strict=True)
        if start_s < end <= end_s
    ]
    shown = [amounts.get(end) for end in ends]
    return Values(period_s, choice.unit, ends, shown, shown, marks, validated=False)


def _period(series: Series) -> int:
    """The distance that most rows have from the one before."""
    apart = Counter(
        after - end for end, after in zip(series.ends, series.ends[1:], strict=False) if after > end
    )
    return apart.most_common(1)[0][0] if apart else 900


def _amounts(series: Series, place: int, period_s: int) -> dict[int, float | None]:
    """What each interval brought, in the unit of the channel; of a total the differences."""
    channel: Channel = series.channels[place]
    column = series.columns[place]
    scale = 10.0**channel.scaler
    total = isinstance(channel.name, Obis) and channel.name.d == _TIME_INTEGRAL_1
    found: dict[int, float | None] = {}
    at = dict(zip(series.ends, column, strict=True))
    for end, value in at.items():
        if not isinstance(value, int):
            found[end] = None
        elif not total:
            found[end] = value * scale
        else:
            before = at.get(end - period_s)
            found[end] = (value - before) * scale if isinstance(before, int) else None
    return found
