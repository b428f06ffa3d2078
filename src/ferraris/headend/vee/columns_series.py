"""Final values for reading: columns with raw beside final, sums of days and months.

Needs the `data` extra.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series
from ferraris.headend.store.columns_arrays import Truths
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.columns_versions import Versions, unpack_versions
from ferraris.headend.vee.gathering import Catalogue, opened, windows
from ferraris.headend.vee.local_days import DAY_S, date_of
from ferraris.headend.vee.quality import Quality

__all__ = ["DaySum", "FinalSeries", "final_series", "final_series_of", "month_sums"]

_AROUND = 2  # local days and UTC days of one instant are no further apart


@dataclass(slots=True)
class FinalSeries:
    """One channel of a meter: a row an interval, in order; `ends` in seconds UTC.

    `raw` is None where nothing came, `final` where there is nothing to estimate from either.
    `version` is that in which the value last differed. `erased_days` were a customer's whose key
    is destroyed.
    """

    meter: int
    profile: str
    channel: ChannelKey
    ends: array[int] = field(default_factory=lambda: array("q"))
    raw: list[int | None] = field(default_factory=list)
    final: list[int | None] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    rule: list[int] = field(default_factory=list)
    findings: list[int] = field(default_factory=list)
    version: list[int] = field(default_factory=list)
    day_sums: list[DaySum] = field(default_factory=list)
    erased_days: int = 0

    def __len__(self) -> int:
        return len(self.ends)

    def add(
        self, day: int, ends: NDArray[np.int64], columns: Versions, within: Truths
    ) -> None:  # fmt: skip
        """Add what is within of one local day."""
        quality, final = columns.quality[0, within], columns.final[0, within]
        missing = quality == Quality.MISSING
        self.ends.extend(ends[within].tolist())
        self.final += _or_none(final.tolist(), (~missing).tolist())
        self.raw += _or_none(columns.raw[0, within].tolist(), columns.present[0, within].tolist())
        for name in ("quality", "rule", "findings", "version"):
            getattr(self, name).extend(getattr(columns, name)[0, within].tolist())
        counts = [
            int(np.count_nonzero(quality == kind))
            for kind in (Quality.SUSPECT, Quality.ESTIMATED, Quality.EDITED, Quality.MISSING)
        ]
        total = int(np.where(missing, 0, final).sum())
        self.day_sums.append(DaySum(day, total, len(quality), *counts))

    def to_series(self, device: str) -> Series:
        """Raw and final side by side as a `Series`, for whoever hands columns out."""
        key = self.channel
        name = Obis.parse(key.name) if key.is_obis else key.name
        value = (key.class_id, key.attribute, key.scaler, key.unit)
        plain = ("quality", "rule", "findings", "version")
        return Series(
            device,
            Obis.parse(self.profile) if self.profile[:1].isdigit() else self.profile,
            self.ends,
            [
                Channel(name, *value, element=key.element),
                Channel(f"{key.name} raw", *value, element=key.element),
                *(Channel(each) for each in plain),
            ],
            [self.final, self.raw, *(getattr(self, each) for each in plain)],
        )


@dataclass(frozen=True, slots=True)
class DaySum:
    """The sum of a local day - or month, which its first day names - and how good it is."""

    day: int
    total: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int

    @property
    def date(self) -> str:
        """The day as a date."""
        return date_of(self.day).isoformat()


def final_series(
    connection: Connection,
    sealer: Sealer,
    meter: int,
    profile: int,
    span: tuple[int, int],
    *,
    channels: Collection[int] | None = None,
) -> list[FinalSeries]:
    """The final values of a meter that end after the first instant, up to the second one.

    A series for each channel.
    """
    return list(final_series_of(connection, sealer, [meter], profile, span, channels=channels))


def final_series_of(
    connection: Connection,
    sealer: Sealer,
    meters: Iterable[int],
    profile: int,
    span: tuple[int, int],
    *,
    channels: Collection[int] | None = None,
) -> Iterator[FinalSeries]:
    """The same of many meters, window by window, in the order of meters and channels."""
    since_s, until_s = span
    catalogue = Catalogue()
    name = catalogue.profile(connection, profile)
    days = since_s // DAY_S - _AROUND, until_s // DAY_S + _AROUND
    for lot in windows(meters):
        series: dict[tuple[int, int], FinalSeries] = {}
        rows = _newest(connection, lot, profile, days, channels)
        keys = catalogue.channels(connection, {row[1] for row in rows})
        parts: defaultdict[int, list[tuple[_Row, bytes]]] = defaultdict(list)
        for row in rows:
            meter, channel, day, number, _, _, intervals, seal, body = row
            made = series.setdefault((meter, channel), FinalSeries(meter, name, keys[channel]))
            plain = opened(sealer, "final", (meter, profile, channel, day, number), seal, body)
            if plain is None:
                made.erased_days += 1
            else:
                parts[intervals].append((row, plain))
        for row, ends, columns, place in _in_order(parts):
            within = (ends > since_s) & (ends <= until_s)
            if within.any():
                one = columns.picked(np.array([place]))
                series[row[0], row[1]].add(row[2], ends, one, within)
        yield from (series[key] for key in sorted(series))


_Row = tuple[int, int, int, int, int, int, int, int, bytes]


def _newest(
    connection: Connection,
    meters: Sequence[int],
    profile: int,
    days: tuple[int, int],
    channels: Collection[int] | None,
) -> list[_Row]:
    query = (
        select(FINAL.c.meter, FINAL.c.channel, FINAL.c.day, FINAL.c.version, FINAL.c.start_s,
               FINAL.c.period_s, FINAL.c.intervals, FINAL.c.seal, FINAL.c.body)
        .where(
            FINAL.c.meter.in_(meters),
            FINAL.c.profile == profile,
            FINAL.c.day.between(*days),
            FINAL.c.intervals > 0,
            is_newest(FINAL, days),
        )
        .order_by(FINAL.c.meter, FINAL.c.channel, FINAL.c.day)
    )  # fmt: skip
    if channels is not None:
        query = query.where(FINAL.c.channel.in_(channels))
    return [row[:] for row in connection.execute(query)]


def _in_order(
    parts: dict[int, list[tuple[_Row, bytes]]],
) -> Iterator[tuple[_Row, NDArray[np.int64], Versions, int]]:
    """Days of equally many intervals are unpacked at once, and come in the order of their keys."""
    unpacked = []
    for intervals, several in parts.items():
        columns = unpack_versions([body for _, body in several], intervals)
        unpacked += [(row, columns, place) for place, (row, _) in enumerate(several)]
    for row, columns, place in sorted(unpacked, key=lambda one: one[0][:3]):
        start, period_s, intervals = row[4:7]
        ends = start + period_s * np.arange(1, intervals + 1, dtype=np.int64)
        yield row, ends, columns, place


def _or_none(values: list[int], known: list[bool]) -> list[int | None]:
    if all(known):
        return list(values)
    return [value if there else None for value, there in zip(values, known, strict=True)]


def month_sums(days: Iterable[DaySum]) -> list[DaySum]:
    """The sums of days put together to calendar months."""
    months: defaultdict[int, list[DaySum]] = defaultdict(list)
    for each in days:
        months[each.day - date_of(each.day).day + 1].append(each)
    return [
        DaySum(
            first,
            *(
                sum(getattr(each, name) for each in several)
                for name in ("total", "intervals", "suspect", "estimated", "edited", "missing")
            ),
        )
        for first, several in sorted(months.items())
    ]
