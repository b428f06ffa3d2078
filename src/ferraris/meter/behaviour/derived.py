"""Profiles of any columns: what the objects of the meter say at each instant of a grid, or now.

Every column is asked for its value at the instant of the row. Values that follow from the time do
so in every row; what a client has written shows in all rows as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import decoded, encoded
from ferraris.meter.behaviour.capture import Daily, Grid, Monthly, Periodically, Run
from ferraris.meter.behaviour.event_log import EventLog
from ferraris.meter.behaviour.periodic import Periodic
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.state import LogEntry
from ferraris.meter.zone import DAY
from ferraris.model.companion import CompanionColumn
from ferraris.model.data_storage import ProfileGeneric
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.messaging.dlms.names import Selection
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["DerivedLog", "DerivedProfile", "Snapshot", "grid_of"]

_NULL = b"\x00"
_COLUMNS, _PERIOD, _ENTRIES = 3, 4, 8
_SETTINGS = (_COLUMNS, _PERIOD, _ENTRIES)
_SHORTEST_S, _MOST_ENTRIES, _MOST_COLUMNS = 60, 100_000, 64


_CALENDAR: dict[int, Grid] = {0: Monthly(), DAY: Daily()}


def grid_of(period_s: int) -> Grid | None:
    """When a profile with this capture period captures; 0 is the end of each month.

    None where a day holds no whole number of periods.
    """
    if period_s in _CALENDAR:
        return _CALENDAR[period_s]
    if period_s >= _SHORTEST_S and DAY % period_s == 0:
        return Periodically(period_s)
    return None


class _OfAnyColumns(Profile):
    """What profiles of any columns share: cells, and picking columns from rows of any length."""

    def _cells(self, meter: SimulatedMeter, utc: int, shown: bytes) -> list[bytes]:
        """The encoded values of a row at a UTC second, when the clock showed 12 octets."""
        return [_cell(meter, column, utc, shown) for column in self.columns]

    def _row(self, cells: Sequence[bytes]) -> bytes:
        return bytes((Tag.STRUCTURE, len(cells))) + b"".join(cells)

    def _pick(self, rows: bytes, columns: tuple[int, ...] | None) -> bytes:
        if columns is None:
            return rows
        parts: list[bytes] = []
        place = 0
        while place < len(rows):
            place += 2  # structure and number of columns, fewer than 128
            spans = []
            for _ in self.columns:
                end = axdr.skip(rows, place)
                spans.append((place, end))
                place = end
            parts.append(bytes((Tag.STRUCTURE, len(columns))))
            parts += [rows[slice(*spans[index])] for index in columns]
        return b"".join(parts)


class DerivedProfile(_OfAnyColumns, Periodic):
    """Rows at the instants of a grid; a client may choose columns, period and entries anew.

    `selectable` are the columns that it may choose; none named means any object of the meter.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[CompanionColumn],
        period_s: int,
        entries: int,
        selectable: Sequence[CompanionColumn] = (),
    ) -> None:
        self._grid = grid_of(period_s) or _CALENDAR[0]
        self._selectable = tuple(selectable)
        super().__init__(name, [Column(*column[:3], 0) for column in columns], period_s, entries)

    def grid(self, meter: SimulatedMeter) -> Grid:
        """The same for all meters that are set up alike."""
        return self._grid

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """As a client has set the profile up."""
        if attribute not in (2, 7):
            return super().get(meter, attribute, selection, now)
        return Profile.get(self._as_set_up(meter), meter, attribute, selection, now)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Columns, period or entries, within what the meter can do; the buffer begins anew."""
        if attribute not in _SETTINGS:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        self._check(meter, attribute, data)
        super().set(meter, attribute, data, now)
        meter.change().restart(self.key, now)

    def _as_set_up(self, meter: SimulatedMeter) -> DerivedProfile:
        written = meter.state.written or {}
        if not any((self.key, index) in written for index in _SETTINGS):
            return self
        columns, period, entries = (self.get(meter, index, None, 0) for index in _SETTINGS)
        return _set_up(self.logical_name, columns, period, entries)

    def _check(self, meter: SimulatedMeter, attribute: int, data: bytes) -> None:
        value = decoded(data)[1]
        if attribute == _PERIOD and (not value or grid_of(value) is None):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        if attribute == _ENTRIES and not 0 < value <= _MOST_ENTRIES:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        if attribute == _COLUMNS and not all(self._known(meter, each) for each in _columns(data)):
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def _known(self, meter: SimulatedMeter, column: CompanionColumn) -> bool:
        """Whether the column may be captured, and is of an object that the meter has."""
        if self._selectable and not any(
            column[:2] == each[:2] and each.attribute in (0, column.attribute)
            for each in self._selectable
        ):
            return False
        key = (column.class_id, bytes(Obis.parse(column.name)))
        return key in meter.fleet.template.behaviours

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        rows = []
        for number in range(first, stop):
            instant = self._grid.instant(number, run.zone)
            octets = run.zone.stamp(instant)
            shown = octets[:-1] + bytes((octets[-1] | run.law.status,))
            rows.append(self._row(self._cells(meter, run.law.utc(instant), shown)))
        return b"".join(rows)


class Snapshot(_OfAnyColumns):
    """One row: what the columns say when it is read."""

    def __init__(self, name: str, columns: Sequence[CompanionColumn]) -> None:
        super().__init__(name, [Column(*column[:3], 0) for column in columns], 0, 1)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """One row."""
        return 1

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """The row, when the present lies in the range."""
        shown = meter.local(now)
        if (since is not None and shown < since) or (until is not None and shown > until):
            return 0, b""
        return 1, self.rows(meter, 0, 1, now)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """The row."""
        return self._row(self._cells(meter, now, meter.stamp(now)))


class DerivedLog(_OfAnyColumns, EventLog):
    """A log with more beside time and code, or with codes of another kind."""

    def __init__(
        self, name: str, log: int, columns: Sequence[CompanionColumn], kind: int, entries: int
    ) -> None:
        self.log = log
        self._kind = kind
        listed = [Column(*column[:3], 0) for column in columns]
        Profile.__init__(self, name, listed, 0, entries)

    def _octets(self, meter: SimulatedMeter, chosen: list[LogEntry]) -> bytes:
        return b"".join(self._row(self._entry(meter, entry)) for entry in chosen)

    def _entry(self, meter: SimulatedMeter, entry: LogEntry) -> list[bytes]:
        """Time and code are those of the entry, everything else what it is now."""
        code = f"0-0:96.11.{self.log}*255"
        cells = []
        for column in self.columns:
            if column.name == code:
                cells.append(encoded(self._kind, entry.code))
            else:
                cells.append(
                    _cell(meter, column, entry.at, meter.zone_at(entry.at).stamp(entry.shown))
                )
        return cells


@lru_cache(maxsize=256)
def _set_up(name: bytes, columns: bytes, period: bytes, entries: bytes) -> DerivedProfile:
    """The profile that a client has set up; many meters of a fleet are set up alike."""
    obis = ".".join(map(str, name))
    return DerivedProfile(obis, _columns(columns), decoded(period)[1], decoded(entries)[1])


def _columns(data: bytes) -> list[CompanionColumn]:
    try:
        listed = ProfileGeneric.capture_objects.type.load(axdr.decode(data))
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
    if not 0 < len(listed) <= _MOST_COLUMNS or any(each.data_index for each in listed):
        raise AccessRefused(DataAccessResult.OTHER_REASON)
    return [CompanionColumn(c.class_id, str(c.logical_name), c.attribute) for c in listed]


def _cell(meter: SimulatedMeter, column: Column, utc: int, shown: bytes) -> bytes:
    if column[:3] == CLOCK_COLUMN[:3]:
        return stamp(shown)
    behaviour = meter.fleet.template.behaviours.get(_key(column))
    if behaviour is None or isinstance(behaviour, Profile):
        return _NULL
    try:
        return behaviour.get(meter, column.attribute, None, utc)
    except AccessRefused:
        return _NULL


@lru_cache(maxsize=4096)
def _key(column: Column) -> tuple[int, bytes]:
    return (column.class_id, bytes(Obis.parse(column.name)))
