"""The packed block: all rows of one profile of one meter on one UTC day.

A row belongs to the UTC day in which its interval lies: with `e` the interval end in epoch
seconds, day `d` holds `d*86400 < e <= (d+1)*86400`; the row that ends at midnight closes its day.

Layout: format octet, varint rows, time section (length first), status column, varint number of
columns, the columns. The time section holds the axis - start and step when regular - and
the raw stamps; a stamp that follows from the axis by a known rule is stored as that rule.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.headend.store.columns_codec import (
    MAX_ROWS,
    pack_column,
    read_signed,
    read_varint,
    signed,
    unpack_column,
)

__all__ = ["DAY_S", "Rows", "day_of", "merge", "pack", "picked", "split_days", "unpack", "within"]

DAY_S = 86_400
_FORMAT = 1
_REGULAR, _DERIVED, _LISTED = 1, 2, 4
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MAX_ORDINAL = date.max.toordinal()
_CACHE_SIZE = 512
_MAX_VALUES = 1 << 24
_WHERE = "store block"


class Rows(NamedTuple):
    """Rows of a block: interval ends (UTC epoch seconds), raw stamps, status, one list a channel.

    `quality` has the bits of `ferraris.data.readings.Quality`; `stamps`, `status` and `quality`
    are empty when there are none.
    """

    axis: array[int]
    stamps: list[bytes]
    status: list[Any]
    columns: list[list[Any]]
    quality: list[int]


def day_of(end: int) -> int:
    """The UTC day (days since 1970-01-01) to which the interval that ends at `end` belongs."""
    return (end - 1) // DAY_S


def within(rows: Rows, first_s: int, last_s: int) -> Rows:
    """The rows with `first_s < end <= last_s`; the same object when these are all."""
    axis = rows.axis
    if not axis or (first_s < min(axis) and max(axis) <= last_s):
        return rows
    return picked(rows, [at for at, end in enumerate(axis) if first_s < end <= last_s])


def split_days(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Cut rows by UTC day, keeping their order; one day comes back as it is."""
    axis = rows.axis
    if not axis:
        return
    if day_of(min(axis)) == day_of(max(axis)):
        yield day_of(axis[0]), rows
        return
    places: dict[int, list[int]] = {}
    for at, end in enumerate(axis):
        places.setdefault(day_of(end), []).append(at)
    for day, theirs in sorted(places.items()):
        yield day, picked(rows, theirs)


def pack(rows: Rows) -> bytes:
    """Pack rows into octets; the same rows always give the same octets."""
    when = _pack_time(rows.axis, rows.stamps)
    parts = [bytes((_FORMAT,)), _length(len(rows.axis)), _length(len(when)), when,
             pack_column(rows.status), pack_column(rows.quality),
             _length(len(rows.columns))]  # fmt: skip
    parts += map(pack_column, rows.columns)
    return b"".join(parts)


def unpack(octets: bytes) -> Rows:
    """Read a packed block; raises `DecodeError` for anything that `pack` cannot have written."""
    if octets[:1] != bytes((_FORMAT,)):
        raise DecodeError("unknown block format", where=_WHERE, octets=octets)
    rows, at = read_varint(octets, 1)
    if rows > MAX_ROWS:
        raise DecodeError("too many rows", where=_WHERE, offset=1)
    size, at = read_varint(octets, at)
    axis, stamps = _unpack_time(octets[at : at + size], rows)
    at += size
    status, at = _optional(octets, at, rows)
    quality, at = _optional(octets, at, rows)
    count, at = read_varint(octets, at)
    if count > len(octets) - at or rows * count > _MAX_VALUES:
        raise DecodeError("too many columns", where=_WHERE, offset=at)
    columns = []
    for _ in range(count):
        column, at = unpack_column(octets, at, rows)
        columns.append(column)
    if at != len(octets):
        raise DecodeError("octets left over", where=_WHERE, offset=at)
    return Rows(array("q", axis), list(stamps), status, columns, quality)


def merge(old: Rows, new: Rows) -> Rows:
    """Both reads of one day as one, ordered by time; where both have a row the new one counts.

    A row is known by its interval end, raw stamp and, in a repeated hour, its turn among equals.
    """
    found: dict[tuple[int, bytes, int], tuple[bool, int]] = {}
    for is_new, rows in enumerate((old, new)):
        turns: dict[tuple[int, bytes], int] = {}
        for at, end in enumerate(rows.axis):
            stamp = rows.stamps[at] if rows.stamps else b""
            turn = turns[end, stamp] = turns.get((end, stamp), -1) + 1
            found[end, stamp, turn] = (bool(is_new), at)
    order = sorted(found.items(), key=lambda item: item[0][0])
    picks = [place for _, place in order]
    either = (old, new)
    stamps = [either[n].stamps[at] if either[n].stamps else b"" for n, at in picks]
    status = [either[n].status[at] if either[n].status else None for n, at in picks]
    quality = [either[n].quality[at] if either[n].quality else 0 for n, at in picks]
    return Rows(
        array("q", [either[n].axis[at] for n, at in picks]),
        stamps if any(stamps) else [],
        status if any(value is not None for value in status) else [],
        [[either[n].columns[c][at] for n, at in picks] for c in range(len(new.columns))],
        quality if old.quality or new.quality else [],
    )


def picked(rows: Rows, places: Sequence[int]) -> Rows:
    """Some of the rows, by their places."""
    return Rows(
        array("q", [rows.axis[at] for at in places]),
        [rows.stamps[at] for at in places] if rows.stamps else [],
        [rows.status[at] for at in places] if rows.status else [],
        [[column[at] for at in places] for column in rows.columns],
        [rows.quality[at] for at in places] if rows.quality else [],
    )


def _optional(octets: bytes, at: int, rows: int) -> tuple[list[Any], int]:
    """A column that may be absent, which its null octet says."""
    if octets[at : at + 1] == b"\0":
        return [], at + 1
    return unpack_column(octets, at, rows)


def _length(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# The meters of a fleet mostly share axis and stamps of a day, so both directions remember them.
_packed: dict[tuple[bytes, bytes], bytes] = {}
_unpacked: dict[tuple[bytes, int], tuple[array[int], tuple[bytes, ...]]] = {}


def _pack_time(axis: array[int], stamps: Sequence[bytes]) -> bytes:
    key = (axis.tobytes(), b"".join(stamps))
    simple = len(key[1]) == 12 * len(stamps)
    if simple and (found := _packed.get(key)) is not None:
        return found
    flags, body = 0, b""
    step = _step(axis)
    if step is not None:
        flags, body = _REGULAR, signed(axis[0]) + signed(step)
    elif axis:
        body = pack_column(list(axis))
    rule = _derive_rule(axis, stamps) if simple and stamps else None
    if rule is not None:
        flags, body = flags | _DERIVED, body + rule
    elif stamps:
        flags, body = flags | _LISTED, body + pack_column(list(stamps))
    result = bytes((flags,)) + body
    if simple:
        if len(_packed) >= _CACHE_SIZE:
            _packed.clear()
        _packed[key] = result
    return result


def _step(axis: array[int]) -> int | None:
    """The step of a regular axis; None for an irregular or empty one."""
    if len(axis) < 2:
        return 0 if axis else None
    step = axis[1] - axis[0]
    if not step or axis[0] + step * (len(axis) - 1) != axis[-1]:
        return None
    regular = array("q", range(axis[0], axis[-1] + (1 if step > 0 else -1), step))
    return step if regular == axis else None


def _unpack_time(octets: bytes, rows: int) -> tuple[array[int], tuple[bytes, ...]]:
    found = _unpacked.get((octets, rows))
    if found is not None:
        return found
    if not octets:
        raise DecodeError("time section missing", where=_WHERE)
    flags, at = octets[0], 1
    axis: array[int] = array("q")
    if flags & _REGULAR:
        start, at = read_signed(octets, at)
        step, at = read_signed(octets, at)
        ends: Sequence[int] = [start + step * row for row in range(rows)]
    elif rows:
        ends, at = unpack_column(octets, at, rows)
    else:
        ends = ()
    stamps: tuple[bytes, ...] = ()
    try:
        axis = array("q", ends)
        if flags & _DERIVED:
            stamps, at = _derive_stamps(octets, at, axis)
        elif flags & _LISTED:
            listed, at = unpack_column(octets, at, rows)
            stamps = tuple(listed)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise DecodeError("time section damaged", where=_WHERE, octets=octets) from error
    if at != len(octets) or not all(type(stamp) is bytes for stamp in stamps):
        raise DecodeError("time section of another length", where=_WHERE, offset=at)
    if len(_unpacked) >= _CACHE_SIZE:
        _unpacked.clear()
    _unpacked[octets, rows] = axis, stamps
    return axis, stamps


def _derive_rule(axis: array[int], stamps: Sequence[bytes]) -> bytes | None:
    """The rule that gives `stamps` from `axis`, or None; proven by applying it."""
    offsets, deviations, clocks = [], [], []
    for end, stamp in zip(axis, stamps, strict=True):
        try:
            ordinal = date(stamp[0] << 8 | stamp[1], stamp[2], stamp[3]).toordinal()
        except ValueError:
            return None
        local = (ordinal - _EPOCH_ORDINAL) * DAY_S + stamp[5] * 3600 + stamp[6] * 60 + stamp[7]
        offsets.append(local - end)
        deviations.append(stamp[9] << 8 | stamp[10])
        clocks.append(stamp[11])
    style = bytes((1 if stamps[0][4] == 0xFF else 0, stamps[0][8]))
    rule = style + pack_column(offsets) + pack_column(deviations) + pack_column(clocks)
    derived, _ = _derive_stamps(rule, 0, axis)
    return rule if derived == tuple(stamps) else None


def _derive_stamps(octets: bytes, at: int, axis: array[int]) -> tuple[tuple[bytes, ...], int]:
    no_weekday, hundredths = octets[at], octets[at + 1]
    offsets, at = unpack_column(octets, at + 2, len(axis))
    deviations, at = unpack_column(octets, at, len(axis))
    clocks, at = unpack_column(octets, at, len(axis))
    stamps = []
    dates: dict[int, bytes] = {}
    for end, offset, deviation, clock in zip(axis, offsets, deviations, clocks, strict=True):
        day, second = divmod(end + offset, DAY_S)
        when = dates.get(day)
        if when is None:
            found = date.fromordinal(day + _EPOCH_ORDINAL)
            weekday = 0xFF if no_weekday else found.isoweekday()
            when = dates[day] = found.year.to_bytes(2, "big") + bytes(
                (found.month, found.day, weekday)
            )
        minute, second = divmod(second, 60)
        time = (minute // 60, minute % 60, second, hundredths)
        stamps.append(when + bytes((*time, deviation >> 8, deviation & 0xFF, clock)))
    return tuple(stamps), at
