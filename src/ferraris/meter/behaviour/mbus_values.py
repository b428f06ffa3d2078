"""What a host keeps of its M-Bus devices: last values, profiles, and how well it hears them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data, Tag, array, enum, octet_string
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.capture import Daily, Grid, Periodically, Run
from ferraris.meter.behaviour.mbus_channel import Captured, Channel
from ferraris.meter.behaviour.mbus_client import MBusClient
from ferraris.meter.behaviour.periodic import Periodic, ProfileStatus
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.state import COMMISSIONED
from ferraris.meter.zone import DAY
from ferraris.model import mbus
from ferraris.model.data_storage import DataObject, ExtendedRegister
from ferraris.model.mbus import AttributeCapture, LinkStatus
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "STATUS_NOT_VALID",
    "MBusDiagnostic",
    "MBusEquipment",
    "MBusProfile",
    "MBusStatus",
    "MBusValue",
]

STATUS_NOT_VALID = 0x04  # AMR profile status: data not valid [facts-g]
_HOUR = 3600
_NEVER = b"\xff" * 9 + b"\x80\x00\xff"
_NO_UNIT = 255
_ON_DEMAND_S = 2  # what follows from a period of 0
_LATE_CAPTURES = 24  # after as many that failed a device is lost for good
_VALUE_OCTETS, _STATUS_OCTETS, _STAMP_OCTETS = 5, 2, 14


class MBusValue(Behaviour):
    """The last value read from the device on a channel, 0 while there is none.

    With `every_s` it is the last one of a whole hour, or whatever that is, by the local clock.
    """

    declares = ExtendedRegister

    def __init__(self, client: MBusClient, name: str | None = None, every_s: int = 1) -> None:
        super().__init__(name or f"0-{client.channel.number}:24.2.1*255")
        self._channel = client.channel
        self._every_s = every_s

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 to 5."""
        found = self._channel.captured_whole(meter, now, self._every_s)
        if attribute == 2:
            return encoded(Tag.DOUBLE_LONG_UNSIGNED, 0 if found is None else found.value)
        if attribute == 3:
            return axdr.encode(_scaler_unit(self._channel, meter, now))
        if attribute == 4:
            late_s = 2 * max(self._channel.period_s(meter, now), self._every_s)
            return encoded(Tag.UNSIGNED, _status(found, now, late_s))
        return stamp(_NEVER if found is None else meter.stamp(found.at))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Values of devices are never reset."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)


class MBusEquipment(Behaviour):
    """The number on the plate of the device on a channel, empty while there is none."""

    declares = DataObject

    def __init__(self, client: MBusClient, name: str | None = None) -> None:
        super().__init__(name or f"0-{client.channel.number}:96.1.0*255")
        self._channel = client.channel

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        device = self._channel.device(meter, now)
        return axdr.encode(octet_string(b"" if device is None else device.equipment))


class MBusStatus(ProfileStatus):
    """The status of a row of `period_s` seconds, captured now: also whether it has a value."""

    def __init__(self, client: MBusClient, name: str, period_s: int) -> None:
        super().__init__(name)
        self._channel = client.channel
        self._period_s = period_s

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        status = axdr.decode(super().value(meter, attribute, now))[1]
        found = self._channel.captured(meter, now)
        late = _status(found, now, self._period_s)
        return encoded(Tag.UNSIGNED, status | late)


class MBusProfile(Periodic):
    """Clock, status, value and its stamp, every hour or every local midnight.

    A row whose value was not read since the row before says so in its status.
    """

    def __init__(self, client: MBusClient, *, daily: bool, entries: int) -> None:
        number = client.channel.number
        self._channel = client.channel
        self._grid: Grid = Daily() if daily else Periodically(_HOUR)
        self._period_s = DAY if daily else _HOUR
        value = f"0-{number}:24.2.1*255"
        columns = (
            CLOCK_COLUMN,
            Column(1, "0-0:96.10.1*255", 2, _STATUS_OCTETS),
            Column(4, value, 2, _VALUE_OCTETS),
            Column(4, value, 5, _STAMP_OCTETS),
        )
        super().__init__(f"0-{number}:24.3.{int(daily)}*255", columns, self._period_s, entries)

    def grid(self, meter: SimulatedMeter) -> Grid:
        """Hours or days."""
        return self._grid

    def _part(self, meter: SimulatedMeter, run: Run, first: int, stop: int) -> bytes:
        rows: list[bytes] = []
        for number in range(first, stop):
            instant = self._grid.instant(number, run.zone)
            utc = run.law.utc(instant)
            found = self._channel.captured(meter, utc)
            status = run.law.status & 0x02 | (run.mark if number == run.first else 0)
            if found is None or found.at <= utc - self._period_s:
                status |= STATUS_NOT_VALID
            rows += (
                b"\x02\x04",
                stamp(run.zone.stamp(instant)),
                bytes((Tag.UNSIGNED, status)),
                encoded(Tag.DOUBLE_LONG_UNSIGNED, 0 if found is None else found.value),
                stamp(_NEVER if found is None else meter.stamp(found.at)),
            )
        return b"".join(rows)


@dataclass
class _Counted:
    """Since when the counters of a channel count."""

    since: int = COMMISSIONED


class MBusDiagnostic(Behaviour):
    """How well the device on a channel is heard; every capture takes a frame each way."""

    declares = mbus.MBusDiagnostic
    _STRENGTH, _CHANNEL_ID = 55, 0

    def __init__(self, client: MBusClient) -> None:
        self._channel = client.channel
        super().__init__(f"0-{client.channel.number}:24.9.0*255", {5: array()})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Signal, link and counters, and what changed last."""
        found = self._channel.captured(meter, now)
        link = self.link_status(meter, now)
        if attribute == 2:
            return encoded(Tag.UNSIGNED, self._STRENGTH if link is LinkStatus.NORMAL else 0)
        if attribute == 3:
            return encoded(Tag.UNSIGNED, self._CHANNEL_ID)
        if attribute == 4:
            return axdr.encode(enum(link))
        if attribute == 9:
            changed = AttributeCapture(7, DateTime(meter.stamp(found.at) if found else _NEVER))
            return axdr.encode(self.declares.capture_time.type.dump(changed))
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, self._frames(meter, attribute, found, now))

    def link_status(self, meter: SimulatedMeter, now: int) -> LinkStatus:
        """Normal while captures succeed; interrupted for good after a day of failures."""
        channel = self._channel
        if channel.attachment(meter, now) is None:
            return LinkStatus.NONE
        if channel.can_read(meter, now):
            return LinkStatus.NORMAL
        found = channel.captured(meter, now)
        period_s = channel.period_s(meter, now) or _HOUR
        if found is not None and now - found.at < _LATE_CAPTURES * period_s:
            return LinkStatus.TEMPORARILY_INTERRUPTED
        return LinkStatus.PERMANENTLY_INTERRUPTED

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1: the counters begin anew."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        meter.change().part(_Counted, self.key).since = now
        return None

    def _frames(
        self, meter: SimulatedMeter, attribute: int, found: Captured | None, now: int
    ) -> int:
        """Frames sent (6), heard well (7), heard badly (8)."""
        attachment = self._channel.attachment(meter, now)
        period_s = self._channel.period_s(meter, now)
        if attachment is None or not period_s or attribute == 8:
            return 0
        counting = meter.state.found(_Counted, self.key)
        since = max(attachment.start, COMMISSIONED if counting is None else counting.since)
        if attribute == 6:
            return max(0, now // period_s - since // period_s)
        heard = 0 if found is None else max(0, found.at // period_s - since // period_s)
        missed = sum(
            max(0, min(stop or now, now) // period_s - max(start, since) // period_s)
            for start, stop in self._channel.memory(meter).gaps
            if stop is not None
        )
        return max(0, heard - missed)


def _scaler_unit(channel: Channel, meter: SimulatedMeter, now: int) -> Data:
    device = channel.device(meter, now)
    scaler, unit = (0, _NO_UNIT) if device is None else (device.kind.scaler, device.kind.unit)
    return (int(Tag.STRUCTURE), [(int(Tag.INTEGER), scaler), (int(Tag.ENUM), unit)])


def _status(found: Captured | None, now: int, late_s: int) -> int:
    """Whether the value was read less than so long ago; captures on demand are never late."""
    is_late = found is None or (late_s > _ON_DEMAND_S and now - found.at >= late_s)
    return STATUS_NOT_VALID if is_late else 0
