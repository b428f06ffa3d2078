"""What limiters and monitors look at: the value of an attribute, and when it leaves a band.

Power is even within a quarter of an hour, energy never falls, a running average climbs through its
quarter: so the second at which a threshold is crossed is found and not waited for. Any other value
changes only when something happens to the meter, and is looked at then.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.behaviour.demand import Demand
from ferraris.meter.behaviour.registers import Energy, Instantaneous
from ferraris.meter.consumption import unpack_totals
from ferraris.meter.patterns import ACTIVE_EXPORT, ACTIVE_IMPORT, QUARTER, QUARTERS
from ferraris.meter.supply import quarters
from ferraris.model.references import AttributeIdentity
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.behaviour.behaviour import Behaviour
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Band", "leaves", "tag_of", "value_of"]

_LAST = 1 << 64
_AHEAD = QUARTERS  # quarters that are looked at before one looks again
_PER_HOUR = 3600 // QUARTER
_CHANNELS = {
    bytes(Obis.of(1, 0, 1, 7, 0)): ACTIVE_IMPORT,
    bytes(Obis.of(1, 0, 2, 7, 0)): ACTIVE_EXPORT,
}
_WHOLE = frozenset((5, 6, 15, 16, 17, 18, 20, 21, 22, 3))  # kinds with a whole number


class Band(NamedTuple):
    """Values from `low` to `high`, both included."""

    low: int = -_LAST
    high: int = _LAST

    def holds(self, value: int) -> bool:
        """Whether a value lies in the band."""
        return self.low <= value <= self.high


def value_of(meter: SimulatedMeter, what: AttributeIdentity, at: int) -> int | None:
    """The value at UTC second `at`, None for what is no whole number or not there.

    For a power it is the mean of the running quarter.
    """
    behaviour = _find(meter, what)
    channel = _channel(behaviour, what)
    if channel is not None:
        return _mean_power(meter, channel, at)
    if behaviour is None:
        return None
    try:
        tag, value = axdr.decode(behaviour.get(meter, what.attribute, None, at))
    except AccessRefused:
        return None
    return int(value) if tag in _WHOLE else None


def tag_of(meter: SimulatedMeter, what: AttributeIdentity, now: int) -> int | None:
    """The kind of the value, None for what is no whole number or not there."""
    behaviour = _find(meter, what)
    if behaviour is None:
        return None
    try:
        tag = behaviour.get(meter, what.attribute, None, now)[0]
    except AccessRefused:
        return None
    return tag if tag in _WHOLE else None


def leaves(
    meter: SimulatedMeter,
    what: AttributeIdentity,
    band: Band,
    after: int,
    until: int | None = None,
) -> int | None:
    """The first UTC second after `after` at which the value is outside a band.

    None when nothing but an event can bring that about. A second at which it is still inside means
    that one has to look again from there on. Who looks again at `until` anyway is told no more.
    """
    value = value_of(meter, what, after + 1)
    if value is None:
        return None
    if not band.holds(value):
        return after + 1
    behaviour = _find(meter, what)
    channel = _channel(behaviour, what)
    if channel is not None:
        return None if meter.is_disconnected else _power_leaves(meter, channel, band, after, until)
    if isinstance(behaviour, Energy) and what.attribute == Energy.declares.value.index:
        return _climbs(meter, what, band, after + 1, after + 1 + _AHEAD * QUARTER)
    if isinstance(behaviour, Demand) and what.attribute in _AVERAGES:
        return _average_leaves(meter, what, band, after + 1)
    return None


_AVERAGES = (
    Demand.declares.current_average_value.index,
    Demand.declares.last_average_value.index,
)


def _find(meter: SimulatedMeter, what: AttributeIdentity) -> Behaviour | None:
    return meter.fleet.template.behaviours.get((what.class_id, bytes(what.logical_name)))


def _channel(behaviour: Behaviour | None, what: AttributeIdentity) -> int | None:
    if isinstance(behaviour, Instantaneous) and what.attribute == behaviour.declares.value.index:
        return _CHANNELS.get(behaviour.logical_name)
    return None


def _mean_power(meter: SimulatedMeter, channel: int, at: int) -> int:
    if meter.is_disconnected:
        return 0
    start = at // QUARTER * QUARTER
    household = meter.household
    used = household.total(channel, start + QUARTER) - household.total(channel, start)
    return used * _PER_HOUR


def _power_leaves(
    meter: SimulatedMeter, channel: int, band: Band, after: int, until: int | None
) -> int:
    first = (after + 1) // QUARTER + 1
    ahead = _AHEAD if until is None else min(_AHEAD, until // QUARTER + 1 - first)
    if ahead <= 0:
        return first * QUARTER
    column = quarters(meter.household, first, first + ahead + 1)[channel]
    totals = unpack_totals(column)
    for place, (begin, end) in enumerate(itertools.pairwise(totals)):
        if not band.holds((end - begin) * _PER_HOUR):
            return (first + place) * QUARTER
    return (first + ahead) * QUARTER


def _average_leaves(meter: SimulatedMeter, what: AttributeIdentity, band: Band, start: int) -> int:
    """Averages climb within a period by the meter's own clock, and begin anew with the next."""
    begin = start
    behaviour = _find(meter, what)
    assert isinstance(behaviour, Demand)
    grid, zone = Periodically(behaviour.periods(meter, start)[0]), meter.zone
    for _ in range(_AHEAD):
        law = meter.clock(begin)
        following = grid.number(law.local(begin), zone) + 1
        end = max(law.utc(grid.instant(following, zone)), begin + 1)
        found = _climbs(meter, what, band, begin, end - 1)
        if found < end - 1 or not _holds(meter, what, band, end - 1):
            return found
        if not _holds(meter, what, band, end):
            return end
        begin = end
    return begin


def _climbs(
    meter: SimulatedMeter, what: AttributeIdentity, band: Band, first: int, last: int
) -> int:
    """The first second at which a value that never falls is outside, or `last`."""
    if _holds(meter, what, band, last):
        return last
    seconds = range(first, last)
    return first + bisect_left(seconds, True, key=lambda at: not _holds(meter, what, band, at))


def _holds(meter: SimulatedMeter, what: AttributeIdentity, band: Band, at: int) -> bool:
    value = value_of(meter, what, at)
    return value is not None and band.holds(value)
