"""A shared medium in virtual time: a bus, a radio channel, a power line.

Whoever is attached hears what the physics lets through of every transmission, those that overlap
included. The physics is an argument: `Bus` is a pair of wires, others may know distance and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import Any, Protocol, TypeVar

from ferraris.core.errors import UsageError
from ferraris.core.layer import Layer
from ferraris.line.virtual import VirtualDriver, VirtualEnd, VirtualTime

__all__ = ["Bus", "Medium", "MediumPhysics", "Transmission"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Transmission:
    """Octets of one sender on the medium, or a piece of them; times in seconds."""

    sender: Hashable
    octets: bytes
    start: float
    end: float


class MediumPhysics(Protocol):
    """What a medium does to what it carries."""

    @property
    def piece_octets(self) -> int | None:
        """Listeners get so many octets at a time; None: a transmission as a whole."""

    def duration_s(self, octets: bytes) -> float:
        """How long these octets occupy the medium."""

    def delay_s(self, sender: Hashable, listener: Hashable) -> float:
        """From the end of a piece at its sender until this listener has it."""

    def heard(
        self,
        piece: Transmission,
        listener: Hashable,
        others: Sequence[Transmission],
        chance: Random,
    ) -> bytes | None:
        """What this listener makes of a piece, None for nothing; `others` overlap with it."""


class Medium:
    """Carries octets between listeners that have names; deterministic from `seed`.

    A sender has one transmission at a time. Listeners that came later hear the next piece.
    """

    def __init__(self, time: VirtualTime, physics: MediumPhysics, *, seed: int = 0) -> None:
        self.time = time
        self.physics = physics
        self.collisions = 0
        """Pieces that met with others."""
        self._chance = Random(seed)  # noqa: S311 - physics, not secrets
        self._listeners: dict[Hashable, Callable[[bytes], None]] = {}
        self._names: dict[VirtualEnd, Hashable] = {}
        self._on_air: list[Transmission] = []

    def attach(self, name: Hashable, hear: Callable[[bytes], None]) -> None:
        """Let somebody listen; `UsageError` when the name is taken."""
        if name in self._listeners:
            raise UsageError(f"{name!r} is attached already", where="medium")
        self._listeners[name] = hear

    def detach(self, name: Hashable) -> None:
        """Hear no more; what is on its way to others goes on."""
        del self._listeners[name]

    def transmit(self, name: Hashable, octets: bytes) -> float:
        """Put octets on the medium now; the moment when the last one has left."""
        start, physics = self.time.now, self.physics
        whole = Transmission(name, octets, start, start + physics.duration_s(octets))
        oldest = min((each.start for each in self._on_air if each.end >= start), default=start)
        self._on_air = [each for each in self._on_air if each.end >= oldest]
        self._on_air.append(whole)
        size = physics.piece_octets or len(octets)
        for first in range(0, len(octets), size):
            end = whole.start + physics.duration_s(octets[: first + size])
            self._plan(Transmission(name, octets[first : first + size], start, end), whole)
            start = end
        return whole.end

    def busy(self, name: Hashable) -> bool:
        """Does anybody else transmit at this moment?"""
        now = self.time.now
        return any(each.sender != name and each.start <= now < each.end for each in self._on_air)

    # -- stacks -------------------------------------------------------------------------------

    def station(self, name: Hashable, layer: Layer[Any, Any, bytes]) -> VirtualEnd:
        """Hang a passive stack on the medium and open it."""
        end = VirtualEnd(self, layer)
        self._hang(name, end)
        end.listen()
        return end

    def driver(
        self,
        name: Hashable,
        layer: Layer[In, Out, bytes],
        *,
        is_push: Callable[[Out], bool] | None = None,
        on_push: Callable[[Out], None] | None = None,
    ) -> VirtualDriver[In, Out]:
        """Hang an active stack on the medium; procedures await its `exchange`."""
        driver = VirtualDriver(self, layer, is_push=is_push, on_push=on_push)
        self._hang(name, driver)
        return driver

    def carry(self, sender: VirtualEnd, octets: bytes) -> float:
        """Transmit for a stack."""
        return self.transmit(self._names[sender], octets)

    def _hang(self, name: Hashable, end: VirtualEnd) -> None:
        self.attach(name, end.arrive)
        self._names[end] = name

    # -- pieces -------------------------------------------------------------------------------

    def _plan(self, piece: Transmission, whole: Transmission) -> None:
        self.time.at(piece.end, lambda: self._spread(piece, whole))

    def _spread(self, piece: Transmission, whole: Transmission) -> None:
        """A piece has left: everybody hears of it what the physics lets through."""
        others = [
            each
            for each in self._on_air
            if each is not whole and each.start < piece.end and each.end > piece.start
        ]
        self.collisions += bool(others)
        for name in list(self._listeners):
            octets = self.physics.heard(piece, name, others, self._chance)
            if octets:
                when = self.time.now + self.physics.delay_s(piece.sender, name)
                self.time.at(when, lambda name=name, octets=octets: self._hear(name, octets))  # type: ignore[misc]

    def _hear(self, name: Hashable, octets: bytes) -> None:
        hear = self._listeners.get(name)
        if hear is not None:
            hear(octets)


@dataclass(frozen=True, slots=True)
class Bus:
    """A bus of two wires, such as RS-485: everybody hears everybody, and nobody two at once.

    `damage` is the share of octets, each by itself, that arrive with one bit wrong; where
    transmissions overlap, every octet is garbled. With `echo` a sender hears itself. `latency_s`
    is what drivers need to hand octets on.
    """

    octets_per_second: float
    damage: float = 0.0
    piece_octets: int | None = 8
    latency_s: float = 0.0
    echo: bool = False

    def duration_s(self, octets: bytes) -> float:
        """So many octets, at the speed of the bus."""
        return len(octets) / self.octets_per_second

    def delay_s(self, sender: Hashable, listener: Hashable) -> float:
        """The same for all: the wires are short."""
        return self.latency_s

    def heard(
        self,
        piece: Transmission,
        listener: Hashable,
        others: Sequence[Transmission],
        chance: Random,
    ) -> bytes | None:
        """The octets, damaged by the way and by whoever else sends."""
        if not self.echo and (
            listener == piece.sender or any(listener == each.sender for each in others)
        ):
            return None  # whoever sends has its receiver off
        if others:
            return chance.randbytes(len(piece.octets))
        return _damaged(piece.octets, self.damage, chance) if self.damage else piece.octets


def _damaged(octets: bytes, share: float, chance: Random) -> bytes:
    """One bit wrong in that share of the octets; steps from one to the next."""
    if share >= 1:
        return bytes(octet ^ (1 << chance.randrange(8)) for octet in octets)
    found = bytearray(octets)
    scale = log(1 - share)
    place = int(log(1 - chance.random()) / scale)
    while place < len(found):
        found[place] ^= 1 << chance.randrange(8)
        place += 1 + int(log(1 - chance.random()) / scale)
    return bytes(found)
