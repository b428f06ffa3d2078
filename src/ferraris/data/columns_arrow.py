"""A Series as an Arrow table, for analysis and Parquet. Needs the `data` extra."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ferraris.data import units
from ferraris.data.readings import Series

__all__ = ["table"]

_DIGITS = 38  # of decimal128; a COSEM integer has at most 20


def table(series: Series) -> pa.Table:
    """The table of `Series.to_arrow`.

    Columns: `end` (timestamp, UTC), `status`, `quality`, then one a channel under its name, made
    unique by class, attribute and element where names repeat. Each field's metadata holds unit,
    scaler, class and attribute.
    """
    arrays = [
        pa.array(series.ends, pa.int64()).cast(pa.timestamp("s", "UTC")),
        pa.array(series.status, pa.int64()),
        pa.array(series.quality, pa.uint16()),
    ]
    fields = [pa.field("end", arrays[0].type), *_marks()]
    for channel, column, name in zip(series.channels, series.columns, _names(series), strict=True):
        values = _column(column, channel.scaler)
        metadata = {
            "unit": units.unit(channel.unit).symbol,
            "scaler": str(channel.scaler),
            "class": str(channel.class_id),
            "attribute": str(channel.attribute),
        }
        arrays.append(values)
        fields.append(pa.field(name, values.type, metadata=metadata))
    about = {"device": series.device, "profile": str(series.profile)}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=about))


def _marks() -> list[Any]:
    return [pa.field("status", pa.int64()), pa.field("quality", pa.uint16())]


def _names(series: Series) -> list[str]:
    plain = [str(channel.name) for channel in series.channels]
    names: list[str] = []
    for channel, name in zip(series.channels, plain, strict=True):
        if plain.count(name) > 1:
            name = f"{name} {channel.class_id}/{channel.attribute}.{channel.element}"
        while name in names:
            name += "'"
        names.append(name)
    return names


def _column(column: Sequence[Any], scaler: int) -> Any:
    kinds = {type(value) for value in column} - {type(None)}
    if kinds <= {int}:
        return _integers(column, scaler)
    if len(kinds) == 1 and kinds <= {float, bool, str}:
        return pa.array(column)
    if all(issubclass(kind, bytes) for kind in kinds):
        return pa.array([None if value is None else bytes(value) for value in column], pa.binary())
    return pa.array([None if value is None else str(value) for value in column], pa.string())


def _integers(column: Sequence[Any], scaler: int) -> Any:
    """Exact numbers: int64 where they fit unscaled, else decimal128 of the right scale."""
    bounds = [value for value in column if value is not None] or [0]
    low, high = min(bounds), max(bounds)
    if scaler == 0 and low >= -(1 << 63) and high < 1 << 63:
        return pa.array(column, pa.int64())
    factor = 10**scaler if scaler > 0 else 1
    if max(-low, high) * factor >= 10**_DIGITS or scaler <= -_DIGITS:
        scaled = [None if value is None else units.scale(value, scaler) for value in column]
        return pa.array([None if value is None else str(value) for value in scaled], pa.string())
    if factor > 1 or low < -(1 << 63) or high >= 1 << 63:
        wide = [None if value is None else Decimal(value * factor) for value in column]
        whole = pa.array(wide, pa.decimal128(_DIGITS, 0))
    else:
        whole = pa.array(column, pa.int64()).cast(pa.decimal128(_DIGITS, 0))
    # The same 16 octets with another scale are the scaled number: no arithmetic, no rounding.
    exact = pa.decimal128(_DIGITS, max(0, -scaler))
    return pa.Array.from_buffers(exact, len(whole), whole.buffers(), offset=whole.offset)
