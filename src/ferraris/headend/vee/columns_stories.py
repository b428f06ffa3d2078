"""The rows of one meter around a day, as far as they and the day have a say in each other.

Needs the `data` extra.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from ferraris.headend.store.records import ChannelKey
from ferraris.headend.vee.columns_days import Unpacked, place_blocks
from ferraris.headend.vee.columns_grid import Grid
from ferraris.headend.vee.columns_history import (
    REACH_DAYS,
    Calendar,
    History,
    Stretch,
    midnights_of,
    usual_step,
)
from ferraris.headend.vee.columns_sources import Sources
from ferraris.headend.vee.gathering import MeterFacts, block_days, known_days
from ferraris.headend.vee.local_days import DAY_S, day_bounds, touched_days
from ferraris.headend.vee.tasks import Lot, utc_days

__all__ = ["Story", "step_of", "story_of"]

_MOST_DAYS = 400  # to either side; what hangs together for longer is cut there


class Story(NamedTuple):
    """A window of local days of one meter, from `first_day` on, with the day asked about in it.

    `kept` is how many intervals its final days have, by channel and day.
    """

    day: int
    history: History
    first_day: int
    bounds: list[tuple[int, int]]
    unpacked: list[Unpacked]
    channels: Mapping[int, ChannelKey]
    registers: list[int]
    kept: Mapping[tuple[int, int], int]

    def stretches(
        self, *, mounted: bool
    ) -> tuple[dict[tuple[int, int], dict[int, Stretch]], set[tuple[int, int]]]:
        """What runs together, by first and last place and by channel.

        And the days (channel, day) whose final values are no longer there unless a run makes them.
        """
        place = self.day - self.first_day
        silent = [
            day - self.first_day
            for (_, day), count in self.kept.items()
            if count and day <= min(self.day + REACH_DAYS, self.first_day + len(self.bounds) - 1)
        ]
        until = max([place, *silent])
        runs: defaultdict[tuple[int, int], dict[int, Stretch]] = defaultdict(dict)
        gone = {(channel, day) for channel, day in self.kept if day == self.day}
        for channel in self.channels:
            found = (
                self.history.runs(channel, place, until, mounted=mounted)
                if channel in self.registers
                else self.history.days(channel, place, until, mounted=mounted)
            )
            for one in found:
                days = range(self.first_day + one.first, self.first_day + one.last + 1)
                gone.update((channel, day) for day in days if (channel, day) in self.kept)
                if one.there:
                    runs[one.first, one.last][channel] = one
        return dict(sorted(runs.items())), gone


def step_of(sources: Sources, lot: Lot, meter: int, story: Story, places: range) -> int:
    """The period of days in a row, 0 when nothing tells it.

    Where none of them does, the nearest day around does, those before them first.
    """
    history = story.history
    if step := history.step(places[0], places[-1]):
        return step
    start, end = story.bounds[places[0]][0], story.bounds[places[-1]][1]
    for utc_day in history.calendar.around(*utc_days(start + 1, end)):
        days = touched_days(utc_day, lot.zone, lot.hour)
        for day in days if utc_day * DAY_S >= end else reversed(days):
            bounds = day_bounds(day, lot.zone, lot.hour)
            if bounds[1] > start and bounds[0] < end:
                continue
            blocks = sources.blocks(lot.profile, [meter], utc_days(*bounds))
            if step := usual_step([each.sheet.ends for each in blocks], *bounds):
                return step
    return history.long_step()


def story_of(sources: Sources, lot: Lot, meter: int, facts: MeterFacts, now: float) -> Story:
    """Widen a window around a day until nothing beyond it has to do with the day."""
    own = utc_days(*lot.bounds)
    calendar = _calendar(sources, lot, meter, facts)
    channels = sources.channels(calendar.channels(own[0] - REACH_DAYS, own[1] + REACH_DAYS))
    registers = sources.registers(channels)
    reach = lot.day - _MOST_DAYS, lot.day + _MOST_DAYS
    kept = known_days(sources.connection, meter, lot.profile, reach)
    silent = max((day for (_, day), count in kept.items() if count), default=lot.day)
    first, last = own[0], max(own[1], min(silent, lot.day + REACH_DAYS) + 1)
    while True:
        days = [
            day
            for day in range(
                touched_days(first, lot.zone, lot.hour)[0],
                touched_days(last, lot.zone, lot.hour)[-1] + 1,
            )
            if day_bounds(day, lot.zone, lot.hour)[1] <= now
        ]
        bounds = [day_bounds(day, lot.zone, lot.hour) for day in days]
        window = utc_days(bounds[0][0], bounds[-1][1])
        history = History(calendar, window, midnights_of(bounds))
        unpacked = sources.blocks(lot.profile, [meter], window)
        history.take(unpacked, channels)
        placed = place_blocks(Grid(history.midnights, DAY_S), [meter], unpacked, channels)
        for channel in channels:
            placed.channel(channel)
        sources.ask(lot, placed, [meter], channels, [meter])
        history.told = {channel: placed.reading_known(channel)[0] for channel in channels}
        place = lot.day - days[0]
        wider = [first, last]
        for channel in channels:
            ask = history.unsettled if channel in registers else history.unsettled_days
            before, after = ask(channel, place)
            wider = [min(wider[0], before or first), max(wider[1], after or last)]
        if wider == [first, last]:
            return Story(lot.day, history, days[0], bounds, unpacked, channels, registers, kept)
        first, last = wider


def _calendar(sources: Sources, lot: Lot, meter: int, facts: MeterFacts) -> Calendar:
    """The UTC days with blocks around a local day, while the meter was where it is that day."""
    own = utc_days(*lot.bounds)
    first, last = own[0] - _MOST_DAYS, own[1] + _MOST_DAYS
    mount = facts.mount_of(*lot.bounds)
    if mount is not None:
        first = max(first, min(mount.since_s // DAY_S, own[0]))
        if mount.until_s is not None:
            last = min(last, max((mount.until_s - 1) // DAY_S, own[1]))
    found = block_days(sources.connection, meter, lot.profile, (first, last))
    layouts = sources.layouts({layout for _, layout in found})
    days: defaultdict[int, list[frozenset[int]]] = defaultdict(list)
    for day, layout in found:
        days[day].append(frozenset(layouts[layout]))
    return Calendar(days)
