"""Voltage on the three phases at any instant: from the feeder's seed, and what disturbs it.

A feeder's voltage changes every ten minutes; each meter adds a flicker of its own around it.
Disturbances set a phase to a percentage of the nominal voltage for a while: natural ones follow
from the feeder's seed, others are imposed on a meter. All voltages are tenths of a volt.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import NamedTuple

__all__ = [
    "HARMONICS",
    "NOMINAL",
    "PERIOD_S",
    "PHASES",
    "SLOT_S",
    "Disturbance",
    "distortion",
    "harmonic",
    "mean",
    "moment",
    "natural",
]

NOMINAL = 2300
PHASES = (1, 2, 3)
PERIOD_S = 600
SLOT_S = 28 * 86_400
"""Natural disturbances are drawn for four weeks at a time."""

HARMONICS = (3, 5, 7, 9, 11, 13, 15)
"""The harmonics that carry anything worth telling."""

_PER_DAY = 86_400 // PERIOD_S
_FLICKER_S = 3  # so long a meter's own part stays; periods hold a whole number of them
_MOST_NATURAL = 3
_LONGEST_S = 40


class Disturbance(NamedTuple):
    """From UTC second `start` until `stop`, None for open, phases have `percent` of normal."""

    start: int
    stop: int | None
    phases: tuple[int, ...]
    percent: int

    def covers(self, at: int) -> bool:
        """Whether it is there at UTC second `at`."""
        return self.start <= at and (self.stop is None or at < self.stop)


def moment(
    feeder: int, own: bytes, phase: int, at: int, imposed: Iterable[Disturbance] = ()
) -> int:
    """The voltage of a phase at UTC second `at`; imposed disturbances go before natural ones."""
    disturbances = _natural(feeder, at // SLOT_S)
    for start, stop, phases, percent in (*imposed, *disturbances) if imposed else disturbances:
        if start <= at and (stop is None or at < stop) and phase in phases:
            return NOMINAL * percent // 100
    return _undisturbed(feeder, own, phase, at // _FLICKER_S)


def mean(feeder: int, phase: int, start: int, imposed: Iterable[Disturbance] = ()) -> int:
    """The mean over the ten minutes from UTC second `start` on."""
    stop = start + PERIOD_S
    total, left = 0, PERIOD_S
    for begin, end, percent in _disturbed(feeder, phase, (start, stop), tuple(imposed)):
        total += (end - begin) * (NOMINAL * percent // 100)
        left -= end - begin
    edge = (start // PERIOD_S + 1) * PERIOD_S
    before = min(edge - start, PERIOD_S)
    steady = _steady(feeder, phase, start) * before + _steady(feeder, phase, edge) * (
        PERIOD_S - before
    )
    return (total + steady * left // PERIOD_S) // PERIOD_S


def natural(feeder: int, slot: int) -> tuple[Disturbance, ...]:
    """What happens to a feeder by itself within a slot of time, counted from 1970."""
    return _natural(feeder, slot)


def harmonic(feeder: int, own: bytes, phase: int, order: int, at: int) -> int:
    """Voltage of one harmonic in hundredths of a volt; 0 for those that carry nothing."""
    if order not in HARMONICS:
        return 0
    drawn = shake_128(b"harmonics %d %d %d" % (feeder, phase, at // PERIOD_S)).digest(16)
    share = drawn[HARMONICS.index(order)] + own[-1] % 32
    return share * 8 // order + 10


def distortion(feeder: int, own: bytes, phase: int, at: int) -> int:
    """Total harmonic distortion in tenths of a percent of the fundamental."""
    squares = sum(harmonic(feeder, own, phase, order, at) ** 2 for order in HARMONICS)
    fundamental = moment(feeder, own, phase, at) * 10
    return round(1000 * float(squares**0.5) / fundamental) if fundamental else 0


def _disturbed(
    feeder: int, phase: int, span: tuple[int, int], imposed: tuple[Disturbance, ...]
) -> list[tuple[int, int, int]]:
    """Begin, end and percentage of what disturbs a phase within a span; nothing counts twice."""
    start, stop = span
    found: list[tuple[int, int, int]] = []
    reached = start
    slots = {start // SLOT_S, stop // SLOT_S}
    relevant = [*imposed, *(each for slot in slots for each in natural(feeder, slot))]
    for each in sorted(relevant, key=lambda disturbance: disturbance.start):
        begin, end = max(each.start, reached), stop if each.stop is None else min(each.stop, stop)
        if phase in each.phases and begin < end:
            found.append((begin, end, each.percent))
            reached = end
    return found


@lru_cache(maxsize=4096)
def _natural(feeder: int, slot: int) -> tuple[Disturbance, ...]:
    drawn = shake_128(b"disturbed %d %d" % (feeder, slot)).digest(1 + 8 * _MOST_NATURAL)
    found = []
    for place in range(drawn[0] % (_MOST_NATURAL + 1)):
        event = drawn[1 + 8 * place : 9 + 8 * place]
        start = slot * SLOT_S + int.from_bytes(event[:4], "big") % (SLOT_S - _LONGEST_S)
        phases = PHASES if event[4] < 64 else (1 + event[4] % 3,)
        percent = 112 + event[5] % 8 if event[5] < 64 else 35 + event[5] % 53
        found.append(Disturbance(start, start + 1 + event[6] % _LONGEST_S, phases, percent))
    return tuple(sorted(found))


def _steady(feeder: int, phase: int, at: int) -> int:
    day, second = divmod(at, 86_400)
    return 2280 + _day(feeder, day)[(phase - 1) * _PER_DAY + second // PERIOD_S] % 41


@lru_cache(maxsize=1024)
def _day(feeder: int, day: int) -> bytes:
    return shake_128(b"feeder %d %d" % (feeder, day)).digest(len(PHASES) * _PER_DAY)


@lru_cache(maxsize=4096)
def _undisturbed(feeder: int, own: bytes, phase: int, flick: int) -> int:
    return _steady(feeder, phase, flick * _FLICKER_S) + _flicker(own, flick)


def _flicker(own: bytes, flick: int) -> int:
    return blake2b(b"%b %d" % (own, flick), digest_size=1).digest()[0] % 15 - 7
