"""Where families of protocols meet: Reading, Series, Event and Operation, and nothing else.

Above the messages nobody asks which family a value came from. Values are exact: ints with a
scaler, Decimal, str, bytes, bool, date-times or none; never rounded.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import Enum, IntFlag
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import units
from ferraris.data.clock_status import NOT_SPECIFIED, ClockStatus
from ferraris.data.date_time import DateTime, epoch
from ferraris.data.obis import Obis

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "Channel",
    "Event",
    "Operation",
    "Outcome",
    "Quality",
    "Reading",
    "Series",
    "instant",
]

_INVALID = int(ClockStatus.INVALID_VALUE | ClockStatus.INVALID_CLOCK_STATUS)
_WRONG = _INVALID | int(ClockStatus.DOUBTFUL_VALUE | ClockStatus.DIFFERENT_CLOCK_BASE)


class Quality(IntFlag):
    """What is known against a value or its time; 0 is good."""

    GOOD = 0
    INVALID = 1
    DOUBTFUL = 2
    ESTIMATED = 4
    INVALID_TIME = 8
    AMBIGUOUS_TIME = 16
    CLOCK_ADJUSTED = 32
    POWER_DOWN = 64
    RECOVERED = 128

    @classmethod
    def from_clock_status(cls, status: int | None) -> Quality:
        """From the status octet of a date-time: invalid and doubtful count, None and FF do not."""
        if status is None or status == NOT_SPECIFIED or not status & _WRONG:
            return cls.GOOD
        return cls.INVALID_TIME if status & _INVALID else cls.DOUBTFUL


class Reading(NamedTuple):
    """One value of one device at one time.

    `name` is an OBIS code or the family's own name, `value` is scaled to `unit`, `time` is an
    aware datetime, `origin` says where it came from (protocol and attribute).
    """

    device: str
    name: Obis | str
    value: int | Decimal | float | str | bytes | bool | DateTime | list[Any] | None
    unit: units.Unit | None = None
    time: datetime | None = None
    quality: Quality = Quality.GOOD
    origin: str = ""


class Channel(NamedTuple):
    """Identity of one column: name, class, attribute, scaler and unit code.

    `element` is the data_index of the capture object: 0 for the whole attribute, else the element
    of a structure from 1.
    """

    name: Obis | str
    class_id: int = 0
    attribute: int = 2
    scaler: int = 0
    unit: int = units.UNITLESS
    element: int = 0


class Event(NamedTuple):
    """One thing that happened, from an event log or a push; `values` are the other columns."""

    device: str
    log: Obis | str
    time: datetime | None
    code: int | None
    text: str = ""
    stamp: bytes = b""
    quality: Quality = Quality.GOOD
    values: tuple[Any, ...] = ()


class Outcome(Enum):
    """How an operation ended; without an answer it is unknown until read back."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Operation(NamedTuple):
    """Something a device was asked to do: disconnect, set clock, transfer image, ..."""

    device: str
    name: str
    arguments: tuple[tuple[str, Any], ...] = ()
    outcome: Outcome = Outcome.PENDING
    reason: str = ""
    time: datetime | None = None


class Series:
    """Columns over one axis of time: the rows of a profile.

    Attributes:
        device: who measured it.
        profile: name of the profile.
        ends: ends of the intervals, seconds since 1970 UTC, `array('q')`.
        stamps: the raw date-times they were read from (empty when the family has none).
        status: the profile status of each row, None where there is none.
        quality: `Quality` bits of each row, `array('H')`.
        channels: identity of each column.
        columns: for each channel one value a row: exact ints (before scaling), other values as
            they are, None where nothing was sent.
        undated: rows whose clock tells no instant, as they came; nothing is thrown away.
    """

    __slots__ = (
        "channels",
        "columns",
        "device",
        "ends",
        "profile",
        "quality",
        "stamps",
        "status",
        "undated",
    )

    def __init__(
        self,
        device: str,
        profile: Obis | str,
        ends: array[int],
        channels: Sequence[Channel],
        columns: Sequence[Sequence[Any]],
        *,
        stamps: Sequence[bytes] = (),
        status: Sequence[int | None] | None = None,
        quality: array[int] | None = None,
        undated: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        count = len(ends)
        self.device = device
        self.profile = profile
        self.ends = ends
        self.channels = tuple(channels)
        self.columns = list(columns)
        self.stamps = list(stamps)
        self.status: Sequence[int | None] = [None] * count if status is None else status
        self.quality = array("H", bytes(2 * count)) if quality is None else quality
        self.undated = list(undated)
        lengths = {len(column) for column in (*self.columns, self.status, self.quality)}
        if len(self.channels) != len(self.columns) or not lengths <= {count}:
            raise UsageError("columns of one series have one length and one channel each")

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[tuple[Any, ...]],
        channels: Sequence[Channel],
        *,
        device: str = "",
        profile: Obis | str = "",
        clock: int = 0,
        status: int | None = None,
        zone: tzinfo | None = None,
    ) -> Series:
        """Turn rows of a profile around.

        Args:
            rows: tuples as `layout.rows` gives them, null-data filled.
            channels: identity of every column except the clock and the status, in their order.
            device: who measured it.
            profile: name of the profile.
            clock: index of the clock column (raw octets of 12).
            status: index of the profile status column, None when there is none.
            zone: for meters whose clock has no deviation; without it such rows are `undated`.

        Raises:
            DecodeError: a row has another number of columns than there are channels.
        """
        width = len(channels) + 1 + (status is not None)
        undated: list[tuple[Any, ...]] = []
        if rows and set(map(len, rows)) != {width}:
            raise DecodeError(f"a profile row has not the {width} columns captured", where="series")
        dated = _dated([row[clock] for row in rows], zone)
        if None in dated:
            undated = [row for row, found in zip(rows, dated, strict=True) if found is None]
            rows = [row for row, found in zip(rows, dated, strict=True) if found is not None]
        if not rows:
            nothing: list[list[Any]] = [[] for _ in channels]
            return cls(device, profile, array("q"), channels, nothing, undated=undated)
        seconds, marks = zip(*filter(None, dated), strict=True)
        ends, quality = array("q", seconds), array("H", marks)
        columns = list(zip(*rows, strict=True))
        stamps = columns[clock]
        if any(marks) and any(mark & _AMBIGUOUS for mark in marks):
            _second_pass(ends, quality, stamps, zone)
        kept = [list(col) for n, col in enumerate(columns) if n not in (clock, status)]
        return cls(
            device,
            profile,
            ends,
            channels,
            kept,
            stamps=stamps,
            status=None if status is None else _statuses(columns[status]),
            quality=quality,
            undated=undated,
        )

    def __len__(self) -> int:
        return len(self.ends)

    def __repr__(self) -> str:
        return f"<Series {self.profile} of {self.device}: {len(self)} x {len(self.channels)}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment] # a series is mutable

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Row by row: the end of the interval, then the unscaled value of each channel."""
        return zip(self.ends, *self.columns, strict=True)

    def scaled(self, channel: int) -> list[Any]:
        """One column times its scaler, exact; what is no number stays as it is."""
        scaler = self.channels[channel].scaler
        column = self.columns[channel]
        if not scaler:
            return list(column)
        return [units.scale(x, scaler) if type(x) in (int, float) else x for x in column]

    def readings(self) -> Iterator[Reading]:
        """One `Reading` for each value, row by row. For looking at; stores take the columns."""
        origin = f"profile {self.profile}"
        columns = [self.scaled(n) for n in range(len(self.channels))]
        known = [units.unit(channel.unit) for channel in self.channels]
        for row, end in enumerate(self.ends):
            time = _UNIX + timedelta(seconds=end)
            quality = Quality(self.quality[row])
            for n, channel in enumerate(self.channels):
                value = columns[n][row]
                yield Reading(self.device, channel.name, value, known[n], time, quality, origin)

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`: `end` in UTC, `status`, `quality`, one exact column a channel.

        Needs the `data` extra. Scaled ints are decimal128 columns.
        """
        from ferraris.data.columns_arrow import table  # noqa: PLC0415 - optional package

        return table(self)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` indexed by `end` in UTC: what `to_arrow` holds, as exact.

        Integers are `Int64` and scaled ones `Decimal`, so that a gap makes no float of them;
        `attrs` holds device, profile and the units. Needs the `data` extra.
        """
        from ferraris.data.columns_pandas import frame  # noqa: PLC0415 - optional package

        return frame(self)


def instant(stamp: Any, zone: tzinfo | None = None) -> tuple[int, int] | None:
    """Seconds since 1970 UTC and `Quality` bits of a raw date-time; None when it tells no instant.

    Cached on the octets, like `date_time.epoch`, which has the rules.
    """
    return _instants(zone)[stamp] if isinstance(stamp, bytes) else None


class _Instants(dict[Any, "tuple[int, int] | None"]):
    """What `instant` found for one zone: meters of one fleet share their time stamps."""

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, stamp: Any) -> tuple[int, int] | None:
        if not isinstance(stamp, bytes):
            return None
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[stamp] = self._read(stamp)
        return found

    def _read(self, stamp: bytes) -> tuple[int, int] | None:
        seconds = epoch(stamp, self.zone)
        if seconds is None:
            return None
        moment = DateTime(stamp)
        quality = int(Quality.from_clock_status(moment.status))
        if self.zone is not None and moment.is_ambiguous(self.zone):
            quality |= _AMBIGUOUS
        return seconds, quality


@lru_cache(maxsize=64)
def _instants(zone: tzinfo | None) -> _Instants:
    return _Instants(zone)


def _dated(stamps: list[Any], zone: tzinfo | None) -> list[tuple[int, int] | None]:
    try:
        return list(map(_instants(zone).__getitem__, stamps))
    except TypeError:  # a list where a clock should be
        return [instant(stamp, zone) for stamp in stamps]


def _second_pass(
    ends: array[int], quality: array[int], stamps: Sequence[bytes], zone: tzinfo | None
) -> None:
    """Order a repeated hour: an ambiguous end that runs backwards belongs to the second pass."""
    for row in range(1, len(ends)):
        if quality[row] & Quality.AMBIGUOUS_TIME and ends[row] <= ends[row - 1]:
            first = DateTime(stamps[row]).to_datetime(zone)
            gap = (first.utcoffset() or _NONE) - (first.replace(fold=1).utcoffset() or _NONE)
            later = ends[row] + gap // timedelta(seconds=1)
            if later > ends[row - 1]:
                ends[row] = later


def _statuses(column: Sequence[Any]) -> list[int | None]:
    if set(map(type, column)) <= {int, type(None)}:
        return list(column)
    return [_status(value) for value in column]


def _status(value: Any) -> int | None:
    """The profile status as an int; a bit-string by its octets, anything else is no status."""
    if isinstance(value, int):
        return value
    octets = getattr(value, "octets", value)
    return int.from_bytes(octets, "big") if isinstance(octets, bytes) and octets else None


def _same(mine: Any, other: Any) -> bool:
    if isinstance(mine, (list, tuple)) and isinstance(other, (list, tuple, array)):
        return len(mine) == len(other) and all(map(_same, mine, other))
    return bool(mine == other)


_UNIX = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_NONE = timedelta(0)
_REMEMBERED = 1 << 16  # stamps of one zone, some 10 MB at most
_AMBIGUOUS = int(Quality.AMBIGUOUS_TIME)
