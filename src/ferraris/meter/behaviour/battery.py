"""The battery of a meter without mains: it runs down over years, and the meter tells in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferraris.data.kinds import Data, Tag
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter import life
from ferraris.meter.behaviour.behaviour import Behaviour, Living, encoded
from ferraris.meter.happenings import Happening
from ferraris.meter.state import COMMISSIONED
from ferraris.meter.zone import DAY
from ferraris.model.data_storage import Register
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Battery", "BatteryLife", "replace_battery", "run_down"]

_PERCENT, _DAYS = 56, 4  # units [facts-g]
_LOW_PERCENT, _REPLACE_PERCENT = 10, 2
_YEARS = (11, 16)
_YEAR = 365 * DAY


@dataclass
class BatteryMemory:
    """When the battery was put in; what was used of it besides, in seconds; what was told."""

    since: int = COMMISSIONED
    used_s: int = 0
    is_low_told: bool = False
    is_end_told: bool = False


_NEW = BatteryMemory()


class Battery(Living):
    """What is left, in per cent; as it runs low, and runs out, the meter says so."""

    declares = Register

    def __init__(self, name: str) -> None:
        super().__init__(name, {3: _unit(_PERCENT)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.UNSIGNED, left_s(meter, now) * 100 // life_s(meter))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """A battery is not made new over the line."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """When one of both marks is reached."""
        memory = meter.state.found(BatteryMemory) or _NEW
        if memory.is_end_told:
            return None
        percent = _REPLACE_PERCENT if memory.is_low_told else _LOW_PERCENT
        end = memory.since + life_s(meter) - memory.used_s
        return max(after + 1, end - life_s(meter) * percent // 100)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Tell it."""
        memory = meter.change().part(BatteryMemory)
        percent = left_s(meter, at) * 100 // life_s(meter)
        if not memory.is_low_told and percent <= _LOW_PERCENT:
            memory.is_low_told = True
            meter.note(Happening.BATTERY_LOW, at)
        if not memory.is_end_told and percent <= _REPLACE_PERCENT:
            memory.is_end_told = True
            meter.note(Happening.REPLACE_BATTERY, at)


class BatteryLife(Behaviour):
    """How many days it will last."""

    declares = Register

    def __init__(self, name: str) -> None:
        super().__init__(name, {3: _unit(_DAYS)})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.LONG_UNSIGNED, left_s(meter, now) // DAY)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """A battery is not made new over the line."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)


def life_s(meter: SimulatedMeter) -> int:
    """How long a battery lasts in this meter."""
    least, most = _YEARS
    share = meter.fleet.meter_seed(meter.index) >> 8 & 0xFFFF
    return least * _YEAR + (most - least) * _YEAR * share // 0xFFFF


def left_s(meter: SimulatedMeter, now: int) -> int:
    """How long it still lasts."""
    memory = meter.state.found(BatteryMemory) or _NEW
    return max(0, life_s(meter) - memory.used_s - max(0, now - memory.since))


def run_down(meter: SimulatedMeter, at: int, percent: int) -> None:
    """At UTC second `at` no more than `percent` of the battery is left."""
    with life.intervening(meter, at):
        gone = left_s(meter, at) - life_s(meter) * percent // 100
        if gone > 0:
            meter.change().part(BatteryMemory).used_s += gone


def replace_battery(meter: SimulatedMeter, at: int) -> None:
    """Somebody puts a new one in at UTC second `at`."""
    with life.intervening(meter, at):
        memory = meter.change().part(BatteryMemory)
        memory.since, memory.used_s = at, 0
        memory.is_low_told = memory.is_end_told = False
        meter.note(Happening.BATTERY_REPLACED, at)


def _unit(unit: int) -> Data:
    return (int(Tag.STRUCTURE), [(int(Tag.INTEGER), 0), (int(Tag.ENUM), unit)])
