"""When profiles capture: grids of instants, numbered, in the time of the meter's own clock."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ferraris.meter.outages import outages
from ferraris.meter.state import COMMISSIONED, RIGHT, Step
from ferraris.meter.zone import DAY, Zone

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "STATUS_POWER_DOWN",
    "Daily",
    "Grid",
    "Monthly",
    "Periodically",
    "Run",
    "Stretch",
    "captures",
    "is_undisturbed",
    "pending_mark",
    "runs",
    "stretches",
    "totals_of",
]

STATUS_POWER_DOWN = 0x80  # AMR profile status, power down [facts-g]


class Grid(Hashable, Protocol):
    """Ascending instants with numbers, UTC seconds."""

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the last instant at or before `utc`."""

    def instant(self, number: int, zone: Zone) -> int:
        """The instant with this number."""


class Periodically(NamedTuple):
    """Every `period` seconds from local midnight on; the period divides a day."""

    period: int

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the last instant at or before `utc`."""
        if self.is_even(zone):
            return (utc + 60 * zone.east) // self.period
        return (utc + zone.offset(utc)) // self.period

    def instant(self, number: int, zone: Zone) -> int:
        """UTC seconds."""
        if self.is_even(zone):
            return number * self.period - 60 * zone.east
        return zone.utc(number * self.period)

    def is_even(self, zone: Zone) -> bool:
        """Whether daylight saving moves the grid onto itself."""
        return not 60 * zone.summer % self.period


class Daily:
    """Every local midnight."""

    period = DAY

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the local day, from 1970."""
        return zone.local_day(utc)

    def instant(self, number: int, zone: Zone) -> int:
        """Its beginning."""
        return zone.midnight(number)


class Monthly:
    """Local midnight at the beginning of every month."""

    period = 0  # months differ: an event triggers the capture, not a period

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the local month, 12 x year + month - 1."""
        return zone.month(utc)

    def instant(self, number: int, zone: Zone) -> int:
        """Its beginning."""
        return zone.month_begin(number)


class Stretch(NamedTuple):
    """From UTC second `start` until `stop` the power was on and the clock went like `law`.

    The first capture after `start` carries the bits of `mark`.
    """

    start: int
    stop: int
    law: Step
    mark: int


class Run(NamedTuple):
    """Captures `first` to `stop` - 1 of a grid, made while the clock went like `law` in `zone`.

    The clock has gone like that since UTC second `start`. The first of the captures carries the
    bits of `mark` in its status.
    """

    first: int
    stop: int
    law: Step
    zone: Zone
    mark: int
    start: int


def stretches(meter: SimulatedMeter, now: int) -> Iterator[Stretch]:
    """When the meter could capture, from its commissioning until `now`, oldest first."""
    if not meter.state.steps and not outages(meter.state):
        yield Stretch(COMMISSIONED, now, meter.first_clock, 0)
        return
    begin, law, mark = COMMISSIONED, meter.first_clock, 0
    for following in (*meter.state.steps, None):
        end = now if following is None else min(following.start, now)
        for start, stop in outages(meter.state):
            if start >= end or (stop is not None and stop <= begin):
                continue
            if begin < start:
                yield Stretch(begin, start, law, mark)
                mark = 0
            mark |= STATUS_POWER_DOWN
            begin = end if stop is None else min(stop, end)
        if begin < end or (mark and begin == end):
            yield Stretch(begin, end, law, mark)
            mark = 0
        if following is not None:
            begin, law, mark = following.start, following, mark | following.mark


def runs(
    grid: Grid, meter: SimulatedMeter, now: int, *, entries: int, since: int | None = None
) -> Sequence[Run]:
    """The captures a profile of `entries` rows holds at `now`, oldest first.

    A clock that was set leaves a gap, or instants that come twice, an outage leaves a gap; the mark
    of a stretch without captures goes to the next capture that there is. A clock that was shifted
    has every instant once: what it leapt over by the clock as it is now [memory].
    """
    found: list[Run] = []
    mark = 0
    for stretch, run in _numbered(grid, meter, now, since):
        mark |= stretch.mark
        if run is not None:
            found.append(run._replace(mark=mark))
            mark = 0
    return _last(found, entries)


def _numbered(
    grid: Grid, meter: SimulatedMeter, now: int, since: int | None
) -> Iterator[tuple[Stretch, Run | None]]:
    """What is captured in each stretch, its mark left aside; None for nothing."""
    known: int | None = None  # the last instant that the clock has passed since it was set
    before: Stretch | None = None
    for stretch in stretches(meter, now):
        start, stop, law, _ = stretch
        zone = law.zone or meter.fleet.template.zone
        if before is None or not _goes_on(before.law, law):
            known = None
        lower = start if since is None else max(start, since)
        first = grid.number(law.local(lower), zone) + 1
        if known is not None and before is not None:
            is_next = before.stop == lower
            first = known + 1 if is_next else max(first, known + 1)
        last = grid.number(law.local(stop), zone)
        is_captured = lower < stop and first <= last
        yield stretch, Run(first, last + 1, law, zone, 0, start) if is_captured else None
        known, before = last if known is None else max(known, last), stretch


def _goes_on(before: Step, law: Step) -> bool:
    """Whether a clock was at most shifted, so that nothing is missing and nothing comes twice."""
    return before is law or (not law.mark and before.zone == law.zone)


def captures(
    grid: Grid,
    meter: SimulatedMeter,
    now: int,
    span: tuple[int | None, int | None],
    *,
    entries: int,
    since: int | None = None,
) -> Sequence[tuple[Run, int, int]]:
    """Those of the captures that are stamped within a span, ends included, by run, first, stop.

    Ends are UTC seconds, None for open.
    """
    if since is None and is_undisturbed(meter):
        return _undisturbed(grid, meter.fleet.template.zone, now, span, entries)
    return _cut(grid, runs(grid, meter, now, entries=entries, since=since), span)


def is_undisturbed(meter: SimulatedMeter) -> bool:
    """Whether the clock has always been right and the power on, as in most meters."""
    return (
        not meter.state.steps and not outages(meter.state) and meter.fleet.template.drifts == (0, 0)
    )


@lru_cache(maxsize=256)
def _undisturbed(
    grid: Grid, zone: Zone, now: int, span: tuple[int | None, int | None], entries: int
) -> Sequence[tuple[Run, int, int]]:
    """The same for all meters of a fleet, which are asked for the same."""
    run = _run(grid, RIGHT, zone, COMMISSIONED, now)
    return () if run is None else _cut(grid, _last([run], entries), span)


def _run(grid: Grid, law: Step, zone: Zone, start: int, stop: int) -> Run | None:
    first = grid.number(law.local(start), zone) + 1
    after = grid.number(law.local(stop), zone) + 1
    return Run(first, after, law, zone, 0, start) if first < after else None


def _cut(
    grid: Grid, captured: Sequence[Run], span: tuple[int | None, int | None]
) -> list[tuple[Run, int, int]]:
    begin, end = span
    found = []
    for run in captured:
        first, stop = run.first, run.stop
        if begin is not None:
            # The first instant at or after `begin` is one after the last before it.
            first = max(first, grid.number(begin - 1, run.zone) + 1)
        if end is not None:
            stop = min(stop, grid.number(end, run.zone) + 1)
        if first < stop:
            found.append((run, first, stop))
    return found


def totals_of(
    meter: SimulatedMeter, run: Run, grid: Periodically, first: int, stop: int
) -> list[bytes]:
    """Totals of all channels at captures of a run, columns of `consumption`.

    A clock that is ahead reaches its instants early.
    """
    law, zone = run.law, run.zone
    if not law.drift and grid.is_even(zone):
        return meter.totals(law.utc(grid.instant(first, zone)), grid.period, stop - first)
    # Stretch by stretch: a clock that drifts loses or wins a second now and then.
    parts: list[list[bytes]] = []
    start = before = law.utc(grid.instant(first, zone))
    count = 1
    for number in range(first + 1, stop):
        instant = law.utc(grid.instant(number, zone))
        if instant - before != grid.period:
            parts.append(meter.totals(start, grid.period, count))
            start, count = instant, 0
        before = instant
        count += 1
    parts.append(meter.totals(start, grid.period, count))
    return [b"".join(column) for column in zip(*parts, strict=True)]


def pending_mark(grid: Grid, meter: SimulatedMeter, now: int) -> int:
    """The bits that the next capture will carry for what has happened since the last one."""
    mark = 0
    for (_, stop, law, marked), run in _numbered(grid, meter, now, None):
        mark |= marked
        # What is captured at this very second still carries it.
        if run is not None and run.first <= grid.number(law.local(stop) - (stop == now), run.zone):
            mark = 0
    return mark


def _last(found: list[Run], entries: int) -> list[Run]:
    kept: list[Run] = []
    for run in reversed(found):
        count = run.stop - run.first
        if count >= entries:
            cut = run.stop - entries
            kept.append(run if cut == run.first else run._replace(first=cut, mark=0))
            break
        kept.append(run)
        entries -= count
    kept.reverse()
    return kept
