"""From placed rows to final days: judged, numbered and packed where something differs.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from ferraris.core.errors import DecodeError
from ferraris.headend.store.columns_arrays import Sheet, sheets_of
from ferraris.headend.vee.columns import Intervals, Numbers
from ferraris.headend.vee.columns_editing import Decisions, Judged
from ferraris.headend.vee.columns_grid import Grid, Placed
from ferraris.headend.vee.columns_versions import Versions, pack_versions, unpack_versions
from ferraris.headend.vee.gathering import Block, Decided, Version
from ferraris.headend.vee.quality import Quality

__all__ = [
    "FinalDay",
    "Key",
    "Unpacked",
    "decided",
    "final_days",
    "place_blocks",
    "rows_of",
    "unpack_blocks",
    "versions_from",
    "withdrawn",
]

Key: TypeAlias = tuple[int, int, int, int]
"""Meter, profile, channel and local day."""


class FinalDay(NamedTuple):
    """A new version of one channel of a meter on one local day, in the clear."""

    meter: int
    profile: int
    channel: int
    day: int
    number: int
    zone: str
    start_s: int
    period_s: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int
    findings: int
    rules: str
    body: bytes
    usable_differs: bool
    """Whether what may serve other days as a similar one is another than before."""


class Unpacked(NamedTuple):
    """Blocks that share their axis and channels, as arrays."""

    meters: list[int]
    channels: Sequence[int]
    sheet: Sheet


def unpack_blocks(
    blocks: Iterable[Block], layouts: Mapping[int, Sequence[int]]
) -> list[Unpacked]:  # fmt: skip
    """Unpack blocks, like ones together in the order of `layouts`.

    Damaged ones are left out, `check` finds them.
    """
    alike: defaultdict[int, list[Block]] = defaultdict(list)
    for each in blocks:
        alike[each.layout].append(each)
    return [
        one
        for layout, channels in layouts.items()
        if layout in alike
        for one in _sheets(alike[layout], channels)
    ]


def _sheets(several: Sequence[Block], channels: Sequence[int]) -> Iterator[Unpacked]:
    try:
        found = sheets_of([each.body for each in several], len(channels))
    except DecodeError:
        if len(several) > 1:
            for each in several:
                yield from _sheets([each], channels)
        return
    for sheet in found:
        yield Unpacked([several[place].meter for place in sheet.members], channels, sheet)


def place_blocks(
    grid: Grid, meters: Sequence[int], unpacked: Iterable[Unpacked], wanted: Iterable[int]
) -> Placed:
    """Put the rows of blocks on a grid."""
    rows = {meter: row for row, meter in enumerate(meters)}
    placed = Placed(grid, len(meters))
    among = set(wanted)
    for each in unpacked:
        channels = [(at, channel) for at, channel in enumerate(each.channels) if channel in among]
        placed.put(each.sheet, [rows.get(meter, -1) for meter in each.meters], channels)
    return placed


def rows_of(unpacked: Iterable[Unpacked]) -> dict[int, tuple[Numbers, ...]]:
    """By meter the ends of its rows, an array for each of its blocks."""
    found: defaultdict[int, list[Numbers]] = defaultdict(list)
    for each in unpacked:
        for meter in each.meters:
            found[meter].append(each.sheet.ends)
    return {meter: tuple(several) for meter, several in found.items()}


def edges_known(placed: Placed, registers: Iterable[int]) -> list[tuple[bool, bool]]:
    """Whether all registers that a meter has are known when the grid begins, and when it ends."""
    opening, closing = np.ones((2, placed.meters), bool)
    some = np.zeros(placed.meters, bool)
    for channel in registers:
        if channel in placed.has:
            has, known = placed.has[channel], placed.reading_known(channel)
            some |= has
            opening &= known[:, 0] | ~has
            closing &= known[:, -1] | ~has
    return list(zip((opening & some).tolist(), (closing & some).tolist(), strict=True))


def decided(
    grid: Grid, meters: Sequence[int], intervals: Intervals, decisions: Sequence[Decided]
) -> Decisions | None:
    """The decisions of humans about one channel, on its grid; None when there are none."""
    if not decisions:
        return None
    rows = {meter: row for row, meter in enumerate(meters)}
    made = Decisions.none(*intervals.values.shape)
    for one in decisions:
        at = int(np.searchsorted(grid.points, one.end_s))
        row = rows.get(one.meter, -1)
        if row < 0 or not 1 <= at <= grid.count or grid.points[at] != one.end_s:
            continue
        place = row, at - 1
        said = int(intervals.values[place]) if intervals.present[place] else None
        changed = said is not None and said not in (one.raw, one.value)
        if one.kind == "set" and one.value is not None:
            made.fixed[place], made.values[place] = True, one.value
            made.contradicted[place] = changed
        elif one.kind == "accept":
            made.accepted[place], made.contradicted[place] = not changed, changed
    return made


def versions_from(intervals: Intervals, judged: Judged) -> Versions:
    """What came and what was made of it, without numbers yet."""
    return Versions(
        intervals.values,
        intervals.present,
        judged.final,
        judged.quality.astype(np.int64),
        judged.rule.astype(np.int64),
        judged.findings.astype(np.int64),
        np.zeros(judged.final.shape, np.int64),
    )


def final_days(
    columns: Versions,
    keys: Sequence[Key],
    grid: Grid,
    before: Mapping[Key, Version],
    *,
    zone: str,
    rules: str,
) -> list[FinalDay]:
    """The new versions of days: of those in which something differs from the version before.

    `keys` are meter, profile, channel and day of each row. Days of the erased stay as they are.
    """
    place = _Place(zone, int(grid.points[0]), grid.period_s, grid.count, rules)
    fresh: list[int] = []
    again: list[int] = []
    moved: list[int] = []
    for row, key in enumerate(keys):
        old = before.get(key)
        if old is None:
            fresh.append(row)
        elif old.body is not None:
            same = (old.start_s, old.period_s, old.intervals) == place[1:4]
            (again if same else moved).append(row)
    found: list[FinalDay] = []
    for rows in (fresh, moved, again):
        if not rows:
            continue
        some = columns if len(rows) == len(keys) else columns.picked(np.array(rows))
        olds = [before[keys[row]] for row in rows] if rows is not fresh else []
        was = None
        if rows is again:
            was = unpack_versions([each.body or b"" for each in olds], grid.count)
        numbers = np.array([each.number for each in olds] or [0] * len(rows))
        made, changed = some.numbered(was, numbers)
        usable = some.usable
        if was is None:
            differs = usable
        else:
            differs = (usable != was.usable) | (usable & (some.final != was.final))
        at = np.flatnonzero(changed)
        found += _packed(
            made.picked(at),
            [keys[rows[row]] for row in at.tolist()],
            place,
            (numbers[at] + 1).tolist(),
            [bool(each.any()) for each in differs[at]],
        )
    return found


def withdrawn(old: Version) -> FinalDay:
    """The version that says that a day has no values any more: it has no intervals."""
    nothing = np.zeros((1, 0), np.int64)
    empty = Versions(nothing, nothing.astype(bool), *([nothing] * 5))
    was = unpack_versions([old.body or b""], old.intervals)
    key = old.meter, old.profile, old.channel, old.day
    place = _Place("", old.start_s, old.period_s, 0, old.rules)
    (made,) = _packed(empty, [key], place, [old.number + 1], [bool(was.usable.any())])
    return made


class _Place(NamedTuple):
    """What the days of one call share."""

    zone: str
    start_s: int
    period_s: int
    intervals: int
    rules: str


def _packed(
    columns: Versions,
    keys: Sequence[Key],
    place: _Place,
    numbers: Sequence[int],
    differs: Sequence[bool],
) -> list[FinalDay]:
    if not keys:
        return []
    counts = [
        columns.count(kind).tolist()
        for kind in (Quality.SUSPECT, Quality.ESTIMATED, Quality.EDITED, Quality.MISSING)
    ]
    findings = np.bitwise_or.reduce(columns.findings, axis=1).tolist()
    bodies = pack_versions(columns)
    rows = zip(keys, numbers, *counts, findings, bodies, differs, strict=True)
    return [
        FinalDay._make((*key, number, *place[:4], suspect, estimated, edited, missing, found,
                        place.rules, body, other))
        for key, number, suspect, estimated, edited, missing, found, body, other in rows
    ]  # fmt: skip
