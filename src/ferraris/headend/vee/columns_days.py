"""From placed rows to final days: judged, numbered and packed where something differs.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from ferraris.core.errors import DecodeError
from ferraris.headend.store.columns_arrays import Sheet, sheets_of
from ferraris.headend.vee.columns import Intervals
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
    "shortest_steps",
    "unpack_blocks",
    "versions_from",
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
    """Unpack blocks, like ones together; damaged ones are left out, `check` finds them."""
    alike: defaultdict[int, list[Block]] = defaultdict(list)
    for each in blocks:
        alike[each.layout].append(each)
    return [
        one
        for layout, several in sorted(alike.items())
        for one in _sheets(several, layouts[layout])
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


def shortest_steps(unpacked: Iterable[Unpacked]) -> dict[int, int]:
    """By meter the shortest time between two rows of a block, or else of any two rows."""
    found: dict[int, int] = {}
    single: defaultdict[int, set[int]] = defaultdict(set)
    for each in unpacked:
        ends = np.unique(each.sheet.ends)
        step = int(np.diff(ends).min()) if len(ends) > 1 else 0
        for meter in each.meters:
            if step:
                found[meter] = min(found.get(meter, step), step)
            else:
                single[meter].update(ends.tolist())
    for meter, several in single.items():
        if meter not in found and len(several) > 1:
            found[meter] = min(later - one for one, later in pairwise(sorted(several)))
    return found


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


def joined_days(placed: Placed, registers: Iterable[int], bounds: Sequence[int]) -> list[range]:
    """Which days of one meter belong together, as no register is known where they meet.

    `bounds` are the instants at which days begin, and the end of the last. Days before the first
    known reading, and after the last, are each alone.
    """
    known = np.zeros(len(placed.grid.points), bool)
    everywhere = np.ones(len(placed.grid.points), bool)
    for channel in registers:
        if channel in placed.has and placed.has[channel][0]:
            known |= placed.reading_known(channel)[0]
            everywhere &= placed.reading_known(channel)[0]
    at = np.searchsorted(placed.grid.points, bounds).tolist()
    instants = np.flatnonzero(known)
    days = len(bounds) - 1
    if not len(instants):
        return [range(day, day + 1) for day in range(days)]
    first, last = int(instants[0]), int(instants[-1])
    found, begin = [], 0
    for day in range(1, days):
        midnight = at[day]
        if everywhere[midnight] or midnight < first or midnight > last:
            found.append(range(begin, day))
            begin = day
    return [*found, range(begin, days)]


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
