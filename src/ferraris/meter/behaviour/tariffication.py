"""The tariff at work: calendar and special days run scripts, which name masks of registers.

Nobody runs anything in a meter whose calendar is still that of its template: the rates follow from
it by themselves, see `ferraris.meter.rates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, array, long_unsigned, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import rates
from ferraris.meter.activity import Calendar, due, in_force, next_entry
from ferraris.meter.behaviour.behaviour import Behaviour, Living, decoded, parameter_of
from ferraris.meter.behaviour.clock import is_right, passed
from ferraris.meter.behaviour.function_control import present
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.dates import is_date, is_time
from ferraris.meter.happenings import Happening
from ferraris.meter.recurrence import ANY_DATE, ANY_TIME, next_time
from ferraris.meter.tariff import Tariff
from ferraris.model import time_control
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "CALENDAR",
    "SPECIAL_DAYS",
    "TARIFF_SCRIPTS",
    "ActivityCalendar",
    "SpecialDays",
    "as_calendar",
]

TARIFF_SCRIPTS, SPECIAL_DAYS = "0-0:10.0.100*255", "0-0:11.0.0*255"
CALENDAR = "0-0:13.0.0*255"
"""Usual names of what makes the tariff [facts-g]."""

_HALF = range(2, 6)
_TO_PASSIVE = 4
_SEASONS, _DAYS = (3, 7), (5, 9)
_ACTIVATION_TIME = 10
_LONGEST_PART = 1 << 13
_MOST_SPECIAL_DAYS = 128


class SpecialDays(Behaviour):
    """Dates with a day profile of their own; no calendar without them."""

    declares = time_control.SpecialDaysTable

    def __init__(self, name: str = SPECIAL_DAYS) -> None:
        super().__init__(name, {2: array()})

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2, the whole table."""
        if attribute != 2:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            days = self.declares.entries.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if len(days) > _MOST_SPECIAL_DAYS or not all(
            is_date(bytes(day.special_day_date)) for day in days
        ):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        _calendar_changed(meter, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 inserts an entry, in place of one with its index [memory]; 2 deletes one."""
        parameter = parameter_of(self.declares, method, data)
        entries = self.declares.entries
        days = {
            each.special_day_index: each
            for each in entries.type.load(axdr.decode(self.get(meter, 2, None, now)))
        }
        if method == 1:
            days[parameter.special_day_index] = parameter
        elif days.pop(parameter, None) is None:
            raise ActionRefused(ActionResult.OTHER_REASON)
        try:
            self.set(meter, 2, axdr.encode(entries.type.dump([days[n] for n in sorted(days)])), now)
        except AccessRefused as error:
            raise ActionRefused(ActionResult.OTHER_REASON) from error
        return None


class ActivityCalendar(Living):
    """The tariff by seasons, weeks and days: one in force, and one that waits for its time.

    In the beginning both are the template's tariff, the same every day.
    """

    declares = time_control.ActivityCalendar

    def __init__(
        self, name: str, tariff: Tariff, scripts: str = TARIFF_SCRIPTS, special: str = SPECIAL_DAYS
    ) -> None:
        half = as_calendar(tariff, bytes(Obis.parse(scripts)))
        fixed = {2 + place: data for place, data in enumerate((*half, *half))}
        super().__init__(name, {**fixed, _ACTIVATION_TIME: octet_string(ANY_DATE + b"\xff" * 7)})
        self._special = (SpecialDays.declares.class_id, bytes(Obis.parse(special)))

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next entry, once the rates no longer follow by themselves, or the activation."""
        law, own = meter.clock(after), passed(meter, after)
        coming = [self._activation(meter, own)]
        if rates.has_departed(meter):
            coming.append(next_entry(self.calendar(meter, after), meter.zone, own))
        instants = [max(after + 1, law.utc(each)) for each in coming if each is not None]
        return min(instants, default=None)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Activate the passive calendar where its time has come, or run what is due."""
        before, own = passed(meter, at - 1), meter.local(at)
        activation = self._activation(meter, before)
        if activation is not None and activation <= own and self._activate(meter, at):
            return
        if rates.has_departed(meter):
            for entry in due(self.calendar(meter, at), meter.zone, before, own):
                run_script(meter, entry.table, entry.selector, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """Activate what should have become active; run what is in force."""
        self._make_up(meter, meter.clock(since).local(since), at)
        if rates.has_departed(meter):
            self.run(meter, at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """Activate what has been leapt over; go by the own clock when it is no longer right."""
        self._make_up(meter, before, at)
        if rates.has_departed(meter) or not is_right(meter, at):
            rates.depart(meter, at)
            self.run(meter, at)

    def functions_changed(self, meter: SimulatedMeter, now: int) -> None:
        """A calendar that may be off, or its scripts, does not follow from the template alone."""
        rates.depart(meter, now)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attributes 2 to 10, as far as the template lets them be written."""
        declared = self.declares.attributes.get(attribute)
        if declared is None or attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            value = declared.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if len(data) > _LONGEST_PART or not all(map(_may_be, _moments(attribute, value))):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        # A date-time under its own tag is as good as one in octets.
        meter.change().write(self.key, attribute, data)
        if attribute in _HALF:
            _calendar_changed(meter, now)
        else:
            meter.note(Happening.TARIFF_PROGRAMMED, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 lets the passive calendar become active."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        self._activate(meter, now)
        return None

    def calendar(self, meter: SimulatedMeter, now: int) -> Calendar:
        """What is in force."""
        special = meter.fleet.template.behaviours.get(self._special)
        days = b"\x01\x00" if special is None else special.get(meter, 2, None, now)
        seasons, weeks, profiles = (self.get(meter, index, None, now) for index in (3, 4, 5))
        return Calendar(seasons, weeks, profiles, days)

    def run(self, meter: SimulatedMeter, now: int) -> None:
        """Run the scripts of the entries that are in force."""
        for entry in in_force(self.calendar(meter, now), meter.zone, meter.local(now)):
            run_script(meter, entry.table, entry.selector, now)

    def _activation(self, meter: SimulatedMeter, own: int) -> int | None:
        """When the passive calendar becomes active after the clock shows `own`, by that clock."""
        written = (meter.state.written or {}).get((self.key, _ACTIVATION_TIME))
        if written is None:
            return None
        octets = bytes(axdr.decode(written)[1])
        if len(octets) != 12 or octets[:9] == ANY_DATE + ANY_TIME:
            return None
        return next_time(meter.zone, octets[:5], octets[5:9], own)

    def _make_up(self, meter: SimulatedMeter, own: int, at: int) -> None:
        missed = self._activation(meter, own)
        if missed is not None and missed <= meter.local(at):
            self._activate(meter, at)

    def _activate(self, meter: SimulatedMeter, now: int) -> bool:
        """Let the passive calendar become active; tells whether that changed anything."""
        changed = False
        for index in _HALF:
            passive = self.get(meter, index + _TO_PASSIVE, None, now)
            if passive != self.get(meter, index, None, now):
                meter.change().write(self.key, index, passive)
                changed = True
        meter.note(Happening.TARIFF_ACTIVATED, now)
        if changed:
            _calendar_changed(meter, now)
        return changed


def _moments(attribute: int, value: Any) -> Iterator[bytes]:
    """The dates and times in a part of a calendar."""
    if attribute == _ACTIVATION_TIME:
        yield bytes(value)
    elif attribute in _SEASONS:
        yield from (bytes(season.start) for season in value)
    elif attribute in _DAYS:
        yield from (bytes(action.start_time) for day in value for action in day.actions)


def _may_be(octets: bytes) -> bool:
    """Whether a date-time, or the 4 octets of a time, can come."""
    if len(octets) == len(ANY_TIME):
        return is_time(octets)
    return is_date(octets[:5]) and is_time(octets[5:9])


def _calendar_changed(meter: SimulatedMeter, now: int) -> None:
    """From now on the calendar runs by itself; what is in force in it is run at once."""
    rates.depart(meter, now)
    for behaviour in present(meter):
        if isinstance(behaviour, ActivityCalendar):
            behaviour.run(meter, now)


def as_calendar(tariff: Tariff, scripts: bytes, name: bytes = b"TARIFF") -> tuple[Data, ...]:
    """Name, seasons, weeks and days of a tariff that is the same every day.

    `scripts` is the logical name of the table whose scripts are numbered as the rates.
    """
    season, week = octet_string(b"1"), octet_string(b"W")
    any_time = octet_string(b"\xff" * 9 + b"\x80\x00\xff")
    switches = (
        structure(
            octet_string(bytes((minute // 60, minute % 60, 0, 0))),
            octet_string(scripts),
            long_unsigned(rate),
        )
        for minute, rate in tariff.switches
    )
    return (
        octet_string(name),
        array(structure(season, any_time, week)),
        array(structure(week, *(unsigned(1) for _ in range(7)))),
        array(structure(unsigned(1), array(*switches))),
    )
