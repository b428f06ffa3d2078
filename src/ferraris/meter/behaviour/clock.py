"""The clock: readable, settable, adjustable; each meter keeps how its own one goes."""

from __future__ import annotations

from itertools import pairwise
from types import EllipsisType
from typing import TYPE_CHECKING, ClassVar

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import (
    Tag,
    boolean,
    enum,
    integer,
    long,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.behaviour.function_control import present
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.dates import ANY, is_date, is_time
from ferraris.meter.happenings import Happening
from ferraris.meter.patterns import QUARTER
from ferraris.meter.state import COMMISSIONED, Step
from ferraris.meter.zone import DAY, Zone
from ferraris.model import time_control
from ferraris.model.data_storage import ProfileGeneric, Register
from ferraris.model.time_control import ClockBase
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "DOUBTFUL",
    "INVALID",
    "STATUS_ADJUSTED",
    "STATUS_NOT_VALID",
    "Clock",
    "ShiftLimit",
    "is_invalid",
    "is_right",
    "lose_time",
    "passed",
    "power_up",
    "set_clock",
    "set_drift",
]

_SUMMER = 0x80
INVALID, DOUBTFUL = 0x01, 0x02
"""Bits of the clock status: the time was lost, or may be wrong [facts-g]."""

STATUS_ADJUSTED, STATUS_NOT_VALID = 0x20, 0x04
"""Bits of the status of a profile: clock adjusted, data not valid [facts-g]."""

_DAY_MINUTES = 1440
_RIGHT_S, _MONTH_S = 60, 30 * 86_400
_LONGEST_SHIFT_S = 900
_LATEST = 4_102_444_800  # 2100-01-01: a clock is not set beyond the life of a meter
_TIME_ZONE, _DST_BEGIN, _DST_END, _DST_DEVIATION, _DST_ENABLED = 3, 5, 6, 7, 8
_FARTHEST = {_TIME_ZONE: (Tag.LONG, 840), _DST_DEVIATION: (Tag.INTEGER, 120)}
"""Kind and most minutes, either way [memory]."""

_RULES = (_TIME_ZONE, _DST_BEGIN, _DST_END, _DST_DEVIATION, _DST_ENABLED)
_LOAD_PROFILE = (ProfileGeneric.class_id, bytes(Obis.of(1, 0, 99, 1, 0)))
_SHIFT_LIMIT = bytes(Obis.of(1, 0, 0, 9, 11))


class Clock(Behaviour):
    """Local time of the template's zone, until clients write rules of their own."""

    declares = time_control.Clock
    _GRIDS: ClassVar[dict[int, int]] = {1: QUARTER, 3: 60}

    def __init__(self, name: str, zone: Zone, base: ClockBase = ClockBase.CRYSTAL) -> None:
        begin, end = _rules(zone)
        fixed = {
            _TIME_ZONE: long(-zone.east),
            _DST_BEGIN: octet_string(begin),
            _DST_END: octet_string(end),
            _DST_DEVIATION: integer(zone.summer),
            _DST_ENABLED: boolean(bool(zone.summer)),
            9: enum(base),
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 4."""
        time = meter.stamp(now)
        return stamp(time) if attribute == 2 else encoded(Tag.UNSIGNED, time[11])

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 2, a time with or without deviation, or a rule of the zone, 3 and 5 to 8."""
        if attribute in _RULES:
            self._set_rule(meter, attribute, data, now)
            return
        if attribute != 2:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, value = decoded(data)
        if tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        instant = None if ANY in bytes(value)[5:7] else meter.zone.instant(bytes(value))
        if instant is None or not COMMISSIONED <= instant < _LATEST:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        set_clock(meter, now, instant)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Adjust to the nearest quarter, capture of the load profile or minute, to a preset time.

        Or shift by some seconds.
        What is adjusted or shifted without being told the time stays as invalid as it was.
        """
        local = meter.local(now)
        if method in (1, 2, 3):
            period_s = self._GRIDS.get(method) or _capture_period(meter, now)
            goal = _nearest(Periodically(period_s), meter.zone, local)
            set_clock(meter, now, goal, status=meter.clock(now).status)
        elif method == 4:
            self._adjust_to_preset(meter, now)
        elif method == 5:
            self._preset(meter, data, now)
        elif method == 6:
            set_clock(meter, now, local + _shift(data), status=meter.clock(now).status)
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def _set_rule(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        tag, value = decoded(data)
        if attribute in (_DST_BEGIN, _DST_END):
            if tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
                raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
            if not _is_rule(bytes(value)):
                raise AccessRefused(DataAccessResult.OTHER_REASON)
            data = axdr.encode(octet_string(bytes(value)))
        elif attribute in _FARTHEST:
            kind, farthest = _FARTHEST[attribute]
            if tag != kind:
                raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
            if abs(value) > farthest:
                raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        self._rezone(meter, now)

    def _rezone(self, meter: SimulatedMeter, now: int) -> None:
        """Go by the rules as they are written now; what was stamped before stays as it was."""
        rules = {index: axdr.decode(self.get(meter, index, None, now))[1] for index in _RULES}
        begin, end = bytes(rules[_DST_BEGIN]), bytes(rules[_DST_END])
        made = meter.fleet.template.zone
        if (begin, end) == _rules(made):
            begin, end = made.begin, made.end
        summer = int(rules[_DST_DEVIATION]) if rules[_DST_ENABLED] else 0
        zone = Zone(-int(rules[_TIME_ZONE]), summer, begin, end)
        if zone == meter.zone:
            return
        before = meter.local(now)
        _step(meter, now, zone=None if zone == made else zone)
        _tell(meter, before, now)

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
        set_clock(meter, now, preset)


class ShiftLimit(Behaviour):
    """Seconds up to which setting the clock is a shift: no event, and no mark in the profiles."""

    declares = Register

    def __init__(self, name: str = "1-0:0.9.11*255", seconds: int = 9) -> None:
        super().__init__(name, {2: long_unsigned(seconds), 3: structure(integer(0), enum(_SECOND))})


_SECOND = 7  # unit [facts-g]


def set_clock(meter: SimulatedMeter, now: int, instant: int, status: int = 0) -> None:
    """Let the meter's clock show `instant` from `now` on, with a clock status, 0 for valid.

    Beyond the shift limit, or when an invalid clock becomes valid, both times are logged and the
    profiles marked.
    """
    before, law = meter.local(now), meter.clock(now)
    if instant == before and status == law.status:
        return
    is_shift = status == law.status and abs(instant - before) <= _shift_limit(meter, now)
    if is_shift:
        before = passed(meter, now)
    mark = 0 if is_shift else STATUS_ADJUSTED | STATUS_NOT_VALID
    if not is_shift:
        meter.note(Happening.CLOCK_OLD_TIME, now)
    _step(meter, now, offset=instant - now, status=status, mark=mark)
    if not is_shift:
        meter.note(Happening.CLOCK_NEW_TIME, now)
        if status:
            meter.note(Happening.CLOCK_INVALID, now)
    _tell(meter, before, now)


def set_drift(meter: SimulatedMeter, now: int, drift: int) -> None:
    """Let the clock gain `drift` seconds in a million from UTC second `now` on; for scenarios."""
    before = meter.local(now)
    _step(meter, now, drift=drift)
    _tell(meter, before, now)


def lose_time(meter: SimulatedMeter, now: int, instant: int, status: int = INVALID) -> None:
    """Let the clock show a wrong `instant` from `now` on and know it; for scenarios.

    `status` is `INVALID` or `DOUBTFUL`; a client that sets the clock makes it valid again.
    """
    before = meter.local(now)
    _step(meter, now, offset=instant - now, status=status, mark=STATUS_NOT_VALID)
    meter.note(Happening.CLOCK_INVALID, now)
    _tell(meter, before, now)


def power_up(meter: SimulatedMeter, since: int, at: int) -> None:
    """The power that went at `since` is back: without reserve the clock stood and is invalid."""
    stood = at - since - meter.fleet.template.reserve_s
    if stood > 0:
        lose_time(meter, at, meter.local(at) - stood)


def passed(meter: SimulatedMeter, now: int) -> int:
    """The latest that the clock has shown until `now` since it was last set, UTC as it believes.

    A clock that was only shifted back, as time is kept in step, has passed what it shows again:
    nothing is done for it twice, as nothing is left out when it is shifted forward [memory].
    """
    own = meter.local(now)
    taken = [step for step in meter.state.steps if step.start <= now]
    for before, step in pairwise((meter.first_clock, *taken)):
        is_near = not step.mark and step.start >= now - DAY
        own = max(own, before.local(step.start)) if is_near else meter.local(now)
    return own


def is_right(meter: SimulatedMeter, now: int) -> bool:
    """Whether a clock goes by its template's zone, within a minute of the time for a month."""
    law = meter.clock(now)
    return (
        meter.zone == meter.fleet.template.zone
        and abs(meter.offset(now)) <= _RIGHT_S
        and abs(law.drift) * _MONTH_S <= _RIGHT_S * 1_000_000
    )


def is_invalid(step: Step) -> bool:
    """Whether the time of a clock that goes like this is not to be relied on."""
    return bool(step.status & (INVALID | DOUBTFUL))


def _step(
    meter: SimulatedMeter,
    now: int,
    *,
    offset: int | None = None,
    drift: int | None = None,
    status: int | None = None,
    mark: int = 0,
    zone: Zone | EllipsisType | None = ...,
) -> None:
    """Change something about how the clock goes; everything else stays as it is."""
    law, state = meter.clock(now), meter.change()
    state.due = min(state.due, now)
    state.step_clock(
        Step(
            now,
            law.local(now) - now if offset is None else offset,
            law.drift if drift is None else drift,
            law.status if status is None else status,
            mark,
            law.zone if zone is ... else zone,
        )
    )


def _tell(meter: SimulatedMeter, before: int, now: int) -> None:
    for behaviour in present(meter):
        behaviour.clock_set(meter, before, now)


def _shift_limit(meter: SimulatedMeter, now: int) -> int:
    limit = meter.fleet.template.behaviours.get((Register.class_id, _SHIFT_LIMIT))
    return 0 if limit is None else int(axdr.decode(limit.get(meter, 2, None, now))[1])


def _capture_period(meter: SimulatedMeter, now: int) -> int:
    """Seconds between the captures of the load profile, 15 minutes where there is none."""
    profile = meter.fleet.template.behaviours.get(_LOAD_PROFILE)
    period_s = 0 if profile is None else int(axdr.decode(profile.get(meter, 4, None, now))[1])
    return period_s or QUARTER


def _nearest(grid: Periodically, zone: Zone, local: int) -> int:
    """The instant of a grid that is nearest, the later one of two."""
    number = grid.number(local, zone)
    before, after = grid.instant(number, zone), grid.instant(number + 1, zone)
    return before if local - before < after - local else after


def _shift(data: bytes | None) -> int:
    try:
        tag, value = axdr.decode(data or b"")
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
    if tag != Tag.LONG:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED)
    if abs(value) > _LONGEST_SHIFT_S:
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


def _rules(zone: Zone) -> tuple[bytes, bytes]:
    """The attributes 5 and 6 that tell a zone's rule."""
    if zone.begin:
        return zone.begin, zone.end
    standard, summer = -zone.east, -zone.east - zone.summer
    return _change(3, standard, 0), _change(10, summer, _SUMMER)


def _change(month: int, deviation: int, status: int) -> bytes:
    """01:00 UTC on the last Sunday of a month in any year, as the standard writes wildcards.

    It is local time with its deviation, or UTC where the local day is another.
    """
    last, sunday, local = 0xFE, 7, 60 - deviation
    if not 0 <= local < _DAY_MINUTES:
        local, deviation = 60, 0
    return (
        bytes((0xFF, 0xFF, month, last, sunday, local // 60, local % 60, 0, 0))
        + deviation.to_bytes(2, "big", signed=True)
        + bytes((status,))
    )


def _is_rule(octets: bytes) -> bool:
    """Whether a date-time tells one moment in every year, or in one year."""
    if len(octets) != 12:
        return False
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    return (
        is_date(octets[:5])
        and is_time(octets[5:9])
        and octets[2] <= 12
        and ANY not in (octets[3], octets[5])
        and (deviation == -0x8000 or abs(deviation) <= _FARTHEST[_TIME_ZONE][1])
    )
