"""Two stacks and a bad line in virtual time."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Opened, Progress, To
from ferraris.core.stack import Plain
from ferraris.transport.addresses import Addresses

__all__ = ["Answerer", "Asker", "Line", "Physics", "answer_to"]


@dataclass(frozen=True)
class Physics:
    """Shares of 0 to 1 of what the line does to each unit."""

    loss: float = 0.0
    duplication: float = 0.0
    damage: float = 0.0
    noise: float = 0.0
    cut: float = 0.0
    latency_s: float = 0.01
    octets_per_second: float = 0.0
    longest_chunk: int = 0


def answer_to(request: bytes, size: int) -> bytes:
    """What the server answers: nothing else is right."""
    return request[:8] + (request[::-1] * (size // max(1, len(request)) + 1))[:size]


class Asker(Plain[bytes, bytes, bytes]):
    """The layer above a client's link: one request at a time, given up after silence."""

    def __init__(self, silence_s: float = 60.0) -> None:
        super().__init__()
        self.silence_s = silence_s
        self._asked: bytes | None = None
        self._give_up_at: float | None = None

    @property
    def room(self) -> bool:
        return self._asked is None

    @property
    def expects(self) -> bool:
        return self._give_up_at is not None

    @property
    def deadline(self) -> float | None:
        return self._give_up_at

    def send(self, unit: bytes, now: float) -> None:
        self._asked = unit
        self._down.append(unit)

    def close(self, now: float) -> None:
        self._end(Closed())

    def receive(self, unit: bytes, now: float) -> None:
        self._asked = self._give_up_at = None
        self._up.append(Deliver(unit))

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._end(what)
        elif type(what) is Progress and self._give_up_at is not None:
            self._give_up_at = now + self.silence_s
        elif type(what) is Opened:
            self.open(now)

    def wake(self, now: float) -> None:
        if self._give_up_at is not None and now >= self._give_up_at:
            asked, self._asked, self._give_up_at = self._asked, None, None
            self._up.append(Failed(LineError("silence"), asked))

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._down:
            return self._down.popleft()
        if self._asked is not None and self._give_up_at is None:
            self._give_up_at = now + self.silence_s
        return None

    def _end(self, what: Closed) -> None:
        self._asked = self._give_up_at = None
        self._down.clear()
        self._up.append(what)


Unit = To[Addresses, bytes]


class Answerer(Plain[Unit, Unit, Unit]):
    """The layer above a server's link; some answers take longer than a poll waits."""

    def __init__(self, size: int, chance: Random, slow_s: float = 0.0) -> None:
        super().__init__()
        self.size = size
        self.heard: list[Unit] = []
        self.notices: list[Notice] = []
        self._chance = chance
        self._slow_s = slow_s
        self._later: list[tuple[float, Unit]] = []

    @property
    def deadline(self) -> float | None:
        return self._later[0][0] if self._later else None

    def receive(self, unit: Unit, now: float) -> None:
        self.heard.append(unit)
        answer = To(unit.address, answer_to(unit.unit, self.size))
        if self._slow_s and self._chance.random() < 0.5:
            self._later.append((now + self._slow_s, answer))
        else:
            self._down.append(answer)

    def notice(self, what: Notice, now: float) -> None:
        self.notices.append(what)
        if type(what) is Closed:
            self._later.clear()
        super().notice(what, now)

    def wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            self._down.append(self._later.pop(0)[1])


class Line:
    """The line, its two ends, and the clock; ends are "client" and "server"."""

    def __init__(self, client: Any, server: Any, physics: Physics, seed: int = 0) -> None:
        self.now = 0.0
        self.physics = physics
        self.ends = {"client": client, "server": server}
        self.events: dict[str, list[Any]] = {"client": [], "server": []}
        self.to_send: deque[bytes] = deque()
        self.units = 0
        self.dead = False
        self._chance = Random(seed)
        self._free_at = {"client": 0.0, "server": 0.0}
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def run(self, until: float = 1e9, steps: int = 200_000) -> None:
        """Until nothing is left to do, or `until`."""
        self.drain("client")
        self.drain("server")
        for _ in range(steps):
            moment = self._moments[0][0] if self._moments else None
            clocks = [end.deadline for end in self.ends.values() if end.deadline is not None]
            times = [time for time in (moment, *clocks) if time is not None]
            if not times or min(times) > until:
                return
            self.now = max(self.now, min(times))
            if moment is not None and moment <= self.now:
                heapq.heappop(self._moments)[2]()
                continue
            for name, end in self.ends.items():
                if end.deadline is not None and end.deadline <= self.now:
                    end.wake(self.now)
                    self.drain(name)
        raise AssertionError("the line never comes to rest")

    def drain(self, name: str) -> None:
        """What every driver does after each call."""
        end = self.ends[name]
        while True:
            self._gather(name)
            if self.now < self._free_at[name]:
                break
            if name == "client" and self.to_send and end.room:
                end.send(self.to_send.popleft(), self.now)
            unit = end.transmit(self.now)
            if unit is None:
                if not self._gather(name):
                    break
            else:
                self._carry(name, unit)
        assert not end.expects or end.deadline is not None, "expects, and has no deadline"

    def failures(self) -> list[Error]:
        """What ended the link, as the client saw it."""
        found = [what.error for what in self.events["client"] if type(what) is Closed]
        return [error for error in found if error is not None]

    def _gather(self, name: str) -> int:
        count = 0
        while (what := self.ends[name].event()) is not None:
            self.events[name].append(what)
            count += 1
        return count

    def _carry(self, name: str, unit: bytes) -> None:
        physics, chance = self.physics, self._chance
        self.units += 1
        if physics.octets_per_second:
            self._free_at[name] = self.now + len(unit) / physics.octets_per_second
            self._plan(self._free_at[name], lambda: self.drain(name))
        if self.dead or chance.random() < physics.loss:
            return
        peer = "server" if name == "client" else "client"
        octets = bytearray(unit)
        if chance.random() < physics.damage:
            octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        if chance.random() < physics.cut:
            del octets[chance.randrange(len(octets)) :]
        if chance.random() < physics.noise:
            octets[:0] = chance.randbytes(chance.randrange(1, 20))
        when = max(self.now, self._free_at[name]) + physics.latency_s
        for _ in range(1 + (chance.random() < physics.duplication)):
            self._plan(when, lambda: self._arrive(peer, bytes(octets)))

    def _arrive(self, name: str, octets: bytes) -> None:
        size = self.physics.longest_chunk or len(octets)
        for start in range(0, len(octets), max(1, size)):
            self.ends[name].receive(octets[start : start + size], self.now)
            self.drain(name)

    def _plan(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._moments, (when, next(self._order), what))
