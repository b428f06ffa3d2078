"""Whose readings a meter's are, and when: customers by service points, cut into UTC days.

A row belongs to whom the meter measured for when its interval ended, the end included. A *day* is
sealed under one key: that of the customer at its start or, if there was none, of the first one that
day. Where a customer changes within a day, the other's hours lie under the same key until one of
them is erased; then they are taken apart (`erasing`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.tables.inventory import SERVICE_POINT_METER as ASSIGNMENT

__all__ = ["FOREVER_S", "Assigned", "Spans", "assignments", "holder_of", "spans_of"]

FOREVER_S: Final = 1 << 47  # its day has 31 bits
_WINDOW: Final = 500  # of meters in one statement


class Assigned(NamedTuple):
    """A meter measures for a customer from `since_s`, which belongs to it, until `until_s`."""

    since_s: int
    until_s: int
    customer: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Times of one customer at one meter: disjoint, in order; `(since, until)` in seconds."""

    spans: tuple[tuple[int, int], ...]

    def has(self, end_s: int) -> bool:
        """Whether the interval that ends then is theirs."""
        at = bisect_left(self.spans, (end_s, -1)) - 1
        return at >= 0 and self.spans[at][0] < end_s <= self.spans[at][1]

    def touches_moment(self, at_s: int) -> bool:
        """Whether a register that was read then is theirs; at a change, it is both's."""
        return any(since <= at_s <= until for since, until in self.spans)

    def touches(self, first_s: int, last_s: int) -> bool:
        """Whether any part of the time between is theirs."""
        return any(since < last_s and first_s < until for since, until in self.spans)

    def covers(self, first_s: int, last_s: int) -> bool:
        """Whether all of the time between is theirs."""
        return any(since <= first_s and last_s <= until for since, until in self.spans)

    @property
    def whole(self) -> tuple[int, int]:
        """From the first to the last of it."""
        return self.spans[0][0], self.spans[-1][1]

    def edge_days(self) -> set[int]:
        """The UTC days that are theirs in part."""
        edges = {edge // DAY_S for span in self.spans for edge in span if edge < FOREVER_S}
        return {
            day
            for day in edges
            if self.touches(*_limits(day)) and not self.covers(*_limits(day))
        }  # fmt: skip

    def day_ranges(self) -> list[tuple[int, int]]:
        """First and last UTC day of each span; the edges are among them."""
        return [
            (since // DAY_S, (min(until, FOREVER_S) - 1) // DAY_S) for since, until in self.spans
        ]


def assignments(connection: Connection, meters: Iterable[int]) -> dict[int, list[Assigned]]:
    """For whom each meter measured, in order; meters that never had a customer are left out."""
    found: defaultdict[int, list[Assigned]] = defaultdict(list)
    ordered = sorted(set(meters))
    for start in range(0, len(ordered), _WINDOW):
        rows = connection.execute(
            select(
                ASSIGNMENT.c.meter, ASSIGNMENT.c.since_s, ASSIGNMENT.c.until_s,
                ASSIGNMENT.c.customer,
            )
            .where(
                ASSIGNMENT.c.meter.in_(ordered[start : start + _WINDOW]),
                ASSIGNMENT.c.customer.is_not(None),
            )
            .order_by(ASSIGNMENT.c.meter, ASSIGNMENT.c.since_s)
        )  # fmt: skip
        for meter, since_s, until_s, customer in rows:
            until = FOREVER_S if until_s is None else until_s
            if since_s < until:
                found[meter].append(Assigned(since_s, until, customer))
    return dict(found)


def holder_of(assigned: Sequence[Assigned], day: int, *, but: int = 0) -> int:
    """The customer under whose key a meter's UTC day is sealed; 0 for nobody.

    `but` is passed over. Where two hold a meter at once, by mistake, the later assignment counts.
    """
    start, end = _limits(day)
    first = 0
    for one in reversed(assigned):
        if one.customer == but or one.until_s <= start or one.since_s >= end:
            continue
        if one.since_s <= start:
            return one.customer
        first = one.customer
    return first


def spans_of(assigned: Mapping[int, Sequence[Assigned]], customer: int) -> dict[int, Spans]:
    """The times of one customer at each meter; adjacent ones are joined."""
    found = {}
    for meter, several in assigned.items():
        joined: list[tuple[int, int]] = []
        for since_s, until_s, whose in several:
            if whose != customer:
                continue
            if joined and since_s <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], until_s))
            else:
                joined.append((since_s, until_s))
        if joined:
            found[meter] = Spans(tuple(joined))
    return found


def _limits(day: int) -> tuple[int, int]:
    return day * DAY_S, (day + 1) * DAY_S
