"""CSV: long (one row a value) and wide (one row a time, one column a channel); needs no extra.

Values are scaled and exact, times are UTC (`2026-03-11T00:15:00Z`), separators are commas, texts
are quoted where they need it, and the first row has the names of columns.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from ferraris.headend.export.exact import plain_number, scaled, spelled
from ferraris.headend.export.gathering import Gathered, Gathering, Part, unit_symbol
from ferraris.headend.export.selection import Choice, Progress
from ferraris.headend.store.finals import FinalDay
from ferraris.headend.store.records import ChannelKey

__all__ = ["csv_long", "csv_wide", "value_text"]

_LONG: Final = (
    "meter", "profile", "channel", "end", "value", "unit", "status", "quality", "version",
)  # fmt: skip
_FINAL: Final = ("final", "final_quality", "final_rule", "final_version")
_Column = tuple[str, int, int, int, int]


def csv_long(gathering: Gathering, progress: Progress | None = None) -> Iterator[bytes]:
    """One row a value, in chunks of a portion each."""
    plain = gathering.selection.choice is Choice.RAW
    yield _lines([_LONG if plain else _LONG + _FINAL])
    for gathered, limits in _gathered(gathering, progress):
        rows = list(_final_rows(gathering, gathered, limits))
        covered = _covered(gathered.finals)
        raw = _raw_rows(gathering, gathered, covered)
        yield _lines([*raw, *rows] if plain else [*(row + ("",) * 4 for row in raw), *rows])


def csv_wide(gathering: Gathering, progress: Progress | None = None) -> Iterator[bytes]:
    """One row a time of a meter, one column a channel with its unit; in chunks.

    Channels that differ in scaler or version only share a column. `quality` has the bits of all
    values of the row; with another choice than raw, cells have the final value where there is one.
    """
    columns = _columns(gathering)
    places = {
        number: columns[_column(gathering.channels[number])] for number in gathering.channels
        if _column(gathering.channels[number]) in columns
    }  # fmt: skip
    yield _lines([("meter", "end", "quality", *_heads(columns))])
    for gathered, limits in _gathered(gathering, progress):
        table = _Wide(len(columns))
        for part in gathered.parts:
            table.add_part(gathering, part, places, _covered(gathered.finals))
        for day in gathered.finals:
            table.add_final(gathering, day, places, limits)
        yield _lines(table.rows(gathering))


def value_text(value: Any, key: ChannelKey) -> str:
    """The exact value as text, scaled to its unit; empty for none."""
    if plain_number(value):
        return scaled(value, key.scaler)
    _, text = spelled(value)
    if text is not None and type(value) is int:
        return scaled(value, key.scaler)
    return text or ""


class _Wide:
    """The rows of a portion by meter and time; a repeated hour has its own rows."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._cells: defaultdict[int, dict[tuple[int, int], list[str]]] = defaultdict(dict)
        self._quality: Counter[tuple[int, int, int]] = Counter()

    def add_part(
        self,
        gathering: Gathering,
        part: Part,
        places: dict[int, int],
        covered: dict[tuple[int, int, int], list[tuple[int, int]]],
    ) -> None:
        turns: Counter[int] = Counter()
        rows = self._cells[part.meter]
        keys = [gathering.channels[number] for number in part.channels]
        spans = [covered.get((part.meter, part.profile, number), []) for number in part.channels]
        for at, end in enumerate(part.rows.axis):
            turn = turns[end]
            turns[end] += 1
            cells = rows.setdefault((end, turn), [""] * self._width)
            if part.rows.quality:
                self._quality[part.meter, end, turn] |= part.rows.quality[at]
            for number, key, column, final in zip(
                part.channels, keys, part.rows.columns, spans, strict=True
            ):
                if number in places and not _inside(end, final):
                    cells[places[number]] = value_text(column[at], key)

    def add_final(
        self, gathering: Gathering, day: FinalDay, places: dict[int, int], limits: tuple[int, int]
    ) -> None:
        if day.channel not in places:
            return
        rows, key = self._cells[day.meter], gathering.channels[day.channel]
        for at, value in enumerate(day.final, 1):
            end = day.start_s + at * day.period_s
            if limits[0] < end <= limits[1]:
                cells = rows.setdefault((end, 0), [""] * self._width)
                cells[places[day.channel]] = value_text(value, key)

    def rows(self, gathering: Gathering) -> Iterator[Sequence[Any]]:
        for meter, rows in sorted(self._cells.items()):
            name = gathering.meters[meter]
            for (end, turn), cells in sorted(rows.items()):
                yield (name, _time(end), self._quality[meter, end, turn], *cells)


def _raw_rows(
    gathering: Gathering,
    gathered: Gathered,
    covered: dict[tuple[int, int, int], list[tuple[int, int]]],
) -> Iterator[tuple[Any, ...]]:
    for part in gathered.parts:
        meter, profile = gathering.meters[part.meter], gathering.profiles.get(part.profile, "")
        rows = part.rows
        count = len(rows.axis)
        status = [_status(value) for value in rows.status] or [""] * count
        quality = rows.quality or [0] * count
        times = [_time(end) for end in rows.axis]
        for number, column in zip(part.channels, rows.columns, strict=True):
            key = gathering.channels[number]
            unit = unit_symbol(key)
            spans = covered.get((part.meter, part.profile, number), [])
            for end, at, value, state, mark in zip(
                rows.axis, times, column, status, quality, strict=True
            ):
                if not _inside(end, spans):
                    text = value_text(value, key)
                    yield meter, profile, key.name, at, text, unit, state, mark, part.version


def _final_rows(
    gathering: Gathering, gathered: Gathered, limits: tuple[int, int]
) -> Iterator[tuple[Any, ...]]:
    source = gathering.finals
    for day in gathered.finals:
        key = gathering.channels[day.channel]
        names = gathering.meters[day.meter], gathering.profiles[day.profile], key.name
        for at, final in enumerate(day.final):
            end = day.start_s + (at + 1) * day.period_s
            if limits[0] < end <= limits[1] and source is not None:
                yield (
                    *names, _time(end), value_text(day.raw[at], key), unit_symbol(key), "", "", "",
                    value_text(final, key), source.qualities[day.quality[at]],
                    source.rules[day.rule[at]], day.versions[at],
                )  # fmt: skip


def _gathered(
    gathering: Gathering, progress: Progress | None
) -> Iterator[tuple[Gathered, tuple[int, int]]]:
    todo = gathering.portions()
    for done, portion in enumerate(todo, 1):
        yield gathering.gather(portion), gathering.limits(portion)
        if progress is not None:
            progress(done, len(todo))


def _covered(days: Iterable[FinalDay]) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
    found: defaultdict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
    for day in days:
        until = day.start_s + day.period_s * len(day.final)
        found[day.meter, day.profile, day.channel].append((day.start_s, until))
    return found


def _inside(end: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(since < end <= until for since, until in spans)


def _column(key: ChannelKey) -> _Column:
    return key.name, key.class_id, key.attribute, key.element, key.unit


def _columns(gathering: Gathering) -> dict[_Column, int]:
    used = sorted(gathering.used_channels())
    found = dict.fromkeys(_column(gathering.channels[number]) for number in used)
    return {column: place for place, column in enumerate(found)}


def _heads(columns: Iterable[_Column]) -> Iterator[str]:
    """Name and unit; where two would be the same, class, attribute and element as well."""
    several = list(columns)
    plain = Counter(_head(column) for column in several)
    for column in several:
        head = _head(column)
        _, class_id, attribute, element, _ = column
        yield head if plain[head] == 1 else f"{head} {class_id}/{attribute}.{element}"


def _head(column: _Column) -> str:
    name, class_id, attribute, element, unit = column
    symbol = unit_symbol(ChannelKey(name, 0, class_id, attribute, element, 0, unit))
    return f"{name} [{symbol}]" if symbol else name


def _status(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if plain_number(value) else spelled(value)[1] or ""


@lru_cache(maxsize=1 << 14)
def _time(end: int) -> str:
    return f"{datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
