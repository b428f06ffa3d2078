"""Readings and series for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ferraris.cli.shapes import moment, plain_symbol
from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.readings import Channel, Quality, Reading, Series

__all__ = ["csv_rows", "plain_value", "reading_shape", "series_shape", "table_lines", "text_line"]


def text_line(reading: Reading) -> str:
    """`1-0:1.8.0*255  1234.5 kWh  (2026-03-01T00:00:00+00:00)`."""
    time = "" if reading.time is None else f"  ({reading.time.isoformat()})"
    return f"{reading.name!s:<18} {plain_value(reading)}{time}"


def plain_value(reading: Reading) -> str:
    """Value and unit alone."""
    unit = "" if reading.unit is None or reading.unit.code == units.UNITLESS else reading.unit
    return f"{_text(reading.value)} {unit}".rstrip()


def reading_shape(reading: Reading) -> dict[str, Any]:
    """A reading as JSON."""
    return {
        "obis": str(reading.name),
        "name": _name(reading.name),
        "value": _value(reading.value),
        "unit": None if reading.unit is None else plain_symbol(reading.unit.symbol),
        "time": None if reading.time is None else reading.time.isoformat(),
        "quality": quality_words(reading.quality),
    }


def series_shape(series: Series) -> dict[str, Any]:
    """A profile as JSON: its channels, then rows of end, status, quality and scaled values."""
    columns = [series.scaled(number) for number in range(len(series.channels))]
    return {
        "obis": str(series.profile),
        "name": _name(series.profile),
        "channels": [
            {
                "obis": str(channel.name),
                "class_id": channel.class_id,
                "attribute": channel.attribute,
                "unit": plain_symbol(units.unit(channel.unit).symbol),
            }
            for channel in series.channels
        ],
        "rows": [
            {
                "end": _moment(end),
                "status": series.status[row],
                "quality": quality_words(Quality(series.quality[row])),
                "values": [_value(column[row]) for column in columns],
            }
            for row, end in enumerate(series.ends)
        ],
    }


def table_lines(series: Series) -> Iterator[str]:
    """A profile as a table: one line a row, columns as wide as they need."""
    head = ["end (UTC)", *(_heading(channel) for channel in series.channels), "status"]
    rows = [head, *_rows(series)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(head))]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def csv_rows(readings: Sequence[Reading], series: Series | None) -> Iterator[list[str]]:
    """One table of readings, and one of the profile, each with its heading."""
    if readings:
        yield ["obis", "value", "unit", "time"]
        for reading in readings:
            unit = "" if reading.unit is None else plain_symbol(reading.unit.symbol)
            time = "" if reading.time is None else reading.time.isoformat()
            yield [str(reading.name), _text(reading.value), unit, time]
    if series is not None:
        yield ["end", *(_heading(channel) for channel in series.channels), "status"]
        yield from _rows(series)


def quality_words(quality: Quality) -> list[str]:
    """The names of the bits that are set."""
    return [bit.name.lower().replace("_", "-") for bit in Quality if bit in quality and bit.name]


def _rows(series: Series) -> Iterator[list[str]]:
    columns = [series.scaled(number) for number in range(len(series.channels))]
    for row, end in enumerate(series.ends):
        status = series.status[row]
        cells = [_text(column[row]) for column in columns]
        yield [_moment(end), *cells, "" if status is None else str(status)]


def _heading(channel: Channel) -> str:
    symbol = "" if channel.unit == units.UNITLESS else f" {units.unit(channel.unit).symbol}"
    return f"{channel.name}{symbol}"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _name(name: object) -> str | None:
    from ferraris.model import obis_names

    return obis_names.name(name) if isinstance(name, bytes) else None


def _value(value: Any) -> Any:
    if isinstance(value, DateTime):
        return moment(value)
    if isinstance(value, list):
        return [_value(each) for each in value]
    return _octets(value) if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, DateTime):
        return str(value)
    if isinstance(value, bytes):
        return _octets(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)


def _octets(octets: bytes) -> str:
    """Octets that are a date-time or a text as such, others as hex."""
    if len(octets) == 12 and not octets.isascii():
        return moment(DateTime(octets))
    if octets and octets.isascii() and octets.decode("ascii").isprintable():
        return octets.decode("ascii")
    return octets.hex()
