"""The store of a head-end: inventory, packed blocks, register reads, sessions and the gap list."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.readings import Reading, Series
from ferraris.headend.store import statements as sql
from ferraris.headend.store.blocks import DAY_S, Rows, day_of, unpack, within
from ferraris.headend.store.database import Database, location_of
from ferraris.headend.store.exchange import (
    canonical,
    digest,
    readings_of,
    series_of,
    unpack_read,
    unpack_undated,
)
from ferraris.headend.store.gaps import GapList
from ferraris.headend.store.records import (
    ChannelKey,
    MeterEntry,
    Plan,
    Result,
    Stored,
    StoreError,
    StoreSummary,
)
from ferraris.headend.store.writing import commit

__all__ = ["Store"]


class Store:
    """One tenant's view of a store in an SQLite file; safe in threads and for several processes.

    Everything raises `StoreError` when the disk or the file is at fault, and then changed nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(
        cls, location: str | Path, *, tenant: str = "main", wait_s: float = 30.0
    ) -> Store:  # fmt: skip
        """Open or create the store at a path or `sqlite:///…` URL, and bring its schema up to date.

        Raises `StoreError` for a newer store, a foreign or damaged file and a file that cannot be
        opened; `UsageError` for a URL of another scheme.
        """
        return cls(Database(location_of(location), tenant, wait_s))

    @property
    def location(self) -> str:
        """The file of the store."""
        return self._database.path

    def close(self) -> None:
        """Close the store; committed work is already safe."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- inventory -------------------------------------------------------------------------

    def enrol(self, entries: Iterable[MeterEntry]) -> dict[str, int]:
        """Add or update meters; returns the surrogate numbers of all meters by external id."""
        with self._database.transaction() as connection:
            connection.executemany(
                sql.PUT_METER,
                ((self._database.tenant, e.external_id, e.system_title, e.zone) for e in entries),
            )
            return dict(connection.execute(sql.METERS, (self._database.tenant,)).fetchall())

    def numbers(self) -> dict[str, int]:
        """The surrogate numbers of all meters by external id."""
        with self._database.reading() as connection:
            return dict(connection.execute(sql.METERS, (self._database.tenant,)).fetchall())

    def meters(self) -> list[MeterEntry]:
        """The inventory, in the order of enrolment."""
        with self._database.reading() as connection:
            rows = connection.execute(sql.METER_ENTRIES, (self._database.tenant,))
            return [MeterEntry(*row) for row in rows]

    def mount(
        self, service_point: str, external_id: str, since: datetime, until: datetime | None = None
    ) -> None:
        """Note since when a meter measures for a service point; ends the one before it."""
        meter = self._meter(external_id)
        start, end = _seconds(since), None if until is None else _seconds(until)
        if end is not None and end <= start:
            raise UsageError("a meter cannot be removed before it is mounted", where="store")
        with self._database.transaction() as connection:
            tenant = self._database.tenant
            connection.execute(sql.CLOSE_SERVICE_POINT, (start, tenant, service_point, start))
            connection.execute(sql.PUT_SERVICE_POINT, (tenant, service_point, meter, start, end))

    def meter_at(self, service_point: str, when: datetime) -> str | None:
        """The meter that measured for a service point at a moment, or None."""
        at = _seconds(when)
        with self._database.reading() as connection:
            key = (self._database.tenant, service_point, at, at)
            row = connection.execute(sql.METER_AT, key).fetchone()
        return str(row[0]) if row else None

    # --- plans and gaps --------------------------------------------------------------------

    def plan(
        self, plan: Plan, external_ids: Iterable[str], *, since_day: int = 0, worker: str = "reader"
    ) -> GapList:
        """Make or change a plan, put meters under it from a UTC day on, and return its gap list.

        Raises `UsageError` for a meter that is not enrolled or a period that does not divide a day.
        """
        if not 0 < plan.period_s <= DAY_S or DAY_S % plan.period_s:
            raise UsageError("the period must divide a day", where="store")
        with self._database.transaction() as connection:
            tenant = self._database.tenant
            known = dict(connection.execute(sql.METERS, (tenant,)).fetchall())
            profile = plan.profile and self._database.make_profile(
                connection, canonical(plan.profile)
            )
            connection.execute(
                sql.PUT_PLAN,
                (tenant, plan.name, profile, plan.period_s, json.dumps(plan.registers)),
            )
            plan_id = int(connection.execute(sql.PLAN, (tenant, plan.name)).fetchone()[0])
            try:
                rows = [(tenant, plan_id, known[name], since_day) for name in external_ids]
            except KeyError as error:
                raise UsageError(f"meter {error.args[0]} is not enrolled", where="store") from None
            connection.executemany(sql.PUT_PLAN_METER, rows)
        return GapList(self._database, plan_id, plan, worker)

    def commit(self, gaps: GapList, results: Iterable[Result], now: float) -> Stored:
        """Write the results of sessions in one transaction: durable when this returns."""
        return commit(self._database, gaps.plan_id, results, now)

    # --- reading ---------------------------------------------------------------------------

    def series(
        self, external_id: str, profile: str, since: datetime | int, until: datetime | int
    ) -> Series:
        """The rows of a profile whose interval ends lie in `since < end <= until`, newest versions.

        A channel that some days lack has None there; `undated` has all rows without an instant.
        Raises `DecodeError` for damaged blocks, `UsageError` for a meter that is not enrolled.
        """
        meter, first, last = self._meter(external_id), _seconds(since), _seconds(until)
        name = canonical(profile)
        tenant, number = self._database.tenant, self._database.profile(name)
        with self._database.reading() as connection:
            key = (tenant, meter, number, day_of(first + 1), day_of(last))
            parts = [
                (self._database.channels_of(connection, layout), unpack(body))
                for _, layout, body in connection.execute(sql.BLOCKS_BETWEEN, key).fetchall()
            ]
            undated = connection.execute(sql.UNDATED, (tenant, meter, number)).fetchall()
        channels, rows = _joined(parts, first, last)
        apart = [row for body, count in undated for row in unpack_undated(body, count)]
        return series_of(external_id, name, channels, rows, apart)

    def registers(
        self, external_id: str, since: datetime | int, until: datetime | int
    ) -> Iterator[Reading]:
        """The registers read at `since <= time < until`, in the order of the reads."""
        key = (self._database.tenant, self._meter(external_id), _seconds(since), _seconds(until))
        with self._database.reading() as connection:
            found = [
                (read_s, self._database.channels_of(connection, layout), body)
                for read_s, layout, _, body in connection.execute(sql.READS_BETWEEN, key).fetchall()
            ]
        for read_s, channels, body in found:
            yield from readings_of(external_id, read_s, channels, body)

    def summary(self) -> StoreSummary:
        """Counts of what the store holds for its tenant, and the size of its file in octets."""
        with self._database.reading() as connection:
            row = connection.execute(sql.SUMMARY, (self._database.tenant,)).fetchone()
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        meters, blocks, intervals, reads, registers, sessions = row
        return StoreSummary(meters, blocks, intervals, reads, registers, sessions, pages * size)

    def check(self) -> list[str]:
        """Everything that is wrong with the store, one line each: structure, hashes, contents."""
        wrong: list[str] = []
        with self._database.reading() as connection:
            for (line,) in connection.execute("PRAGMA integrity_check"):
                if line != "ok":
                    wrong.append(str(line))
            for row in connection.execute("PRAGMA foreign_key_check"):
                wrong.append(f"table {row[0]} row {row[1]} refers to a missing row of {row[2]}")
            for kind, number, count, known, body, columns in connection.execute(sql.BODIES):
                fault = _fault(kind, count, known, body, columns)
                if fault:
                    wrong.append(f"{kind} {number}: {fault}")
        return wrong

    def _meter(self, external_id: str) -> int:
        with self._database.reading() as connection:
            key = (self._database.tenant, external_id)
            row = connection.execute(sql.METER, key).fetchone()
        if row is None:
            raise UsageError(f"meter {external_id} is not enrolled", where="store")
        return int(row[0])


def _seconds(when: datetime | int) -> int:
    if isinstance(when, int):
        return when
    if when.tzinfo is None:
        raise UsageError("a time needs a time zone", where="store")
    return int(when.timestamp())


def _joined(
    parts: Sequence[tuple[tuple[ChannelKey, ...], Rows]], first: int, last: int
) -> tuple[tuple[ChannelKey, ...], Rows]:
    """Days put together; rows outside `first < end <= last` left out."""
    channels = tuple(dict.fromkeys(key for keys, _ in parts for key in keys))
    stamps = any(rows.stamps for _, rows in parts)
    status = any(rows.status for _, rows in parts)
    quality = any(rows.quality for _, rows in parts)
    whole = Rows(array("q"), [], [], [[] for _ in channels], [])
    for keys, part in parts:
        rows = within(part, first, last)
        count = len(rows.axis)
        whole.axis.extend(rows.axis)
        whole.stamps.extend(rows.stamps or [b""] * count if stamps else ())
        whole.status.extend(rows.status or [None] * count if status else ())
        whole.quality.extend(rows.quality or [0] * count if quality else ())
        for place, key in enumerate(channels):
            column = rows.columns[keys.index(key)] if key in keys else [None] * count
            whole.columns[place].extend(column)
    return channels, whole


def _fault(kind: str, count: int, known: bytes, body: bytes, columns: int | None) -> str:
    if digest(body) != known:
        return "the contents do not match their hash"
    try:
        if kind == "block":
            rows = unpack(body)
            same = len(rows.axis) == count and len(rows.columns) == columns
        else:
            unpack_read(body, count)
            same = count == columns
    except (DecodeError, StoreError) as error:
        return str(error)
    return "" if same else "the contents do not match their row"
