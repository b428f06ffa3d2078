"""The archive of one tenant: what meters told, written once and for all, and read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.headend.store.blocks import day_of, unpack
from ferraris.headend.store.bulk import add_each
from ferraris.headend.store.catalogue import Catalogue
from ferraris.headend.store.due import mark_due, mark_heard
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.heard import Heard
from ferraris.headend.store.putting import BLOCKS, READS, Candidate, Putting
from ferraris.headend.store.reading import Reader
from ferraris.headend.store.records import Brought, PackedUndated, Stored, Total
from ferraris.headend.store.sealing import CLEAR, NoSealer, Sealer, seal_context
from ferraris.headend.store.tables.readings import BLOCK, EVENT, UNDATED
from ferraris.headend.store.totals import TotalKey, combined, write_totals

__all__ = ["Archive"]

_WINDOW: Final = 256
_EVENT: Final = ("tenant", "meter", "log", "at_s", "turn", "code", "stamp", "detail", "stored_s")


class Archive(Reader):
    """Readings, register reads and events of one tenant; cheap to make, safe in threads.

    Writing takes the caller's transaction, reading the caller's view. `put` tells nobody: who
    brings something tells it with `changes.note`.
    """

    def __init__(self, engine: Engine, tenant_number: int, sealer: Sealer | None = None) -> None:
        self.engine = engine
        self.tenant = tenant_number
        self.catalogue = Catalogue(engine, tenant_number)
        self.sealer: Sealer = sealer or NoSealer()
        super().__init__(self.catalogue, self.sealer)

    def put(
        self,
        connection: Connection,
        meter_number: int,
        brought: Brought,
        *,
        source: str = "pull",
        now: float,
    ) -> Stored:
        """Write what one meter brought; `source` is pull, push or import."""
        return self.put_many(connection, [(meter_number, brought)], source=source, now=now)[0]

    def put_many(
        self,
        connection: Connection,
        batch: Sequence[tuple[int, Brought]],
        *,
        source: str = "pull",
        now: float,
    ) -> list[Stored]:
        """Write what many meters brought, in few steps; returns for each what was new.

        What was there already changes nothing; a day that gains or changes rows gets a new
        version that holds both. The totals of the days follow, and the days are marked for
        validation; so are final days that wait for registers which were read.
        """
        found: list[Stored] = []
        for start in range(0, len(batch), _WINDOW):
            found += self._put_window(connection, batch[start : start + _WINDOW], source, int(now))
        return found

    def _put_window(
        self, connection: Connection, batch: Sequence[tuple[int, Brought]], source: str, now: int
    ) -> list[Stored]:
        # First of all, while nothing is held that others may wait for.
        self.catalogue.ensure_months(connection, _days_of(batch))
        blocks = [
            self._block(connection, place, meter, block, source)
            for place, (meter, brought) in enumerate(batch)
            for block in brought.blocks
        ]
        reads = [
            self._read(connection, place, meter, read, source)
            for place, (meter, brought) in enumerate(batch)
            for read in brought.reads
        ]
        days = {(c.key[0], c.key[2]) for c in blocks} | {(c.key[0], c.key[1]) for c in reads}
        apart = [meter for meter, brought in batch if brought.undated]
        seals = self._seals(connection, days | {(meter, day_of(now)) for meter in apart})
        putting = Putting(connection, self.tenant, self.sealer, seals, now)
        putting.put(BLOCKS, blocks)
        putting.put(READS, reads)
        for meter, brought in batch:
            for undated in brought.undated:
                seal = seals.get((meter, day_of(now)), CLEAR)
                self._put_undated(connection, meter, undated, seal, now)
        self._follow(connection, [c for c in blocks if c.version], putting.layouts, now)
        self._hear(connection, [c for c in reads if c.version and c.heard], now)
        lines = self._put_events(connection, batch, now)
        intervals, registers = _added(blocks), _added(reads)
        return [
            Stored(intervals[place], registers[place], lines.pop(meter, 0))
            for place, (meter, brought) in enumerate(batch)
        ]

    def _block(
        self, connection: Connection, place: int, meter: int, block: Any, source: str
    ) -> Candidate:
        profile = self.catalogue.make_profile(connection, block.profile)
        layout = self.catalogue.make_layout(connection, block.channels)
        key = (meter, profile, block.day, layout)
        return Candidate(
            key, place, block.rows, block.body, block.digest, source, block.totals
        )  # fmt: skip

    def _read(
        self, connection: Connection, place: int, meter: int, read: Any, source: str
    ) -> Candidate:
        layout = self.catalogue.make_layout(connection, read.channels)
        key = (meter, read.day, read.read_s, layout)
        return Candidate(
            key, place, len(read.channels), read.body, read.digest, source, heard=read.heard
        )  # fmt: skip

    def _seals(
        self, connection: Connection, days: Iterable[tuple[int, int]]
    ) -> Mapping[tuple[int, int], int]:
        return self.sealer.holders(connection, days)

    def _follow(
        self,
        connection: Connection,
        written: Sequence[Candidate],
        layouts: Mapping[TotalKey, set[int]],
        now: int,
    ) -> None:
        """What follows from new blocks: the totals of their days, and marks for validation."""
        totals: dict[TotalKey, tuple[Sequence[int], Sequence[Total | None]]] = {}
        for candidate in written:
            meter, profile, day, layout = candidate.key
            if len(layouts[meter, profile, day]) > 1:
                totals[meter, profile, day] = self.totals(connection, meter, profile, day)
            elif candidate.totals:
                numbers = self.catalogue.layout(connection, layout).numbers
                totals[meter, profile, day] = numbers, candidate.totals
        again = {(c.key[0], c.key[1], c.key[2]) for c in written if c.version > 1}
        write_totals(connection, self.tenant, totals, again)
        due = [(meter, profile, day) for meter, profile, day, _ in (c.key for c in written)]
        mark_due(connection, self.tenant, due, reason="new", at_s=float(now))

    def _hear(self, connection: Connection, written: Iterable[Candidate], now: int) -> None:
        """Mark the final days that new reads of registers may tell something."""
        told: dict[int, set[Heard]] = {}
        for candidate in written:
            meter, layout = candidate.key[0], candidate.key[-1]
            channels = self.catalogue.layout(connection, layout).channels
            told.setdefault(meter, set()).update(
                Heard(channels[place].name, channels[place].unit, at_s)
                for place, at_s in candidate.heard
            )
        mark_heard(connection, self.tenant, told, at_s=float(now))

    def totals(
        self, connection: Connection, meter: int, profile: int, day: int
    ) -> tuple[tuple[int, ...], tuple[Total | None, ...]]:
        """The channels of a day and their totals, made again from the newest blocks."""
        newest: dict[int, Any] = {}
        rows = connection.execute(
            select(BLOCK.c.layout, BLOCK.c.version, BLOCK.c.seal, BLOCK.c.body)
            .where(
                BLOCK.c.tenant == self.tenant,
                BLOCK.c.meter == meter,
                BLOCK.c.profile == profile,
                BLOCK.c.day == day,
            )
            .order_by(BLOCK.c.version)
        )
        for row in rows:
            newest[row.layout] = row
        parts = []
        for layout, row in sorted(newest.items()):
            key = (meter, profile, day, layout, row.version)
            body = self._open(row.seal, row.body, "block", key)
            if body is not None:
                parts.append((self.catalogue.layout(connection, layout).numbers, unpack(body)))
        return combined(parts)

    def _put_undated(
        self, connection: Connection, meter: int, undated: PackedUndated, seal: int, now: int
    ) -> None:
        profile = self.catalogue.make_profile(connection, undated.profile)
        rows = connection.execute(
            select(UNDATED.c.seal, UNDATED.c.body).where(
                UNDATED.c.tenant == self.tenant,
                UNDATED.c.meter == meter,
                UNDATED.c.profile == profile,
            )
        )
        for row in rows:
            if self._open_undated(row.seal, row.body, meter, profile) == undated.body:
                return
        body, proof = undated.body, undated.digest
        if seal != CLEAR:
            context = seal_context("undated", self.tenant, meter, profile)
            body = self.sealer.close(seal, body, context)
            proof = digest(body)
        new = (self.tenant, meter, profile, undated.rows, now, seal, proof, body)
        add_each(connection, UNDATED, _UNDATED, [new], "meter")

    def _put_events(
        self, connection: Connection, batch: Sequence[tuple[int, Brought]], now: int
    ) -> Counter[int]:
        rows = [
            (self.tenant, meter, e.log, e.at_s, e.turn, e.code, e.stamp, e.detail, now)
            for meter, brought in batch
            for e in brought.events
        ]
        rows.sort(key=lambda row: row[1:6])
        return Counter(add_each(connection, EVENT, _EVENT, rows, "meter"))


_UNDATED: Final = tuple(column.name for column in UNDATED.columns if column.name != "id")


def _days_of(batch: Iterable[tuple[int, Brought]]) -> set[int]:
    blocks = {block.day for _, brought in batch for block in brought.blocks}
    return blocks | {read.day for _, brought in batch for read in brought.reads}


def _added(candidates: Iterable[Candidate]) -> Counter[int]:
    found: Counter[int] = Counter()
    for candidate in candidates:
        found[candidate.place] += candidate.added
    return found
