"""Profiles of anything: rows of attributes of other objects, kept as they were captured.

Where a row follows from the time alone, `periodic` computes it; here a meter remembers its rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, null_data, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Living, decoded
from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.behaviour.clock import passed
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.happenings import Happening
from ferraris.meter.zone import DAY
from ferraris.model.data_storage import (
    CaptureObject,
    CaptureObjectType,
    EntryDescriptorType,
    ProfileGeneric,
    RangeDescriptorType,
    SortMethod,
)
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.messaging.dlms.names import Selection
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["CapturedProfile", "Rows"]

_BUFFER, _OBJECTS, _PERIOD, _METHOD, _SORT_OBJECT, _ENTRIES = 2, 3, 4, 5, 6, 8
_BY_RANGE, _BY_ENTRY = 1, 2
_MOST_COLUMNS = 32
_MOST_INDEX = 0x0FFF
_SHORTEST_S = 60
_NOTHING = CaptureObject(0, Obis(bytes(6)), 0, 0)
_WHOLE_NUMBERS = frozenset(
    (
        Tag.DOUBLE_LONG,
        Tag.DOUBLE_LONG_UNSIGNED,
        Tag.INTEGER,
        Tag.LONG,
        Tag.UNSIGNED,
        Tag.LONG_UNSIGNED,
        Tag.LONG64,
        Tag.LONG64_UNSIGNED,
        Tag.ENUM,
        Tag.BOOLEAN,
    )
)


@dataclass(slots=True)
class Rows:
    """The buffer of one profile of one meter: encoded structures in the order of the buffer."""

    rows: list[bytes] = field(default_factory=list)


class CapturedProfile(Profile, Living):
    """A profile that captures by its period, by method 2 or when something happens.

    `columns` are the capture objects in the beginning; clients may write others, as well as period,
    sort method and object, and up to `entries` rows: each of that empties the buffer. It captures
    at every one of `happenings` that the meter notes.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        period_s: int = 0,
        entries: int = 100,
        happenings: Sequence[Happening] = (),
    ) -> None:
        super().__init__(name, columns, period_s, entries)
        self.happenings = tuple(happenings)

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """The buffer with or without selection, and everything else."""
        if attribute != _BUFFER:
            return super().get(meter, attribute, selection, now)
        rows = self._kept(meter)
        if selection is None:
            return _array(rows)
        try:
            if selection.selector == _BY_RANGE:
                return _array(self._by_range(meter, rows, selection.parameter, now))
            if selection.selector == _BY_ENTRY:
                return _array(self._entries_of(meter, rows, selection.parameter, now))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Number of rows kept."""
        return len(self._kept(meter))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attributes 3 to 6 and 8."""
        declared = ProfileGeneric.attributes.get(attribute)
        if declared is None or attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            value = declared.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if not self._may_be(meter, attribute, value, now):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        meter.change().write(self.key, attribute, data)
        self._clear(meter)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 empties the buffer, 2 captures."""
        if method == 1:
            self._clear(meter)
        elif method == 2:
            self.capture(meter, now)
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next capture by the meter's own clock, None without a period."""
        period_s = self._number(meter, _PERIOD, after)
        if not period_s:
            return None
        grid, zone, law = Periodically(period_s), meter.zone, meter.clock(after)
        following = grid.number(passed(meter, after), zone) + 1
        return max(after + 1, law.utc(grid.instant(following, zone)))

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Capture."""
        self.capture(meter, at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """Capture what a shift has leapt over; one that is set leaves a gap."""
        period_s, zone = self._number(meter, _PERIOD, at), meter.zone
        if period_s and not meter.clock(at).mark:
            grid = Periodically(period_s)
            if grid.number(before, zone) < grid.number(meter.local(at), zone):
                self.capture(meter, at)

    def noted(self, meter: SimulatedMeter, happening: Happening, now: int) -> None:
        """Capture; the code of the event is known by now."""
        self.capture(meter, now)

    def capture(self, meter: SimulatedMeter, now: int) -> None:
        """Add a row; in a full buffer the one that the sort method cares for least gives way."""
        objects = self._objects(meter, now)
        row = axdr.encode(structure(*(_captured(meter, each, now) for each in objects)))
        rows = meter.change().part(Rows, self.key).rows
        method, most = self._number(meter, _METHOD, now), self._number(meter, _ENTRIES, now)
        if method == SortMethod.FIFO:
            rows.append(row)
            del rows[:-most]
        elif method == SortMethod.LIFO:
            rows.insert(0, row)
            del rows[most:]
        else:
            self._sort_in(meter, rows, row, now)
            del rows[most:]

    def _sort_in(self, meter: SimulatedMeter, rows: list[bytes], row: bytes, now: int) -> None:
        method = self._number(meter, _METHOD, now)
        sort_object = CaptureObjectType.load(axdr.decode(self.get(meter, _SORT_OBJECT, None, now)))
        objects = self._objects(meter, now)
        place = objects.index(sort_object) if sort_object in objects else 0

        def rank(octets: bytes) -> int:
            value = _comparable(meter, axdr.decode(octets)[1][place])
            number = value if isinstance(value, int) else 0
            if method in (SortMethod.NEAREST_TO_ZERO, SortMethod.FARTHEST_FROM_ZERO):
                number = abs(number)
            falls = method in (SortMethod.LARGEST, SortMethod.FARTHEST_FROM_ZERO)
            return -number if falls else number

        rows.insert(bisect_right(rows, rank(row), key=rank), row)

    def _by_range(
        self, meter: SimulatedMeter, rows: Sequence[bytes], parameter: bytes, now: int
    ) -> list[bytes]:
        wanted = RangeDescriptorType.load(axdr.decode(parameter))
        objects = self._objects(meter, now)
        try:
            place = objects.index(wanted.restricting)
            columns = [objects.index(each) for each in wanted.selected_values]
        except ValueError:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED) from None
        low, high = (
            None if _is_open(each) else _comparable(meter, each)
            for each in (wanted.from_value, wanted.to_value)
        )
        chosen = []
        for row in rows:
            value = _comparable(meter, axdr.decode(row)[1][place])
            if _is_between(low, value, high):
                chosen.append(row)
        return [_picked(row, columns) for row in chosen] if columns else chosen

    def _entries_of(
        self, meter: SimulatedMeter, rows: Sequence[bytes], parameter: bytes, now: int
    ) -> list[bytes]:
        wanted = EntryDescriptorType.load(axdr.decode(parameter))
        count = len(self._objects(meter, now))
        chosen = rows[max(1, wanted.from_entry) - 1 : wanted.to_entry or len(rows)]
        columns = range(
            max(1, wanted.from_selected_value) - 1,
            min(count, wanted.to_selected_value or count),
        )
        if len(columns) == count:
            return list(chosen)
        return [_picked(row, columns) for row in chosen] if columns else []

    def _may_be(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> bool:
        if attribute == _OBJECTS:
            return 1 <= len(value) <= _MOST_COLUMNS and all(_exists(meter, each) for each in value)
        if attribute == _PERIOD:
            return value == 0 or (value >= _SHORTEST_S and DAY % int(value) == 0)
        if attribute == _METHOD:
            return value in list(SortMethod)
        if attribute == _SORT_OBJECT:
            return value == _NOTHING or value in self._objects(meter, now)
        return 1 <= int(value) <= self.entries

    def _objects(self, meter: SimulatedMeter, now: int) -> list[CaptureObject]:
        return ProfileGeneric.capture_objects.type.load(
            axdr.decode(self.get(meter, _OBJECTS, None, now))
        )

    def _number(self, meter: SimulatedMeter, attribute: int, now: int) -> int:
        return int(axdr.decode(self.get(meter, attribute, None, now))[1])

    def _kept(self, meter: SimulatedMeter) -> list[bytes]:
        found = meter.state.found(Rows, self.key)
        return [] if found is None else found.rows

    def _clear(self, meter: SimulatedMeter) -> None:
        meter.change().part(Rows, self.key).rows = []


def _exists(meter: SimulatedMeter, wanted: CaptureObject) -> bool:
    """Whether an object of the meter has such an attribute; buffers are not captured."""
    behaviour = meter.fleet.template.behaviours.get((wanted.class_id, bytes(wanted.logical_name)))
    if behaviour is None or not 0 <= wanted.data_index <= _MOST_INDEX:
        return False
    if isinstance(behaviour, Profile) and wanted.attribute == _BUFFER:
        return False
    return wanted.attribute == 1 or wanted.attribute in behaviour.attributes


def _captured(meter: SimulatedMeter, wanted: CaptureObject, now: int) -> Data:
    """The attribute as it is now, null-data where there is none."""
    name = bytes(wanted.logical_name)
    behaviour = meter.fleet.template.behaviours.get((wanted.class_id, name))
    if behaviour is None:
        return null_data()
    if wanted.attribute == 1:
        return octet_string(name)
    try:
        data = axdr.decode(behaviour.get(meter, wanted.attribute, None, now))
    except AccessRefused:
        return null_data()
    if not wanted.data_index:
        return data
    tag, elements = data
    if tag not in (Tag.STRUCTURE, Tag.ARRAY) or wanted.data_index > len(elements):
        return null_data()
    element: Data = elements[wanted.data_index - 1]
    return element


def _comparable(meter: SimulatedMeter, data: Data) -> int | bytes | None:
    """What rows are compared by: whole numbers, UTC seconds of a time, or octets."""
    tag, value = data
    if tag in _WHOLE_NUMBERS:
        return int(value)
    if tag not in (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.DATE_TIME):
        return None
    octets = value.encode() if isinstance(value, str) else bytes(value)
    instant = meter.zone.instant(octets) if len(octets) == CLOCK_COLUMN.octets - 2 else None
    return octets if instant is None else instant


def _is_open(data: Data) -> bool:
    tag, value = data
    return tag == Tag.NULL_DATA or (tag == Tag.OCTET_STRING and bytes(value)[:5] == b"\xff" * 5)


def _is_between(low: Any, value: Any, high: Any) -> bool:
    """Whether a value lies between two others of its kind, both included, None for open."""
    bounds = [each for each in (low, high) if each is not None]
    if any(type(each) is not type(value) for each in bounds):
        return False
    return (low is None or bool(low <= value)) and (high is None or bool(value <= high))


def _picked(row: bytes, columns: Sequence[int]) -> bytes:
    values = axdr.decode(row)[1]
    return axdr.encode(structure(*(values[place] for place in columns)))


def _array(rows: Sequence[bytes]) -> bytes:
    return b"\x01" + axdr.length_octets(len(rows)) + b"".join(rows)
