"""Whether the audit log is what was written: every line, every chain, every anchor."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from ferraris.headend.audit.line import BEGINNING, Line, anchor_hash, line_hash
from ferraris.headend.audit.looked_at import AMONG, kept_meters
from ferraris.headend.store.tables.access import ANCHOR, AUDIT, CHAIN

__all__ = ["check"]

_WINDOW = 5000
_AMONG = re.compile(f'"{AMONG}":"([0-9a-f]{{64}})"')
_Heads = dict[str, tuple[int, bytes]]


def check(connection: Connection) -> list[str]:
    """What is wrong with the audit log, a sentence each; empty when all is as it was written."""
    anchors = [(row, _heads(row.heads)) for row in connection.execute(_ANCHORS)]
    examined = _Examination(
        chains={row.chain: row for row in connection.execute(_CHAINS)},
        wanted={(chain, heads[chain][0]) for _, heads in anchors for chain in heads},
    )
    lines = connection.execute(_LINES)
    for chain, rows in groupby(lines, key=lambda row: str(row.chain)):
        examined.found.extend(examined.chain(chain, rows))
    examined.found.extend(examined.heads())
    examined.found.extend(examined.anchors(anchors))
    examined.found.extend(examined.meters(connection))
    return examined.found


_ANCHORS = select(ANCHOR).order_by(ANCHOR.c.sequence)
_CHAINS = select(CHAIN).order_by(CHAIN.c.chain)
_LINES = (
    select(AUDIT).order_by(AUDIT.c.chain, AUDIT.c.sequence).execution_options(yield_per=_WINDOW)
)


@dataclass(slots=True)
class _Examination:
    """What has been seen: the last line of each chain, and the hashes of lines that anchors saw."""

    chains: dict[str, Row[Any]]
    wanted: set[tuple[str, int]]
    ends: dict[str, int] = field(default_factory=dict)
    seen: dict[tuple[str, int], bytes] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    among: set[tuple[int, str]] = field(default_factory=set)

    def chain(self, chain: str, rows: Iterable[Row[Any]]) -> Iterator[str]:
        """Examine the lines of one chain."""
        head = self.chains.get(chain)
        if head is None:
            yield f"audit chain {chain}: has lines, but no head"
        before = bytes(head.forgotten_hash) if head else BEGINNING
        last = head.forgotten if head else 0
        for row in rows:
            expected, last = last + 1, row.sequence
            if last != expected:
                yield f"audit chain {chain}: lines {expected} to {last - 1} are missing"
            made, kept = _hash(before, row), bytes(row.hash)
            # Behind a gap the hash before is not known; the line after vouches for this one.
            if made != kept and last == expected:
                yield f"audit chain {chain}: line {last} is altered"
            if among := _AMONG.search(row.detail):
                self.among.add((row.tenant, among[1]))
            if (chain, last) in self.wanted:
                self.seen[chain, last] = kept
            before = kept
        self.ends[chain] = last
        if head is not None and last == head.sequence and before != bytes(head.hash):
            yield f"audit chain {chain}: its head is not that of line {last}"

    def heads(self) -> Iterator[str]:
        """Compare the heads with the last lines."""
        for chain, head in self.chains.items():
            end = self.ends.setdefault(chain, head.forgotten)
            if end < head.sequence:
                lost = f"lines {end + 1} to {head.sequence}"
                yield f"audit chain {chain}: {lost} are missing at its end"
            elif end > head.sequence:
                yield f"audit chain {chain}: goes on to {end} behind its head"

    def anchors(self, anchors: list[tuple[Row[Any], _Heads]]) -> Iterator[str]:
        """Examine the anchors, and compare them with the lines that they saw."""
        before, expected = BEGINNING, 1
        reached: dict[str, int] = {}
        for row, heads in anchors:
            gap = row.sequence != expected
            if gap:
                yield f"audit anchors {expected} to {row.sequence - 1} are missing"
            made = anchor_hash(before, row.sequence, row.at_s, row.heads)
            before, expected = bytes(row.hash), row.sequence + 1
            if made != before and not gap:
                yield f"audit anchor {row.sequence} is altered"
            for chain, (sequence, hash_) in heads.items():
                reached[chain] = sequence
                yield from self._anchored(f"anchor {row.sequence}", chain, sequence, hash_)
        for chain, head in self.chains.items():
            if head.anchored > reached.get(chain, 0):
                line = f"the anchor that saw its line {head.anchored}"
                yield f"audit chain {chain}: {line} is missing"

    def meters(self, connection: Connection) -> Iterator[str]:
        """Compare the meters that lines mean together with what the lines say of them."""
        kept = dict(kept_meters(connection))
        for key in sorted(self.among):
            if not kept.get(key, False):
                what = "altered" if key in kept else "missing"
                yield f"audit: the meters {key[1][:16]} that a line means are {what}"

    def _anchored(self, anchor: str, chain: str, sequence: int, hash_: bytes) -> Iterator[str]:
        head = self.chains.get(chain)
        if head is not None and sequence <= head.forgotten:
            if sequence == head.forgotten and bytes(head.forgotten_hash) != hash_:
                yield f"audit chain {chain}: begins otherwise than {anchor} says"
        elif chain not in self.ends:
            yield f"audit chain {chain}: is missing, {anchor} saw its line {sequence}"
        elif sequence > self.ends[chain]:
            yield f"audit chain {chain}: is cut, {anchor} saw its line {sequence}"
        elif self.seen.get((chain, sequence), hash_) != hash_:
            yield f"audit chain {chain}: line {sequence} is not the one that {anchor} saw"


def _hash(before: bytes, row: Row[Any]) -> bytes:
    line = Line(
        row.tenant, row.at_s, row.principal, row.action, row.subject, row.outcome, row.detail
    )
    return line_hash(before, row.chain, row.sequence, line)


def _heads(text: str) -> _Heads:
    try:
        return {
            chain: (int(sequence), bytes.fromhex(hash_))
            for chain, (sequence, hash_) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}  # the hash of the anchor tells that it is altered
