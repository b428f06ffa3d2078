"""Columns of profile buffers as NumPy arrays. Needs the `data` extra.

Every tag is verified, then each column is one strided, byte-swapped copy. Pays above some
hundred rows; `ferraris.data.columnar` does the same without NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferraris.core.errors import DecodeError
from ferraris.data.axdr import DEFAULT_LIMITS, Limits
from ferraris.data.columnar import NULLS, OCTET_STRING, fits
from ferraris.data.layout import Column, Run, open_buffer, rows, runs

__all__ = ["clock_seconds", "columns"]

_TYPES = {5: ">i4", 6: ">u4", 13: "i1", 15: "i1", 16: ">i2", 17: "u1", 18: ">u2", 20: ">i8"}
_TYPES |= {21: ">u8", 22: "u1"}


def columns(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> list[NDArray[Any]]:
    """Decode an encoded buffer to one array a column.

    Integers come as native arrays of their size, octet-strings of one length as `uint8` arrays of
    shape (rows, length), anything else as object arrays. Null-data takes the value above.

    Raises:
        DecodeError: no buffer, or rows of different numbers of columns.
    """
    buffer = open_buffer(octets, limits)
    found = list(runs(buffer))
    kinds = fits(found)
    if kinds is None or not _even(found, kinds):
        return _turned(octets, limits)
    total = sum(run.many for run in found)
    only, position, many = found[0]
    assert only is not None  # fits() said so
    if len(found) == 1:
        views = (_view(buffer.octets, column, position, only.size, many) for column in only.columns)
        return [view.astype(view.dtype.newbyteorder("="), order="C") for view in views]
    made = [_empty(column, total) for column in only.columns]
    row = 0
    for layout, position, many in found:
        assert layout is not None
        for column, into in zip(layout.columns, made, strict=True):
            if column.tag in NULLS:
                into[row : row + many] = into[row - 1]
            else:
                into[row : row + many] = _view(buffer.octets, column, position, layout.size, many)
        row += many
    return made


def clock_seconds(clocks: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds since 1970 UTC of raw date-times, an array of shape (rows, 12).

    Follows the rules of `date_time.epoch`. The second array tells the rows that are an instant;
    where it is False (wildcards, no deviation) the seconds are 0.
    """
    if clocks.ndim != 2 or clocks.shape[1] != 12:
        raise DecodeError("date-times have 12 octets", where="profile columns")
    fields = clocks.astype(np.int64)
    year = fields[:, 0] << 8 | fields[:, 1]
    month, day, hour, minute, second = fields[:, 2], fields[:, 3], *fields[:, 5:8].T
    second = np.where(second == 0xFF, 0, second)
    deviation = (fields[:, 9] << 8 | fields[:, 10]) - ((fields[:, 9] & 0x80) << 9)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60)
    valid &= (second < 60) & (np.abs(deviation) < 1440) & (year >= 1) & (year <= 9999)
    # Month lengths by NumPy's own calendar, which knows leap years.
    months = (np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1
    starts = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    length = after - starts
    day = np.where(day == 0xFE, length, np.where(day == 0xFD, length - 1, day))
    valid &= day <= length
    minutes = hour * 60 + minute + deviation
    seconds = (starts + day - 1) * 86400 + minutes * 60 + second
    return np.where(valid, seconds, 0), valid


def _even(found: list[Run], kinds: list[int]) -> bool:
    """Whether every octet-string column has one length throughout."""
    for n, tag in enumerate(kinds):
        if tag == OCTET_STRING:
            cells = (run.layout.columns[n] for run in found if run.layout is not None)
            if len({cell.size for cell in cells if cell.tag == OCTET_STRING}) > 1:
                return False
    return True


def _view(octets: bytes, column: Column, position: int, stride: int, many: int) -> NDArray[Any]:
    start = position + column.offset
    if column.tag == OCTET_STRING:
        shape = (many, column.size)
        return np.ndarray(shape, "u1", buffer=octets, offset=start, strides=(stride, 1))
    return np.ndarray((many,), _TYPES[column.tag], buffer=octets, offset=start, strides=(stride,))


def _empty(column: Column, total: int) -> NDArray[Any]:
    if column.tag == OCTET_STRING:
        return np.empty((total, column.size), "u1")
    return np.empty(total, np.dtype(_TYPES[column.tag]).newbyteorder("="))


def _turned(octets: bytes, limits: Limits) -> list[NDArray[Any]]:
    table = rows(octets, limits=limits)
    if len({len(row) for row in table}) > 1:
        raise DecodeError("rows of different numbers of columns", where="profile columns")
    made = []
    for column in zip(*table, strict=True):
        values = np.empty(len(column), object)
        values[:] = column
        made.append(values)
    return made
