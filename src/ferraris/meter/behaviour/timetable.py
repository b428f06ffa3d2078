"""The schedule: entries that run scripts at times of day, on weekdays and special days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import array
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.activity import special_day
from ferraris.meter.behaviour.behaviour import Living, decoded, parameter_of
from ferraris.meter.behaviour.clock import passed
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.behaviour.tariffication import SPECIAL_DAYS, SpecialDays
from ferraris.meter.dates import ANY, ANY_YEAR, is_date, is_time
from ferraris.meter.recurrence import next_time
from ferraris.meter.zone import Zone
from ferraris.model.event_control import Schedule, ScheduleEntry
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Timetable"]

_EPOCH = date(1970, 1, 1)
_MOST_DAYS = 370
_MOST_ENTRIES = 64
_ALWAYS = 0xFFFF


class _Due(NamedTuple):
    """When an entry is to be run by the clock, and its place in the order of indices."""

    instant: int
    entry: ScheduleEntry


class Timetable(Living):
    """A schedule of class 10; entries of the same time run in order of their indices.

    On a special day the entries that name its day_id are run, on other days those of the weekday.
    Bits count from the left, the first being Monday, or day_id 1. What an outage, or a clock that
    was set forward, leapt over is run as long as its validity window, in minutes, lasts [memory].
    """

    declares = Schedule

    def __init__(self, name: str = "0-0:12.0.0*255", special: str = SPECIAL_DAYS) -> None:
        super().__init__(name, {2: array()})
        self._special = (SpecialDays.declares.class_id, bytes(Obis.parse(special)))

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next time of any entry that is enabled."""
        coming = [each.instant for each in self._coming(meter, passed(meter, after), after)]
        return max(after + 1, meter.clock(after).utc(min(coming))) if coming else None

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Run the entries whose time this is."""
        own = meter.local(at)
        before = passed(meter, at - 1)
        for each in self._coming(meter, min(before, own - 1), at):
            if each.instant <= own:
                _run(meter, each.entry, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """Run what was missed and is still valid."""
        self._make_up(meter, meter.clock(since).local(since), at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """Forward it is like an outage; back, the entries come once more."""
        self._make_up(meter, before, at)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2, all entries; each has an hour and a minute, and an index from 1 on."""
        if attribute != 2:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            entries = self.declares.entries.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if len(entries) > _MOST_ENTRIES or not all(_may_be(each) for each in entries):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Enable and disable, insert and delete entries by their indices."""
        parameter = parameter_of(self.declares, method, data)
        entries = {each.entry_index: each for each in self._entries(meter, now)}
        if method == 1:
            # Indices begin at 1, so that a range from 0 to 0 names none.
            disabled = range(parameter.first_index_a, parameter.last_index_a + 1)
            enabled = range(parameter.first_index_b, parameter.last_index_b + 1)
            for index, each in entries.items():
                enable = (each.enable and index not in disabled) or index in enabled
                entries[index] = each._replace(enable=enable)
        elif method == 2:
            entries[parameter.entry_index] = parameter
        else:
            for index in range(parameter.first_index, parameter.last_index + 1):
                entries.pop(index, None)
        kept = [entries[index] for index in sorted(entries)]
        try:
            self.set(meter, 2, axdr.encode(self.declares.entries.type.dump(kept)), now)
        except AccessRefused as error:
            raise ActionRefused(ActionResult.OTHER_REASON) from error
        return None

    def _make_up(self, meter: SimulatedMeter, own: int, at: int) -> None:
        now = meter.local(at)
        missed: list[_Due] = []
        for entry in self._entries(meter, at):
            window_s = 60 * entry.validity_window
            earliest = own if entry.validity_window == _ALWAYS else max(own, now - window_s - 1)
            each = self._next(meter, entry, earliest, at)
            # Only the last time counts: a script that was due every day is run once.
            while each is not None and each <= now:
                last, each = each, self._next(meter, entry, each, at)
                if each is None or each > now:
                    missed.append(_Due(last, entry))
        for due in sorted(missed, key=lambda each: (each.instant, each.entry.entry_index)):
            _run(meter, due.entry, at)

    def _coming(self, meter: SimulatedMeter, own: int, now: int) -> list[_Due]:
        """The next time of each entry after the clock shows `own`, in order of their indices."""
        found = []
        for entry in self._entries(meter, now):
            instant = self._next(meter, entry, own, now)
            if instant is not None:
                found.append(_Due(instant, entry))
        return sorted(found, key=lambda each: each.entry.entry_index)

    def _next(self, meter: SimulatedMeter, entry: ScheduleEntry, own: int, now: int) -> int | None:
        if not entry.enable:
            return None
        zone = meter.zone
        hour, minute, second = bytes(entry.switch_time)[:3]
        time = bytes((hour, minute, 0 if second == ANY else second, ANY))
        for day in _days(zone, entry, own):
            if self._is_on(meter, entry, day, now):
                exact = day.year.to_bytes(2, "big") + bytes((day.month, day.day, ANY))
                instant = next_time(zone, exact, time, own)
                if instant is not None:
                    return instant
        return None

    def _is_on(self, meter: SimulatedMeter, entry: ScheduleEntry, day: date, now: int) -> bool:
        table = meter.fleet.template.behaviours.get(self._special)
        special = b"\x01\x00" if table is None else table.get(meter, 2, None, now)
        day_id = special_day(special, meter.zone, day)
        bits, place = entry.exec_weekdays, day.weekday()
        if day_id is not None:
            bits, place = entry.exec_specdays, day_id - 1
        return place >= 0 and bits.bit(place)

    def _entries(self, meter: SimulatedMeter, now: int) -> list[ScheduleEntry]:
        return self.declares.entries.type.load(axdr.decode(self.get(meter, 2, None, now)))


def _may_be(entry: ScheduleEntry) -> bool:
    """Whether an entry has a number, a time at which it is run, and dates that can be."""
    time = bytes(entry.switch_time)
    return (
        entry.entry_index > 0
        and is_time(time)
        and ANY not in time[:2]
        and is_date(bytes(entry.begin_date))
        and is_date(bytes(entry.end_date))
    )


def _run(meter: SimulatedMeter, entry: ScheduleEntry, at: int) -> None:
    run_script(meter, bytes(entry.script_logical_name), entry.script_selector, at)


def _days(zone: Zone, entry: ScheduleEntry, own: int) -> Iterator[date]:
    """Days between the dates of an entry, of any year where that is left open."""
    begin, end = bytes(entry.begin_date), bytes(entry.end_date)
    first = _EPOCH + timedelta(days=zone.local_day(own) - 1)
    year = int.from_bytes(begin[:2], "big")
    if year != ANY_YEAR and year > first.year:
        first = date(year, 1, 1)
    for number in range(_MOST_DAYS):
        day = first + timedelta(days=number)
        if _is_between(begin, end, day):
            yield day


def _is_between(begin: bytes, end: bytes, day: date) -> bool:
    """Whether a day lies between two dates, both included; open fields are those of the day.

    Of yearly dates that run over the end of the year, the begin comes after the end.
    """
    today = (day.year, day.month, day.day)
    low, high = (
        tuple(
            value if field in (ANY, ANY_YEAR) else field
            for field, value in zip(
                (int.from_bytes(each[:2], "big"), each[2], each[3]), today, strict=True
            )
        )
        for each in (begin, end)
    )
    if low > high and begin[:2] == end[:2] == b"\xff\xff":
        return today >= low or today <= high
    return low <= today <= high
