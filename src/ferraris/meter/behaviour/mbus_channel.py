"""One channel of a host: which device is on it, when it could be read, and what was read last.

Captures follow the host's clock and are computed when they are asked for; remembered is only what
kept them from happening.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ferraris.meter.behaviour.alarms import signal
from ferraris.meter.behaviour.capture import Periodically
from ferraris.meter.happenings import Coded, Happening
from ferraris.meter.mbus_devices import Device, device_of, devices_of
from ferraris.meter.outages import outages
from ferraris.meter.state import COMMISSIONED, Interruption
from ferraris.server.device import ObjectKey

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Attachment", "Captured", "Channel", "ChannelMemory"]

_CODES_APART = 10  # of one happening on neighbouring channels [gxf-profiles]
_MOST_ATTACHMENTS = 16
_MOST_GAPS = 64


class Attachment(NamedTuple):
    """From `start` until `stop`, None while it lasts, a device was on the channel."""

    start: int
    stop: int | None
    device: int
    address: int


@dataclass
class ChannelMemory:
    """What a channel remembers; `attachments` None is as it was made.

    Attributes:
        gaps: when nothing could be read.
        periods: capture periods in seconds, each with the second from which on it counts.
        asked: UTC second of the last capture that a client asked for and got.
        key: the device's key as a client told it.
        matched_at: since when both keys are the same.
        is_error_told: a failed capture was told, a good one since was not.
        alarm: status bits that were there since the last reset.
        wanted: what a client wrote of the device to be installed, by attribute of the client.
    """

    attachments: tuple[Attachment, ...] | None = None
    gaps: tuple[Interruption, ...] = ()
    periods: tuple[tuple[int, int], ...] = ()
    asked: int | None = None
    key: bytes | None = field(default=None, repr=False)
    matched_at: int | None = None
    is_error_told: bool = False
    alarm: int = 0
    wanted: tuple[tuple[int, int], ...] = ()


_AS_MADE = ChannelMemory()


class Captured(NamedTuple):
    """A value and the UTC second at which the device was read."""

    at: int
    device: Device
    value: int


class Channel:
    """Channel `number`, from 1, of every meter of a template; it is made with device number - 1."""

    def __init__(self, number: int, key: ObjectKey, period_s: int = 3600) -> None:
        self.number = number
        self._key = key
        self._period_s = period_s

    def memory(self, meter: SimulatedMeter) -> ChannelMemory:
        """What the channel remembers; not to be changed."""
        return meter.state.found(ChannelMemory, self._key) or _AS_MADE

    def change(self, meter: SimulatedMeter) -> ChannelMemory:
        """What the channel remembers, to be changed."""
        return meter.change().part(ChannelMemory, self._key)

    # -- who is there ---------------------------------------------------------------------

    def attachment(self, meter: SimulatedMeter, utc: int) -> Attachment | None:
        """Who was on the channel at `utc`."""
        for each in reversed(self._attachments(meter)):
            if each.start <= utc:
                return each if each.stop is None or utc < each.stop else None
        return None

    def device(self, meter: SimulatedMeter, utc: int) -> Device | None:
        """The device that was on the channel at `utc`."""
        found = self.attachment(meter, utc)
        return None if found is None else device_of(meter, found.device)

    def attach(self, meter: SimulatedMeter, device: Device, address: int, at: int) -> None:
        """A device is on the channel from `at` on."""
        memory = self.change(meter)
        following = Attachment(at, None, device.place, address)
        memory.attachments = (*self._attachments(meter), following)[-_MOST_ATTACHMENTS:]
        memory.asked = memory.matched_at = None
        memory.wanted = ()
        self.reconsider(meter, at)

    def detach(self, meter: SimulatedMeter, at: int) -> None:
        """The channel is free from `at` on, and knows no key."""
        before = self._attachments(meter)
        memory = self.change(meter)
        memory.attachments = (*before[:-1], before[-1]._replace(stop=at))
        memory.key = memory.matched_at = memory.asked = None
        memory.is_error_told, memory.alarm = False, 0
        self.reconsider(meter, at)

    def can_read(self, meter: SimulatedMeter, utc: int) -> bool:
        """Whether the device answers, in a way that the host understands."""
        device = self.device(meter, utc)
        if device is None or device.memory(meter).is_silent:
            return False
        return device.memory(meter).key in (None, self.memory(meter).key)

    def reconsider(self, meter: SimulatedMeter, at: int) -> None:
        """The device, its key or what the host knows of it has changed."""
        memory = self.change(meter)
        is_open = bool(memory.gaps) and memory.gaps[-1].stop is None
        can_read = self.can_read(meter, at)
        if is_open and can_read:
            memory.gaps = (*memory.gaps[:-1], memory.gaps[-1]._replace(stop=at))
        elif not is_open and not can_read:
            memory.gaps = (*memory.gaps, Interruption(at, None))[-_MOST_GAPS:]
        device = self.device(meter, at)
        same = device is not None and memory.key is not None
        if not same or device is None or device.memory(meter).key != memory.key:
            memory.matched_at = None
        elif memory.matched_at is None:
            memory.matched_at = at

    def _attachments(self, meter: SimulatedMeter) -> tuple[Attachment, ...]:
        known = self.memory(meter).attachments
        if known is not None:
            return known
        return (Attachment(COMMISSIONED, None, self.number - 1, self.number),)

    # -- what was read --------------------------------------------------------------------

    def period_s(self, meter: SimulatedMeter, utc: int) -> int:
        """The capture period at `utc`; 0 for captures on demand alone."""
        for since, period_s in reversed(self.memory(meter).periods):
            if since <= utc:
                return period_s
        return self._period_s

    def captured(self, meter: SimulatedMeter, utc: int) -> Captured | None:
        """The last value read from the device that is on the channel at `utc`."""
        attachment = self.attachment(meter, utc)
        if attachment is None:
            return None
        found = self._last_instant(meter, attachment.start, utc)
        asked = self.memory(meter).asked
        if asked is not None and attachment.start <= asked <= utc:
            found = asked if found is None else max(found, asked)
        if found is None:
            return None
        device = device_of(meter, attachment.device)
        return Captured(found, device, device.value(meter, found))

    def captured_whole(self, meter: SimulatedMeter, utc: int, every_s: int) -> Captured | None:
        """The last value read at or before the last whole `every_s` seconds of the local clock."""
        if every_s <= 1:
            return self.captured(meter, utc)
        at = _whole(meter, utc, every_s)
        found = self.captured(meter, at)
        attachment = self.attachment(meter, utc)
        return found if attachment == self.attachment(meter, at) else None

    def next_instant(self, meter: SimulatedMeter, utc: int) -> int | None:
        """The first second after `utc` at which the device is to be read; None for none."""
        period_s = self.period_s(meter, utc)
        if not period_s:
            return None
        grid, law = Periodically(period_s), meter.clock(utc)
        number = grid.number(law.local(utc), meter.zone) + 1
        return max(law.utc(grid.instant(number, meter.zone)), utc + 1)

    def _last_instant(self, meter: SimulatedMeter, first: int, utc: int) -> int | None:
        """The last second from `first` to `utc` at which the device was read by the clock."""
        at = self._instant(meter, utc)
        while at is not None and at >= first:
            hindered = next(
                (start for start, stop in self._hindered(meter) if _contains(start, stop, at)), None
            )
            if hindered is None:
                return at
            at = self._instant(meter, hindered - 1)
        return None

    def _instant(self, meter: SimulatedMeter, utc: int) -> int | None:
        period_s = self.period_s(meter, utc)
        return _whole(meter, utc, period_s) if period_s else None

    def _hindered(self, meter: SimulatedMeter) -> Iterator[Interruption]:
        yield from self.memory(meter).gaps
        yield from outages(meter.state)

    # -- what is told ---------------------------------------------------------------------

    def note(self, meter: SimulatedMeter, happening: Happening, at: int) -> None:
        """Tell what happened in the codes and alarms of this channel."""
        coded = meter.fleet.template.codes.get(happening)
        if coded is None:
            return
        alarm = None if coded.alarm is None else coded.alarm + self.number - 1
        own = Coded(coded.log, coded.code + _CODES_APART * (self.number - 1), alarm, coded.error)
        meter.log(own.log, own.code, at)
        signal(meter, happening, own, at)

    def free_devices(
        self, meter: SimulatedMeter, others: Iterator[Channel], at: int
    ) -> list[Device]:
        """Devices that answer and are on no channel."""
        taken = {found.device for each in others if (found := each.attachment(meter, at))}
        return [
            device
            for device in devices_of(meter)
            if device.place not in taken and not device.memory(meter).is_silent
        ]


def _whole(meter: SimulatedMeter, utc: int, period_s: int) -> int:
    """The last second until `utc` at which the meter's clock showed whole periods of a day."""
    grid, law = Periodically(period_s), meter.clock(utc)
    number = grid.number(law.local(utc), meter.zone)
    at = law.utc(grid.instant(number, meter.zone))
    return at if at <= utc else law.utc(grid.instant(number - 1, meter.zone))


def _contains(start: int, stop: int | None, utc: int) -> bool:
    return start <= utc and (stop is None or utc < stop)
