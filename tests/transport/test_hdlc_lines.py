"""Links over wires of a real speed, in virtual time: slow, damaged, shared by both directions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from bad_line import Answerer, Asker, answer_to

from ferraris.core.errors import LineError
from ferraris.core.stack import over
from ferraris.line.medium import Bus, Medium, Transmission
from ferraris.line.virtual import VirtualTime
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HdlcProfile


@dataclass(frozen=True)
class Fading:
    """Like a bus, but damage comes in long bursts; good and bad times follow each other."""

    bus: Bus
    bad_s: float
    good_s: float

    @property
    def piece_octets(self) -> int | None:
        return self.bus.piece_octets

    def duration_s(self, octets: bytes) -> float:
        return self.bus.duration_s(octets)

    def delay_s(self, sender: Hashable, listener: Hashable) -> float:
        return self.bus.delay_s(sender, listener)

    def heard(
        self,
        piece: Transmission,
        listener: Hashable,
        others: Sequence[Transmission],
        chance: Random,
    ) -> bytes | None:
        octets = self.bus.heard(piece, listener, others, chance)
        if octets is None or piece.end % (self.bad_s + self.good_s) > self.bad_s:
            return octets
        return chance.randbytes(len(octets))


class Session:
    """One link on one pair of wires; counts what was on them."""

    def __init__(
        self, physics: Any, profile: HdlcProfile, size: int, seed: int = 0, silence_s: float = 5.0
    ) -> None:
        self.time = VirtualTime()
        self.medium = Medium(self.time, physics, seed=seed)
        self.octets = 0
        self.answerer = Answerer(size, Random(seed))
        self.primary = profile.client_stack(16, 1)
        self.medium.station("meter", over(self.answerer, profile.server_stack()))
        self.driver = self.medium.driver("client", over(Asker(silence_s), self.primary))

    def count(self) -> None:
        """Count what is on the wires from now on."""
        self.medium.attach("counter", self._count)

    def _count(self, octets: bytes) -> None:
        self.octets += len(octets)

    def exchange(self, requests: list[bytes]) -> list[bytes]:
        async def procedure() -> list[bytes]:
            await self.driver.open()
            answers = [await self.driver.exchange(request) for request in requests]
            self.done_at = self.time.now
            await self.driver.close()
            return answers

        return self.time.complete(procedure())


def requests(count: int, size: int, seed: int = 0) -> list[bytes]:
    chance = Random(seed)
    return [chance.randbytes(size) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_300_baud_with_a_tenth_of_all_octets_damaged(seed: int) -> None:
    """Only short frames get through: one of 19 octets in seven, its answer in two of five tries.

    SNRM and UA with their parameters are longer and come through once in a thousand.
    """
    profile = replace(
        HdlcProfile.at(300, parameters=Parameters(8, 8, 1, 1)),
        max_tries=20_000,
        response_timeout_s=1.0,
        inactivity_timeout_s=0.0,
    )
    session = Session(Bus(30.0, damage=0.1, piece_octets=None), profile, 2500, seed, silence_s=1e5)
    asked = requests(4, 2500, seed)
    assert session.exchange(asked) == [answer_to(request, 2500) for request in asked]
    assert [unit.unit for unit in session.answerer.heard] == asked


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window", [1, 7])
def test_300_baud_with_a_tenth_of_the_time_lost(seed: int, window: int) -> None:
    """The same share of damage in bursts leaves room for frames of the usual size.

    A window of seven takes as long as it is from one burst to the next, and what follows a lost
    segment is lost with it.
    """
    profile = replace(
        HdlcProfile.at(300, parameters=Parameters(128, 128, window, window)), max_tries=20
    )
    bus = Bus(30.0, piece_octets=8)
    session = Session(Fading(bus, 3.0 + seed / 10, 27.0), profile, 2500, seed, silence_s=60.0)
    asked = requests(4, 2500, seed)
    assert session.exchange(asked) == [answer_to(request, 2500) for request in asked]
    assert [unit.unit for unit in session.answerer.heard] == asked
    assert session.done_at < {1: 1400, 7: 3000}[window], "690 s of octets, sent again where needed"


@pytest.mark.parametrize("baud", [300, 1200, 9600, 115_200])
@pytest.mark.parametrize("size", [128, 2030])
def test_slow_answers_are_waited_for(baud: int, size: int) -> None:
    """The layer above gives up after 5 s of silence; at 300 baud a frame of 2 kB takes 68."""
    profile = HdlcProfile.at(baud, parameters=Parameters(size, size, 1, 1))
    session = Session(Bus(baud / 10, piece_octets=8, latency_s=0.016), profile, 4000)
    session.count()
    asked = requests(1, 2000)
    assert session.exchange(asked) == [answer_to(asked[0], 4000)]
    frames = -(-2003 // size) + -(-4003 // size)
    rounds = frames + 2  # with SNRM and DISC
    least = 6000 + frames * 11 + rounds * 9
    assert session.octets < least + 200, "nothing was sent twice"


@pytest.mark.parametrize(("size", "share"), [(128, 0.90), (512, 0.95), (2030, 0.97)])
def test_9600_baud_is_filled(size: int, share: float) -> None:
    """With window 7: the octets of the line, and those of the layer above among them."""
    profile = HdlcProfile.at(9600, parameters=Parameters(size, size, 7, 7))
    session = Session(Bus(960.0, piece_octets=64, latency_s=0.005), profile, 30_000)
    session.count()
    asked = requests(2, 30_000)
    assert session.exchange(asked) == [answer_to(request, 30_000) for request in asked]
    line = session.done_at * 960.0
    assert session.octets >= 0.98 * line, "the line is never idle for long"
    assert share * line <= 120_000


def test_a_line_that_dies_is_given_up_in_time() -> None:
    profile = HdlcProfile.at(300)
    session = Session(Bus(30.0, damage=1.0), profile, 100)
    with pytest.raises(LineError, match="no answer after 3 tries"):
        session.exchange(requests(1, 10))
    assert session.time.now < 3 * (9 / 30 + 3 + 144 / 30) + 1
