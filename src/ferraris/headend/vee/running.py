"""A run: what is due is read, judged and packed, many meters at once. Writing is `keeping`'s.

What comes out is a function of the readings, edits, rules and inventory alone, so the order in
which readings arrive leaves no trace. Days between which no register is known run together: what
the register counted over all of them is shared among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from sqlalchemy import Connection

from ferraris.core.errors import DecodeError, UsageError
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.vee.applies import Counting
from ferraris.headend.vee.claims import Due
from ferraris.headend.vee.columns_days import (
    FinalDay,
    Key,
    Unpacked,
    edges_known,
    joined_days,
    place_blocks,
    shortest_steps,
    unpack_blocks,
)
from ferraris.headend.vee.columns_grid import Grid, Placed, grid_of
from ferraris.headend.vee.columns_hearing import hear_profiles, hear_reads
from ferraris.headend.vee.columns_judging import Judging
from ferraris.headend.vee.gathering import (
    Catalogue,
    MeterFacts,
    Version,
    blocks_of,
    decisions_of,
    facts_of,
    known_channels,
    known_periods,
    neighbours,
    reads_of,
    versions_of,
)
from ferraris.headend.vee.local_days import DAY_S, day_bounds, touched_days
from ferraris.headend.vee.rule_book import Book
from ferraris.headend.vee.tasks import Lot, tasks_of, utc_days

__all__ = ["Ran", "Run"]

REACH_DAYS = 32
"""How far away a reading of a register may be, for the days between to run together."""

_WIDENINGS = 12
_BACK_DAYS = 45  # where the channels of a day without readings are looked for


@dataclass(slots=True)
class Ran:
    """What a run made, and the (meter, profile, local day) that it looked at, with their turns."""

    now: float
    finals: dict[Key, FinalDay] = field(default_factory=dict)
    looked_at: dict[tuple[int, int, int], int] = field(default_factory=dict)
    failed: dict[tuple[int, int, int], str] = field(default_factory=dict)
    """Days for which nothing could be made of the readings, and why."""


class Run:
    """Runs lots in one consistent view of the store; raises nothing for odd readings."""

    def __init__(
        self,
        connection: Connection,
        sealer: Sealer,
        catalogue: Catalogue,
        book: Book,
        *,
        tenant: int,
        now: float,
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self._catalogue = catalogue
        self._book = book
        self._now = now
        self._periods = catalogue.periods(connection, tenant)
        self._facts: dict[int, MeterFacts] = {}
        self._silent: dict[int, set[int]] = {}
        self._new: set[int] = set()
        self.ran = Ran(now)

    def work(self, due: Sequence[Due]) -> Ran:
        """Run all that is due."""
        self._facts = facts_of(self._connection, {each.meter for each in due})
        for lot in tasks_of(self._connection, self._catalogue, due, self._facts, self._now):
            self._lot_or_each(lot)
        return self.ran

    def _lot_or_each(self, lot: Lot) -> None:
        """A lot; what its rules cannot cope with harms no other meter."""
        try:
            self._lot(lot)
        except (DecodeError, UsageError) as error:
            if len(lot.demanded) == 1:
                self.ran.failed[lot.meters[0], lot.profile, lot.day] = str(error)
                return
            for meter, asked in list(lot.demanded.items()):  # those that are done are passed over
                self._lot_or_each(replace(lot, demanded={meter: asked}))

    def _lot(self, lot: Lot) -> None:
        """One local day of many meters."""
        lot.demanded = {
            meter: asked
            for meter, asked in lot.demanded.items()
            if (meter, lot.profile, lot.day) not in self.ran.looked_at
        }
        if not lot.demanded:
            return
        blocks = self._blocks(lot.profile, lot.meters, lot.bounds)
        for period_s, meters in sorted(self._periods_of(lot, blocks).items()):
            self._alike(replace(lot, demanded=meters), period_s, blocks)

    def _alike(self, lot: Lot, period_s: int, blocks: list[Unpacked]) -> None:
        """The same of meters with one period."""
        grid = grid_of([lot.bounds], period_s)
        if grid is None:
            return
        channels = self._channels(blocks, lot.profile, lot.meters, lot.day)
        placed = place_blocks(grid, lot.meters, blocks, channels)
        self._hear(lot, placed, lot.meters, channels)
        registers = self._registers(channels)
        alone, joined = self._apart(lot, placed, registers)
        if joined:
            placed = place_blocks(grid, alone, blocks, channels)
            self._hear(lot, placed, alone, channels)
        self._run(lot, [(lot.day, grid)], alone, placed, channels)
        for meter in joined:
            self._together(lot, meter, period_s)

    def _hear(
        self, lot: Lot, placed: Placed, meters: Sequence[int], channels: Mapping[int, ChannelKey]
    ) -> None:
        """Ask the other profiles and the reads of meters for registers that are not known."""
        registers = self._registers(channels)
        edges = edges_known(placed, registers)
        lacking = [meter for meter, both in zip(meters, edges, strict=True) if both != (True, True)]
        asked = meters if len(registers) < len(channels) else lacking
        if not asked or not channels:
            return
        points = placed.grid.points
        days = utc_days(int(points[0]), int(points[-1]))
        blocks = [
            each
            for each in blocks_of(self._connection, self._sealer, asked, None, days)
            if each.profile != lot.profile
        ]
        unpacked = unpack_blocks(blocks, self._layouts({each.layout for each in blocks}))
        numbers = {number for each in unpacked for number in each.channels}
        keys = self._catalogue.channels(self._connection, numbers)
        hear_profiles(placed, meters, channels, unpacked, keys)
        reads = reads_of(self._connection, self._sealer, asked, days)
        layouts = {}
        for layout, numbers_of in self._layouts({each.layout for each in reads}).items():
            found = self._catalogue.channels(self._connection, numbers_of)
            layouts[layout] = [found[number] for number in numbers_of]
        hear_reads(placed, meters, channels, reads, layouts)

    def _apart(
        self, lot: Lot, placed: Placed, registers: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """The meters whose day stands alone, and those whose registers reach beyond it."""
        ragged = {
            meter: edges
            for meter, edges in zip(lot.meters, edges_known(placed, registers), strict=True)
            if edges != (True, True)
        }
        self._new = set()
        if not ragged or not registers:
            return lot.meters, []
        span = utc_days(*lot.bounds)
        beyond = neighbours(self._connection, ragged, lot.profile, span, REACH_DAYS)
        joined = [
            meter
            for meter, (opening, closing) in ragged.items()
            if (not opening and self._linked(lot, meter, beyond[meter][0]))
            or (not closing and self._linked(lot, meter, beyond[meter][1]))
        ]
        self._new = {
            meter
            for meter, (opening, _) in ragged.items()
            if not opening and beyond[meter][0] is None
        }
        return sorted(set(lot.meters) - set(joined)), joined

    def _linked(self, lot: Lot, meter: int, utc_day: int | None) -> bool:
        """Whether a meter stayed where it was between the day of the lot and a UTC day."""
        if utc_day is None:
            return False
        start, end = lot.bounds
        mount = self._facts[meter].mount_of(start, end)
        if mount is None:
            return True
        there = (utc_day + 1) * DAY_S
        return mount.since_s < there and (mount.until_s is None or mount.until_s > there - DAY_S)

    def _together(self, lot: Lot, meter: int, period_s: int) -> None:
        """The days of one meter that hang together with the one of the lot."""
        if (meter, lot.profile, lot.day) in self.ran.looked_at:
            return
        first = last = lot.day
        for _ in range(_WIDENINGS):
            days = list(range(first, last + 1))
            bounds = [day_bounds(day, lot.zone, lot.hour) for day in days]
            grid = grid_of(bounds, period_s)
            if grid is None:  # too many intervals for one axis: then the day is alone
                one = grid_of([lot.bounds], period_s)
                assert one is not None
                channels, placed, _ = self._placed(lot, meter, one)
                self._run(lot, [(lot.day, one)], [meter], placed, channels)
                return
            channels, placed, blocks = self._placed(lot, meter, grid)
            registers = self._registers(channels)
            wider = self._wider(lot, meter, (first, last), edges_known(placed, registers)[0])
            if wider == (first, last):
                break
            first, last = wider
        starts = [start for start, _ in bounds] + [bounds[-1][1]]
        for part in joined_days(placed, registers, starts):
            if lot.day - first in part:
                opening, _ = edges_known(placed, registers)[0]
                self._new = {meter} if not part.start and not opening else set()
                some = [(days[at], grid_of([bounds[at]], period_s)) for at in part]
                inner = grid_of([bounds[at] for at in part], period_s)
                assert inner is not None
                placed = place_blocks(inner, [meter], blocks, channels)
                self._hear(lot, placed, [meter], channels)
                self._run(lot, [(day, one) for day, one in some if one], [meter], placed, channels)

    def _placed(
        self, lot: Lot, meter: int, grid: Grid
    ) -> tuple[Mapping[int, ChannelKey], Placed, list[Unpacked]]:
        """What one meter told on a grid."""
        bounds = int(grid.points[0]), int(grid.points[-1])
        blocks = self._blocks(lot.profile, [meter], bounds)
        channels = self._channels(blocks, lot.profile, [meter], lot.day)
        placed = place_blocks(grid, [meter], blocks, channels)
        self._hear(lot, placed, [meter], channels)
        return channels, placed, blocks

    def _wider(
        self, lot: Lot, meter: int, days: tuple[int, int], edges: tuple[bool, bool]
    ) -> tuple[int, int]:
        """The days with the nearest readings on either side, where no register is known yet."""
        first, last = days
        span = utc_days(
            day_bounds(first, lot.zone, lot.hour)[0], day_bounds(last, lot.zone, lot.hour)[1]
        )
        beyond = neighbours(self._connection, [meter], lot.profile, span, REACH_DAYS)
        before, after = beyond[meter]
        if not edges[0] and before is not None and self._linked(lot, meter, before):
            first = min(first, touched_days(before, lot.zone, lot.hour)[0])
        if not edges[1] and after is not None and self._linked(lot, meter, after):
            reached = [
                day
                for day in touched_days(after, lot.zone, lot.hour)
                if day_bounds(day, lot.zone, lot.hour)[1] <= self._now
            ]
            last = max([last, *reached])
        return first, last

    def _run(
        self,
        lot: Lot,
        days: Sequence[tuple[int, Grid]],
        meters: list[int],
        placed: Placed,
        channels: Mapping[int, ChannelKey],
    ) -> None:
        """Judge days in a row of meters that share them."""
        if not meters:
            return
        numbers = [day for day, _ in days]
        before = versions_of(self._connection, self._sealer, meters, lot.profile, numbers)
        points = placed.grid.points
        judging = Judging(
            lot=lot,
            days=days,
            meters=meters,
            placed=placed,
            facts=self._facts,
            silent=self._silent,
            new=self._new,
            before={each[:4]: each for each in before},
            decisions=decisions_of(
                self._connection, meters, lot.profile, int(points[0]), int(points[-1])
            ),
            book=self._book,
            fetch=lambda some, alike: self._finals(lot.profile, some, alike),
        )
        finals = judging.run(channels)
        keys = [(meter, lot.profile, day) for meter in meters for day in numbers]
        self.ran.looked_at.update(dict.fromkeys(keys, len(self.ran.looked_at)))
        for made in finals:
            self.ran.finals[made.meter, made.profile, made.channel, made.day] = made

    def _finals(
        self, profile: int, meters: Collection[int], days: Sequence[int]
    ) -> list[Version]:  # fmt: skip
        """Final days as the store has them, or as this run made them."""
        stored = versions_of(self._connection, self._sealer, meters, profile, days)
        found = {each[:4]: each for each in stored}
        for key, made in self.ran.finals.items():
            if key[1] == profile and key[3] in days and key[0] in meters:
                found[key] = Version(*key, made.number, made.start_s, made.period_s,
                                     made.intervals, made.rules, made.body)  # fmt: skip
        return list(found.values())

    def _blocks(
        self, profile: int, meters: Sequence[int], bounds: tuple[int, int]
    ) -> list[Unpacked]:  # fmt: skip
        blocks = blocks_of(self._connection, self._sealer, meters, profile, utc_days(*bounds))
        return unpack_blocks(blocks, self._layouts({each.layout for each in blocks}))

    def _layouts(self, numbers: Collection[int]) -> dict[int, tuple[int, ...]]:
        return {each: self._catalogue.layout(self._connection, each) for each in numbers}

    def _channels(
        self, blocks: Sequence[Unpacked], profile: int, meters: Sequence[int], day: int
    ) -> Mapping[int, ChannelKey]:
        """The channels that some rules are for: of the blocks, or those of days around."""
        numbers = {channel for each in blocks for channel in each.channels}
        self._silent = {}
        if silent := set(meters).difference(*(each.meters for each in blocks)):
            around = day - _BACK_DAYS, day + _BACK_DAYS
            self._silent = known_channels(self._connection, silent, profile, around)
            numbers.update(chain.from_iterable(self._silent.values()))
        found = self._catalogue.channels(self._connection, numbers)
        return {number: key for number, key in found.items() if self._book.candidates(key)}

    def _registers(self, channels: Mapping[int, ChannelKey]) -> list[int]:
        return [
            number
            for number, key in channels.items()
            if self._book.candidates(key)[0].counting(key) is Counting.REGISTER
        ]

    def _periods_of(
        self, lot: Lot, blocks: Sequence[Unpacked]
    ) -> dict[int, dict[int, bool]]:  # fmt: skip
        """The meters of a lot by period: as plans want it, else as the rows have it, or had it."""
        wanted = self._periods.get(self._catalogue.profile(self._connection, lot.profile))
        if wanted:
            return {wanted: lot.demanded}
        steps = shortest_steps(blocks)
        if silent := lot.demanded.keys() - steps.keys():
            around = lot.day - _BACK_DAYS, lot.day + _BACK_DAYS
            steps |= known_periods(self._connection, silent, lot.profile, around)
        found: defaultdict[int, dict[int, bool]] = defaultdict(dict)
        for meter, asked in lot.demanded.items():
            if meter in steps:
                found[steps[meter]][meter] = asked
        return dict(found)
