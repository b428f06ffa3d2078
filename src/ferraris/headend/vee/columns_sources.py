"""What a run asks the store about the rows of meters: blocks, channels, registers of others.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from ferraris.headend.store.heard import READ_WITHIN_DAYS
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.vee.applies import Counting
from ferraris.headend.vee.columns_days import Unpacked, edges_known, unpack_blocks
from ferraris.headend.vee.columns_grid import Placed
from ferraris.headend.vee.columns_hearing import hear_profiles, hear_reads
from ferraris.headend.vee.gathering import Block, Catalogue, blocks_of, reads_of
from ferraris.headend.vee.rule_book import Book
from ferraris.headend.vee.tasks import Lot, utc_days

__all__ = ["Sources"]


class Sources:
    """One consistent view of the store; nothing that it gives rests on the numbers of rows."""

    def __init__(
        self, connection: Connection, sealer: Sealer, catalogue: Catalogue, book: Book
    ) -> None:
        self.connection = connection
        self.sealer = sealer
        self._catalogue = catalogue
        self._book = book

    def name(self, profile: int) -> str:
        """The OBIS code of a profile."""
        return self._catalogue.profile(self.connection, profile)

    def blocks(
        self, profile: int, meters: Sequence[int], days: tuple[int, int]
    ) -> list[Unpacked]:  # fmt: skip
        """The blocks of meters on UTC days."""
        found = blocks_of(self.connection, self.sealer, meters, profile, days)
        return unpack_blocks(found, self.layouts({each.layout for each in found}))

    def layouts(self, numbers: Collection[int]) -> dict[int, tuple[int, ...]]:
        """The channels of layouts, in an order that is the same in every store."""
        found = {each: self._catalogue.layout(self.connection, each) for each in numbers}
        if len(found) < 2:
            return found
        keys = self._catalogue.channels(
            self.connection, {channel for each in found.values() for channel in each}
        )
        order = {number: [keys[channel] for channel in each] for number, each in found.items()}
        return {number: found[number] for number in sorted(found, key=lambda one: order[one])}

    def channels(self, numbers: Collection[int]) -> dict[int, ChannelKey]:
        """Those of some channels that any rules are for."""
        found = self._catalogue.channels(self.connection, numbers)
        return {number: key for number, key in found.items() if self._book.candidates(key)}

    def registers(self, channels: Mapping[int, ChannelKey]) -> list[int]:
        """Those of some channels that count on."""
        return [
            number
            for number, key in channels.items()
            if self._book.candidates(key)[0].counting(key) is Counting.REGISTER
        ]

    def hear(
        self, lot: Lot, placed: Placed, meters: Sequence[int], channels: Mapping[int, ChannelKey]
    ) -> None:
        """Ask other profiles and reads where registers are not known when the grid begins or ends.

        And for all channels of intervals, whose registers are elsewhere in any case.
        """
        if not meters:
            return
        registers = self.registers(channels)
        edges = edges_known(placed, registers)
        lacking = [meter for meter, both in zip(meters, edges, strict=True) if both != (True, True)]
        self.ask(
            lot, placed, meters, channels, meters if len(registers) < len(channels) else lacking
        )

    def ask(
        self,
        lot: Lot,
        placed: Placed,
        meters: Sequence[int],
        channels: Mapping[int, ChannelKey],
        asked: Sequence[int],
    ) -> None:
        """Take what the other profiles and the reads of some of the meters tell of registers."""
        if not asked or not channels:
            return
        points = placed.grid.points
        days = utc_days(int(points[0]), int(points[-1]))
        others: defaultdict[str, list[Block]] = defaultdict(list)
        for each in blocks_of(self.connection, self.sealer, asked, None, days):
            if each.profile != lot.profile:
                others[self.name(each.profile)].append(each)
        for _, blocks in sorted(others.items()):
            unpacked = unpack_blocks(blocks, self.layouts({each.layout for each in blocks}))
            numbers = {number for each in unpacked for number in each.channels}
            keys = self._catalogue.channels(self.connection, numbers)
            hear_profiles(placed, meters, channels, unpacked, keys)
        reads = reads_of(
            self.connection, self.sealer, asked, (days[0], days[1] + READ_WITHIN_DAYS)
        )  # fmt: skip
        layouts = {}
        for layout, numbers_of in self.layouts({each.layout for each in reads}).items():
            found = self._catalogue.channels(self.connection, numbers_of)
            layouts[layout] = [found[number] for number in numbers_of]
        turns = {layout: turn for turn, layout in enumerate(layouts)}
        reads.sort(key=lambda each: (each.meter, each.read_s, turns[each.layout], each.day))
        hear_reads(placed, meters, channels, reads, layouts)
