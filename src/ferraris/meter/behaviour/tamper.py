"""Tamper: covers that are opened, magnets, and whoever tries keys and passwords.

Every kind has a counter, the stamp of the last time, how long that lasted, and how long all of
them did together [facts-g]. Covers and magnets are noticed without power too, on the battery.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from ferraris.data import axdr
from ferraris.data.kinds import Tag, octet_string
from ferraris.messaging.dlms.association.server import Incident
from ferraris.meter import life
from ferraris.meter.behaviour.alarms import lasts
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.registers import scaler_unit
from ferraris.meter.happenings import Happening
from ferraris.model.data_storage import DataObject, Register

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "Kind",
    "TamperCounter",
    "TamperDuration",
    "TamperStamp",
    "Tampering",
    "apply_magnet",
    "attacked",
    "close_cover",
    "close_terminal_cover",
    "open_cover",
    "open_terminal_cover",
    "remove_magnet",
]

_SECOND = 7  # unit [facts-g]
_NEVER = b"\xff" * 12


class Kind(IntEnum):
    """What is tampered with; the number is that of its counter, E of 0-0:96.20.E [facts-g]."""

    METER_COVER = 0
    TERMINAL_COVER = 5
    MAGNET = 15
    COMMUNICATION = 30


class Tally(NamedTuple):
    """One kind of tamper: `began` is the UTC second since which it lasts, None while it does not.

    `shown` is the meter's own time of the last beginning, None before the first; seconds are whole.
    """

    times: int = 0
    began: int | None = None
    shown: int | None = None
    last_s: int = 0
    all_s: int = 0


@dataclass(slots=True)
class Tampering:
    """The tallies of one meter, by kind."""

    tallies: dict[int, Tally] = field(default_factory=dict)


class _BeginAndEnd(NamedTuple):
    begun: Happening
    ended: Happening


_HAPPENINGS = {
    Kind.METER_COVER: _BeginAndEnd(Happening.METER_COVER_OPENED, Happening.METER_COVER_CLOSED),
    Kind.TERMINAL_COVER: _BeginAndEnd(
        Happening.TERMINAL_COVER_OPENED, Happening.TERMINAL_COVER_CLOSED
    ),
    Kind.MAGNET: _BeginAndEnd(Happening.MAGNETIC_FIELD, Happening.MAGNETIC_FIELD_GONE),
}
_ATTACKS = {
    Incident.WRONG_PASSWORD: Happening.FAILED_LOGINS,
    Incident.AUTHENTICATION_FAILED: Happening.FAILED_LOGINS,
    Incident.DECIPHERING_FAILED: Happening.WRONG_KEY,
    Incident.REPLAY: Happening.REPLAY,
}


def open_cover(meter: SimulatedMeter, at: int) -> None:
    """The meter cover is opened at UTC second `at`."""
    _begin(meter, Kind.METER_COVER, at)


def close_cover(meter: SimulatedMeter, at: int) -> None:
    """The meter cover is closed."""
    _end(meter, Kind.METER_COVER, at)


def open_terminal_cover(meter: SimulatedMeter, at: int) -> None:
    """The terminal cover is taken off at UTC second `at`."""
    _begin(meter, Kind.TERMINAL_COVER, at)


def close_terminal_cover(meter: SimulatedMeter, at: int) -> None:
    """The terminal cover is put back."""
    _end(meter, Kind.TERMINAL_COVER, at)


def apply_magnet(meter: SimulatedMeter, at: int) -> None:
    """A strong magnetic field is there from UTC second `at` on."""
    _begin(meter, Kind.MAGNET, at)


def remove_magnet(meter: SimulatedMeter, at: int) -> None:
    """The magnetic field is gone."""
    _end(meter, Kind.MAGNET, at)


def attacked(meter: SimulatedMeter, incident: Incident, now: int) -> None:
    """Somebody tried a password or key, or sent an old APDU once more, at UTC second `now`."""
    tally = _tally(meter, Kind.COMMUNICATION)
    _keep(
        meter,
        Kind.COMMUNICATION,
        tally._replace(times=tally.times + 1, shown=meter.local(now)),
    )
    meter.note(_ATTACKS[incident], now)


def _begin(meter: SimulatedMeter, kind: Kind, at: int) -> None:
    with life.intervening(meter, at):
        begun = _HAPPENINGS[kind].begun
        if lasts(meter, begun):
            return
        tally = _tally(meter, kind)
        shown = meter.local(at)
        _keep(meter, kind, tally._replace(times=tally.times + 1, began=at, shown=shown, last_s=0))
        meter.note(begun, at)


def _end(meter: SimulatedMeter, kind: Kind, at: int) -> None:
    with life.intervening(meter, at):
        tally = _tally(meter, kind)
        if tally.began is None:
            return
        lasted_s = at - tally.began
        _keep(
            meter,
            kind,
            tally._replace(began=None, last_s=lasted_s, all_s=tally.all_s + lasted_s),
        )
        meter.note(_HAPPENINGS[kind].ended, at)


def _tally(meter: SimulatedMeter, kind: Kind) -> Tally:
    tampering = meter.state.found(Tampering)
    return Tally() if tampering is None else tampering.tallies.get(int(kind), Tally())


def _keep(meter: SimulatedMeter, kind: Kind, tally: Tally) -> None:
    meter.change().part(Tampering).tallies[int(kind)] = tally


class TamperCounter(Behaviour):
    """How often it happened."""

    declares = DataObject

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"0-0:96.20.{int(kind)}*255")
        self._kind = kind

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, _tally(meter, self._kind).times)


class TamperStamp(Behaviour):
    """When it last began, by the meter's own clock; all FF before the first time."""

    declares = DataObject

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"0-0:96.20.{int(kind) + 1}*255")
        self._kind = kind

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        shown = _tally(meter, self._kind).shown
        return axdr.encode(octet_string(_NEVER if shown is None else meter.zone.stamp(shown)))


class TamperDuration(Behaviour):
    """How many seconds it lasted the last time, or all times together; what lasts counts on."""

    declares = Register

    def __init__(self, kind: Kind, *, cumulative: bool = False) -> None:
        name = f"0-0:96.20.{int(kind) + 2 + cumulative}*255"
        super().__init__(name, {3: scaler_unit(0, _SECOND)})
        self._kind = kind
        self._cumulative = cumulative

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        tally = _tally(meter, self._kind)
        running_s = 0 if tally.began is None else max(0, now - tally.began)
        done_s = tally.all_s if self._cumulative else tally.last_s
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, done_s + running_s)
