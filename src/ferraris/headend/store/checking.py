"""Whether the store is whole: its structure, every body against its hash and its row, the totals.

What is wrong comes as it is found, a sentence each, so memory stays small however large the store
is. Sealed bodies are checked by their hash alone, so no keys are needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, func, select

from ferraris.core.errors import DecodeError
from ferraris.headend.store.blocks import Rows, unpack
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import digest, totals_of, unpack_read, unpack_undated
from ferraris.headend.store.records import Total
from ferraris.headend.store.sealing import CLEAR
from ferraris.headend.store.structure import faults_of_structure
from ferraris.headend.store.tables.inventory import CUSTOMER, METER, SERVICE_POINT_METER
from ferraris.headend.store.tables.readings import (
    BLOCK,
    CHANNEL,
    DAY_TOTAL,
    LAYOUT,
    PROFILE,
    REGISTER_READ,
    UNDATED,
)
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.store.totals import combined

__all__ = ["Check", "Progress", "check", "examine"]

Check = Callable[[Connection], Iterable[str]]
"""A further check of another room: what is wrong, a sentence each."""

Progress = Callable[[int, int], None]
"""Told how many bodies were looked at, and of how many."""

_STEP: Final = 500
_WINDOW: Final = 256
_BODIES: Final = (BLOCK, REGISTER_READ, UNDATED, FINAL)
_EPOCH: Final = date(1970, 1, 1)


def check(
    engine: Engine, *, progress: Progress | None = None, further: Sequence[Check] = ()
) -> Iterator[str]:
    """All that is wrong with a store, of all its tenants, in one consistent view of it.

    Others may write meanwhile. Nothing is changed, and nothing is found in a sound store. Raises
    `StoreError` where the store cannot even be read.
    """
    with engine.reading() as connection:
        yield from faults_of_structure(connection)
        yield from examine(connection, progress=progress)
        for one in further:
            yield from one(connection)


def examine(
    connection: Connection, *, tenant: int | None = None, progress: Progress | None = None
) -> Iterator[str]:
    """All that is wrong with what is stored, of one tenant or of all."""
    examination = _Examination(connection, tenant, progress)
    yield from examination.layouts()
    yield from examination.blocks()
    yield from examination.reads()
    yield from examination.others()


@dataclass(slots=True)
class _Examination:
    connection: Connection
    tenant: int | None
    progress: Progress | None
    widths: dict[int, tuple[int, ...]] = field(default_factory=dict)
    of: int = 0
    done: int = 0

    def layouts(self) -> Iterator[str]:
        """Every layout names channels that are there."""
        if self.progress is not None:
            self.of = sum(
                self.connection.execute(self._mine(table, select(func.count()))).scalar_one()
                for table in _BODIES
            )
        found = self.connection.execute(select(CHANNEL.c.tenant, CHANNEL.c.id))
        channels = {(row.tenant, row.id) for row in found}
        for row in self.connection.execute(self._mine(LAYOUT).order_by(LAYOUT.c.id)):
            try:
                numbers = tuple(map(int, json.loads(row.channels)))
            except (TypeError, ValueError):
                yield f"layout {row.id}: its list of channels is damaged"
                continue
            self.widths[row.id] = numbers
            for number in numbers:
                if (row.tenant, number) not in channels:
                    yield f"layout {row.id}: there is no channel {number}"

    def blocks(self) -> Iterator[str]:
        """Day by day: every version of every block, and what the newest ones come to."""
        for day in self._days(BLOCK):
            rows = self._rows(BLOCK, day)
            keyed = groupby(rows, key=lambda row: (row.tenant, row.meter, row.profile))
            groups = ((key, list(versions)) for key, versions in keyed)
            while window := list(islice(groups, _WINDOW)):
                yield from self._window(day, window)

    def _window(
        self, day: int, window: Sequence[tuple[tuple[int, int, int], list[Row[Any]]]]
    ) -> Iterator[str]:
        known = self._totals(day, [key for key, _ in window])
        for key, versions in window:
            newest: dict[int, Rows | None] = {}
            for row in versions:
                self._step()
                rows, fault = self._block(row)
                newest[row.layout] = rows
                if fault:
                    yield self._named(row, "block", fault)
            if None in newest.values():  # sealed or damaged: nobody can tell
                continue
            parts = [(self.widths[layout], rows) for layout, rows in newest.items() if rows]
            given = known.get(key, {})
            for channel, total in zip(*_sum(parts), strict=True):
                known_total = given.get(channel)
                if known_total is None and total is not None and self._had_erased(key[1]):
                    continue
                if known_total != total:
                    fault = f"the total of channel {channel} is not that of its rows"
                    yield self._named(versions[-1], "block", fault)

    def _had_erased(self, meter: int) -> bool:
        """Whether a meter measured for somebody who was erased: totals of their days are gone."""
        wanted = (
            select(CUSTOMER.c.id)
            .join(SERVICE_POINT_METER, SERVICE_POINT_METER.c.customer == CUSTOMER.c.id)
            .where(SERVICE_POINT_METER.c.meter == meter, CUSTOMER.c.erased_s.is_not(None))
            .limit(1)
        )
        return self.connection.execute(wanted).first() is not None

    def _totals(
        self, day: int, keys: Sequence[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], dict[int, Total | None]]:
        found: dict[tuple[int, int, int], dict[int, Total | None]] = {}
        table = DAY_TOTAL.c
        rows = self.connection.execute(
            select(DAY_TOTAL).where(
                table.tenant.in_({tenant for tenant, _, _ in keys}),
                table.day == day,
                table.profile.in_({profile for _, _, profile in keys}),
                table.channel.in_(select(CHANNEL.c.id)),
                table.meter.in_({meter for _, meter, _ in keys}),
            )
        )
        for row in rows:
            total = Total(row.rows, row.first, row.last, row.least, row.most)
            found.setdefault((row.tenant, row.meter, row.profile), {})[row.channel] = total
        return found

    def _block(self, row: Row[Any]) -> tuple[Rows | None, str]:
        if digest(row.body) != row.digest:
            return None, "the contents do not match their hash"
        if row.seal != CLEAR:
            return None, ""
        try:
            rows = unpack(row.body)
        except DecodeError as error:
            return None, str(error)
        width = self.widths.get(row.layout)
        if width is None or len(rows.axis) != row.rows or len(rows.columns) != len(width):
            return None, "the contents do not match their row"
        return rows, ""

    def reads(self) -> Iterator[str]:
        """Every read of registers."""
        for day in self._days(REGISTER_READ):
            for row in self._rows(REGISTER_READ, day):
                self._step()
                width = len(self.widths.get(row.layout, ()))
                if fault := _fault(row, row._mapping["count"], unpack_read, width):
                    yield self._named(row, "register read", fault)

    def others(self) -> Iterator[str]:
        """Rows without an instant, and final values, whose contents are validation's own."""
        for row in self._stream(self._mine(UNDATED).order_by(UNDATED.c.id)):
            self._step()
            if fault := _fault(row, row.rows, unpack_undated, row.rows):
                yield self._named(row, "undated rows", fault)
        for row in self._stream(self._mine(FINAL)):
            self._step()
            if digest(row.body) != row.digest:
                yield self._named(row, "final values", "the contents do not match their hash")

    def _days(self, table: Table) -> list[int]:
        days = self._mine(table, select(table.c.day)).distinct().order_by(table.c.day)
        return list(self.connection.execute(days).scalars())

    def _rows(self, table: Table, day: int) -> Iterable[Row[Any]]:
        order = [table.c.tenant, *table.primary_key]
        return self._stream(self._mine(table).where(table.c.day == day).order_by(*order))

    def _mine(self, table: Table, statement: Select[Any] | None = None) -> Select[Any]:
        found = (select(table) if statement is None else statement).select_from(table)
        return found if self.tenant is None else found.where(table.c.tenant == self.tenant)

    def _stream(self, statement: Select[Any]) -> Iterable[Row[Any]]:
        return self.connection.execute(statement.execution_options(yield_per=_STEP))

    def _step(self) -> None:
        self.done += 1
        if self.progress is not None and (self.done % _STEP == 0 or self.done == self.of):
            self.progress(self.done, self.of)

    def _named(self, row: Row[Any], what: str, fault: str) -> str:
        names = row._mapping
        meter = self.connection.execute(
            select(METER.c.external_id).where(METER.c.id == row.meter)
        ).scalar()
        parts = [f"meter {meter or row.meter}"]
        if "profile" in names:
            wanted = select(PROFILE.c.obis).where(PROFILE.c.id == row.profile)
            parts.append(f"profile {self.connection.execute(wanted).scalar() or row.profile}")
        if "channel" in names:
            parts.append(f"channel {row.channel}")
        if "day" in names:
            parts.append(f"day {_shown(row.day)}")
        if "version" in names:
            parts.append(f"version {row.version}")
        return f"{what} of {', '.join(parts)}: {fault}"


def _sum(
    parts: Sequence[tuple[tuple[int, ...], Rows]],
) -> tuple[Sequence[int], Sequence[Total | None]]:
    if len(parts) == 1:
        numbers, rows = parts[0]
        return numbers, totals_of(rows)
    return combined(parts)


def _fault(row: Row[Any], count: int, read: Callable[[bytes, int], Any], width: int) -> str:
    if digest(row.body) != row.digest:
        return "the contents do not match their hash"
    if row.seal != CLEAR:
        return ""
    try:
        read(row.body, count)
    except DecodeError as error:
        return str(error)
    return "" if count == width else "the contents do not match their row"


def _shown(day: int) -> str:
    try:
        return (_EPOCH + timedelta(days=day)).isoformat()
    except OverflowError:
        return str(day)
