"""The values behind a curve: raw rows of the archive, and what validation made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Quality, Series
from ferraris.headend.operations import NotFoundError
from ferraris.headend.operations.final_values import show_final
from ferraris.headend.page.asking_meter import archive, witness
from ferraris.headend.page.charts import Mark
from ferraris.headend.page.look import Look

__all__ = ["Choice", "Values", "choices", "last_day", "values"]

_DAY_S: Final = 86_400
_HOUR_S: Final = 3600
_QUARTER_S: Final = 900
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
    """Amounts of intervals: what was measured, what counts, and how good it is.

    `validated` when rules have looked at all of them; `erased` days were a customer's whose
    readings were erased.
    """

    period_s: int
    unit: str
    ends: Sequence[int]
    raw: Sequence[float | None]
    final: Sequence[float | None]
    marks: Sequence[Mark]
    validated: bool
    erased: int = 0


def last_day(look: Look, meter: Any) -> int | None:
    """The newest UTC day of which there are rows."""
    return archive(look).last_day(look.connection, meter.id)


def choices(look: Look, meter: Any, day: int) -> Sequence[Choice]:
    """What the profiles of a meter hold on a UTC day, in the order of their columns."""
    found: list[Choice] = []
    store = archive(look)
    for profile in store.profiles(look.connection, meter.id, day):
        series = store.series(look.connection, meter.id, profile, day * _DAY_S, (day + 1) * _DAY_S)
        for channel, column in zip(series.channels, series.columns, strict=True):
            if any(isinstance(value, int) for value in column[:4]):
                symbol = units.unit(channel.unit).symbol
                found.append(Choice(profile, _short(channel.name), symbol))
    return found


def values(look: Look, meter: Any, choice: Choice, start_s: int, end_s: int) -> Values | None:
    """The intervals with `start_s < end <= end_s`; None when nothing is known of them.

    Where rules have not looked yet, they are as they were read.
    """
    final = _validated(look, meter, choice, start_s, end_s)
    read = _as_read(look, meter, choice, start_s, end_s)
    rows = {**read.rows, **final.rows}
    if not rows and not final.erased:
        return None
    ends = sorted(rows)
    return Values(
        _period(ends) or read.period_s,
        choice.unit,
        ends,
        [rows[end].raw for end in ends],
        [rows[end].final for end in ends],
        [rows[end].mark for end in ends],
        validated=bool(final.rows) and final.rows.keys() == rows.keys(),
        erased=final.erased,
    )


class _Row(NamedTuple):
    raw: float | None
    final: float | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class _Rows:
    rows: Mapping[int, _Row]
    period_s: int = _QUARTER_S
    erased: int = 0


def _validated(look: Look, meter: Any, choice: Choice, start_s: int, end_s: int) -> _Rows:
    """What validation made of it."""
    try:
        found = look.ask(
            show_final,
            meter=meter.external_id,
            profile=choice.profile,
            since=datetime.fromtimestamp(start_s, UTC),
            until=datetime.fromtimestamp(end_s, UTC),
            channel=choice.channel,
        )
    except NotFoundError:
        return _Rows({})
    rows: dict[int, _Row] = {}
    for each in found:
        scale = 10.0**each.scaler
        for end, final, raw, quality in zip(
            each.ends, each.final, each.raw, each.quality, strict=True
        ):
            rows[int(end.timestamp())] = _Row(
                None if raw is None else raw * scale,
                None if final is None else final * scale,
                Mark[quality.upper()],
            )
    return _Rows(rows, erased=sum(each.erased_days for each in found))


def _as_read(look: Look, meter: Any, choice: Choice, start_s: int, end_s: int) -> _Rows:
    """The rows of the archive; of a total what each interval added to it."""
    series = archive(look).series(
        look.connection, meter.id, choice.profile, start_s - _HOUR_S, end_s
    )
    names = [_short(channel.name) for channel in series.channels]
    if choice.channel not in names:
        return _Rows({})
    witness(look, meter, start_s, end_s)
    period_s = _period(series.ends) or _QUARTER_S
    amounts = _amounts(series, names.index(choice.channel), period_s)
    rows = {}
    for end, quality in zip(series.ends, series.quality, strict=True):
        if start_s < end <= end_s:
            mark = Mark.SUSPECT if Quality(quality) & _DOUBTFUL else Mark.VALID
            amount = amounts[end]
            rows[end] = _Row(amount, amount, Mark.MISSING if amount is None else mark)
    return _Rows(rows, period_s)


def _short(name: Obis | str) -> str:
    """An OBIS code without the group that says which stored value it is."""
    return str(name).partition("*")[0]


def _period(ends: Sequence[int]) -> int | None:
    """The distance that most rows have from the one before."""
    apart = Counter(after - end for end, after in pairwise(ends) if after > end)
    return apart.most_common(1)[0][0] if apart else None


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
