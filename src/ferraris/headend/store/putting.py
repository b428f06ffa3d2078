"""Writing what many meters brought: the same read twice changes nothing, a correction is a version.

First what is there is looked up for all of them at once, then what is new goes in at once. Where
another writer was quicker, what it wrote is looked at, and the rest is tried again on top of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, exists, select

from ferraris.headend.store.blocks import merge, pack, unpack
from ferraris.headend.store.bulk import add_absent
from ferraris.headend.store.exchange import digest, totals_of
from ferraris.headend.store.records import Total
from ferraris.headend.store.sealing import CLEAR, SHREDDED, ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.readings import BLOCK, REGISTER_READ

__all__ = ["BLOCKS", "READS", "Candidate", "Kind", "Putting"]

Key = tuple[int, ...]


class Kind:
    """A table of versioned bodies: its key without the version, and what its statements look up."""

    def __init__(self, table: Table, count: str, looked_up: tuple[str, ...]) -> None:
        self.table = table
        self.key = tuple(c.name for c in table.primary_key if c.name != "version")
        self.names = tuple(column.name for column in table.columns)
        self.count = count
        self.looked_up = looked_up
        newer = table.alias("newer")
        same = [newer.c[name] == table.c[name] for name in self.key]
        among = [table.c[name].in_(bindparam(name, expanding=True)) for name in looked_up]
        # Said once more, so that PostgreSQL opens only the months of these days.
        same += [newer.c[name].in_(bindparam(name, expanding=True)) for name in looked_up]
        newest = ~exists().where(*same, newer.c.version > table.c.version)
        known = [table.c.version, table.c[count], table.c.digest, table.c.seal]
        keys = [table.c[name] for name in self.key]
        self.known: Select[Any] = select(*keys, *known).where(*among, newest)
        self.bodies: Select[Any] = select(*keys, *known, table.c.body).where(*among, newest)


BLOCKS: Final = Kind(BLOCK, "rows", ("meter", "profile", "day"))
READS: Final = Kind(REGISTER_READ, "count", ("meter", "day", "read_s"))


class _Known(NamedTuple):
    """The newest version of a row."""

    version: int
    rows: int
    digest: bytes
    seal: int
    body: bytes = b""


@dataclass(slots=True)
class Candidate:
    """A body that somebody brought, and what became of it.

    `place` tells whose it is in the batch, `digest` is that of the plain body, `heard` are the
    registers among its columns that intervals may begin or end with, and when. After writing
    `version` is its version, 0 when nothing was new, and `added` how much was new.
    """

    key: Key
    place: int
    count: int
    body: bytes
    digest: bytes
    source: str
    totals: tuple[Total | None, ...] = ()
    heard: tuple[tuple[int, int], ...] = ()
    version: int = 0
    added: int = 0


class Putting:
    """One batch, in the transaction of `connection`."""

    def __init__(
        self,
        connection: Connection,
        tenant: int,
        sealer: Sealer,
        seals: Mapping[tuple[int, int], int],
        now: int,
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._sealer = sealer
        self._seals = seals
        self._now = now
        self.layouts: dict[tuple[int, int, int], set[int]] = {}
        """Of each meter, profile and day that was looked at: the layouts that have blocks."""

    def put(self, kind: Kind, candidates: Iterable[Candidate]) -> None:
        """Write what is new; two candidates of one key are one after the other."""
        waiting = list(candidates)
        while waiting:
            turn: dict[Key, Candidate] = {}
            later = []
            for candidate in waiting:
                if turn.setdefault(candidate.key, candidate) is not candidate:
                    later.append(candidate)
            self._put(kind, list(turn.values()))
            waiting = later

    def _put(self, kind: Kind, todo: list[Candidate]) -> None:
        while todo:
            fresh = self._settled(kind, todo)
            fresh.sort(key=lambda candidate: candidate.key)  # one order for all writers
            rows = [self._row(kind, candidate) for candidate in fresh]
            done = add_absent(self._connection, kind.table, kind.names, rows, kind.key)
            todo = [candidate for candidate in fresh if candidate.key not in done]

    def _settled(self, kind: Kind, todo: Sequence[Candidate]) -> list[Candidate]:
        """Those that bring something new, with the body and the version that they then have."""
        known = self._look(kind, kind.known, todo)
        fresh, differing = [], []
        for candidate in todo:
            found = known.get(candidate.key)
            if found is None:
                candidate.version, candidate.added = 1, candidate.count
                fresh.append(candidate)
            elif found.seal != CLEAR or found.digest != candidate.digest:
                differing.append(candidate)
            else:
                candidate.version = candidate.added = 0
        if differing:
            bodies = self._look(kind, kind.bodies, differing)
            fresh += [c for c in differing if self._differs(kind, c, bodies[c.key])]
        return fresh

    def _look(
        self, kind: Kind, statement: Select[Any], todo: Sequence[Candidate]
    ) -> dict[Key, _Known]:
        width = len(kind.key)
        places = [kind.key.index(name) for name in kind.looked_up]
        wanted = {
            name: list({candidate.key[place] for candidate in todo})
            for name, place in zip(kind.looked_up, places, strict=True)
        }
        found = {}
        for row in self._connection.execute(statement, wanted):
            found[tuple(row[:width])] = _Known(*row[width:])
        if kind is BLOCKS:
            for meter, profile, day, layout in (*found, *(candidate.key for candidate in todo)):
                self.layouts.setdefault((meter, profile, day), set()).add(layout)
        return found

    def _differs(self, kind: Kind, candidate: Candidate, known: _Known) -> bool:
        """Whether there is something new in it; then it holds the old rows, too."""
        candidate.version, candidate.added = known.version + 1, candidate.count
        key = (*candidate.key, known.version)
        try:
            old = self._opened(kind, known, key)
        except ErasedError:  # what it was is gone for good; somebody else may have it now
            if self._row(kind, candidate)[-1] != SHREDDED:
                return True
            candidate.version = candidate.added = 0
            return False
        candidate.added = 0
        if old == candidate.body:
            candidate.version = 0
            return False
        if kind is BLOCKS:
            return self._merged(candidate, old)
        return True

    def _opened(self, kind: Kind, known: _Known, key: Key) -> bytes:
        if known.seal == CLEAR:
            return known.body
        return self._sealer.open(known.seal, known.body, seal_context(kind.table.name, *key))

    @staticmethod
    def _merged(candidate: Candidate, old: bytes) -> bool:
        before = unpack(old)
        whole = merge(before, unpack(candidate.body))
        body = pack(whole)
        if body == old:
            candidate.version = 0
            return False
        candidate.body, candidate.digest = body, digest(body)
        candidate.count, candidate.added = len(whole.axis), len(whole.axis) - len(before.axis)
        candidate.totals = totals_of(whole)
        return True

    def _row(self, kind: Kind, candidate: Candidate) -> tuple[Any, ...]:
        key = (*candidate.key, candidate.version)
        meter, day = key[0], key[kind.key.index("day")]
        seal = self._seals.get((meter, day), CLEAR)
        body, proof = candidate.body, candidate.digest
        if seal != CLEAR:
            body = self._sealer.close(seal, body, seal_context(kind.table.name, *key))
            proof = digest(body)
            if body == SHREDDED:  # nothing is made of what is not kept
                candidate.totals = ()
        stored = (self._now,) if kind is BLOCKS else ()
        return (self._tenant, *key, candidate.count, *stored, candidate.source, seal, proof, body)
