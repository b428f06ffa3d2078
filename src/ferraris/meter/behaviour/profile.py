"""What all profiles share: capture objects, selective access by range and by entry, columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    Tag,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.model.data_storage import (
    CaptureObject,
    EntryDescriptorType,
    ProfileGeneric,
    RangeDescriptorType,
)
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.messaging.dlms.names import Selection
    from ferraris.meter.simulated import SimulatedMeter
    from ferraris.meter.zone import Zone

__all__ = ["CLOCK_COLUMN", "Column", "Profile"]

_BY_RANGE, _BY_ENTRY = 1, 2
_OPEN = b"\xff" * 12


class Column(NamedTuple):
    """What one column captures, and how many octets its value takes on the wire with its tag."""

    class_id: int
    name: str
    attribute: int
    octets: int

    @property
    def captured(self) -> CaptureObject:
        """The column as an element of `capture_objects`."""
        return CaptureObject(self.class_id, Obis.parse(self.name), self.attribute, 0)

    def to_data(self) -> Data:
        """The column as encoded in `capture_objects`."""
        captured = self.captured
        return structure(
            long_unsigned(captured.class_id),
            octet_string(bytes(captured.logical_name)),
            integer(captured.attribute),
            long_unsigned(0),
        )


CLOCK_COLUMN = Column(8, "0-0:1.0.0*255", 2, 14)


class _Range(NamedTuple):
    """Selector 1, resolved: UTC seconds, both included, None for open; columns by index."""

    since: int | None
    until: int | None
    columns: tuple[int, ...] | None


class Profile(Behaviour):
    """A buffer of rows of equal length, the clock in the first column, oldest row first.

    A subclass tells where its rows are by `count`, `between` and `rows`; rows have numbers from 0,
    oldest first.
    """

    declares = ProfileGeneric

    def __init__(self, name: str, columns: Sequence[Column], period_s: int, entries: int) -> None:
        self.columns = tuple(columns)
        self.entries = entries
        self.row_octets = 2 + sum(column.octets for column in self.columns)
        nothing = structure(long_unsigned(0), octet_string(bytes(6)), integer(0), long_unsigned(0))
        fixed = {
            3: array(*(column.to_data() for column in self.columns)),
            4: double_long_unsigned(period_s),
            5: enum(1),
            6: nothing,
            8: double_long_unsigned(entries),
        }
        super().__init__(name, fixed)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """How many rows the buffer holds."""
        raise NotImplementedError

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Number of rows stamped from `since` to `until`, both included, and their octets."""
        raise NotImplementedError

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """The rows with numbers `first` to `stop` - 1, which exist."""
        raise NotImplementedError

    @property
    def selectors(self) -> Mapping[int, tuple[int, ...]]:
        """The buffer is read by range and by entry."""
        return {2: (_BY_RANGE, _BY_ENTRY)}

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """The buffer with or without selection, and everything else."""
        if attribute != 2:
            return super().get(meter, attribute, selection, now)
        if selection is None:
            count = self.count(meter, now)
            return _array(count, self.rows(meter, 0, count, now))
        if selection.selector == _BY_RANGE:
            since, until, columns = self._range(selection.parameter, meter.zone)
            count, rows = self.between(meter, since, until, now)
            return _array(count, self._pick(rows, columns))
        if selection.selector == _BY_ENTRY:
            return self._by_entry(meter, selection.parameter, now)
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 7, entries in use."""
        return axdr.encode(double_long_unsigned(self.count(meter, now)))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 empties the buffer; captures follow the clock, so method 2 is refused."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        meter.change().restart(self.key, now)
        return None

    def _range(self, parameter: bytes, zone: Zone) -> _Range:
        return _parsed_range(parameter, zone, self.columns)

    def _by_entry(self, meter: SimulatedMeter, parameter: bytes, now: int) -> bytes:
        try:
            wanted = EntryDescriptorType.load(axdr.decode(parameter))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        count = self.count(meter, now)
        first = max(1, wanted.from_entry) - 1
        stop = min(count, wanted.to_entry or count)
        columns = range(
            max(1, wanted.from_selected_value) - 1,
            min(len(self.columns), wanted.to_selected_value or len(self.columns)),
        )
        if first >= stop or not columns:
            return _array(0, b"")
        rows = self.rows(meter, first, stop, now)
        whole = len(columns) == len(self.columns)
        return _array(stop - first, rows if whole else self._pick(rows, tuple(columns)))

    def _pick(self, rows: bytes, columns: tuple[int, ...] | None) -> bytes:
        """Rows with only some of their columns, in the order asked for."""
        if columns is None:
            return rows
        starts = [2]
        for column in self.columns:
            starts.append(starts[-1] + column.octets)
        spans = [(starts[index], starts[index + 1]) for index in columns]
        head = bytes((Tag.STRUCTURE, len(columns)))
        parts: list[bytes] = []
        for row in range(0, len(rows), self.row_octets):
            parts.append(head)
            parts += [rows[row + begin : row + end] for begin, end in spans]
        return b"".join(parts)


def _array(count: int, rows: bytes) -> bytes:
    return b"\x01" + axdr.length_octets(count) + rows


@lru_cache(maxsize=256)
def _parsed_range(parameter: bytes, zone: Zone, columns: tuple[Column, ...]) -> _Range:
    """Understand a range; every meter of a fleet is asked the same, so the last ones are kept."""
    try:
        wanted = RangeDescriptorType.load(axdr.decode(parameter))
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
    if tuple(wanted.restricting) != tuple(CLOCK_COLUMN.captured):
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    captured = [tuple(column.captured) for column in columns]
    try:
        picked = tuple(captured.index(tuple(each)) for each in wanted.selected_values)
    except ValueError:
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED) from None
    return _Range(_bound(wanted.from_value, zone), _bound(wanted.to_value, zone), picked or None)


def _bound(data: Data, zone: Zone) -> int | None:
    """UTC seconds of one end of a range; null-data or nothing but wildcards leave it open."""
    tag, value = data
    if tag == Tag.NULL_DATA:
        return None
    if tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    octets = bytes(value)
    if octets[:5] == _OPEN[:5]:
        return None
    instant = zone.instant(octets)
    if instant is None:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    return instant
