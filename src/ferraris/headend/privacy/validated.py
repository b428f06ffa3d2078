"""Taking validated days apart: a local day is one person's, or it is deleted with what is shared.

What is deleted was made from the readings and can be made again from those that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, or_, select

from ferraris.headend.privacy.edges import Case, this_row
from ferraris.headend.store.tables.validated import FINAL

__all__ = ["settle_final"]

_DAY = 1  # a local day begins or ends at most a UTC day away


def settle_final(case: Case) -> dict[str, int]:
    """Final values of one meter; those under the customer's key stay there and never open."""
    ranges = [(first - _DAY, last + _DAY) for first, last in case.spans.day_ranges()]
    edges = {day + more for day in case.spans.edge_days() for more in (-_DAY, 0, _DAY)}
    theirs = or_(*(FINAL.c.day.between(first, last) for first, last in ranges))
    rows: Sequence[Row[Any]] = case.connection.execute(
        select(FINAL).where(
            FINAL.c.meter == case.meter,
            ((FINAL.c.seal != case.customer) & theirs)
            | ((FINAL.c.seal == case.customer) & (FINAL.c.day.in_(edges) | ~theirs)),
        )
    ).all()
    return {"final": sum(_settle(case, row) for row in rows)}


def _settle(case: Case, row: Row[Any]) -> int:
    start, end = row.start_s, row.start_s + row.period_s * row.intervals
    if case.spans.covers(start, end):
        return case.overwrite(FINAL, this_row(FINAL, row))
    if case.spans.touches(start, end):
        done = case.connection.execute(delete(FINAL).where(this_row(FINAL, row)))
        return done.rowcount
    if row.seal == case.customer:
        return case.hand_over(FINAL, row, case.other(row.day))
    return 0
