"""When profiles capture: grids of instants, numbered, in the time of the meter's own clock."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ferraris.meter.patterns import QUARTER
from ferraris.meter.state import COMMISSIONED, State
from ferraris.meter.zone import DAY, Zone

__all__ = ["Daily", "Grid", "Monthly", "Quarterly", "Run", "runs"]


class Grid(Protocol):
    """Ascending instants with numbers, UTC seconds."""

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the last instant at or before `utc`."""

    def instant(self, number: int, zone: Zone) -> int:
        """The instant with this number."""


class Quarterly:
    """Every 15 minutes; numbers count from 1970."""

    period = QUARTER

    def number(self, utc: int, zone: Zone) -> int:
        """Number of the last quarter at or before `utc`."""
        return utc // QUARTER

    def instant(self, number: int, zone: Zone) -> int:
        """UTC seconds."""
        return number * QUARTER


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


class Run(NamedTuple):
    """Captures `first` to `stop` - 1, made while the clock was `offset` seconds ahead of UTC."""

    first: int
    stop: int
    offset: int
    after_step: bool


def runs(
    grid: Grid, zone: Zone, state: State, now: int, *, entries: int, since: int | None = None
) -> list[Run]:
    """The captures a profile of `entries` rows holds at `now`, oldest first.

    A clock that was set leaves a gap, or instants that come twice; each stretch is a run.
    """
    begin, offset, after_step = COMMISSIONED, 0, False
    found: list[Run] = []
    for start, following in (*state.steps, (now, 0)):
        lower = begin if since is None else max(begin, since)
        if lower < start:
            first = grid.number(lower + offset, zone) + 1
            stop = grid.number(start + offset, zone) + 1
            if first < stop:
                found.append(Run(first, stop, offset, after_step))
        begin, offset, after_step = start, following, True
    return _last(found, entries)


def _last(found: list[Run], entries: int) -> list[Run]:
    kept: list[Run] = []
    for run in reversed(found):
        count = run.stop - run.first
        if count >= entries:
            cut = run.stop - entries
            kept.append(run if cut == run.first else Run(cut, run.stop, run.offset, False))
            break
        kept.append(run)
        entries -= count
    kept.reverse()
    return kept
