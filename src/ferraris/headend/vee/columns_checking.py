"""Whether final days are what their rows say: contents that can be read, and their counts.

Sealed ones are left to their hash, which the store checks. Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row, select

from ferraris.core.errors import DecodeError
from ferraris.headend.store.sealing import CLEAR
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.columns_versions import unpack_versions
from ferraris.headend.vee.local_days import date_of
from ferraris.headend.vee.quality import Quality

__all__ = ["check_finals"]

_STEP: Final = 500
_COUNTS: Final = (
    ("suspect", Quality.SUSPECT),
    ("estimated", Quality.ESTIMATED),
    ("edited", Quality.EDITED),
    ("missing", Quality.MISSING),
)


def check_finals(connection: Connection, *, tenant: int | None = None) -> Iterator[str]:
    """All that is wrong with final days, of one tenant or of all, a sentence each."""
    names = (*FINAL.primary_key.columns, FINAL.c.intervals, FINAL.c.findings, FINAL.c.body)
    query = (
        select(*names, *(FINAL.c[name] for name, _ in _COUNTS))
        .where(FINAL.c.seal == CLEAR)
        .order_by(*FINAL.primary_key)
    )
    if tenant is not None:
        query = query.where(FINAL.c.tenant == tenant)
    found = connection.execute(query.execution_options(yield_per=_STEP))
    for rows in found.partitions():
        for row, fault in _faults(rows):
            yield f"final values of {_named(connection, row)}: {fault}"


def _faults(rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], str]]:
    alike: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        alike[row.intervals].append(row)
    for some in alike.values():
        try:
            yield from _miscounted(some)
        except DecodeError:
            for row in some:
                try:
                    yield from _miscounted([row])
                except DecodeError as error:
                    yield row, str(error)


def _miscounted(rows: Sequence[Row[Any]]) -> list[tuple[Row[Any], str]]:
    """Of days with equally many intervals those whose row says something else."""
    columns = unpack_versions([row.body for row in rows], rows[0].intervals)
    wrong = columns.version.max(axis=1, initial=0) > np.array([row.version for row in rows])
    findings = np.bitwise_or.reduce(columns.findings, axis=1)
    wrong |= findings != np.array([row.findings for row in rows])
    for name, quality in _COUNTS:
        wrong |= columns.count(quality) != np.array([row._mapping[name] for row in rows])
    return [
        (rows[at], "the contents do not match their row") for at in np.flatnonzero(wrong).tolist()
    ]


def _named(connection: Connection, row: Row[Any]) -> str:
    names = []
    for table, name, number in (
        (METER, "external_id", row.meter),
        (PROFILE, "obis", row.profile),
        (CHANNEL, "name", row.channel),
    ):
        found = connection.execute(select(table.c[name]).where(table.c.id == number)).scalar()
        names.append(f"{table.name} {number if found is None else found}")
    return f"{', '.join(names)}, day {date_of(row.day).isoformat()}, version {row.version}"
