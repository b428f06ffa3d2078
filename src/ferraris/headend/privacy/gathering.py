"""The values of a customer's time with each meter, one after the other: exact and in order."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Table, or_, select

from ferraris.data import units
from ferraris.data.kinds import BitString
from ferraris.headend.privacy.holding import Spans
from ferraris.headend.store.blocks import Rows, unpack
from ferraris.headend.store.exchange import unpack_read, unpack_undated
from ferraris.headend.store.finals import FinalDay, Finals
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import (
    BLOCK,
    CHANNEL,
    LAYOUT,
    PROFILE,
    REGISTER_READ,
    UNDATED,
)

__all__ = ["Theirs", "Value"]

_NO_UNIT = -1
_WINDOW = 64  # days of one meter in memory


@dataclass(frozen=True, slots=True)
class Value:
    """One value; `profile` is empty for one that was read from a register."""

    meter: str
    profile: str
    channel: str
    at_s: int
    text: str
    unit: str
    status: str
    quality: int
    version: int
    final_quality: str = ""
    final_rule: str = ""


class _Body(NamedTuple):
    row: Row[Any]
    plain: bytes


class Theirs:
    """What one customer's meters measured in their time."""

    def __init__(
        self, connection: Connection, sealer: Sealer, tenant: int, spans: Mapping[int, Spans]
    ) -> None:
        self.spans = spans
        self._connection = connection
        self._sealer = sealer
        self._tenant = tenant
        rows = connection.execute(
            select(METER.c.id, METER.c.external_id).where(METER.c.id.in_(list(spans)))
        )
        self.names: dict[int, str] = {row.id: row.external_id for row in rows}
        self._channels: dict[int, ChannelKey] = {
            row.id: ChannelKey(*(getattr(row, name) for name in ChannelKey._fields))
            for row in connection.execute(select(CHANNEL).where(CHANNEL.c.tenant == tenant))
        }
        self._layouts: dict[int, list[int]] = {
            row.id: json.loads(row.channels)
            for row in connection.execute(select(LAYOUT).where(LAYOUT.c.tenant == tenant))
        }
        self._profiles: dict[int, str] = {
            row.id: row.obis
            for row in connection.execute(select(PROFILE).where(PROFILE.c.tenant == tenant))
        }

    def readings(self) -> Iterator[Value]:
        """Interval values, then register values of each meter; rows without a time at the end."""
        for meter, spans in self.spans.items():
            for body in self._bodies(BLOCK, meter, spans):
                yield from self._block(body, spans)
            for body in self._bodies(REGISTER_READ, meter, spans):
                if spans.touches_moment(body.row.read_s):
                    yield from self._read(body)
            yield from self._undated(meter, spans)

    def finals(self, source: Finals) -> Iterator[Value]:
        """Validated values, with what became of each."""
        for meter, theirs in self.spans.items():
            for since, until in theirs.spans:
                for day in source.days(self._connection, self._tenant, [meter], since, until):
                    yield from self._final(day, theirs, source)

    def _bodies(self, table: Table, meter: int, spans: Spans) -> Iterator[_Body]:
        """The newest bodies of the days around, opened; a few weeks of them at a time."""
        days = self._connection.execute(
            select(table.c.day)
            .where(table.c.meter == meter, _of_days(table, spans))
            .distinct()
            .order_by(table.c.day)
        ).scalars()
        found = list(days)
        for at in range(0, len(found), _WINDOW):
            window = found[at : at + _WINDOW]
            for row in self._connection.execute(_newest(table, meter, window[0], window[-1])).all():
                key = (getattr(row, column.name) for column in table.primary_key)
                plain = self._open(row, seal_context(table.name, *key))
                if plain is not None:
                    yield _Body(row, plain)

    def _block(self, body: _Body, spans: Spans) -> Iterator[Value]:
        row, rows = body.row, unpack(body.plain)
        kept = [at for at, end in enumerate(rows.axis) if spans.has(end)]
        for number, column in zip(self._layouts[row.layout], rows.columns, strict=True):
            key = self._channels[number]
            for at in kept:
                yield Value(
                    self.names[row.meter], self._profiles[row.profile], key.name, rows.axis[at],
                    _text(column[at], key), _unit(key), _status(rows, at),
                    rows.quality[at] if rows.quality else 0, row.version,
                )  # fmt: skip

    def _read(self, body: _Body) -> Iterator[Value]:
        row, numbers = body.row, self._layouts[body.row.layout]
        values, _, quality = unpack_read(body.plain, len(numbers))
        for number, value, mark in zip(numbers, values, quality, strict=True):
            key = self._channels[number]
            yield Value(
                self.names[row.meter], "", key.name, row.read_s, _text(value, key), _unit(key), "",
                mark, row.version,
            )  # fmt: skip

    def _undated(self, meter: int, spans: Spans) -> Iterator[Value]:
        wanted = select(UNDATED).where(UNDATED.c.meter == meter).order_by(UNDATED.c.id)
        for row in self._connection.execute(wanted).all():
            if not spans.has(row.stored_s):
                continue
            plain = self._open(row, seal_context("undated", row.tenant, row.meter, row.profile))
            for one in unpack_undated(plain, row.rows) if plain is not None else ():
                text = json.dumps(_plain(one), ensure_ascii=False)
                profile = self._profiles[row.profile]
                yield Value(self.names[meter], profile, "", 1 << 62, text, "", "", 0, 1)

    def _final(self, day: FinalDay, spans: Spans, source: Finals) -> Iterator[Value]:
        key = self._channels[day.channel]
        for at, value in enumerate(day.final):
            end = day.start_s + (at + 1) * day.period_s
            if spans.has(end):
                yield Value(
                    self.names[day.meter], self._profiles[day.profile], key.name, end,
                    _text(value, key), _unit(key), "", 0, day.versions[at],
                    source.qualities[day.quality[at]], source.rules[day.rule[at]],
                )  # fmt: skip

    def _open(self, row: Row[Any], context: bytes) -> bytes | None:
        try:
            return self._sealer.open(row.seal, row.body, context)
        except ErasedError:  # hours of a shared day that somebody else took with them
            return None


def _of_days(table: Table, spans: Spans) -> Any:
    return or_(*(table.c.day.between(first - 1, last + 1) for first, last in spans.day_ranges()))


def _newest(table: Table, meter: int, first: int, last: int) -> Select[Any]:
    return (
        select(table)
        .where(
            table.c.meter == meter,
            table.c.day.between(first, last),
            is_newest(table, (first, last)),
        )
        .order_by(*(column for column in table.primary_key if column.name != "version"))
    )


def _text(value: Any, key: ChannelKey) -> str:
    """The exact value, scaled to its unit."""
    if type(value) is int:
        exact = units.scale(value, key.scaler)
        return f"{exact:f}" if isinstance(exact, Decimal) else str(exact)
    if value is None:
        return ""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it; octets in hex, exact numbers as text."""
    if isinstance(value, BitString):
        return value.text
    if isinstance(value, list | tuple | array):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, bool | int | str | None) else str(value)


def _status(rows: Rows, at: int) -> str:
    value = rows.status[at] if rows.status else None
    return "" if value is None else str(_plain(value))


def _unit(key: ChannelKey) -> str:
    return "" if key.unit in (_NO_UNIT, units.UNITLESS) else units.unit(key.unit).symbol
