"""Taking a customer's readings apart from those of others, where a key does not do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from ferraris.headend.privacy.holding import Assigned, Spans, holder_of
from ferraris.headend.privacy.sealer import CustomerSealer
from ferraris.headend.store.blocks import pack, picked, unpack
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.sealing import SHREDDED, ErasedError, seal_context
from ferraris.headend.store.tables.readings import BLOCK, REGISTER_READ, UNDATED

__all__ = ["Case", "hand_over", "take_apart", "theirs_in", "this_row"]


@dataclass(frozen=True, slots=True)
class Case:
    """One meter of a customer who is being erased."""

    connection: Connection
    sealer: CustomerSealer
    tenant: int
    meter: int
    customer: int
    spans: Spans
    assigned: Sequence[Assigned]

    def other(self, day: int) -> int:
        """Under whose key the rest of a day goes."""
        return holder_of(self.assigned, day, but=self.customer)

    def overwrite(self, table: Table, where: ColumnElement[bool]) -> int:
        """Put nothing in the place of bodies; returns how many."""
        done = self.connection.execute(
            update(table)
            .where(table.c.meter == self.meter, table.c.seal != self.customer, where)
            .values(seal=self.customer, body=SHREDDED, digest=digest(SHREDDED))
        )
        return done.rowcount

    def hand_over(self, table: Table, row: Row[Any], seal: int) -> int:
        """Seal a body of somebody else for them; one that cannot be opened stays as it is."""
        return hand_over(self.connection, self.sealer, table, row, seal)


def hand_over(
    connection: Connection, sealer: CustomerSealer, table: Table, row: Row[Any], seal: int
) -> int:
    """Seal a body for another customer; returns 0 for one that was erased, which stays as it is."""
    context = seal_context(table.name, *_numbers(table, row))
    try:
        plain = sealer.open(row.seal, row.body, context)
    except ErasedError:
        return 0
    body = sealer.close(seal, plain, context)
    connection.execute(
        update(table).where(this_row(table, row)).values(seal=seal, body=body, digest=digest(body))
    )
    return 1


def this_row(table: Table, row: Row[Any]) -> ColumnElement[bool]:
    """The condition that it is this very row."""
    return and_(*(column == getattr(row, column.name) for column in table.primary_key))


def theirs_in(column: ColumnElement[Any], spans: Spans) -> ColumnElement[bool]:
    """The condition that a moment is the customer's."""
    return or_(
        *((column > since) & (column <= until) for since, until in spans.spans)
    )  # fmt: skip


def take_apart(case: Case) -> dict[str, int]:
    """Blocks, register reads and rows without a time of one meter."""
    edges = case.spans.edge_days()
    theirs = or_(
        *(BLOCK.c.day.between(first, last) for first, last in case.spans.day_ranges())
    )  # fmt: skip
    changed = sum(_cut(case, day) for day in sorted(edges | _strays(case)))
    changed += case.overwrite(BLOCK, theirs & BLOCK.c.day.not_in(edges))
    return {
        "block": changed,
        "register_read": _settle_reads(case),
        "undated": _drop_undated(case),
    }


def _drop_undated(case: Case) -> int:
    """Rows without a time count as of when they were stored; equal bodies cannot stand beside."""
    done = case.connection.execute(
        delete(UNDATED).where(
            UNDATED.c.meter == case.meter,
            UNDATED.c.seal != case.customer,
            theirs_in(UNDATED.c.stored_s, case.spans),
        )
    )
    return done.rowcount


def _strays(case: Case) -> set[int]:
    """Days under the customer's key that are not theirs any more: the assignment was put right."""
    days = case.connection.execute(
        select(BLOCK.c.day)
        .where(
            BLOCK.c.meter == case.meter,
            BLOCK.c.seal == case.customer,
            *(~BLOCK.c.day.between(first, last) for first, last in case.spans.day_ranges()),
        )
        .distinct()
    ).scalars()
    return set(days)


def _cut(case: Case, day: int) -> int:
    """Keep of a day's blocks what is not the customer's, in one version that begins anew."""
    rows = case.connection.execute(
        select(BLOCK)
        .where(BLOCK.c.meter == case.meter, BLOCK.c.day == day)
        .order_by(BLOCK.c.profile, BLOCK.c.layout, BLOCK.c.version)
    ).all()
    newest = {(row.profile, row.layout): row for row in rows}
    return sum(_cut_block(case, row) for row in newest.values())


def _cut_block(case: Case, row: Row[Any]) -> int:
    place = _numbers(BLOCK, row)
    try:
        whole = unpack(case.sealer.open(row.seal, row.body, seal_context("block", *place)))
    except ErasedError:  # of this customer, when this is done again, or of another one
        return 0
    kept = [at for at, end in enumerate(whole.axis) if not case.spans.has(end)]
    if len(kept) == len(whole.axis) and row.seal != case.customer:
        return 0
    same = (BLOCK.c[name] == getattr(row, name) for name in ("meter", "profile", "day", "layout"))
    case.connection.execute(delete(BLOCK).where(*same))
    values = dict(row._mapping) | {"version": row.version + 1}
    seal = case.other(row.day) if kept else case.customer
    place = (*place[:-1], row.version + 1)
    plain = pack(picked(whole, kept))
    body = case.sealer.close(seal, plain, seal_context("block", *place))
    if not kept:  # the day stays known, so that nobody fetches it again
        body = SHREDDED
    values |= {"seal": seal, "rows": len(kept) or row.rows, "body": body, "digest": digest(body)}
    case.connection.execute(insert(BLOCK).values(values))
    return 1


def _settle_reads(case: Case) -> int:
    """Registers that were read in the customer's time; at the moment of a change, it is both's."""
    changed = 0
    table = REGISTER_READ
    for since, until in case.spans.spans:
        changed += case.overwrite(table, (table.c.read_s > since) & (table.c.read_s < until))
    edges = {edge for span in case.spans.spans for edge in span}
    rows = case.connection.execute(
        select(table).where(
            table.c.meter == case.meter,
            (table.c.seal == case.customer) | table.c.read_s.in_(edges),
            ~or_(
                *((table.c.read_s > since) & (table.c.read_s < until)
                  for since, until in case.spans.spans)
            ),
        )
    ).all()  # fmt: skip
    for row in rows:
        others = _hold(case, row.read_s)
        if row.read_s in edges and not others:
            changed += case.overwrite(table, this_row(table, row))
        elif row.seal == case.customer:
            changed += case.hand_over(table, row, others or case.other(row.day))
    return changed


def _hold(case: Case, at_s: int) -> int:
    """Another customer whose meter it was at a moment, both ends included; 0 for nobody."""
    for one in case.assigned:
        if one.customer != case.customer and one.since_s <= at_s <= one.until_s:
            return one.customer
    return 0


def _numbers(table: Table, row: Row[Any]) -> tuple[int, ...]:
    """The numbers of a body's place, as `seal_context` takes them."""
    if table is UNDATED:
        return row.tenant, row.meter, row.profile
    return tuple(getattr(row, column.name) for column in table.primary_key)
