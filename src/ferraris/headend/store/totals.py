"""What each channel of a meter comes to on a UTC day, kept beside the blocks for fleet-wide sums.

Everything here follows from the newest blocks, so it can be made again at any time.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete

from ferraris.headend.store.blocks import Rows
from ferraris.headend.store.bulk import replace
from ferraris.headend.store.exchange import totals_of
from ferraris.headend.store.records import Total
from ferraris.headend.store.tables.readings import DAY_TOTAL

__all__ = ["TotalKey", "combined", "write_totals"]

TotalKey = tuple[int, int, int]
"""Meter, profile and UTC day."""

_NAMES: Final = tuple(column.name for column in DAY_TOTAL.columns)
_KEY: Final = tuple(column.name for column in DAY_TOTAL.primary_key)
_DROP: Final = delete(DAY_TOTAL).where(
    *(DAY_TOTAL.c[name] == bindparam(f"its_{name}") for name in _KEY)
)


def write_totals(
    connection: Connection,
    tenant: int,
    found: Mapping[TotalKey, tuple[Sequence[int], Sequence[Total | None]]],
    again: Container[TotalKey] = (),
) -> None:
    """Write the totals of days: for each key the numbers of the channels, and their totals.

    Days in `again` may have totals of channels that have none any more; those go.
    """
    rows: list[tuple[Any, ...]] = []
    gone: list[dict[str, int]] = []
    for found_key, (channels, totals) in found.items():
        meter, profile, day = found_key
        for channel, total in zip(channels, totals, strict=True):
            key = (tenant, day, profile, channel, meter)
            if total is not None:
                rows.append((*key, *total))
            elif found_key in again:
                gone.append({f"its_{name}": value for name, value in zip(_KEY, key, strict=True)})
    if gone:
        connection.execute(_DROP, gone)
    rows.sort()  # one order for all writers
    replace(connection, DAY_TOTAL, _NAMES, rows, _KEY)


def combined(
    parts: Iterable[tuple[Sequence[int], Rows]],
) -> tuple[tuple[int, ...], tuple[Total | None, ...]]:
    """The totals of a day whose rows lie in blocks of several layouts."""
    values: dict[int, list[tuple[int, Any]]] = {}
    for numbers, rows in parts:
        for number, column in zip(numbers, rows.columns, strict=True):
            values.setdefault(number, []).extend(zip(rows.axis, column, strict=True))
    totals: list[Total | None] = []
    for found in values.values():
        found.sort(key=lambda pair: pair[0])
        axis = array("q", [end for end, _ in found])
        whole = Rows(axis, [], [], [[value for _, value in found]], [])
        totals += totals_of(whole)
    return tuple(values), tuple(totals)
