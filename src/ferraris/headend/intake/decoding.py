"""From a push to what the store keeps: blocks of profiles, a read of registers, events, alarms.

What a host tells of the channels of its sub-meters goes where a read of them goes: to them, under
the names that plans write.

A profile whose pushed columns are all that it captures goes where a read of it goes, under the same
channels, so it fills gaps. One with fewer columns, or unknown ones, is kept beside it under a name
of its own: it is no substitute for a read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from ferraris.client import Push
from ferraris.client.profile import ProfileLayout
from ferraris.client.pushed import Recipe, recipes
from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Event, Quality, Reading, Series, instant
from ferraris.headend.collect.alarms import ALARM_OBJECTS, AlarmBits, register_of
from ferraris.headend.collect.channels import CHANNEL_LOG, channel_of, own_name, own_series
from ferraris.headend.collect.event_log import events_of
from ferraris.headend.inventory.hosts import SubMeter
from ferraris.headend.registration.push_lists import PushLists
from ferraris.headend.store.blocks import day_of
from ferraris.headend.store.exchange import pack_events, pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought
from ferraris.model import events as known_events

__all__ = ["APART", "NOBODY", "Told", "told_by"]

APART = " (push)"
"""Behind the name of a profile of which a push brought other columns than a read would."""

PUSH_LOG = "push"
"""The log of events that came by themselves."""

_PROFILE, _BUFFER = 7, 2
_LOGS = (99, 98)  # C and D of event logs [facts-g]
_EVENT_CODES = (96, 11)
_VALUE, _STAMP = " 4/2", " 4/5"  # ends of origins: value and capture time of an extended register
_CLOCK = (1, 0)
_DEVICE_NAME = (42, 0)
_LATEST_S = 86_400
_EARLIEST_S = 400 * 86_400
_WORDS_OF_DEATH = "last gasp"

NOBODY: Final[Mapping[int, SubMeter]] = MappingProxyType({})


@dataclass(slots=True)
class Told:
    """What one push tells of its meter; `at_s` is when, by the meter's clock if that may be."""

    at_s: float
    brought: Brought = field(default_factory=Brought)
    alarms: list[AlarmBits] = field(default_factory=list)
    last_gasp: bool = False
    wrong_clock: bool = False
    behind: list[tuple[SubMeter, Told]] = field(default_factory=list)


def told_by(
    push: Push,
    *,
    zone: str,
    companion: str,
    lists: PushLists | None,
    now: float,
    behind: Mapping[int, SubMeter] = NOBODY,
) -> Told:
    """Take a push apart; `DecodeError` when it is not what its list says.

    `behind` are the sub-meters of the sender by channel: what it says of them is told apart.
    A clock that is off by more than a day ahead, or a year, is not believed: values are stamped by
    our time and marked, rows of profiles are kept without a day.
    """
    place = ZoneInfo(zone)
    time = push.time
    stamped = None if time is None else time.timestamp()
    wrong = stamped is not None and not -_EARLIEST_S < stamped - now < _LATEST_S
    at_s = now if stamped is None or wrong else stamped
    host = _Part(Told(at_s, wrong_clock=wrong), now, companion)
    parts = {
        channel: _Part(Told(at_s, wrong_clock=wrong), now, "", each)
        for channel, each in behind.items()
    }
    for rows in _series(push, lists, place):
        (parts.get(_channel(rows.name), host) if parts else host).add_rows(rows)
    for reading in push.readings:
        (parts.get(_channel(reading.name), host) if parts else host).add(reading)
    told = host.whole(place)
    told.behind = [
        (part.sub_meter, part.whole(place))
        for part in parts.values()
        if part.sub_meter is not None and not part.is_empty
    ]
    return told


class _Part:
    """What a push tells of one meter, the sender or one on a channel of it, as it is sorted."""

    def __init__(
        self, told: Told, now: float, companion: str, sub_meter: SubMeter | None = None
    ) -> None:
        self.sub_meter = sub_meter
        self.is_empty = True
        self._told = told
        self._now = now
        self._companion = companion
        self._registers: list[Reading] = []
        self._events: list[Event] = []

    def add_rows(self, rows: _Rows) -> None:
        self.is_empty = False
        since_s = 0
        if self.sub_meter is not None:
            rows, since_s = _of_channel(rows, self.sub_meter), int(self.sub_meter.since_s)
        if (rows.name.c, rows.name.d) in (_LOGS, CHANNEL_LOG):
            self._events += events_of(rows.series, str(rows.name), self._companion)
        else:
            _put_rows(self._told, rows, self._now, since_s)

    def add(self, reading: Reading) -> None:
        self.is_empty = False
        if self.sub_meter is not None:
            reading = reading._replace(name=own_name(reading.name, self.sub_meter.channel))
        _sort(reading, self._told, self._registers, self._events, self._companion)

    def whole(self, zone: ZoneInfo) -> Told:
        """All of it, packed; of a sub-meter without what was measured by the one before."""
        told, registers, events = self._told, self._registers, self._events
        if self.sub_meter is not None:
            since = datetime.fromtimestamp(self.sub_meter.since_s, UTC)
            registers = [
                each for each in _stamped(registers, zone) if each.time is None or each.time > since
            ]
            events = [each for each in events if each.time is None or each.time > since]
        if registers:
            wrong = told.wrong_clock
            quality = Quality.INVALID_TIME if wrong else Quality.GOOD
            moment = datetime.fromtimestamp(told.at_s, UTC)
            rows = [
                each._replace(time=moment, quality=each.quality | quality)
                if wrong or each.time is None
                else each
                for each in registers
            ]
            second = int(told.at_s)
            told.brought.reads.append(pack_readings(day_of(second), second, rows))
        told.brought.events += pack_events(events)
        return told


def _channel(name: Obis | str) -> int:
    return channel_of(name) if isinstance(name, Obis) else 0


def _of_channel(rows: _Rows, sub_meter: SubMeter) -> _Rows:
    """Rows under the name that a plan writes."""
    name = own_name(rows.name, sub_meter.channel)
    assert isinstance(name, Obis)
    return _Rows(name, own_series(rows.series, name, sub_meter.channel), rows.whole)


def _stamped(registers: Sequence[Reading], zone: ZoneInfo) -> list[Reading]:
    """Values with the stamp that was pushed beside them: when the host had them from the device."""
    stamps: dict[Obis | str, datetime] = {}
    for each in registers:
        is_stamp = each.origin.endswith(_STAMP) and isinstance(each.value, DateTime)
        if is_stamp and (found := instant(each.value, zone)) is not None:
            stamps[each.name] = datetime.fromtimestamp(found[0], UTC)
    return [
        each._replace(time=stamps[each.name])
        if each.origin.endswith(_VALUE) and each.name in stamps
        else each
        for each in registers
        if not (each.origin.endswith(_STAMP) and each.name in stamps)
    ]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a profile in a push, and whether they are all that a read would bring."""

    name: Obis
    series: Series
    whole: bool


def _series(push: Push, lists: PushLists | None, zone: ZoneInfo) -> list[_Rows]:
    if not any((each.class_id, each.attribute) == (_PROFILE, _BUFFER) for each in push.values):
        return []
    found = []
    for each in recipes(push.data, None if lists is None else lists.merged):
        layout = each.layout
        if layout is None or layout.clock is None:
            continue
        full = None if lists is None else lists.profiles.get(each.name)
        found.append(_rows(each, layout, full, push.device, zone))
    return found


def _rows(
    each: Recipe, layout: ProfileLayout, full: ProfileLayout | None, device: str, zone: ZoneInfo
) -> _Rows:
    known = full.only(layout.columns) if full is not None else layout
    series = known.series(axdr.encode(each.held), device, zone)
    if full is None or set(layout.columns) != set(full.columns):
        return _Rows(each.name, series, False)
    order = [list(series.channels).index(channel) for channel in full.channels]
    if order != list(range(len(order))):
        series = Series(
            device,
            series.profile,
            series.ends,
            full.channels,
            [series.columns[place] for place in order],
            stamps=series.stamps,
            status=series.status,
            quality=series.quality,
            undated=series.undated,
        )
    return _Rows(each.name, series, True)


def _put_rows(told: Told, rows: _Rows, now: float, since_s: int = 0) -> None:
    name = str(rows.name) + ("" if rows.whole else APART)
    first, last = int(now) - _EARLIEST_S, int(now) + _LATEST_S
    series = rows.series
    told.brought.blocks += pack_series(name, series, max(first, since_s), last)
    outside = [
        (series.stamps[row] if series.stamps else end, series.status[row], *values)
        for row, (end, *values) in enumerate(series.rows())
        if not first < end <= last
    ]
    if outside:
        told.wrong_clock = True
        series = Series(
            series.device,
            series.profile,
            series.ends[:0],
            series.channels,
            [[] for _ in series.channels],
            undated=[*series.undated, *outside],
        )
    told.brought.undated += pack_undated(name, series)


def _sort(
    reading: Reading, told: Told, registers: list[Reading], events: list[Event], companion: str
) -> None:
    name = reading.name
    if not isinstance(name, Obis):
        registers.append(reading)
        return
    kind = (name.c, name.d)
    if kind == ALARM_OBJECTS and isinstance(reading.value, int):
        told.alarms.append(AlarmBits(register_of(name.e), reading.value))
    elif kind == _EVENT_CODES and isinstance(reading.value, int):
        words = _words(companion, name.e, reading.value)
        moment = datetime.fromtimestamp(told.at_s, UTC)
        events.append(Event("", PUSH_LOG, moment, reading.value, words, values=(str(name),)))
        told.last_gasp = told.last_gasp or words.lower().startswith(_WORDS_OF_DEATH)
    elif name.a == 0 and kind in (_CLOCK, _DEVICE_NAME):
        return
    else:
        registers.append(reading)


def _words(companion: str, log: int, code: int) -> str:
    if not companion:
        return ""
    try:
        named = known_events.name(companion, log, code)
    except UsageError:  # no such specification, or log of it
        return ""
    return "" if named is None else named.words
