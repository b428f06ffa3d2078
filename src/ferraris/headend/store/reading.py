"""Reading the store: the newest versions of a meter's blocks and reads, events, and history."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, bindparam, exists, func, select

from ferraris.core.errors import UsageError
from ferraris.data.readings import Event, Reading, Series
from ferraris.headend.store.blocks import Rows, day_of, unpack, within
from ferraris.headend.store.catalogue import Catalogue
from ferraris.headend.store.exchange import (
    canonical,
    event_of,
    readings_of,
    series_of,
    unpack_undated,
)
from ferraris.headend.store.postgresql_blocks import Found, newest_blocks
from ferraris.headend.store.records import BlockVersion, ChannelKey, PackedEvent
from ferraris.headend.store.sealing import CLEAR, ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK, EVENT, PROFILE, REGISTER_READ, UNDATED

__all__ = ["Reader", "joined", "seconds"]

_ALL_TIME: Final = 1 << 62


def _newest(table: Table, names: Sequence[str], as_of: bool) -> Select[Any]:
    """The columns of a meter's newest rows of some days, or of the newest ones as of a moment."""
    newer = table.alias("newer")
    keys = [c.name for c in table.primary_key if c.name != "version"]
    superseded = [newer.c[name] == table.c[name] for name in keys]
    superseded.append(newer.c.version > table.c.version)
    # Said once more, so that PostgreSQL opens only the months of these days.
    superseded += [newer.c.day >= bindparam("first"), newer.c.day <= bindparam("last")]
    found = select(*(table.c[name] for name in names)).where(
        table.c.tenant == bindparam("tenant"),
        table.c.meter == bindparam("meter"),
        table.c.day >= bindparam("first"),
        table.c.day <= bindparam("last"),
    )
    if as_of:
        superseded.append(newer.c.stored_s <= bindparam("as_of"))
        found = found.where(table.c.stored_s <= bindparam("as_of"))
    return found.where(~exists().where(*superseded)).order_by(*(table.c[name] for name in keys))


_BLOCK: Final = ("day", "layout", "version", "seal", "body")
_OF_PROFILE: Final = BLOCK.c.profile == bindparam("profile")
_BLOCKS: Final = _newest(BLOCK, _BLOCK, False).where(_OF_PROFILE)
_BLOCKS_AS_OF: Final = _newest(BLOCK, _BLOCK, True).where(_OF_PROFILE)
_VERSIONS: Final = (
    select(*(BLOCK.c[name] for name in ("layout", "version", "rows", "stored_s", "source", "seal")))
    .where(
        *(BLOCK.c[name] == bindparam(name) for name in ("tenant", "meter", "profile", "day")),
    )
    .order_by(BLOCK.c.stored_s, BLOCK.c.layout, BLOCK.c.version)
)
# The day of a read is that of the plan it was read for, so the moment decides; the days around it
# only lead to the right months.
_READS: Final = _newest(
    REGISTER_READ, ("day", "read_s", "layout", "version", "seal", "body"), False
).where(REGISTER_READ.c.read_s >= bindparam("since"), REGISTER_READ.c.read_s < bindparam("until"))
_UNDATED: Final = (
    select(UNDATED.c.rows, UNDATED.c.seal, UNDATED.c.body)
    .where(*(UNDATED.c[name] == bindparam(name) for name in ("tenant", "meter", "profile")))
    .order_by(UNDATED.c.id)
)
_EVENTS: Final = (
    select(*(EVENT.c[name] for name in ("log", "at_s", "turn", "code", "stamp", "detail")))
    .where(
        EVENT.c.tenant == bindparam("tenant"),
        EVENT.c.meter == bindparam("meter"),
        EVENT.c.at_s >= bindparam("since"),
        EVENT.c.at_s < bindparam("until"),
    )
    .order_by(EVENT.c.at_s, EVENT.c.log, EVENT.c.code, EVENT.c.turn)
)
_EVENTS_OF_LOG: Final = _EVENTS.where(EVENT.c.log == bindparam("log"))
_DEVICE: Final = select(METER.c.external_id).where(
    METER.c.tenant == bindparam("tenant"), METER.c.id == bindparam("meter")
)
_DEVICE_AND_UNDATED: Final = _DEVICE.add_columns(
    exists()
    .where(*(UNDATED.c[name] == bindparam(name) for name in ("tenant", "meter", "profile")))
    .correlate(None)
    .label("undated")
)
# A read for a day may come long after it, when a gap is filled: as long as a plan's back-log.
_DAYS_LATE: Final = 400
_DAYS_EARLY: Final = 2


class Reader:
    """What one tenant's store can be asked; each call needs the connection of a view."""

    def __init__(self, catalogue: Catalogue, sealer: Sealer) -> None:
        self._catalogue = catalogue
        self._sealer = sealer

    def series(
        self,
        connection: Connection,
        meter: int,
        profile: str,
        since: datetime | int,
        until: datetime | int,
        *,
        as_of_s: int | None = None,
    ) -> Series:
        """The rows of a profile with `since < end <= until`, as the newest versions have them.

        With `as_of_s` as they were known at that moment. A channel that some days lack has None
        there; `undated` has all rows without an instant. Days whose customer's key is destroyed
        are left out. Raises `DecodeError` for damaged blocks, `UsageError` for a meter that the
        tenant does not have.
        """
        first, last = seconds(since), seconds(until)
        name = canonical(profile)
        number = self._catalogue.profile(connection, name)
        if number is None:
            nothing = Rows(array("q"), [], [], [], [])
            return series_of(self._device(connection, meter), name, (), nothing, ())
        wanted = {
            "tenant": self._catalogue.tenant,
            "meter": meter,
            "profile": number,
            "first": day_of(first + 1),
            "last": day_of(last),
        }
        if as_of_s is not None:
            wanted["as_of"] = as_of_s
        found = (newest_blocks if self._catalogue.is_postgresql else _blocks)(connection, wanted)
        if found is None:
            raise _no(meter)
        parts = []
        for day, layout, version, seal, sealed in found.blocks:
            body = self._open(seal, sealed, "block", (meter, number, day, layout, version))
            if body is not None:
                parts.append((self._catalogue.layout(connection, layout).channels, unpack(body)))
        channels, rows = joined(parts, first, last)
        apart = self._undated(connection, meter, number) if found.undated else ()
        return series_of(found.external_id, name, channels, rows, apart)

    def registers(
        self, connection: Connection, meter: int, since: datetime | int, until: datetime | int
    ) -> list[Reading]:
        """The registers read at `since <= time < until`, in the order of the reads."""
        device = self._device(connection, meter)
        start, end = seconds(since), seconds(until)
        wanted = {
            "tenant": self._catalogue.tenant,
            "meter": meter,
            "first": max(day_of(start) - _DAYS_LATE, -_ALL_TIME),
            "last": day_of(end) + _DAYS_EARLY,
            "since": start,
            "until": end,
        }
        rows = connection.execute(_READS, wanted).all()
        readings: list[Reading] = []
        for day, read_s, layout, version, seal, body in sorted(rows, key=lambda row: row.read_s):
            key = (meter, day, read_s, layout, version)
            body = self._open(seal, body, "register_read", key)
            if body is not None:
                channels = self._catalogue.layout(connection, layout).channels
                readings += readings_of(device, read_s, channels, body)
        return readings

    def events(
        self,
        connection: Connection,
        meter: int,
        since: datetime | int,
        until: datetime | int,
        *,
        log: str | None = None,
    ) -> list[Event]:
        """The events with `since <= time < until`, in order; of one log, or of all.

        Those whose stamp tells no instant stand at second 0.
        """
        device = self._device(connection, meter)
        wanted: dict[str, Any] = {
            "tenant": self._catalogue.tenant,
            "meter": meter,
            "since": seconds(since),
            "until": seconds(until),
        }
        statement = _EVENTS
        if log is not None:
            statement, wanted["log"] = _EVENTS_OF_LOG, canonical(log)
        rows = connection.execute(statement, wanted)
        return [event_of(device, PackedEvent(*row)) for row in rows]

    def last_day(self, connection: Connection, meter: int) -> int | None:
        """The newest UTC day of which a meter has rows."""
        return connection.execute(
            select(func.max(BLOCK.c.day)).where(
                BLOCK.c.tenant == self._catalogue.tenant, BLOCK.c.meter == meter
            )
        ).scalar()

    def profiles(self, connection: Connection, meter: int, day: int) -> list[str]:
        """The profiles of which a meter has rows on a UTC day, by name."""
        rows = connection.execute(
            select(PROFILE.c.obis)
            .join(BLOCK, BLOCK.c.profile == PROFILE.c.id)
            .where(
                BLOCK.c.tenant == self._catalogue.tenant,
                BLOCK.c.meter == meter,
                BLOCK.c.day == day,
            )
            .distinct()
        )
        return sorted(rows.scalars())

    def reads(self, connection: Connection, meter: int, most: int) -> list[int]:
        """When registers of a meter were read (UTC seconds), the last times first."""
        read_s = REGISTER_READ.c.read_s
        rows = connection.execute(
            select(read_s)
            .where(REGISTER_READ.c.tenant == self._catalogue.tenant, REGISTER_READ.c.meter == meter)
            .distinct()
            .order_by(read_s.desc())
            .limit(most)
        )
        return list(rows.scalars())

    def versions(
        self, connection: Connection, meter: int, profile: str, day: int
    ) -> list[BlockVersion]:
        """The history of a meter's UTC day, oldest first; `series(..., as_of_s=)` shows each."""
        self._device(connection, meter)
        number = self._catalogue.profile(connection, profile)
        key = {
            "tenant": self._catalogue.tenant,
            "meter": meter,
            "profile": -1 if number is None else number,
            "day": day,
        }
        return [
            BlockVersion(
                day,
                self._catalogue.layout(connection, row.layout).channels,
                row.version,
                row.rows,
                row.stored_s,
                row.source,
                row.seal != CLEAR,
            )
            for row in connection.execute(_VERSIONS, key).all()
        ]

    def _undated(self, connection: Connection, meter: int, profile: int) -> Iterator[Any]:
        key = {"tenant": self._catalogue.tenant, "meter": meter, "profile": profile}
        for count, seal, body in connection.execute(_UNDATED, key).all():
            plain = self._open_undated(seal, body, meter, profile)
            if plain is not None:
                yield from unpack_undated(plain, count)

    def _open_undated(self, seal: int, body: bytes, meter: int, profile: int) -> bytes | None:
        return self._open(seal, body, "undated", (self._catalogue.tenant, meter, profile))

    def _open(self, seal: int, body: bytes, table: str, key: Sequence[int]) -> bytes | None:
        """The plain body; None when its key is destroyed."""
        if seal == CLEAR:
            return body
        try:
            return self._sealer.open(seal, body, seal_context(table, *key))
        except ErasedError:
            return None

    def _device(self, connection: Connection, meter: int) -> str:
        key = {"tenant": self._catalogue.tenant, "meter": meter}
        found = connection.execute(_DEVICE, key).scalar()
        if found is None:
            raise _no(meter)
        return str(found)


def _blocks(connection: Connection, wanted: Mapping[str, Any]) -> Found | None:
    """What `newest_blocks` finds, in SQL that every database knows."""
    of_meter = {name: wanted[name] for name in ("tenant", "meter", "profile")}
    found = connection.execute(_DEVICE_AND_UNDATED, of_meter).one_or_none()
    if found is None:
        return None
    statement = _BLOCKS_AS_OF if "as_of" in wanted else _BLOCKS
    blocks = connection.execute(statement, wanted).all()
    return Found(found.external_id, found.undated, [tuple(row) for row in blocks])


def _no(meter: int) -> UsageError:
    return UsageError(f"no meter {meter}", where="store")


def seconds(when: datetime | int) -> int:
    """UTC epoch seconds; raises `UsageError` for a time without a zone."""
    if isinstance(when, int):
        return when
    if when.tzinfo is None:
        raise UsageError("a time needs a time zone", where="store")
    return int(when.timestamp())


def joined(
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
