"""Sub-meters on channels of their hosts: the names of their objects, and who they are.

A plan writes objects of a channel with 0 in field B, as in `0-0:24.3.0*255`: whichever channel of
its host a sub-meter has, its values go by one name. In the host the channel stands there instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ferraris.core.errors import RefusedError, UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading, Series

if TYPE_CHECKING:
    from ferraris.headend.collect.meter_face import MeterFace
    from ferraris.headend.collect.target import Target

__all__ = [
    "CHANNEL_LOG",
    "ChannelFace",
    "MBusDevice",
    "at_channel",
    "channel_of",
    "client_of",
    "is_at_channel",
    "is_of_channel",
    "mismatch",
    "own_name",
    "own_series",
    "plan_name",
]

_MBUS: Final = 24  # field C of all objects around M-Bus [facts-g]
_CLIENT: Final = 1  # field D: M-Bus client
_OF_CHANNEL: Final = frozenset(
    {_CLIENT, 2, 3, 4, 5, 9}
)  # value, profile, valve, its log, diagnosis
_PLATE: Final = (96, 1)  # C and D [facts-g]
_VALVE_CODE: Final = (96, 11, 4)  # C, D and E [memory]
_LETTER_BITS: Final = 5

CHANNEL_LOG: Final = (_MBUS, 5)
"""C and D of the log of a valve [facts-g]."""


class MBusDevice(NamedTuple):
    """Who is on a channel, as an M-Bus client tells it; all zeros where nobody is.

    `identification_number` has a decimal digit in every four bits. `equipment` is the number on the
    plate, as far as the host knows it.
    """

    identification_number: int
    manufacturer_id: int
    device_version: int
    device_type: int
    equipment: str = ""

    @property
    def manufacturer(self) -> str:
        """The three letters of the maker [facts-g]."""
        mask = (1 << _LETTER_BITS) - 1
        places = (2 * _LETTER_BITS, _LETTER_BITS, 0)
        return "".join(chr(64 + (self.manufacturer_id >> place & mask)) for place in places)

    @property
    def serial_number(self) -> str:
        """The eight digits of its number."""
        return f"{self.identification_number:08x}"

    @property
    def is_there(self) -> bool:
        """Whether a device is on the channel at all."""
        return bool(self.identification_number or self.manufacturer_id or self.device_type)

    def __str__(self) -> str:
        return f"{self.manufacturer} {self.serial_number}" if self.is_there else "no device"


def is_of_channel(name: str) -> bool:
    """Whether a plan's name is that of an object of a sub-meter, whichever its channel."""
    obis = _parsed(name)
    return (obis.a, obis.b, obis.c) == (0, 0, _MBUS) and obis.d in _OF_CHANNEL


def channel_of(name: Obis) -> int:
    """The channel whose sub-meter an object of a host belongs to, 0 for objects of the host.

    Besides those of M-Bus they are the number on the plate and the code of the valve's log.
    """
    if name.a or not name.b:
        return 0
    if name.c == _MBUS:
        return name.b if name.d in _OF_CHANNEL else 0
    return name.b if (name.c, name.d) == _PLATE or (name.c, name.d, name.e) == _VALVE_CODE else 0


def is_at_channel(name: str) -> bool:
    """Whether an object of a host belongs to one of its channels: meters of one kind may differ."""
    obis = _parsed(name)
    return obis.a == 0 and obis.b > 0 and obis.c == _MBUS


def at_channel(name: str, channel: int) -> str:
    """The name that an object of a sub-meter has in its host."""
    obis = _parsed(name)
    return str(Obis.of(0, channel, obis.c, obis.d, obis.e, obis.f)) if is_of_channel(name) else name


def plan_name(name: str, target: Target) -> str:
    """An object of a sub-meter as a plan writes it, whether its channel was written or 0.

    `UsageError` for objects of the host, and of others behind it.
    """
    obis = _parsed(name)
    of_all = str(Obis.of(obis.a, 0, obis.c, obis.d, obis.e, obis.f))
    where = f"{target.external_id}, which is on channel {target.channel} of {target.host_name}"
    if not is_of_channel(of_all):
        text = (
            f"{name} is no object of {where}: a sub-meter has those of its channel, as "
            f"0-0:24.2.1*255; ask {target.host_name} for its own"
        )
        raise UsageError(text, where="command")
    if obis.b not in (0, target.channel):
        text = f"{name} is an object of channel {obis.b}, and not of {where}: write 0 in field B"
        raise UsageError(text, where="command")
    return of_all


def client_of(channel: int) -> str:
    """The name of the M-Bus client of a channel."""
    return str(Obis.of(0, channel, _MBUS, _CLIENT, 0, 255))


def mismatch(known: tuple[str, str], found: MBusDevice) -> str:
    """What is wrong with a device, "" when it is the one that the inventory knows.

    `known` are maker and serial number. The number is the one on the plate, or ends with the eight
    digits that are known on M-Bus; an empty one says nothing. A maker counts when it is written
    with the three letters of M-Bus.
    """
    maker, serial = known
    if serial and serial != found.equipment and not serial.endswith(found.serial_number):
        return f"{found} is there, not {serial}"
    is_letters = len(maker) == 3 and maker.isascii() and maker.isalpha() and maker.isupper()
    if is_letters and maker != found.manufacturer:
        return f"{found} is there, which is not made by {maker}"
    return ""


def own_name(name: Obis | str, channel: int) -> Obis | str:
    """The name under which what a host has for a channel is kept for its sub-meter."""
    if isinstance(name, Obis) and (name.a, name.b) == (0, channel):
        return Obis.of(0, 0, name.c, name.d, name.e, name.f)
    return name


def own_series(found: Series, profile: Obis | str, channel: int) -> Series:
    """The same rows as those of a sub-meter's profile."""
    return Series(
        found.device, profile, found.ends,
        [each._replace(name=own_name(each.name, channel)) for each in found.channels],
        found.columns, stamps=found.stamps, status=found.status, quality=found.quality,
        undated=found.undated,
    )  # fmt: skip


class ChannelFace:
    """The part of a host's association that is a sub-meter (`meter_face.MeterFace`)."""

    def __init__(self, host: MeterFace, channel: int) -> None:
        self._host = host
        self._channel = channel

    @property
    def meter(self) -> Any:
        """What is behind the host."""
        return self._host.meter

    async def read_profile(
        self, profile: str, since: datetime | None, until: datetime | None
    ) -> Series:
        """The rows of a profile of the channel, under the name that the plan gave."""
        found = await self._host.read_profile(at_channel(profile, self._channel), since, until)
        return own_series(found, _parsed(profile), self._channel)

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        """Those values that the channel has."""
        found = await self._host.read_registers([at_channel(name, self._channel) for name in names])
        return [each._replace(name=own_name(each.name, self._channel)) for each in found]

    async def read_device(self, channel: int) -> MBusDevice:
        """Who is on a channel of the host."""
        return await self._host.read_device(channel)

    async def set_clock(self, when: datetime) -> None:
        """A sub-meter has the clock of its host."""
        raise RefusedError("a sub-meter has the clock of its host", where="collect")


_parsed = lru_cache(maxsize=4096)(Obis.parse)
