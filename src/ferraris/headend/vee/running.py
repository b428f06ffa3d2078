"""A run: what is due is read, judged and packed, many meters at once. Writing is `keeping`'s.

What comes out is a function of the readings, edits, rules and inventory alone, so the order in
which readings arrive leaves no trace. Most days are whole and run many meters at once. Where one
is not, the rows around it are looked at as well, channel by channel (`columns_history`): what a
register counted over days between which it is not known is shared among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from ferraris.core.errors import DecodeError, UsageError
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.vee.claims import Due
from ferraris.headend.vee.columns_days import (
    FinalDay,
    Key,
    Unpacked,
    place_blocks,
    rows_of,
    withdrawn,
)
from ferraris.headend.vee.columns_grid import Grid, Placed, grid_of
from ferraris.headend.vee.columns_history import (
    REACH_DAYS,
    Stretch,
    alone_at,
    usual_step,
    whole_days,
)
from ferraris.headend.vee.columns_judging import Judging
from ferraris.headend.vee.columns_sources import Sources
from ferraris.headend.vee.columns_stories import Story, step_of, story_of
from ferraris.headend.vee.gathering import (
    Catalogue,
    MeterFacts,
    Version,
    decisions_of,
    facts_of,
    versions_of,
    with_more,
)
from ferraris.headend.vee.local_days import day_bounds
from ferraris.headend.vee.rule_book import Book
from ferraris.headend.vee.tasks import Lot, tasks_of, utc_days

__all__ = ["Ran", "Run"]


@dataclass(slots=True)
class Ran:
    """What a run made, the (meter, profile, local day) that are done, and when it judged what."""

    now: float
    finals: dict[Key, FinalDay] = field(default_factory=dict)
    done: set[tuple[int, int, int]] = field(default_factory=set)
    turns: dict[Key, int] = field(default_factory=dict)
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
        self._sources = Sources(connection, sealer, catalogue, book)
        self._periods = catalogue.periods(connection, tenant)
        self._facts: dict[int, MeterFacts] = {}
        self._turn = 0
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
            if (meter, lot.profile, lot.day) not in self.ran.done
        }
        if not lot.demanded:
            return
        blocks = self._sources.blocks(lot.profile, lot.meters, utc_days(*lot.bounds))
        steps = self._steps_of(lot, blocks)
        apart = [meter for meter in lot.meters if meter not in steps]
        for period_s in sorted(set(steps.values())):
            alike = {m: asked for m, asked in lot.demanded.items() if steps.get(m) == period_s}
            apart += self._alike(replace(lot, demanded=alike), period_s, blocks)
        for meter in sorted(set(apart) - self._idle(lot, apart, blocks)):
            if (meter, lot.profile, lot.day) not in self.ran.done:
                self._by_history(lot, meter)

    # Whole days of many meters.

    def _idle(self, lot: Lot, meters: Sequence[int], blocks: Sequence[Unpacked]) -> set[int]:
        """The meters whose rows end, or begin, where the day does, and have nothing beyond it."""
        rows = rows_of(blocks)
        channels = self._sources.channels({channel for each in blocks for channel in each.channels})
        # The row that ends a day tells an interval of it, if no register.
        only_registers = len(self._sources.registers(channels)) == len(channels)
        known: dict[tuple[int, ...], int] = {}
        at: defaultdict[int, list[int]] = defaultdict(list)
        for meter in meters:
            if meter in rows and not lot.demanded[meter]:
                alike = tuple(map(id, rows[meter]))
                if alike not in known:
                    known[alike] = alone_at(rows[meter], *lot.bounds)
                at[known[alike]].append(meter)
        first, last = utc_days(*lot.bounds)
        found: set[int] = set()
        for end, utc, local in (
            (-1, (last + 1, last + REACH_DAYS), (lot.day, lot.day + REACH_DAYS)),
            (1, (first - REACH_DAYS, first - 1), (lot.day - REACH_DAYS, lot.day)),
        ):
            some = at[end] if end < 0 or only_registers else []
            found.update(set(some) - with_more(self._connection, some, lot.profile, utc, local))
        return found

    def _steps_of(self, lot: Lot, blocks: Sequence[Unpacked]) -> dict[int, int]:
        """The meters whose period is known by a plan or by the rows of this day, with it."""
        rows = rows_of(blocks)
        wanted = self._periods.get(self._sources.name(lot.profile))
        if wanted:
            return dict.fromkeys(rows, wanted)
        known: dict[tuple[int, ...], int] = {}
        found = {}
        for meter, several in rows.items():
            alike = tuple(map(id, several))
            if alike not in known:
                known[alike] = usual_step(several, *lot.bounds)
            if known[alike]:
                found[meter] = known[alike]
        return found

    def _alike(self, lot: Lot, period_s: int, blocks: list[Unpacked]) -> list[int]:
        """Run the meters with one period whose day is whole; returns the others."""
        grid = grid_of([lot.bounds], period_s)
        if grid is None:
            return lot.meters
        channels = self._sources.channels({channel for each in blocks for channel in each.channels})
        placed = place_blocks(grid, lot.meters, blocks, channels)
        whole = whole_days(placed, self._sources.registers(channels))
        some = [meter for meter, one in zip(lot.meters, whole, strict=True) if one]
        if some and len(some) < len(lot.meters):
            placed = place_blocks(grid, some, blocks, channels)
        self._sources.hear(lot, placed, some, channels)
        self._run(lot, [(lot.day, grid)], some, placed, channels)
        self.ran.done.update((meter, lot.profile, lot.day) for meter in some)
        return [meter for meter, one in zip(lot.meters, whole, strict=True) if not one]

    # A day that is not whole, of one meter.

    def _by_history(self, lot: Lot, meter: int) -> None:
        """Run whatever the rows of one day of a meter have a say in."""
        facts = self._facts[meter]
        story = story_of(self._sources, lot, meter, facts, self._now)
        runs, gone = story.stretches(mounted=bool(facts.mounts))
        for (first, last), some in runs.items():
            self._stretch(lot, meter, story, range(first, last + 1), some)
        made = {(key[2], key[3]) for key in self.ran.turns if key[:2] == (meter, lot.profile)}
        self._withdraw(lot, meter, gone - made)
        self.ran.done.add((meter, lot.profile, lot.day))

    def _stretch(
        self,
        lot: Lot,
        meter: int,
        story: Story,
        places: range,
        some: Mapping[int, Stretch],
    ) -> None:
        """Run channels of which the same days hang together."""
        wanted = self._periods.get(self._sources.name(lot.profile))
        period_s = wanted or step_of(self._sources, lot, meter, story, places)
        bounds = [story.bounds[place] for place in places]
        grid = grid_of(bounds, period_s) if period_s else None
        if grid is None:
            if len(places) > 1:
                for place in places:
                    self._stretch(lot, meter, story, range(place, place + 1), some)
            return
        days = [
            (story.first_day + place, one)
            for place in places
            if (one := grid_of([story.bounds[place]], period_s)) is not None
        ]
        mine = {channel: story.channels[channel] for channel in some}
        placed = place_blocks(grid, [meter], story.unpacked, mine)
        self._sources.hear(lot, placed, [meter], mine)
        asked = len(places) == 1 and days[0][0] == lot.day and lot.demanded.get(meter, False)
        self._run(
            replace(lot, demanded={meter: asked}), days, [meter], placed, mine, stretches=some
        )

    def _withdraw(self, lot: Lot, meter: int, gone: Collection[tuple[int, int]]) -> None:
        """Say of days that they have no values any more, unless a human decided about some."""
        if not gone:
            return
        days = sorted({day for _, day in gone})
        first, last = (day_bounds(day, lot.zone, lot.hour)[0] for day in (days[0], days[-1] + 1))
        decided = {
            one.channel for one in decisions_of(self._connection, [meter], lot.profile, first, last)
        }
        for old in versions_of(self._connection, self._sealer, [meter], lot.profile, days):
            key = old.meter, old.profile, old.channel, old.day
            if (old.channel, old.day) in gone and old.channel not in decided:
                self._judged({key})
                if old.intervals and old.body is not None:
                    self.ran.finals[key] = withdrawn(old)

    # Judging.

    def _run(
        self,
        lot: Lot,
        days: Sequence[tuple[int, Grid]],
        meters: list[int],
        placed: Placed,
        channels: Mapping[int, ChannelKey],
        *,
        stretches: Mapping[int, Stretch] | None = None,
    ) -> None:
        """Judge days in a row of meters that share them.

        Without `stretches` that is all that the meters have of a whole day.
        """
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
            wanted=stretches or (),
            sure=[channel for channel, one in (stretches or {}).items() if one.sure],
            limits={
                channel: (one.since_s, one.until_s) for channel, one in (stretches or {}).items()
            },
            before={each[:4]: each for each in before},
            decisions=decisions_of(
                self._connection, meters, lot.profile, int(points[0]), int(points[-1])
            ),
            book=self._book,
            fetch=lambda some, alike: self._finals(lot.profile, some, alike),
        )
        finals = judging.run(channels)
        self._judged(judging.judged)
        for made in finals:
            self.ran.finals[made[:4]] = made
        if stretches is None:
            more = {old.meter for old in before if old.intervals and old[:4] not in judging.judged}
            for meter in sorted(more):  # channels that came before this day and after it, perhaps
                self._by_history(lot, meter)

    def _judged(self, keys: Collection[Key]) -> None:
        """Note when something was judged; what was made of it earlier does not count any more."""
        self._turn += 1
        self.ran.turns.update(dict.fromkeys(keys, self._turn))
        for key in keys & self.ran.finals.keys():
            del self.ran.finals[key]

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
