"""What meters of gas and water have in common: a battery, windows, a clock, logs and firmware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferraris.data.kinds import null_data
from ferraris.meter.behaviour.battery import Battery, BatteryLife
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.periodic import ProfileStatus
from ferraris.meter.behaviour.push_setup import Sent
from ferraris.meter.behaviour.windows import Calling, Listening
from ferraris.meter.template import Placed
from ferraris.meter.templates.residential import (
    MANAGEMENT,
    PUBLIC,
    READING,
    identity,
    pushes,
)
from ferraris.meter.templates.supervision import supervision
from ferraris.meter.zone import Zone

__all__ = ["KNOWN", "MANAGERS", "common"]

KNOWN = frozenset((MANAGEMENT, READING))
MANAGERS = frozenset((MANAGEMENT,))
_ALL = frozenset((MANAGEMENT, READING, PUBLIC))
_MINUTES_A_DAY = 10


def common(medium: str, indexes: Sequence[str], zone: Zone, suite: int) -> Iterator[Placed]:
    """Everything but what is measured.

    `medium` is the first part of names, `7-0` for gas; the meter pushes its `indexes`, now and by
    the hours of the profile `99.1.0`.
    """
    yield from identity(medium, suite)
    name, clock = (1, "0-0:42.0.0*255", 2), (8, "0-0:1.0.0*255", 2)
    values = [(3, index, attribute) for index in indexes for attribute in (2, 3)]
    columns = (clock, *((3, index, 2) for index in indexes))
    since_the_last = (1, null_data(), null_data())
    hours = Sent(7, f"{medium}:99.1.0*255", 2, restriction=since_the_last, columns=columns)
    yield from pushes((name, clock, *values), (Sent(*name), hours))
    yield from supervision(KNOWN, MANAGERS)
    rules = dict.fromkeys((3, 5, 6, 7, 8), MANAGERS)
    methods = dict.fromkeys(range(1, 7), KNOWN)
    yield Placed(Clock("0-0:1.0.0*255", zone), _ALL, {2: KNOWN, **rules}, methods)
    yield Placed(ShiftLimit(), KNOWN, {2: MANAGERS})
    yield Placed(ProfileStatus("0-0:96.10.1*255"), KNOWN)
    yield Placed(Battery("0-0:96.6.1*255"), KNOWN)
    yield Placed(BatteryLife("0-0:96.6.6*255"), KNOWN)
    yield Placed(Listening("0-0:2.2.0*255", _MINUTES_A_DAY), _ALL, {3: MANAGERS})
    yield Placed(Calling("0-0:2.1.0*255", _MINUTES_A_DAY), _ALL, {5: MANAGERS})
