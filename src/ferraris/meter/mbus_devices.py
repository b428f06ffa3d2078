"""M-Bus devices around a meter: who they are, what they measure, and what ails them.

A device goes on by itself, whether its host reads it or not: its key, its valve and its faults stay
with it when it is deinstalled. Which devices there are follows from the meter's seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from ferraris.crypto.mbus_keys import DeviceAddress
from ferraris.meter.fluids import Fluid, Use, counted
from ferraris.meter.state import Interruption
from ferraris.meter.zone import Zone
from ferraris.model.time_control import ControlState

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "DATA_INFORMATION",
    "DEVICES",
    "Device",
    "DeviceKind",
    "DeviceMemory",
    "device_of",
    "devices_of",
    "manufacturer_id",
]


class DeviceKind(NamedTuple):
    """A kind of device: type on the bus, scaler and unit of its value, its data record."""

    fluid: Fluid
    manufacturer: str
    version: int
    device_type: int
    scaler: int
    unit: int
    value_information: bytes
    has_valve: bool = False


DEVICES = (
    DeviceKind(Fluid.GAS, "FRG", 0x50, 3, -3, 13, b"\x13", has_valve=True),
    DeviceKind(Fluid.WATER, "FRW", 0x42, 7, -3, 13, b"\x13"),
    DeviceKind(Fluid.HEAT, "FRH", 0x31, 4, 0, 30, b"\x03"),
    DeviceKind(Fluid.ELECTRICITY, "FRE", 0x10, 2, 0, 30, b"\x03"),
)
"""What stands around a host where nothing else is said, by number from 0."""

DATA_INFORMATION = b"\x04"
"""A whole number of 32 bits [facts-g]."""


@dataclass
class DeviceMemory:
    """What a device remembers, and its faults.

    Attributes:
        key: the user key it encrypts with, None before one was transferred.
        counter: of the last key that came with one.
        valve: control state, as of a switch.
        interruptions: when its valve was closed.
    """

    key: bytes | None = field(default=None, repr=False)
    counter: int = 0
    is_silent: bool = False
    is_battery_low: bool = False
    is_tampered: bool = False
    valve: int = int(ControlState.CONNECTED)
    interruptions: tuple[Interruption, ...] = ()


@dataclass
class _Devices:
    """All devices of one meter to which something has happened, by number."""

    by_number: dict[int, DeviceMemory] = field(default_factory=dict)


_AS_MADE = DeviceMemory()


class Device(NamedTuple):
    """One device: its place among those of its meter, its address, and what it measures."""

    place: int
    kind: DeviceKind
    address: DeviceAddress
    use: Use

    def memory(self, meter: SimulatedMeter) -> DeviceMemory:
        """What it remembers; not to be changed."""
        found = meter.state.found(_Devices)
        return _AS_MADE if found is None else found.by_number.get(self.place, _AS_MADE)

    def change(self, meter: SimulatedMeter) -> DeviceMemory:
        """What it remembers, to be changed."""
        known = meter.change().part(_Devices).by_number
        return known.setdefault(self.place, DeviceMemory())

    def value(self, meter: SimulatedMeter, utc: int) -> int:
        """What it has counted at `utc`."""
        return counted(self.use, utc, self.memory(meter).interruptions)

    @property
    def equipment(self) -> bytes:
        """The seventeen characters on its plate."""
        text = f"{self.kind.manufacturer}{self.kind.device_type:02d}{self.address.number:>012s}"
        return text.encode("ascii")


def devices_of(meter: SimulatedMeter) -> tuple[Device, ...]:
    """The devices around a meter."""
    seed = meter.fleet.meter_seed(meter.index)
    template = meter.fleet.template
    zone, region = template.consumption.zone, template.consumption.region
    return tuple(
        _device(place, kind, seed, zone, region) for place, kind in enumerate(template.mbus_devices)
    )


def device_of(meter: SimulatedMeter, place: int) -> Device:
    """One of them."""
    return devices_of(meter)[place]


def manufacturer_id(letters: str) -> int:
    """Three letters as a number of 15 bits [facts-g]."""
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


@lru_cache(maxsize=8192)
def _device(place: int, kind: DeviceKind, seed: int, zone: Zone, region: int) -> Device:
    octets = seed.to_bytes(8, "big") + bytes((place,))
    draw = blake2b(octets, digest_size=12, person=b"mbus device").digest()
    number = f"{int.from_bytes(draw[:4], 'big') % 100_000_000:08d}"
    address = DeviceAddress(
        number, manufacturer_id(kind.manufacturer), kind.version, kind.device_type
    )
    use = Use(kind.fluid, int.from_bytes(draw[4:], "big"), zone, region)
    return Device(place, kind, address, use)
