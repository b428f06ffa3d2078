"""Demand: averages over periods that may slide, their maximum, and what is billed of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import billing, rates
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.behaviour.capture import Periodically, Run, runs, totals_of
from ferraris.meter.behaviour.registers import Billed, scaler_unit, stamp
from ferraris.meter.consumption import unpack_totals
from ferraris.meter.patterns import ACTIVE_IMPORT, QUARTER
from ferraris.meter.zone import DAY
from ferraris.model.data_storage import DemandRegister, ExtendedRegister
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Demand", "MaximumDemand", "RatchetDemand"]

_HOUR = 3600
_WATT = 27
_SHORTEST_S = 60
_MOST_PERIODS = 96
_UNLIMITED = 1 << 30
_PERIOD, _NUMBER_OF_PERIODS = 8, 9


@dataclass(slots=True)
class _Begun:
    """When clients reset a demand register, and when they ended a period, UTC seconds."""

    reset: int = 0
    ended: tuple[int, ...] = ()


class Demand(Behaviour):
    """Average power of a channel over one period, or over several that slide, in watts.

    Periods begin at multiples of their length from local midnight, by the meter's own clock, and
    where a client ends one before its time.
    """

    declares = DemandRegister

    def __init__(
        self, name: str, channel: int = ACTIVE_IMPORT, period_s: int = QUARTER, periods: int = 1
    ) -> None:
        fixed = {
            4: scaler_unit(0, _WATT),
            5: (int(Tag.UNSIGNED), 0),
            _PERIOD: (int(Tag.DOUBLE_LONG_UNSIGNED), period_s),
            _NUMBER_OF_PERIODS: (int(Tag.LONG_UNSIGNED), periods),
        }
        super().__init__(name, fixed)
        self.channel = channel

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2, 3, 6 and 7."""
        period_s, periods = self.periods(meter, now)
        starts = self._starts(meter, period_s, periods + 1, now)
        if attribute in (6, 7):
            return stamp(meter.stamp(starts[-1] if attribute == 6 else starts[-periods]))
        span = (starts[-periods], now) if attribute == 2 else (starts[0], starts[-1])
        begun = meter.state.found(_Begun, self.key)
        first, last = (max(each, 0 if begun is None else begun.reset) for each in span)
        used = meter.total(self.channel, last) - meter.total(self.channel, first)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, used * _HOUR // (period_s * periods))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 8, whole parts of a day from a minute on, and 9; the averages begin anew."""
        tag, value = decoded(data)
        wanted = {_PERIOD: Tag.DOUBLE_LONG_UNSIGNED, _NUMBER_OF_PERIODS: Tag.LONG_UNSIGNED}
        if attribute not in wanted:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        if tag != wanted[attribute]:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        most = DAY if attribute == _PERIOD else _MOST_PERIODS
        least = _SHORTEST_S if attribute == _PERIOD else 1
        if not least <= value <= most or (attribute == _PERIOD and DAY % value):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)
        self._reset(meter, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 lets both averages begin at zero, 2 ends the period at once."""
        if method == 1:
            self._reset(meter, now)
        elif method == 2:
            part = meter.change().part(_Begun, self.key)
            part.ended = (*part.ended, now)[-_MOST_PERIODS - 1 :]
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def periods(self, meter: SimulatedMeter, now: int) -> tuple[int, int]:
        """Seconds of a period, and how many of them make the average."""
        period_s, periods = (
            int.from_bytes(self.get(meter, index, None, now)[1:], "big")
            for index in (_PERIOD, _NUMBER_OF_PERIODS)
        )
        return period_s, periods

    def _reset(self, meter: SimulatedMeter, now: int) -> None:
        meter.change().part(_Begun, self.key).reset = now

    def _starts(self, meter: SimulatedMeter, period_s: int, count: int, now: int) -> list[int]:
        """UTC seconds at which the last `count` periods began, oldest first."""
        grid, zone, law = Periodically(period_s), meter.zone, meter.clock(now)
        last = grid.number(law.local(now), zone)
        starts = {law.utc(grid.instant(last - back, zone)) for back in range(count)}
        begun = meter.state.found(_Begun, self.key)
        if begun is not None:
            starts |= {at for at in begun.ended if at <= now}
        return sorted(starts)[-count:]


class MaximumDemand(Billed):
    """Highest average of a demand register in the billing period that runs, in watts.

    Without a register the averages are those of 15 minutes; with a `rate` only those count that
    ended while it did. A period that an outage, a clock that
    was set or a reset cut short counts with what flowed in it.
    """

    declares = ExtendedRegister

    def __init__(
        self,
        name: str,
        channel: int = ACTIVE_IMPORT,
        demand: Demand | None = None,
        rate: int = 0,
    ) -> None:
        super().__init__(name, {3: scaler_unit(0, _WATT), 4: (int(Tag.UNSIGNED), 0)})
        self.channel = channel if demand is None else demand.channel
        self.rate = rate
        self._demand = demand

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 5."""
        return self.billed(meter, attribute, billing.period_begin(meter, now), now)

    def billed(self, meter: SimulatedMeter, attribute: int, begin: int, end: int) -> bytes:
        """Attributes 2 and 5 of the billing period from `begin` until `end`."""
        power, shown = self.highest(meter, begin, end)
        if attribute == 5:
            return stamp(shown)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, power)

    def highest(self, meter: SimulatedMeter, begin: int, end: int) -> tuple[int, bytes]:
        """Power of the highest average from `begin` until `end`, and what the clock showed then."""
        reset = (meter.state.since or {}).get(self.key, begin)
        begin = max(begin, reset) if reset <= end else begin
        best: tuple[int, int] | None = None
        for power, at in self._averages(meter, begin, end):
            counts = not self.rate or self.rate in rates.active(meter, self.channel, at - 1)
            if counts and (best is None or power > best[0]):
                best = power, at
        if best is None:
            return 0, meter.stamp(begin)
        return best[0], meter.stamp(best[1])

    def _averages(self, meter: SimulatedMeter, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Every average from `begin` until `end`, and when it was complete, UTC seconds."""
        period_s, periods = (QUARTER, 1)
        if self._demand is not None:
            period_s, periods = self._demand.periods(meter, end)
        begun = None if self._demand is None else meter.state.found(_Begun, self._demand.key)
        ended = () if begun is None else begun.ended
        ends: deque[tuple[int, int]] = deque(maxlen=periods + 1)  # of periods in a row, with totals
        following: int | None = None
        for run in runs(Periodically(period_s), meter, end, entries=_UNLIMITED, since=begin):
            found = self._ends(meter, run, period_s, ended)
            if following != run.first:
                start = max(begin, found[0][0] - period_s, run.start)
                ends.clear()
                ends.append((start, meter.total(self.channel, start)))
            following = run.stop
            for at, total in found:
                ends.append((at, total))
                start, before = ends[0]
                if begun is not None and start < begun.reset <= at:
                    before = meter.total(self.channel, begun.reset)
                yield (total - before) * _HOUR // (period_s * periods), at

    def _ends(
        self, meter: SimulatedMeter, run: Run, period_s: int, ended: tuple[int, ...]
    ) -> list[tuple[int, int]]:
        """When the periods of a run were over, and the totals then."""
        grid = Periodically(period_s)
        instants = [run.law.utc(grid.instant(n, run.zone)) for n in range(run.first, run.stop)]
        column = totals_of(meter, run, grid, run.first, run.stop)[self.channel]
        found = dict(zip(instants, unpack_totals(column), strict=True))
        for at in ended:
            if instants[0] - period_s < at < instants[-1]:
                found[at] = meter.total(self.channel, at)
        return sorted(found.items())

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1: start again from here."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        meter.change().restart(self.key, now)
        return None


class RatchetDemand(Billed):
    """What is billed for demand: the maximum, or `percent` of the highest of `periods` before.

    The rule is usual in contracts of industry; the object is the project's own choice.
    """

    declares = ExtendedRegister

    def __init__(
        self, name: str, maximum: MaximumDemand, percent: int = 80, periods: int = 11
    ) -> None:
        super().__init__(name, {3: scaler_unit(0, _WATT), 4: (int(Tag.UNSIGNED), 0)})
        self._maximum = maximum
        self._percent = percent
        self._periods = periods

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 5."""
        return self.billed(meter, attribute, billing.period_begin(meter, now), now)

    def billed(self, meter: SimulatedMeter, attribute: int, begin: int, end: int) -> bytes:
        """Attributes 2 and 5 of the billing period from `begin` until `end`."""
        power, shown = self._maximum.highest(meter, begin, end)
        ends = billing.closings(meter, begin, self._periods + 1)
        for start, stop in pairwise(ends):
            before, at = self._maximum.highest(meter, start, stop)
            if before * self._percent // 100 > power:
                power, shown = before * self._percent // 100, at
        return stamp(shown) if attribute == 5 else encoded(Tag.DOUBLE_LONG_UNSIGNED, power)
