"""One session with one meter: everything that is due over all plans, in one association.

What arrived before a failure is kept, and an object or profile that the meter refuses stops
nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from ferraris.core.errors import DecodeError, RefusedError, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Event, Reading, Series
from ferraris.headend.collect.alarms import AlarmBits, register_of
from ferraris.headend.collect.channels import ChannelFace, MBusDevice, mismatch
from ferraris.headend.collect.event_log import events_of
from ferraris.headend.collect.gaps import Gap, MeterGaps
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.plan import ALARMS, BILLING, LOG, PROFILE, REGISTERS, Item
from ferraris.headend.collect.policy import PERMANENT, Failure, failure_of
from ferraris.headend.collect.target import Target
from ferraris.headend.collect.windows import zone_of
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.exchange import pack_events, pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought

__all__ = ["CLOCK", "Report", "SessionLimits", "deviation_of", "read_due", "wrong_device"]

CLOCK: Final = "0-0:1.0.0*255"
HEAD_END_LOG: Final = "head-end"
CLOCK_DEVIATES: Final = 1
"""The code of the head-end's own event about a clock; its values are the deviation in seconds."""

_OVERLAP_S: Final = DAY_S  # of a log, in case the meter's clock was set back meanwhile
_ITS_OWN = (RefusedError, DecodeError, UsageError)  # trouble of one object, not of the session


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How a session goes: days of a profile in one request, and what of a clock is an event."""

    days_at_once: int = 10
    most_deviation_s: float = 60.0
    check_clock: bool = True


@dataclass(slots=True)
class Report:
    """What came of a session.

    `tried` has the items that the meter was asked for to the end, `refused` those that it did not
    give and why. `failure` ended the session before its time; `reached` tells whether there was an
    association at all. What came of the sub-meters stands in reports of their own `behind` it;
    `device` is who was found at the channel of one.
    """

    found: MeterGaps
    occasion: str = "plan"
    started_s: float = 0.0
    ended_s: float = 0.0
    brought: Brought = field(default_factory=Brought)
    tried: set[int] = field(default_factory=set)
    refused: dict[int, Failure] = field(default_factory=dict)
    answered: dict[int, frozenset[str]] = field(default_factory=dict)
    logs: dict[str, int] = field(default_factory=dict)
    deviation_s: float | None = None
    failure: Failure | None = None
    reached: bool = False
    alarms: dict[int, AlarmBits] = field(default_factory=dict)
    behind: list[Report] = field(default_factory=list)
    device: MBusDevice | None = None

    @property
    def meter(self) -> int:
        """The number of the meter."""
        return self.found.target.meter


async def read_due(
    opened: Callable[[], AbstractAsyncContextManager[MeterFace]],
    found: MeterGaps,
    items: Mapping[int, Item],
    clock: Callable[[], float],
    limits: SessionLimits,
    *,
    occasion: str = "plan",
    first: Callable[[MeterFace, Report], Awaitable[None]] | None = None,
) -> Report:
    """Do what is `first`, then read what is due.

    Never raises for the meter's sake, only when it is cancelled.
    """
    report = Report(found, occasion, started_s=clock())
    report.behind = [Report(each, occasion, clock()) for each in found.behind]
    try:
        async with opened() as face:
            report.reached = True
            if first is not None:
                await first(face, report)
            await _Session(face, report, items, clock, limits).read()
            for each in report.behind:
                await _read_behind(face, each, items, clock, limits)
    except Exception as error:  # noqa: BLE001 - one meter must not end the round for all others
        report.failure = failure_of(error)
    for each in (report, *report.behind):
        each.ended_s = clock()
    return report


async def _read_behind(
    face: MeterFace,
    report: Report,
    items: Mapping[int, Item],
    clock: Callable[[], float],
    limits: SessionLimits,
) -> None:
    """Read a sub-meter at the channel of its host, if it is the one that is there."""
    target = report.found.target
    report.started_s = clock()
    try:
        if report.device is None:  # a command may have asked already
            report.device = await face.read_device(target.channel)
        wrong = wrong_device(target, report.device)
    except _ITS_OWN as error:
        wrong = failure_of(error)
    if wrong is None:
        report.reached = True
        channel = ChannelFace(face, target.channel)
        await _Session(channel, report, items, clock, replace(limits, check_clock=False)).read()
        return
    for gap in report.found.gaps:
        report.tried.add(gap.item)
        report.refused[gap.item] = wrong


def wrong_device(target: Target, device: MBusDevice) -> Failure | None:
    """Why the device at the channel of a sub-meter is not that one; None when it is."""
    where = f"channel {target.channel} of {target.host_name}"
    if not device.is_there:
        return Failure("no device", PERMANENT, f"{where}: no device is there")
    text = mismatch(target.device, device)
    return Failure("other device", PERMANENT, f"{where}: {text}") if text else None


class _Session:
    """The open association, and what it brings."""

    def __init__(
        self,
        face: MeterFace,
        report: Report,
        items: Mapping[int, Item],
        clock: Callable[[], float],
        limits: SessionLimits,
    ) -> None:
        self._face = face
        self._report = report
        self._items = items
        self._clock = clock
        self._limits = limits
        target = report.found.target
        self._companion = "" if target.host else target.companion  # logs of channels have no names

    async def read(self) -> None:
        gaps: dict[int, list[Gap]] = defaultdict(list)
        for gap in self._report.found.gaps:
            gaps[gap.item].append(gap)
        by_kind: dict[str, list[int]] = defaultdict(list)
        for number in gaps:
            by_kind[self._items[number].kind].append(number)
        await self._registers(by_kind[REGISTERS])
        for number in by_kind[PROFILE]:
            await self._guarded(number, self._profile(number, gaps[number]))
        for number in by_kind[BILLING]:
            await self._guarded(number, self._billing(number, gaps[number]))
        for number in by_kind[LOG]:
            await self._guarded(number, self._log(number, gaps[number]))
        for number in by_kind[ALARMS]:
            await self._guarded(number, self._alarms(number))

    async def _guarded(self, number: int, reading: object) -> None:
        """Read one item; trouble that is its own stays there."""
        try:
            await reading  # type: ignore[misc] # a coroutine of this class
        except _ITS_OWN as error:
            self._report.refused[number] = failure_of(error)
        self._report.tried.add(number)

    async def _profile(self, number: int, gaps: Sequence[Gap]) -> None:
        name = self._items[number].name
        for since_s, until_s in _ranges(gaps, self._limits.days_at_once):
            series = await self._face.read_profile(name, _utc(since_s), _utc(until_s))
            self._keep(name, series, since_s, until_s)

    async def _billing(self, number: int, gaps: Sequence[Gap]) -> None:
        name = self._items[number].name
        since_s, until_s = min(g.since_s for g in gaps), max(g.until_s for g in gaps)
        until_s = min(until_s, int(self._clock()) + DAY_S)
        self._keep(
            name,
            await self._face.read_profile(name, _utc(since_s), _utc(until_s)),
            since_s,
            until_s,
        )

    def _keep(self, name: str, series: Series, since_s: int, until_s: int) -> None:
        self._report.brought.blocks += pack_series(name, series, since_s, until_s)
        self._report.brought.undated += pack_undated(name, series)

    async def _registers(self, numbers: Sequence[int]) -> None:
        wanted = dict.fromkeys(name for n in numbers for name in self._items[n].registers)
        found = self._report.found
        if self._limits.check_clock and (found.gaps or found.behind):
            wanted.setdefault(CLOCK)
        if not wanted:
            return
        read_s = self._clock()
        readings = await self._face.read_registers(list(wanted))
        self._check_clock(readings)
        asked = {name for n in numbers for name in self._items[n].registers}
        kept = [reading for reading in readings if str(reading.name) in asked]
        names = frozenset(str(reading.name) for reading in kept)
        if kept:
            self._report.brought.reads.append(
                pack_readings(int(read_s) // DAY_S, int(read_s), kept)
            )
        for number in numbers:
            self._report.tried.add(number)
            if names & set(self._items[number].registers):
                self._report.answered[number] = names
            else:
                self._report.refused[number] = failure_of(
                    RefusedError("it gives none of these registers", where="meter")
                )

    async def _log(self, number: int, gaps: Sequence[Gap]) -> None:
        name = self._items[number].name
        since_s = min(gap.since_s for gap in gaps) - _OVERLAP_S
        asked_s = int(self._clock())
        since = _utc(since_s) if since_s > 0 else None
        series = await self._face.read_profile(name, since, None)
        self._report.brought.events += pack_events(events_of(series, name, self._companion))
        self._report.logs[name] = asked_s

    async def _alarms(self, number: int) -> None:
        name = self._items[number].name
        asked_s = int(self._clock())
        for reading in await self._face.read_registers([name]):
            if isinstance(reading.value, int):
                register = register_of(Obis.parse(name).e)
                self._report.alarms[number] = AlarmBits(register, reading.value)
                self._report.logs[name] = asked_s
                return
        raise RefusedError(f"it does not give {name}, or not as bits", where="meter")

    def _check_clock(self, readings: Sequence[Reading]) -> None:
        now = self._clock()
        for reading in readings:
            if str(reading.name) == CLOCK:
                deviation_s = deviation_of(reading, self._report.found.target.zone, now)
                self._report.deviation_s = deviation_s
                if deviation_s is not None and abs(deviation_s) > self._limits.most_deviation_s:
                    self._report.brought.events += pack_events([_deviates(deviation_s, now)])


def deviation_of(reading: Reading, zone: str, now: float) -> float | None:
    """How many seconds a meter's clock is ahead of ours; None when it does not say."""
    value = reading.value
    if not isinstance(value, DateTime):
        try:
            value = DateTime(value)  # type: ignore[arg-type] # octets, or it raises
        except (DecodeError, UsageError, TypeError):
            return None
    try:
        return round(value.to_datetime(zone_of(zone)).timestamp() - now, 3)
    except (DecodeError, UsageError):
        return None


def _deviates(deviation_s: float, now: float) -> Event:
    return Event(
        "",
        HEAD_END_LOG,
        datetime.fromtimestamp(int(now), UTC),
        CLOCK_DEVIATES,
        f"Clock is {abs(deviation_s):.0f} s {'fast' if deviation_s > 0 else 'slow'}",
        values=(round(deviation_s),),
    )


def _ranges(gaps: Sequence[Gap], days_at_once: int) -> Iterator[tuple[int, int]]:
    """Gaps that touch as one range, newest first: what is old can wait for the next session."""
    begin = end = None
    for gap in sorted(gaps, key=lambda each: each.until_s, reverse=True):
        if begin is not None and end is not None:
            if gap.until_s >= begin and end - gap.since_s <= days_at_once * DAY_S:
                begin = min(begin, gap.since_s)
                continue
            yield begin, end
        begin, end = gap.since_s, gap.until_s
    if begin is not None and end is not None:
        yield begin, end


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
