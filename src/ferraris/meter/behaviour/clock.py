"""The clock: readable, settable, adjustable; each meter keeps how far it is off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Tag, boolean, enum, integer, long, octet_string
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.happenings import Happening
from ferraris.meter.patterns import QUARTER
from ferraris.meter.state import COMMISSIONED
from ferraris.meter.zone import Zone
from ferraris.model import time_control
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Clock"]

_SUMMER = 0x80
_CRYSTAL = 1
_SHIFT_LIMIT_S = 900
_LATEST = 4_102_444_800  # 2100-01-01: a clock is not set beyond the life of a meter


class Clock(Behaviour):
    """Local time of the template's zone with the daylight-saving rule of the European Union."""

    declares = time_control.Clock
    _GRIDS: ClassVar[dict[int, int]] = {1: QUARTER, 2: QUARTER, 3: 60}

    def __init__(self, name: str, zone: Zone) -> None:
        standard, summer = -zone.east, -zone.east - zone.summer
        fixed = {
            3: long(standard),
            5: octet_string(_change(3, 2, standard, 0)),
            6: octet_string(_change(10, 3, summer, _SUMMER)),
            7: integer(zone.summer),
            8: boolean(bool(zone.summer)),
            9: enum(_CRYSTAL),
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 4."""
        time = meter.zone.stamp(meter.local(now))
        return stamp(time) if attribute == 2 else encoded(Tag.UNSIGNED, time[11])

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2: a time with or without deviation; the rules of the zone stay as they are."""
        if attribute != 2:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, value = decoded(data)
        if tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        instant = meter.zone.instant(bytes(value))
        if instant is None or not COMMISSIONED <= instant < _LATEST:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        _step(meter, now, instant)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Adjust to the nearest quarter or minute, to a preset time, or shift by some seconds."""
        local = meter.local(now)
        if method in self._GRIDS:
            grid = self._GRIDS[method]
            _step(meter, now, (local + grid // 2) // grid * grid)
        elif method == 4:
            self._adjust_to_preset(meter, now)
        elif method == 5:
            self._preset(meter, data, now)
        elif method == 6:
            _step(meter, now, local + _shift(data))
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def _preset(self, meter: SimulatedMeter, data: bytes | None, now: int) -> None:
        times = [meter.zone.instant(bytes(value)) for value in _three_times(data)]
        if None in times:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED)
        meter.change().write(self.key, 0, data or b"")

    def _adjust_to_preset(self, meter: SimulatedMeter, now: int) -> None:
        kept = (meter.state.written or {}).get((self.key, 0))
        if kept is None:
            raise ActionRefused(ActionResult.OTHER_REASON)
        preset, begin, end = (meter.zone.instant(bytes(value)) for value in _three_times(kept))
        if preset is None or begin is None or end is None:
            raise ActionRefused(ActionResult.OTHER_REASON)
        if not begin <= meter.local(now) <= end or not COMMISSIONED <= preset < _LATEST:
            raise ActionRefused(ActionResult.OTHER_REASON)
        _step(meter, now, preset)


def _step(meter: SimulatedMeter, now: int, instant: int) -> None:
    """Let the meter's clock show `instant` from `now` on, and log both times."""
    if instant == meter.local(now):
        return
    meter.note(Happening.CLOCK_OLD_TIME, now)
    meter.change().step_clock(now, instant - now)
    meter.note(Happening.CLOCK_NEW_TIME, now)


def _shift(data: bytes | None) -> int:
    try:
        tag, value = axdr.decode(data or b"")
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
    if tag != Tag.LONG:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED)
    if abs(value) > _SHIFT_LIMIT_S:
        raise ActionRefused(ActionResult.OTHER_REASON)
    return int(value)


def _three_times(data: bytes | None) -> list[bytes]:
    try:
        tag, value = axdr.decode(data or b"")
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
    if tag != Tag.STRUCTURE or len(value) != 3:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED)
    if any(kind not in (Tag.OCTET_STRING, Tag.DATE_TIME) for kind, _ in value):
        raise ActionRefused(ActionResult.TYPE_UNMATCHED)
    return [bytes(item) for _, item in value]


def _change(month: int, hour: int, deviation: int, status: int) -> bytes:
    """Last Sunday of a month in any year at a local hour, as the standard writes wildcards."""
    last, sunday = 0xFE, 7
    return (
        bytes((0xFF, 0xFF, month, last, sunday, hour, 0, 0, 0))
        + deviation.to_bytes(2, "big", signed=True)
        + bytes((status,))
    )
