"""The M-Bus client: a device is found, read by period, given keys, and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ferraris.core.errors import SecurityError
from ferraris.crypto.mbus_keys import SMR5_OCTETS, opened_dsmr4, opened_smr5
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, array, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import life
from ferraris.meter.behaviour.behaviour import Living, decoded, encoded
from ferraris.meter.behaviour.mbus_channel import Channel
from ferraris.meter.happenings import Happening
from ferraris.meter.mbus_devices import DATA_INFORMATION, Device, devices_of
from ferraris.meter.zone import DAY
from ferraris.model import mbus
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.mbus import EncryptionKeyStatus
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "STATUS_BATTERY_LOW",
    "STATUS_TAMPERED",
    "MBusClient",
    "MBusClientV0",
    "clients",
    "fix",
    "run_down",
    "silence",
    "tamper",
]

STATUS_BATTERY_LOW = 0x04  # status octet on the bus: power low [facts-g]
STATUS_TAMPERED = 0x20  # the first of the maker's own bits [facts-g]
_CAPTURE_PERIOD = 4
_KEY_OCTETS = 16
_LAST_ADDRESS = 250
_ENCRYPTED_CONFIGURATION = 0x0500  # security mode 5 [facts-g]
_COUNTER_BITS = 0xFF
_IDENTIFICATION = {
    5: Tag.UNSIGNED,
    6: Tag.DOUBLE_LONG_UNSIGNED,
    7: Tag.LONG_UNSIGNED,
    8: Tag.UNSIGNED,
    9: Tag.UNSIGNED,
}
"""Address and identification of a device: kinds by attribute."""


class MBusClient(Living):
    """Channel `number` of a host, whose port is `port`.

    A channel that is free installs the first device that answers, is on no channel, and agrees with
    what a client wrote into attributes 6 to 9, zeros aside. A key may be transferred in the format
    of DSMR 4, one block, or that of SMR 5, with a counter and a tag.
    """

    declares: ClassVar[type[InterfaceClass]] = mbus.MBusClientV1
    offered = (1, 2, 3, 4, 5, 7, 8)
    """Its methods: all but data_send."""

    def __init__(self, number: int, port: str, period_s: int = 3600) -> None:
        reference = octet_string(bytes(Obis.parse(port)))
        super().__init__(f"0-{number}:24.1.0*255", {2: reference})
        self.channel = Channel(number, self.key, period_s)

    # -- attributes -----------------------------------------------------------------------

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Everything but the port; zeros while the channel is free."""
        channel = self.channel
        attachment, device = channel.attachment(meter, now), channel.device(meter, now)
        if attribute == 3:
            return axdr.encode(_definition(device))
        if attribute == _CAPTURE_PERIOD:
            return encoded(Tag.DOUBLE_LONG_UNSIGNED, channel.period_s(meter, now))
        if attribute in _IDENTIFICATION:
            if attachment is None or device is None:
                number = dict(channel.memory(meter).wanted).get(attribute, 0)
            else:
                number = {5: attachment.address, **_identification(device)}[attribute]
            return encoded(_IDENTIFICATION[attribute], number)
        if attribute == 10:
            found = channel.captured(meter, now)
            count = 0 if found is None else found.at // max(60, channel.period_s(meter, now))
            return encoded(Tag.UNSIGNED, count & _COUNTER_BITS)
        if attribute in (11, 12):
            latched = channel.memory(meter).alarm if attribute == 12 else 0
            return encoded(Tag.UNSIGNED, latched | _status(meter, device))
        if attribute == 13:
            has_key = device is not None and device.memory(meter).key is not None
            return encoded(Tag.LONG_UNSIGNED, _ENCRYPTED_CONFIGURATION if has_key else 0)
        return encoded(Tag.ENUM, self.key_status(meter, now))

    def key_status(self, meter: SimulatedMeter, now: int) -> EncryptionKeyStatus:
        """What is known of the key."""
        channel = self.channel
        device, memory = channel.device(meter, now), channel.memory(meter)
        is_set = memory.key is not None
        is_transferred = device is not None and device.memory(meter).key is not None
        found = channel.captured(meter, now)
        if memory.matched_at is not None and found is not None and found.at > memory.matched_at:
            return EncryptionKeyStatus.KEY_IN_USE
        return EncryptionKeyStatus(is_set + 2 * is_transferred)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """The capture period, a whole part of a day from a minute on, or 0; whom to install.

        Who the device is (5 to 9) is told to a free channel alone.
        """
        if attribute in _IDENTIFICATION:
            self._want(meter, attribute, data, now)
            return
        if attribute != _CAPTURE_PERIOD:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, period_s = decoded(data)
        if tag != Tag.DOUBLE_LONG_UNSIGNED:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if period_s and (period_s < 60 or DAY % period_s):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        memory = self.channel.change(meter)
        memory.periods = (*memory.periods, (now, period_s))[-8:]

    def _want(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        tag, number = decoded(data)
        if tag != _IDENTIFICATION[attribute]:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if self.channel.attachment(meter, now) is not None:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        memory = self.channel.change(meter)
        memory.wanted = tuple({**dict(memory.wanted), attribute: number}.items())

    # -- methods --------------------------------------------------------------------------

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """All methods but data_send; those that need the device fail for now while it is silent."""
        methods: dict[int, Callable[[SimulatedMeter, Any, int], None]] = {
            1: self._install,
            2: self._deinstall,
            3: self._capture,
            4: self._reset_alarm,
            5: self._synchronize,
            7: self._set_key,
            8: self._transfer_key,
        }
        run = methods.get(method)
        if run is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        run(meter, decoded(data or b"\x00")[1], now)
        return None

    def _install(self, meter: SimulatedMeter, address: int, now: int) -> None:
        channel, others = self.channel, [each.channel for each in clients(meter)]
        if channel.attachment(meter, now) is not None:
            raise ActionRefused(ActionResult.OTHER_REASON, "a device is on the channel")
        taken = {found.address for each in others if (found := each.attachment(meter, now))}
        wanted = {each: number for each, number in channel.memory(meter).wanted if number}
        wanted_address = wanted.pop(5, 0)
        address = address or wanted_address
        if not 0 <= address <= _LAST_ADDRESS or address in taken:
            raise ActionRefused(ActionResult.OTHER_REASON, "no such address is free")
        free = [
            device
            for device in channel.free_devices(meter, iter(others), now)
            if wanted.items() <= _identification(device).items()
        ]
        if not free:
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "no device answers")
        address = address or min(set(range(1, _LAST_ADDRESS + 1)) - taken)
        channel.attach(meter, free[0], address, now)
        channel.note(meter, Happening.MBUS_NEW_DEVICE, now)

    def _deinstall(self, meter: SimulatedMeter, _: object, now: int) -> None:
        self._there(meter, now)
        self.channel.detach(meter, now)

    def _capture(self, meter: SimulatedMeter, _: object, now: int) -> None:
        self._answering(meter, now)
        self.channel.change(meter).asked = now

    def _reset_alarm(self, meter: SimulatedMeter, _: object, now: int) -> None:
        self._there(meter, now)
        self.channel.change(meter).alarm = 0

    def _synchronize(self, meter: SimulatedMeter, _: object, now: int) -> None:
        self._answering(meter, now)
        self.channel.note(meter, Happening.MBUS_CLOCK_ADJUSTED, now)

    def _set_key(self, meter: SimulatedMeter, key: bytes, now: int) -> None:
        self._there(meter, now)
        if len(key) not in (0, _KEY_OCTETS):
            raise ActionRefused(ActionResult.OTHER_REASON, "a key has 16 octets")
        self.channel.change(meter).key = bytes(key) or None
        self.channel.reconsider(meter, now)

    def _transfer_key(self, meter: SimulatedMeter, wrapped: bytes, now: int) -> None:
        device = self._there(meter, now)
        if device.memory(meter).is_silent:
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "the device is silent")
        own = meter.fleet.device_key(meter.index, device.place)
        counter = device.memory(meter).counter
        try:
            if len(wrapped) == SMR5_OCTETS:
                counter, _, key = opened_smr5(own, bytes(wrapped), device.address, counter)
            else:
                key = opened_dsmr4(own, bytes(wrapped))
        except SecurityError as error:
            raise ActionRefused(ActionResult.OTHER_REASON, str(error)) from error
        memory = device.change(meter)
        memory.key, memory.counter = key, counter
        self.channel.reconsider(meter, now)

    def _there(self, meter: SimulatedMeter, now: int) -> Device:
        device = self.channel.device(meter, now)
        if device is None:
            raise ActionRefused(ActionResult.OTHER_REASON, "no device is on the channel")
        return device

    def _answering(self, meter: SimulatedMeter, now: int) -> Device:
        device = self._there(meter, now)
        if not self.channel.can_read(meter, now):
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "the device cannot be read")
        return device

    # -- what is noticed by the next capture ----------------------------------------------

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next capture, when it would tell something new."""
        if not self._has_news(meter, after):
            return None
        return self.channel.next_instant(meter, after)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """A capture that fails, works again, or tells of the battery."""
        channel = self.channel
        device, can_read = channel.device(meter, at), channel.can_read(meter, at)
        if device is None or not self._has_news(meter, at):
            return
        memory = channel.change(meter)
        if memory.is_error_told == can_read:
            memory.is_error_told = not can_read
            happening = (
                Happening.MBUS_COMMUNICATION_OK if can_read else Happening.MBUS_COMMUNICATION_ERROR
            )
            channel.note(meter, happening, at)
        if not can_read:
            return
        before = memory.alarm
        memory.alarm |= _status(meter, device)
        news = memory.alarm & ~before
        if news & STATUS_BATTERY_LOW:
            channel.note(meter, Happening.MBUS_REPLACE_BATTERY, at)
        if news & STATUS_TAMPERED:
            channel.note(meter, Happening.MBUS_FRAUD, at)

    def _has_news(self, meter: SimulatedMeter, at: int) -> bool:
        channel = self.channel
        device, memory = channel.device(meter, at), channel.memory(meter)
        if device is None:
            return False
        can_read = channel.can_read(meter, at)
        if memory.is_error_told == can_read:
            return True
        return can_read and bool(_status(meter, device) & ~memory.alarm)


class MBusClientV0(MBusClient):
    """The same without configuration and key status."""

    declares = mbus.MBusClient


def clients(meter: SimulatedMeter) -> Iterator[MBusClient]:
    """The channels of a host."""
    for each in meter.fleet.template.living:
        if isinstance(each, MBusClient):
            yield each


# -- what may happen to a device ------------------------------------------------------------


def silence(meter: SimulatedMeter, place: int, at: int, *, silent: bool = True) -> None:
    """A device is heard no more from UTC second `at` on, or again."""
    with _happening_to(meter, place, at) as device:
        device.change(meter).is_silent = silent


def run_down(meter: SimulatedMeter, place: int, at: int) -> None:
    """The battery of a device is low from `at` on."""
    with _happening_to(meter, place, at) as device:
        device.change(meter).is_battery_low = True


def tamper(meter: SimulatedMeter, place: int, at: int) -> None:
    """Somebody opens a device at `at`."""
    with _happening_to(meter, place, at) as device:
        device.change(meter).is_tampered = True


def fix(meter: SimulatedMeter, place: int, at: int) -> None:
    """A device is repaired at `at`: battery, case and radio."""
    with _happening_to(meter, place, at) as device:
        memory = device.change(meter)
        memory.is_silent = memory.is_battery_low = memory.is_tampered = False


@contextmanager
def _happening_to(meter: SimulatedMeter, place: int, at: int) -> Iterator[Device]:
    device = devices_of(meter)[place]
    with life.intervening(meter, at):
        yield device
        for each in clients(meter):
            if each.channel.device(meter, at) == device:
                each.channel.reconsider(meter, at)


def _definition(device: Device | None) -> Data:
    if device is None:
        return array()
    record = (octet_string(DATA_INFORMATION), octet_string(device.kind.value_information))
    return array(structure(*record))


def _identification(device: Device) -> dict[int, int]:
    """Attributes 6 to 9; the number is one of decimal digits."""
    address = device.address
    number = int(address.number, 16)
    return {6: number, 7: address.manufacturer, 8: address.version, 9: address.device_type}


def _status(meter: SimulatedMeter, device: Device | None) -> int:
    if device is None:
        return 0
    memory = device.memory(meter)
    low = STATUS_BATTERY_LOW if memory.is_battery_low else 0
    return low | (STATUS_TAMPERED if memory.is_tampered else 0)
