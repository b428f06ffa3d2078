"""Conditions and alarms: from what lasts in the meter to error and alarm registers, and the push.

A bit of a register is there while its condition lasts, or until a client clears what came and went.
What begins also sets the bit of the descriptor, if the filter lets it through; there it stays until
a client clears it. A bit that is new in a descriptor runs the script of the alarm push. The chain
rests on [memory]. A meter without descriptors reports a bit that is new in its register and that
the filter lets through; without scripts it sends the alarm by the set-up that Dutch meters have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from ferraris.data import axdr
from ferraris.data.kinds import Tag, double_long_unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.happenings import Coded, Happening
from ferraris.model.data_storage import DataObject
from ferraris.model.push import PushSetup
from ferraris.model.time_control import ScriptTable
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "ALARM_SCRIPT",
    "ENDS",
    "PUSH_SCRIPTS",
    "AlarmDescriptor",
    "AlarmFilter",
    "AlarmRegister",
    "ErrorRegister",
    "Watch",
    "lasts",
    "signal",
]

PUSH_SCRIPTS = bytes(Obis.of(0, 0, 10, 0, 108))
ALARM_SCRIPT = 3
"""The script among those of pushes that sends the alarm."""

_DUTCH_SETUP = (PushSetup.class_id, bytes(Obis.of(0, 1, 25, 9, 0)))  # [gxf-profiles]
_BITS = 32
_ALL = (1 << _BITS) - 1
_FIRST_FILTER, _FIRST_DESCRIPTOR = 10, 20
_H = Happening

ENDS: Mapping[Happening, tuple[Happening, ...]] = MappingProxyType(
    {
        _H.TERMINAL_COVER_CLOSED: (_H.TERMINAL_COVER_OPENED,),
        _H.METER_COVER_CLOSED: (_H.METER_COVER_OPENED,),
        _H.MAGNETIC_FIELD_GONE: (_H.MAGNETIC_FIELD,),
        _H.CLOCK_NEW_TIME: (_H.CLOCK_INVALID,),
        _H.BATTERY_REPLACED: (_H.REPLACE_BATTERY, _H.BATTERY_LOW),
        _H.LIMITER_OK: (_H.LIMITER_EXCEEDED,),
        _H.MONITOR_1_OK: (_H.MONITOR_1_EXCEEDED,),
        _H.MONITOR_2_OK: (_H.MONITOR_2_EXCEEDED,),
        _H.MONITOR_3_OK: (_H.MONITOR_3_EXCEEDED,),
        _H.NORMAL_VOLTAGE_L1: (_H.UNDERVOLTAGE_L1, _H.OVERVOLTAGE_L1, _H.MISSING_VOLTAGE_L1),
        _H.NORMAL_VOLTAGE_L2: (_H.UNDERVOLTAGE_L2, _H.OVERVOLTAGE_L2, _H.MISSING_VOLTAGE_L2),
        _H.NORMAL_VOLTAGE_L3: (_H.UNDERVOLTAGE_L3, _H.OVERVOLTAGE_L3, _H.MISSING_VOLTAGE_L3),
        _H.PHASE_SEQUENCE_RIGHT: (_H.PHASE_SEQUENCE,),
        _H.SYMMETRY: (_H.ASYMMETRY,),
        _H.PORT_UNLOCKED: (_H.PORT_LOCKED,),
    }
)
"""What lasts, by what ends it."""

_LASTING = frozenset(each for begun in ENDS.values() for each in begun)


@dataclass(slots=True)
class Watch:
    """What the registers of one meter are made of; all alarm registers in one number, first lowest.

    `lasting` maps the name of each condition that holds to its bits in alarm and error registers.
    """

    lasting: dict[str, tuple[int, int]] = field(default_factory=dict)
    alarms: int = 0
    errors: int = 0
    descriptors: int = 0

    @property
    def alarm_bits(self) -> int:
        """All alarm registers."""
        return reduce(or_, (alarm for alarm, _ in self.lasting.values()), self.alarms)

    @property
    def error_bits(self) -> int:
        """The error register."""
        return reduce(or_, (error for _, error in self.lasting.values()), self.errors)


def lasts(meter: SimulatedMeter, happening: Happening) -> bool:
    """Whether a condition holds in the meter, as far as it has happened yet."""
    watch = meter.state.found(Watch)
    return watch is not None and happening.value in watch.lasting


def signal(meter: SimulatedMeter, happening: Happening, coded: Coded | None, now: int) -> bool:
    """Let registers follow what happened at UTC second `now`; tells whether an alarm was pushed."""
    ended = ENDS.get(happening, ())
    known = meter.state.found(Watch)
    before = 0 if known is None else known.alarm_bits
    if ended and (watch := meter.state.found(Watch)) is not None:
        for each in ended:
            watch.lasting.pop(each.value, None)
    alarm = error = 0
    if coded is not None:
        alarm = 0 if coded.alarm is None else 1 << coded.alarm
        error = 0 if coded.error is None else 1 << coded.error
    if happening in _LASTING:
        meter.change().part(Watch).lasting[happening.value] = (alarm, error)
    elif alarm or error:
        watch = meter.change().part(Watch)
        watch.alarms |= alarm
        watch.errors |= error
    return bool(alarm) and _report(meter, alarm, before, now)


def _report(meter: SimulatedMeter, alarm: int, before: int, now: int) -> bool:
    described, bare = _wanted(meter, now)
    watch = meter.change().part(Watch)
    news = alarm & described & ~watch.descriptors
    watch.descriptors |= news
    news |= alarm & bare & ~before
    return bool(news) and _push(meter, now)


def _push(meter: SimulatedMeter, now: int) -> bool:
    behaviours = meter.fleet.template.behaviours
    if (ScriptTable.class_id, PUSH_SCRIPTS) in behaviours:
        return run_script(meter, PUSH_SCRIPTS, ALARM_SCRIPT, now)
    setup = behaviours.get(_DUTCH_SETUP)
    if setup is None:
        return False
    try:
        setup.act(meter, 1, None, now)
    except ActionRefused:
        return False
    return True


def _wanted(meter: SimulatedMeter, now: int) -> tuple[int, int]:
    """The filters of registers that have a descriptor, and of those without, each in one number."""
    behaviours = meter.fleet.template.behaviours
    described = bare = 0
    for number in range(_FIRST_FILTER):
        chosen, descriptor = (
            behaviours.get((DataObject.class_id, bytes(Obis.of(0, 0, 97, 98, first + number))))
            for first in (_FIRST_FILTER, _FIRST_DESCRIPTOR)
        )
        if chosen is None:
            break
        bits = axdr.decode(chosen.get(meter, 2, None, now))[1] << number * _BITS
        if descriptor is None:
            bare |= bits
        else:
            described |= bits
    return described, bare


class _Cleared(Behaviour):
    """32 bits that a client clears by zeros in their place; ones leave what is there."""

    declares = DataObject
    tells: ClassVar[Happening] = Happening.ALARMS_CLEARED

    def __init__(self, name: str, number: int = 0) -> None:
        self._shift = number * _BITS
        self._tells = Happening.ALARMS_2_CLEARED if number == 1 else self.tells
        super().__init__(name)

    def bits(self, watch: Watch) -> int:
        """The bits of all registers of this kind."""
        raise NotImplementedError

    def clear(self, watch: Watch, bits: int) -> None:
        """Forget bits; those of what lasts stay."""
        raise NotImplementedError

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self._present(meter))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2; what really went is an event."""
        tag, flags = decoded(data)
        if attribute != 2:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        if tag != Tag.DOUBLE_LONG_UNSIGNED:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        before = self._present(meter)
        if not before & ~flags:
            return
        self.clear(meter.change().part(Watch), (before & ~flags) << self._shift)
        if self._present(meter) != before:
            meter.note(self._tells, now)

    def _present(self, meter: SimulatedMeter) -> int:
        watch = meter.state.found(Watch)
        return 0 if watch is None else self.bits(watch) >> self._shift & _ALL


class ErrorRegister(_Cleared):
    """Errors of the meter itself."""

    tells = Happening.ERRORS_CLEARED

    def bits(self, watch: Watch) -> int:
        """The error register."""
        return watch.error_bits

    def clear(self, watch: Watch, bits: int) -> None:
        """Forget errors that came and went."""
        watch.errors &= ~bits


class AlarmRegister(_Cleared):
    """What is wrong now, and what was and has not been cleared yet; `number` 0 is the first."""

    def bits(self, watch: Watch) -> int:
        """All alarm registers."""
        return watch.alarm_bits

    def clear(self, watch: Watch, bits: int) -> None:
        """Forget alarms that came and went."""
        watch.alarms &= ~bits


class AlarmDescriptor(_Cleared):
    """What has been reported since a client last cleared it."""

    def bits(self, watch: Watch) -> int:
        """All descriptors."""
        return watch.descriptors

    def clear(self, watch: Watch, bits: int) -> None:
        """Let these be reported again."""
        watch.descriptors &= ~bits


class AlarmFilter(Behaviour):
    """The bits that are reported, all of them unless a client says otherwise."""

    declares = DataObject

    def __init__(self, name: str) -> None:
        super().__init__(name, {2: double_long_unsigned(_ALL)})
