"""Event logs: what happened to the meter, by its own clock; the latest event, and how many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.capture import stretches
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.happenings import Happening
from ferraris.meter.state import COMMISSIONED, LogEntry
from ferraris.model.data_storage import DataObject
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["EventCode", "EventCounter", "EventLog", "entries"]

_CODE_OCTETS = 2
_HEAD = b"\x02\x02"


def entries(meter: SimulatedMeter, log: int, now: int) -> list[LogEntry]:
    """All events of a log until `now`, in the order they happened.

    The log that tells of power begins with the power-up at commissioning, and the one that tells of
    daylight saving knows its changes by the calendar; the rest is what was noted.
    """
    found = list(meter.state.noted(log))
    codes = meter.fleet.template.codes
    power_up, season = codes.get(Happening.POWER_UP), codes.get(Happening.DST_CHANGED)
    by_calendar = []
    if power_up is not None and power_up.log == log:
        by_calendar.append(LogEntry(COMMISSIONED, 0, log, COMMISSIONED, power_up.code))
    if season is not None and season.log == log:
        by_calendar += [
            LogEntry(at, 0, log, change, season.code) for at, change in _seasons(meter, now)
        ]
    return sorted(found + by_calendar) if by_calendar else found


def _seasons(meter: SimulatedMeter, now: int) -> Iterator[tuple[int, int]]:
    """When daylight saving changed, in UTC and by the meter's clock, which was powered."""
    for start, stop, law, _ in stretches(meter, now):
        zone = law.zone or meter.fleet.template.zone
        begin, end = law.local(start), law.local(stop)
        if zone.summer:
            for year in range(zone.month(begin) // 12, zone.month(end) // 12 + 1):
                for change in zone.changes(year):
                    if change is not None and begin < change <= end:
                        yield law.utc(change), change


class EventCode(Behaviour):
    """The code of the latest event of a log, 0 before the first."""

    declares = DataObject

    def __init__(self, name: str, log: int, kind: int = Tag.UNSIGNED) -> None:
        super().__init__(name)
        self.log = log
        self._kind = kind

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        found = entries(meter, self.log, now)
        return encoded(self._kind, found[-1].code if found else 0)


class EventCounter(Behaviour):
    """How many events a log has ever noted, also those that it no longer holds."""

    declares = DataObject

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name)
        self.log = log

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        noted = meter.state.noted(self.log)
        by_calendar = sum(not entry.serial for entry in entries(meter, self.log, now))
        count = by_calendar + (noted[-1].serial if noted else 0)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, count)


class EventLog(Profile):
    """A log of clock and event code; the newest entries stay when it is full."""

    def __init__(self, name: str, code: EventCode, entries: int = 255) -> None:
        self.log = code.log
        code_column = Column(1, str(Obis(code.logical_name)), 2, _CODE_OCTETS)
        super().__init__(name, (CLOCK_COLUMN, code_column), 0, entries)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Number of events kept."""
        return len(self._kept(meter, now))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Events by their stamps."""
        chosen = [
            entry
            for entry in self._kept(meter, now)
            if (since is None or entry.shown >= since) and (until is None or entry.shown <= until)
        ]
        return len(chosen), self._octets(meter, chosen)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """Events by number."""
        return self._octets(meter, self._kept(meter, now)[first:stop])

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 clears the log, which is an event itself where there is a code for it."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        cleared = meter.fleet.template.codes.get(Happening.LOG_CLEARED)
        if cleared is None:
            noted = meter.state.noted(self.log)
            first = noted[-1].serial + 1 if noted else 1
        else:
            first = meter.log(self.log, cleared.code, now)
        meter.change().restart(self.key, first)
        return None

    def _kept(self, meter: SimulatedMeter, now: int) -> list[LogEntry]:
        found = entries(meter, self.log, now)
        first = (meter.state.since or {}).get(self.key)
        if first is not None:
            found = list(dropwhile(lambda entry: entry.serial < first, found))
        return found[-self.entries :]

    def _octets(self, meter: SimulatedMeter, chosen: list[LogEntry]) -> bytes:
        return b"".join(
            _HEAD
            + stamp(meter.zone_at(entry.at).stamp(entry.shown))
            + encoded(Tag.UNSIGNED, entry.code)
            for entry in chosen
        )
