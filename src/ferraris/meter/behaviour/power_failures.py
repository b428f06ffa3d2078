"""Power failures: how often, how long, when the last one was, and a log of the long ones."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.kinds import (
    Tag,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.outages import outages
from ferraris.meter.state import Interruption
from ferraris.model.data_storage import DataObject, Register

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "FAILURE_OBJECTS",
    "FailureData",
    "FailureDuration",
    "FailureLog",
    "FailureThreshold",
    "Failures",
]

_THRESHOLD = (Register.class_id, bytes(Obis.of(0, 0, 96, 7, 20)))
_LONG_S = 180
_SECONDS = structure(integer(0), enum(7))
_MOST = 0xFFFF
_DURATION_OCTETS = 5
_HEAD = b"\x02\x02"
_NEVER = b"\xff" * 9 + b"\x80\x00\xff"


class Failures(StrEnum):
    """What an object tells of power failures; a long one lasts longer than the threshold."""

    COUNT = "number"
    LONG_COUNT = "number of long ones"
    TIME = "begin of the last long one"


FAILURE_OBJECTS = {
    # All phases fail together here, so that "in all" and "in any" phases tell the same [facts-g].
    Failures.COUNT: ("0-0:96.7.0*255", "0-0:96.7.21*255"),
    Failures.LONG_COUNT: ("0-0:96.7.5*255", "0-0:96.7.9*255"),
    Failures.TIME: ("0-0:96.7.10*255", "0-0:96.7.14*255"),
}
"""Names of the objects, in all phases and in any phase."""


class FailureData(Behaviour):
    """A number or a time; failures count when the power is back."""

    declares = DataObject

    def __init__(self, name: str, tells: Failures) -> None:
        super().__init__(name)
        self.tells = tells

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        if self.tells is Failures.COUNT:
            return axdr.encode(long_unsigned(min(_MOST, len(_over(meter, now)))))
        long = _long(meter, now)
        if self.tells is Failures.LONG_COUNT:
            return axdr.encode(long_unsigned(min(_MOST, len(long))))
        return axdr.encode(octet_string(meter.stamp(long[-1].start) if long else _NEVER))


class FailureDuration(Behaviour):
    """Seconds that the last long power failure lasted."""

    declares = Register

    def __init__(self, name: str = "0-0:96.7.19*255") -> None:
        super().__init__(name, {3: _SECONDS})

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        long = _long(meter, now)
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, _duration(long[-1]) if long else 0)


class FailureThreshold(Behaviour):
    """Seconds beyond which a power failure is a long one; written by clients."""

    declares = Register

    def __init__(self, name: str = "0-0:96.7.20*255", seconds: int = _LONG_S) -> None:
        super().__init__(name, {2: double_long_unsigned(seconds), 3: _SECONDS})


class FailureLog(Profile):
    """The long power failures that are over: when each ended, and how long it was."""

    def __init__(
        self, duration: FailureDuration, name: str = "1-0:99.97.0*255", entries: int = 10
    ) -> None:
        lasted = Column(3, str(Obis(duration.logical_name)), 2, _DURATION_OCTETS)
        super().__init__(name, (CLOCK_COLUMN, lasted), 0, entries)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Number of failures kept."""
        return len(self._kept(meter, now))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Failures by when they ended."""
        chosen = [
            (at, duration)
            for at, duration in self._kept(meter, now)
            if (since is None or meter.local(at) >= since)
            and (until is None or meter.local(at) <= until)
        ]
        return len(chosen), _octets(meter, chosen)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """Failures by number."""
        return _octets(meter, self._kept(meter, now)[first:stop])

    def _kept(self, meter: SimulatedMeter, now: int) -> list[tuple[int, int]]:
        since = (meter.state.since or {}).get(self.key, 0)
        ended = [(span.stop, _duration(span)) for span in _long(meter, now) if span.stop]
        return [(at, duration) for at, duration in ended if at > since][-self.entries :]


def _octets(meter: SimulatedMeter, chosen: list[tuple[int, int]]) -> bytes:
    return b"".join(
        _HEAD + stamp(meter.stamp(at)) + encoded(Tag.DOUBLE_LONG_UNSIGNED, duration)
        for at, duration in chosen
    )


def _over(meter: SimulatedMeter, now: int) -> list[Interruption]:
    """The power failures that were over at `now`."""
    return [span for span in outages(meter.state) if span.stop is not None and span.stop <= now]


def _long(meter: SimulatedMeter, now: int) -> list[Interruption]:
    threshold = meter.fleet.template.behaviours.get(_THRESHOLD)
    limit = _LONG_S
    if threshold is not None:
        limit = int(axdr.decode(threshold.get(meter, 2, None, now))[1])
    return [span for span in _over(meter, now) if _duration(span) > limit]


def _duration(span: Interruption) -> int:
    return 0 if span.stop is None else span.stop - span.start
