"""Power quality: sags, swells and missing phases, counted by phase, and the log of them.

A phase that stays beyond a limit for as long as its time threshold is an event; its return to
normal is another, with which number, duration and magnitude are told. Codes D of the values are
[facts-g], what they count rests on [memory].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data import axdr
from ferraris.data.kinds import Tag, long_unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter import voltage
from ferraris.meter.behaviour.alarms import lasts
from ferraris.meter.behaviour.behaviour import Behaviour, Living, encoded
from ferraris.meter.behaviour.configured import Configured
from ferraris.meter.behaviour.event_log import EventCode, EventLog
from ferraris.meter.behaviour.registers import scaler_unit
from ferraris.meter.behaviour.voltage_values import unbalance
from ferraris.meter.happenings import Happening
from ferraris.meter.network import Network, Spells, feeder, group_of, imposed, volts
from ferraris.meter.voltage import NOMINAL, PHASES, SLOT_S, Disturbance
from ferraris.model.data_storage import DataObject, Register
from ferraris.server.device import AccessRefused, ObjectKey

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "DipCount",
    "Kind",
    "Limit",
    "QualityLog",
    "SpellCount",
    "SpellDuration",
    "SpellVoltage",
    "TimeLimit",
]

_VOLT, _SECOND = 35, 7  # units [facts-g]
_ASYMMETRICAL = 150
"""Thousandths of the mean by which a phase differs from it when that is an event."""


class Kind(IntEnum):
    """What a phase can be beyond; the number is D of its limit, and the next ones are D of number,
    duration and magnitude [facts-g]."""

    UNDER = 31
    OVER = 35
    MISSING = 39


class _Default(NamedTuple):
    """A limit in tenths of a volt, and the least and greatest that clients may write."""

    limit: int
    low: int
    high: int
    seconds: int


_DEFAULTS = {
    Kind.UNDER: _Default(2070, 1600, 2200, 3),
    Kind.OVER: _Default(2530, 2400, 3000, 3),
    Kind.MISSING: _Default(1150, 200, 1500, 1),
}
_LONGEST_S = 600
_FIRST_TIME_D = 43  # time thresholds in the order of the kinds [facts-g]
_UNDER = (
    Happening.UNDERVOLTAGE_L1,
    Happening.UNDERVOLTAGE_L2,
    Happening.UNDERVOLTAGE_L3,
)
_OVER = (Happening.OVERVOLTAGE_L1, Happening.OVERVOLTAGE_L2, Happening.OVERVOLTAGE_L3)
_MISSING = (
    Happening.MISSING_VOLTAGE_L1,
    Happening.MISSING_VOLTAGE_L2,
    Happening.MISSING_VOLTAGE_L3,
)
_BEGINS = {Kind.UNDER: _UNDER, Kind.OVER: _OVER, Kind.MISSING: _MISSING}
_NORMAL = (
    Happening.NORMAL_VOLTAGE_L1,
    Happening.NORMAL_VOLTAGE_L2,
    Happening.NORMAL_VOLTAGE_L3,
)
_DEPTHS = (90, 85, 70, 40, 10)
"""Percent of normal above which a dip is not in the next class of depth [facts-g]."""
_DURATIONS_S = (0.1, 0.5, 1, 3, 20, 60)
"""Longest dips of each class of duration [facts-g]."""
_ALL_DIPS = 255


# -- limits ---------------------------------------------------------------------------------


class Limit(Configured):
    """The voltage beyond which a phase is under, over or missing; written by clients."""

    declares = Register

    def __init__(self, kind: Kind) -> None:
        self._default = _DEFAULTS[kind]
        fixed = {2: long_unsigned(self._default.limit), 3: scaler_unit(-1, _VOLT)}
        super().__init__(f"1-0:12.{int(kind)}.0*255", fixed)

    def check(self, meter: SimulatedMeter, attribute: int, value: object, now: int) -> None:
        """Well away from what is normal, so that nothing but a disturbance crosses it."""
        _check(attribute, value, self._default.low, self._default.high)


class TimeLimit(Configured):
    """Seconds beyond a limit after which that is an event; written by clients."""

    declares = Register

    def __init__(self, kind: Kind) -> None:
        number = _time_number(kind)
        fixed = {2: long_unsigned(_DEFAULTS[kind].seconds), 3: scaler_unit(0, _SECOND)}
        super().__init__(f"1-0:12.{number}.0*255", fixed)

    def check(self, meter: SimulatedMeter, attribute: int, value: object, now: int) -> None:
        """Up to ten minutes."""
        _check(attribute, value, 1, _LONGEST_S)


def _check(attribute: int, value: object, low: int, high: int) -> None:
    if attribute != 2 or not isinstance(value, tuple) or value[0] != Tag.LONG_UNSIGNED:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    if not low <= value[1] <= high:
        raise AccessRefused(DataAccessResult.OTHER_REASON)


# -- what was noticed -----------------------------------------------------------------------


class _Noticed(Behaviour):
    """One number of the spells of a phase beyond a limit."""

    after_limit: int

    def __init__(self, kind: Kind, phase: int, unit: tuple[int, int] | None = None) -> None:
        name = f"1-0:{group_of(phase)}.{int(kind) + self.after_limit}.0*255"
        super().__init__(name, None if unit is None else {3: scaler_unit(*unit)})
        self._place = _place(kind, phase)

    def spells(self, meter: SimulatedMeter) -> Spells:
        """What is known of them."""
        network = meter.state.found(Network)
        return Spells() if network is None else network.spells.get(self._place, Spells())


class SpellCount(_Noticed):
    """How often it happened."""

    declares = DataObject
    after_limit = 1

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self.spells(meter).times)


class SpellDuration(_Noticed):
    """How many seconds it lasted the last time."""

    declares = Register
    after_limit = 2

    def __init__(self, kind: Kind, phase: int) -> None:
        super().__init__(kind, phase, (0, _SECOND))

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self.spells(meter).last_s)


class SpellVoltage(_Noticed):
    """The voltage of the last time."""

    declares = Register
    after_limit = 3

    def __init__(self, kind: Kind, phase: int) -> None:
        super().__init__(kind, phase, (-1, _VOLT))

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, self.spells(meter).last_volts)


class DipCount(Behaviour):
    """How many dips of one class of depth and duration all phases had; 255 for all of them."""

    declares = DataObject

    def __init__(self, depth: int | None = None, duration: int | None = None) -> None:
        is_whole = depth is None or duration is None
        self._number = _ALL_DIPS if is_whole else 10 * (depth or 0) + (duration or 0)
        super().__init__(f"1-0:12.32.{self._number}*255")

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        network = meter.state.found(Network)
        dips = {} if network is None else network.dips
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, dips.get(self._number, 0))


# -- the log, which watches -----------------------------------------------------------------


class _Spell(NamedTuple):
    """A disturbance as one phase sees it: `told` is when it is an event, None if it never is."""

    disturbance: Disturbance
    phase: int
    kind: Kind
    told: int | None


class QualityLog(EventLog, Living):
    """The log of power quality: it watches the voltage and tells what lasts long enough."""

    def __init__(self, name: str, code: EventCode, entries: int = 255) -> None:
        super().__init__(name, code, entries)

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next begin or end of a disturbance, or when the next ones are drawn."""
        coming = (after // SLOT_S + 1) * SLOT_S
        for each in _relevant(meter, after):
            for edge in (*self._told(meter, each, after), each.stop):
                if edge is not None and after < edge < coming:
                    coming = edge
        return coming

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Phases that are beyond a limit for long enough, and those that are back."""
        relevant = _relevant(meter, at - 1)
        for disturbance in relevant:
            for spell in self._spells(meter, disturbance, at):
                if spell.told == at:
                    meter.note(_BEGINS[spell.kind][spell.phase - 1], at)
        self.end(meter, [each for each in relevant if each.stop == at], at)

    def end(self, meter: SimulatedMeter, ended: Iterable[Disturbance], at: int) -> None:
        """Disturbances are over at UTC second `at`: they are counted, and told if they were."""
        for disturbance in ended:
            for spell in self._spells(meter, disturbance, at):
                self._end(meter, spell, at)
            _count_dips(meter, disturbance)
        self._compare(meter, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """What ended without power has ended."""
        for phase in PHASES:
            begun = [each[phase - 1] for each in _BEGINS.values()]
            if any(lasts(meter, each) for each in begun) and self._is_normal(meter, phase, at):
                meter.note(_NORMAL[phase - 1], at)
        self._compare(meter, at)

    def _end(self, meter: SimulatedMeter, spell: _Spell, at: int) -> None:
        if spell.told is None or not lasts(meter, _BEGINS[spell.kind][spell.phase - 1]):
            return
        network = meter.change().part(Network)
        place = _place(spell.kind, spell.phase)
        before = network.spells.get(place, Spells())
        disturbance = spell.disturbance
        network.spells[place] = Spells(
            before.times + 1, at - disturbance.start, NOMINAL * disturbance.percent // 100
        )
        meter.note(_NORMAL[spell.phase - 1], at)

    def _compare(self, meter: SimulatedMeter, at: int) -> None:
        is_asymmetrical = unbalance([volts(meter, phase, at) for phase in PHASES]) > _ASYMMETRICAL
        if is_asymmetrical != lasts(meter, Happening.ASYMMETRY):
            meter.note(Happening.ASYMMETRY if is_asymmetrical else Happening.SYMMETRY, at)

    def _is_normal(self, meter: SimulatedMeter, phase: int, at: int) -> bool:
        return _kind(meter, volts(meter, phase, at), at) is None

    def _told(
        self, meter: SimulatedMeter, disturbance: Disturbance, now: int
    ) -> Iterator[int | None]:
        for spell in self._spells(meter, disturbance, now):
            yield spell.told

    def _spells(
        self, meter: SimulatedMeter, disturbance: Disturbance, now: int
    ) -> Iterator[_Spell]:
        """A disturbance by phase, as far as it is beyond a limit."""
        kind = _kind(meter, NOMINAL * disturbance.percent // 100, now)
        if kind is None:
            return
        told = disturbance.start + _setting(meter, _time_key(kind), now, _DEFAULTS[kind].seconds)
        is_long = disturbance.stop is None or told <= disturbance.stop
        for phase in disturbance.phases:
            yield _Spell(disturbance, phase, kind, told if is_long else None)


def _kind(meter: SimulatedMeter, tenths: int, now: int) -> Kind | None:
    """What a voltage is beyond."""
    if tenths < _setting(meter, _limit_key(Kind.MISSING), now, _DEFAULTS[Kind.MISSING].limit):
        return Kind.MISSING
    if tenths < _setting(meter, _limit_key(Kind.UNDER), now, _DEFAULTS[Kind.UNDER].limit):
        return Kind.UNDER
    over = _setting(meter, _limit_key(Kind.OVER), now, _DEFAULTS[Kind.OVER].limit)
    return Kind.OVER if tenths > over else None


def _relevant(meter: SimulatedMeter, now: int) -> tuple[Disturbance, ...]:
    """What lasts or comes within the slot of `now`, or the one after."""
    slot = now // SLOT_S
    seed = feeder(meter)
    return (*voltage.natural(seed, slot), *voltage.natural(seed, slot + 1), *imposed(meter))


def _count_dips(meter: SimulatedMeter, disturbance: Disturbance) -> None:
    """Count a dip under its class of depth and duration, and under all."""
    lasted_s = (disturbance.stop or disturbance.start) - disturbance.start
    if disturbance.percent >= _DEPTHS[0] or not disturbance.percent:
        return
    depth = sum(disturbance.percent <= edge for edge in _DEPTHS[1:])
    dips = meter.change().part(Network).dips
    dips[_ALL_DIPS] = dips.get(_ALL_DIPS, 0) + 1
    fitting = [place for place, longest in enumerate(_DURATIONS_S) if lasted_s <= longest]
    if fitting:
        number = 10 * depth + fitting[0]
        dips[number] = dips.get(number, 0) + 1


def _setting(meter: SimulatedMeter, key: ObjectKey, now: int, default: int) -> int:
    if not meter.state.written and not meter.fleet.configured:
        return default
    behaviour = meter.fleet.template.behaviours.get(key)
    if behaviour is None:
        return default
    return int(axdr.decode(behaviour.get(meter, 2, None, now))[1])


@cache
def _limit_key(kind: Kind) -> ObjectKey:
    return (Register.class_id, bytes(Obis.of(1, 0, 12, int(kind), 0)))


@cache
def _time_key(kind: Kind) -> ObjectKey:
    return (Register.class_id, bytes(Obis.of(1, 0, 12, _time_number(kind), 0)))


def _time_number(kind: Kind) -> int:
    """Group D of a time threshold [facts-g]."""
    return _FIRST_TIME_D + list(Kind).index(kind)


def _place(kind: Kind, phase: int) -> int:
    return 10 * kind + phase
