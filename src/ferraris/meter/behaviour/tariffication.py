"""The tariff at work: calendar and special days run scripts, scripts name masks, masks count.

Nobody runs anything in a meter whose calendar is still that of its template: the rates follow from
it by themselves, see `ferraris.meter.rates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, array, long_unsigned, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import rates
from ferraris.meter.activity import Calendar, in_force, next_entry
from ferraris.meter.behaviour.behaviour import Behaviour, Living, decoded, encoded
from ferraris.meter.behaviour.clock import is_right
from ferraris.meter.behaviour.registers import Billed, Energy
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.happenings import Happening
from ferraris.meter.rates import BY_RATE
from ferraris.meter.recurrence import ANY_DATE, ANY_TIME, next_time
from ferraris.meter.tariff import Tariff
from ferraris.model import data_storage, time_control
from ferraris.model.data_storage import DataObject
from ferraris.model.time_control import Script, ScriptAction, ServiceId
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "ACTIVATION",
    "ACTIVE_RATE",
    "CALENDAR",
    "SPECIAL_DAYS",
    "TARIFF_SCRIPTS",
    "ActiveRate",
    "ActivityCalendar",
    "RegisterActivation",
    "SpecialDays",
    "as_calendar",
    "tariff_scripts",
]

TARIFF_SCRIPTS, SPECIAL_DAYS = "0-0:10.0.100*255", "0-0:11.0.0*255"
CALENDAR, ACTIVATION, ACTIVE_RATE = "0-0:13.0.0*255", "0-0:14.0.0*255", "0-0:96.14.0*255"
"""Usual names of what makes the tariff [facts-g]."""

_HALF = range(2, 6)
_TO_PASSIVE = 4
_ACTIVATION_TIME = 10
_LONGEST_PART = 1 << 13
_MOST_SPECIAL_DAYS = 128
_MOST_MASKS = 32


def tariff_scripts(count: int, activation: str = ACTIVATION) -> list[Script]:
    """Scripts 1 to `count`: each activates the mask with its number."""
    name = Obis.parse(activation)
    return [
        Script(
            number,
            [
                ScriptAction(
                    ServiceId.WRITE,
                    data_storage.RegisterActivation.class_id,
                    name,
                    data_storage.RegisterActivation.active_mask.index,
                    octet_string(b"%d" % number),
                )
            ],
        )
        for number in range(1, count + 1)
    ]


class ActiveRate(Behaviour):
    """The number of the rate in force, 0 when none counts."""

    declares = DataObject

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.UNSIGNED, meter.rate(now))


class RegisterActivation(Behaviour):
    """Which rate registers count: those of the active mask; maxima by rate follow the energies.

    There is a mask for each rate in the beginning, named by its number. Only `registers`, and those
    that clients add, can be in one.
    """

    declares = data_storage.RegisterActivation

    def __init__(self, name: str, registers: Sequence[Billed]) -> None:
        count = max(register.rate for register in registers)
        masks = [
            (b"%d" % rate, [n for n, each in enumerate(registers, 1) if each.rate == rate])
            for rate in range(1, count + 1)
        ]
        assigned = [(each.key[0], Obis(each.logical_name)) for each in registers]
        fixed = {
            2: self.declares.register_assignment.type.dump(assigned),  # type: ignore[arg-type] # plain tuples will do
            3: self.declares.mask_list.type.dump(masks),  # type: ignore[arg-type] # plain tuples will do
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 4."""
        part = meter.state.found(rates.Rates)
        mask = b"%d" % meter.rate(now) if part is None else part.mask
        return axdr.encode(octet_string(mask))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 4, which scripts write: the name of a mask."""
        if attribute != 4:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, name = decoded(data)
        if tag != Tag.OCTET_STRING:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if bytes(name) not in self._masks(meter, now):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        self._activate(meter, bytes(name), now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Methods 1 and 2 add a register and a mask, 3 deletes a mask that is not active."""
        declared = self.declares.methods.get(method)
        if declared is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        try:
            parameter = declared.type.load(axdr.decode(data or b""))
        except DecodeError as error:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
        if method == 1:
            self._add_register(meter, (parameter.class_id, bytes(parameter.logical_name)), now)
        elif method == 2:
            self._add_mask(meter, bytes(parameter.mask_name), list(parameter.indices), now)
        else:
            self._delete_mask(meter, bytes(parameter), now)
        return None

    def _add_register(self, meter: SimulatedMeter, key: tuple[int, bytes], now: int) -> None:
        if not isinstance(meter.fleet.template.behaviours.get(key), Billed):
            raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
        assigned = self._assigned(meter, now)
        if key not in assigned:
            entries = [(class_id, Obis(name)) for class_id, name in (*assigned, key)]
            data = self.declares.register_assignment.type.dump(entries)  # type: ignore[arg-type] # plain tuples will do
            meter.change().write(self.key, 2, axdr.encode(data))

    def _add_mask(self, meter: SimulatedMeter, name: bytes, indices: list[int], now: int) -> None:
        masks = self._masks(meter, now)
        known = range(1, len(self._assigned(meter, now)) + 1)
        if any(index not in known for index in indices):
            raise ActionRefused(ActionResult.OTHER_REASON)
        if name not in masks and len(masks) >= _MOST_MASKS:
            raise ActionRefused(ActionResult.OTHER_REASON)
        active = self._active(meter, now)
        self._keep(meter, {**masks, name: indices})
        if name == active:
            self._activate(meter, name, now)

    def _delete_mask(self, meter: SimulatedMeter, name: bytes, now: int) -> None:
        masks = self._masks(meter, now)
        if name not in masks or name == self._active(meter, now):
            raise ActionRefused(ActionResult.OTHER_REASON)
        self._keep(meter, {each: indices for each, indices in masks.items() if each != name})

    def _keep(self, meter: SimulatedMeter, masks: dict[bytes, list[int]]) -> None:
        data = self.declares.mask_list.type.dump(list(masks.items()))  # type: ignore[arg-type] # plain tuples will do
        meter.change().write(self.key, 3, axdr.encode(data))

    def _activate(self, meter: SimulatedMeter, name: bytes, now: int) -> None:
        assigned, behaviours = self._assigned(meter, now), meter.fleet.template.behaviours
        registers = [behaviours[assigned[index - 1]] for index in self._masks(meter, now)[name]]
        counting = tuple(
            tuple(
                sorted(
                    {
                        register.rate
                        for register in registers
                        if isinstance(register, Energy) and register.channel == channel
                    }
                    - {0}
                )
            )
            for channel in BY_RATE
        )
        rates.depart(meter, now)
        rates.switch(meter, now, counting, name)

    def _active(self, meter: SimulatedMeter, now: int) -> bytes:
        return bytes(axdr.decode(self.value(meter, 4, now))[1])

    def _assigned(self, meter: SimulatedMeter, now: int) -> list[tuple[int, bytes]]:
        found = self.declares.register_assignment.type.load(
            axdr.decode(self.get(meter, 2, None, now))
        )
        return [(each.class_id, bytes(each.logical_name)) for each in found]

    def _masks(self, meter: SimulatedMeter, now: int) -> dict[bytes, list[int]]:
        found = self.declares.mask_list.type.load(axdr.decode(self.get(meter, 3, None, now)))
        return {bytes(each.mask_name): list(each.indices) for each in found}


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
        if len(days) > _MOST_SPECIAL_DAYS:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        _calendar_changed(meter, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 inserts an entry, in place of one with its index [memory]; 2 deletes one."""
        declared = self.declares.methods.get(method)
        if declared is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        entries = self.declares.entries
        days = {
            each.special_day_index: each
            for each in entries.type.load(axdr.decode(self.get(meter, 2, None, now)))
        }
        try:
            parameter = declared.type.load(axdr.decode(data or b""))
        except DecodeError as error:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
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
        law, own = meter.clock(after), meter.local(after)
        coming = [self._activation(meter, own)]
        if rates.has_departed(meter):
            coming.append(next_entry(self.calendar(meter, after), meter.zone, own))
        instants = [max(after + 1, law.utc(each)) for each in coming if each is not None]
        return min(instants, default=None)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Activate the passive calendar where its time has come; run what is in force."""
        if self._activation(meter, meter.local(at) - 1) == meter.local(at):
            self._activate(meter, at)
        if rates.has_departed(meter):
            self.run(meter, at)

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

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attributes 2 to 10, as far as the template lets them be written."""
        declared = self.declares.attributes.get(attribute)
        if declared is None or attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            declared.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if len(data) > _LONGEST_PART:
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
        """Run the script of the entry that is in force."""
        entry = in_force(self.calendar(meter, now), meter.zone, meter.local(now))
        if entry is not None:
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

    def _activate(self, meter: SimulatedMeter, now: int) -> None:
        changed = False
        for index in _HALF:
            passive = self.get(meter, index + _TO_PASSIVE, None, now)
            if passive != self.get(meter, index, None, now):
                meter.change().write(self.key, index, passive)
                changed = True
        meter.note(Happening.TARIFF_ACTIVATED, now)
        if changed:
            _calendar_changed(meter, now)


def _calendar_changed(meter: SimulatedMeter, now: int) -> None:
    """From now on the calendar runs by itself; what is in force in it is run at once."""
    rates.depart(meter, now)
    for behaviour in meter.fleet.template.living:
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
