"""When a meter that saves its battery can be talked to: windows for listening and for calling.

Outside all of them it hears nothing and calls nobody. As meters are made, each has one window a
day, at a time of its own, so that not all are awake at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    Tag,
    array,
    enum,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded
from ferraris.meter.recurrence import ANY_DATE, Window, within
from ferraris.model import modem
from ferraris.model.modem import AutoAnswerStatus, AutoConnectMode
from ferraris.model.references import WindowsType
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Calling", "Listening", "Windows"]

_MINUTES = 24 * 60
_ANY_DEVIATION = b"\x80\x00\xff"
_MOST_WINDOWS = 16


class Windows(Behaviour):
    """Windows in the attribute `_WINDOWS`, which clients may write; `minutes` long as made."""

    _WINDOWS: ClassVar[int]

    def __init__(self, name: str, minutes: int, fixed: dict[int, Data]) -> None:
        super().__init__(name, fixed)
        self._minutes = minutes

    def first(self, seed: int) -> tuple[int, int]:
        """The window of the day of a meter as it was made: start and end, minutes from midnight."""
        start = seed % _MINUTES
        return start, (start + self._minutes) % _MINUTES

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """The window of the day, as the meter was made."""
        stamps = (
            octet_string(ANY_DATE + bytes((minute // 60, minute % 60, 0, 0)) + _ANY_DEVIATION)
            for minute in self.first(meter.fleet.meter_seed(meter.index))
        )
        return axdr.encode(array(structure(*stamps)))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """The windows, and whatever else the template leaves to clients."""
        if attribute != self._WINDOWS:
            return super().set(meter, attribute, data, now)
        try:
            windows = WindowsType.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if len(windows) > _MOST_WINDOWS:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        meter.change().write(self.key, attribute, data)
        return None

    def windows(self, meter: SimulatedMeter) -> tuple[Window, ...]:
        """Start and end of each as date-times."""
        found = WindowsType.load(axdr.decode(self.get(meter, self._WINDOWS, None, 0)))
        return tuple((bytes(each.start.octets), bytes(each.end.octets)) for each in found)

    def is_open(self, meter: SimulatedMeter, now: int) -> bool:
        """Whether one is open at UTC second `now`, by the meter's own clock."""
        return self.change(meter, now)[0]

    def change(self, meter: SimulatedMeter, now: int) -> tuple[bool, int | None]:
        """Whether one is open, and the UTC second at which that may change; None for never."""
        law = meter.clock(now)
        is_open, change = within(meter.zone, self.windows(meter), law.local(now))
        return is_open, None if change is None else max(now + 1, law.utc(change))


class Listening(Windows):
    """Auto answer: when the meter listens."""

    declares = modem.AutoAnswer
    _WINDOWS = 3

    def __init__(self, name: str, minutes: int) -> None:
        rings = structure(unsigned(1), unsigned(0))
        super().__init__(name, minutes, {2: enum(0), 5: unsigned(0), 6: rings})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 3, and 4: whether it listens now."""
        if attribute == 4:
            is_open = self.is_open(meter, now)
            status = AutoAnswerStatus.ACTIVE if is_open else AutoAnswerStatus.INACTIVE
            return encoded(Tag.ENUM, status)
        return super().value(meter, attribute, now)


class Calling(Windows):
    """Auto connect: when the meter calls."""

    declares = modem.AutoConnect
    _WINDOWS = 5

    def __init__(self, name: str, minutes: int) -> None:
        fixed = {
            2: enum(AutoConnectMode.IN_WINDOW),
            3: unsigned(3),
            4: long_unsigned(60),
            6: array(),
        }
        super().__init__(name, minutes, fixed)
