"""The clock of a meter: compared with ours, and set when it is too far off."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from ferraris.client import Meter
from ferraris.core.errors import IncompatibleError
from ferraris.data.date_time import DateTime, epoch
from ferraris.model.time_control import Clock

__all__ = ["put_right"]

_CLOCK = "0-0:1.0.0*255"
_UTC = "UTC"


async def put_right(
    meter: Meter, zone: str, clock: Callable[[], float], *, most_s: float = 10.0
) -> int | None:
    """Set the clock of the meter if it is off by more than `most_s`; returns by how much it was.

    None says that it told no instant at all. A clock that was set is read again: only that proves
    it; `IncompatibleError` when it is wrong still. `zone` (IANA) serves clocks that tell none.
    """
    there = ZoneInfo(zone)
    shown, off = await _read(meter, there, clock)
    if off is not None and abs(off) <= most_s:
        return off
    await meter.set(Clock.time, _CLOCK, _now_as(shown, there, clock()))
    _, still = await _read(meter, there, clock)
    if still is None or abs(still) > most_s:
        how = "tells no time" if still is None else f"is {still} s off"
        raise IncompatibleError(f"the clock was set and {how}", where="clock")
    return off


async def _read(
    meter: Meter, zone: tzinfo, clock: Callable[[], float]
) -> tuple[DateTime, int | None]:  # fmt: skip
    shown = await meter.get(Clock.time, _CLOCK)
    seconds = epoch(shown.octets, zone)
    return shown, None if seconds is None else seconds - math.floor(clock())


def _now_as(shown: DateTime, zone: tzinfo, now: float) -> DateTime:
    """Now, in the zone of the inventory; where that is only UTC, as the meter's clock counts."""
    deviation = shown.deviation
    if isinstance(zone, ZoneInfo) and zone.key != _UTC:
        there: tzinfo = zone
    elif deviation is not None and -1440 < deviation < 1440:
        there = timezone(timedelta(minutes=-deviation))
    else:
        there = UTC
    moment = datetime.fromtimestamp(int(now), there)
    made = DateTime.from_datetime(moment)
    if isinstance(there, timezone) and shown.daylight_saving:
        return DateTime.from_datetime(moment, status=0x80)
    return made
