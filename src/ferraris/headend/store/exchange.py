"""From readings and series to packed records and back; needs no database."""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.data import units
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Event, Quality, Reading, Series
from ferraris.headend.store.blocks import Rows, pack, split_days, within
from ferraris.headend.store.columns_codec import pack_column, tagged, unpack_column, untagged
from ferraris.headend.store.heard import heard_at
from ferraris.headend.store.records import (
    ChannelKey,
    PackedBlock,
    PackedEvent,
    PackedRead,
    PackedUndated,
    Total,
)

__all__ = [
    "canonical",
    "digest",
    "event_of",
    "pack_events",
    "pack_readings",
    "pack_series",
    "pack_undated",
    "readings_of",
    "series_of",
    "totals_of",
    "unpack_read",
    "unpack_undated",
]

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_NO_UNIT = -1


def canonical(name: str | bytes) -> str:
    """The one spelling of a profile's name in the store: of its OBIS code, or as it is."""
    try:
        return str(Obis.parse(name))
    except UsageError:
        return name if isinstance(name, str) else name.decode("latin-1")


def digest(body: bytes) -> bytes:
    """The content hash of a packed body: finds damage and repeated reads, proves no origin."""
    return hashlib.blake2b(body, digest_size=8).digest()


def pack_series(profile: str, series: Series, first_s: int, last_s: int) -> list[PackedBlock]:
    """One block for each UTC day of a series, of the rows with `first_s < end <= last_s`."""
    rows = Rows(
        series.ends,
        series.stamps,
        list(series.status),
        series.columns,  # type: ignore[arg-type] # sequences do where lists are named
        series.quality.tolist(),
    )
    name, channels = canonical(profile), _keys_of(series.channels)
    return [
        _packed(name, channels, day, part)
        for day, part in split_days(within(rows, first_s, last_s))
    ]


def pack_undated(profile: str, series: Series) -> list[PackedUndated]:
    """The rows of a series that have no instant, if there are any."""
    if not series.undated:
        return []
    body = pack_column(series.undated)
    return [PackedUndated(canonical(profile), len(series.undated), body, digest(body))]


def series_of(
    device: str, profile: str, channels: Sequence[ChannelKey], rows: Rows, undated: Iterable[Any]
) -> Series:
    """The series of joined rows."""
    return Series(
        device,
        _name(profile, profile[:1].isdigit()),
        rows.axis,
        [
            Channel(
                _name(key.name, key.is_obis), key.class_id, key.attribute, key.scaler,
                key.unit, key.element,
            )
            for key in channels
        ],
        rows.columns,
        stamps=rows.stamps,
        status=rows.status or None,
        quality=array("H", rows.quality) if rows.quality else None,
        undated=list(undated),
    )  # fmt: skip


def pack_readings(day: int, read_s: int, readings: Sequence[Reading]) -> PackedRead:
    """Pack values that were read at about one moment, for a day of the plan."""
    shape, values, times = [], [], []
    moment = read_s * 1_000_000
    previous, micros, at_s = None, None, heard_at(day, read_s, None)
    heard = []
    for place, reading in enumerate(readings):
        value, scaler = reading.value, 0
        if type(value) is Decimal and (scaler := _exponent(value)):
            value = int(value.scaleb(-scaler))
        values.append(value)
        code = _NO_UNIT if reading.unit is None else reading.unit.code
        shape.append((reading.name, scaler, code, reading.origin))
        if reading.time is not previous:
            previous = reading.time
            micros = None if previous is None else (previous - _UNIX) // _MICROSECOND - moment
            at_s = heard_at(day, read_s, micros)
        if at_s is not None and type(value) is int and code != _NO_UNIT:
            heard.append((place, at_s))
        times.append(micros)
    qualities = [int(reading.quality) for reading in readings]
    body = pack_column(values) + pack_column(times) + pack_column(qualities)
    keys = _keys_of_shape(tuple(shape))
    return PackedRead(day, read_s, keys, body, digest(body), tuple(heard))


def unpack_read(body: bytes, count: int) -> tuple[list[Any], list[int | None], list[int]]:
    """Values, times (microseconds after the read) and qualities; raises `DecodeError`."""
    values, at = unpack_column(body, 0, count)
    times, at = unpack_column(body, at, count)
    qualities, at = unpack_column(body, at, count)
    if at != len(body):
        raise DecodeError("octets left over", where="register read", offset=at)
    return values, times, qualities


def readings_of(
    device: str, read_s: int, channels: Sequence[ChannelKey], body: bytes
) -> list[Reading]:
    """The readings of a packed read; their times are in UTC."""
    values, times, qualities = unpack_read(body, len(channels))
    return [
        Reading(
            device,
            _name(key.name, key.is_obis),
            Decimal(value).scaleb(key.scaler) if key.scaler and type(value) is int else value,
            None if key.unit == _NO_UNIT else units.unit(key.unit),
            None if micros is None else _UNIX + timedelta(seconds=read_s, microseconds=micros),
            Quality(quality),
            key.origin,
        )
        for key, value, micros, quality in zip(channels, values, times, qualities, strict=True)
    ]


def unpack_undated(body: bytes, rows: int) -> list[Any]:
    """The rows without an instant; raises `DecodeError`."""
    found, at = unpack_column(body, 0, rows)
    if at != len(body):
        raise DecodeError("octets left over", where="undated rows", offset=at)
    return found


def pack_events(events: Iterable[Event]) -> list[PackedEvent]:
    """Lines of event logs, as they were read: equal lines of one second have a turn each.

    A log is read by whole seconds, so a line that is read again gets the turn that it had.
    """
    turns: dict[tuple[str, int, int], int] = {}
    packed = []
    for event in events:
        log, code = canonical(str(event.log)), -1 if event.code is None else event.code
        detail = _detail(event)
        if event.time is None:  # no instant: known by all that it says
            turn = zlib.crc32(event.stamp + detail.encode())
            packed.append(PackedEvent(log, 0, turn, code, event.stamp, detail))
            continue
        at_s = (event.time - _UNIX) // _SECOND
        turn = turns[log, at_s, code] = turns.get((log, at_s, code), -1) + 1
        packed.append(PackedEvent(log, at_s, turn, code, event.stamp, detail))
    return packed


def event_of(device: str, packed: PackedEvent) -> Event:
    """The event of a packed line; raises `DecodeError` for a damaged one."""
    text, quality, values = "", Quality.GOOD, []
    if packed.detail:
        try:
            text, bits, given = json.loads(packed.detail)
            quality, values = Quality(bits), [untagged(value) for value in given]
        except (ArithmeticError, Error, IndexError, LookupError, TypeError, ValueError) as error:
            raise DecodeError("detail damaged", where="event") from error
    return Event(
        device,
        _name(packed.log, packed.log[:1].isdigit()),
        _UNIX + timedelta(seconds=packed.at_s) if packed.at_s else None,
        None if packed.code == -1 else packed.code,
        text,
        packed.stamp,
        quality,
        tuple(values),
    )


def _detail(event: Event) -> str:
    if not (event.text or event.quality or event.values):
        return ""
    values = [tagged(value) for value in event.values]
    return json.dumps([event.text, int(event.quality), values], separators=(",", ":"))


def _packed(
    profile: str, channels: tuple[ChannelKey, ...], day: int, part: Rows
) -> PackedBlock:  # fmt: skip
    body = pack(part)
    return PackedBlock(profile, day, channels, len(part.axis), body, digest(body), totals_of(part))


def totals_of(rows: Rows) -> tuple[Total | None, ...]:
    """The total of each channel of a day."""
    axis = rows.axis
    if not axis:
        return tuple([None] * len(rows.columns))
    if axis[0] != min(axis) or axis[-1] != max(axis):
        order = sorted(range(len(axis)), key=axis.__getitem__)
        return tuple([_total([column[at] for at in order]) for column in rows.columns])
    return tuple(map(_total, rows.columns))


def _total(column: Sequence[Any]) -> Total | None:
    kinds = set(map(type, column))
    if kinds != {int}:
        column = [value for value in column if value is not None]
        if not column or kinds - {int, type(None)}:
            return None
    least, most = min(column), max(column)
    if least < -(1 << 63) or most >= 1 << 63:
        return None
    return Total(len(column), column[0], column[-1], least, most)


def _exponent(value: Decimal) -> int:
    """The exponent of a Decimal that fits a scaler and 28 digits; 0 for one kept as it is."""
    sign, digits, exponent = value.as_tuple()
    plain = isinstance(exponent, int) and -128 <= exponent < 0 and len(digits) <= 18
    return exponent if plain and not (sign and not any(digits)) else 0  # type: ignore[return-value] # plain says int


def _name(name: str, is_obis: int | bool) -> Obis | str:
    if not is_obis:
        return name
    try:
        return _parsed(name)
    except UsageError:
        return name


_parsed = lru_cache(maxsize=4096)(Obis.parse)


@lru_cache(maxsize=1024)
def _keys_of(channels: tuple[Channel, ...]) -> tuple[ChannelKey, ...]:
    return tuple(
        ChannelKey(str(c.name), int(isinstance(c.name, Obis)), c.class_id, c.attribute,
                   c.element, c.scaler, c.unit)
        for c in channels
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _keys_of_shape(shape: tuple[tuple[Obis | str, int, int, str], ...]) -> tuple[ChannelKey, ...]:
    return tuple(
        ChannelKey(str(name), int(isinstance(name, Obis)), 0, 0, 0, scaler, unit, origin)
        for name, scaler, unit, origin in shape
    )
