"""Anchors: the heads of all chains at a moment, themselves a chain."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from ferraris.headend.audit.line import BEGINNING, anchor_hash, heads_text
from ferraris.headend.store.tables.access import ANCHOR, CHAIN

__all__ = ["Anchor", "anchor", "newest_anchor"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the chain of anchors; written down elsewhere, it vouches for all before it."""

    sequence: int
    at_s: float
    hash: bytes


def newest_anchor(connection: Connection) -> Anchor | None:
    """The last anchor, None before the first."""
    found = connection.execute(
        select(ANCHOR.c.sequence, ANCHOR.c.at_s, ANCHOR.c.hash)
        .order_by(ANCHOR.c.sequence.desc())
        .limit(1)
    ).one_or_none()
    return Anchor(found.sequence, found.at_s, bytes(found.hash)) if found else None


def anchor(connection: Connection, *, at_s: float) -> Anchor | None:
    """Tie together the chains that grew since the last anchor; done at start, at stop, in between.

    Needs a transaction that has no lines of its own waiting. Returns the anchor written, or the
    newest one when nothing grew.
    """
    moved = connection.execute(
        select(CHAIN.c.chain, CHAIN.c.sequence, CHAIN.c.hash)
        .where(CHAIN.c.sequence > CHAIN.c.anchored)
        .order_by(CHAIN.c.chain)
        .with_for_update()
    ).all()
    last = newest_anchor(connection)
    if not moved:
        return last
    heads = {row.chain: (row.sequence, bytes(row.hash)) for row in moved}
    text = heads_text(heads)
    sequence = last.sequence + 1 if last else 1
    hash_ = anchor_hash(last.hash if last else BEGINNING, sequence, at_s, text)
    connection.execute(insert(ANCHOR).values(sequence=sequence, at_s=at_s, heads=text, hash=hash_))
    for chain, (reached, _) in heads.items():
        connection.execute(update(CHAIN).where(CHAIN.c.chain == chain).values(anchored=reached))
    return Anchor(sequence, at_s, hash_)
