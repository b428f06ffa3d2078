"""The virtual-time driver: both ends of many lines in one heap of moments, no clock, no sleep.

Deterministic from the seed of the line's physics; a thousand meters run in about a second. After
every step it checks the contract's rule that whoever expects an answer has a deadline.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from ferraris.core.errors import Error, LineError
from ferraris.core.layer import Closed, Deliver, Failed, Layer, LineSettings, Opened

__all__ = [
    "Carrier",
    "Physics",
    "Task",
    "VirtualDriver",
    "VirtualEnd",
    "VirtualLine",
    "VirtualTime",
]

In = TypeVar("In")
Out = TypeVar("Out")
Result = TypeVar("Result")


class VirtualTime:
    """A clock that jumps from one planned moment to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Plan `what` for the moment `when`, seconds; moments in the past come next."""
        heapq.heappush(self._moments, (max(when, self.now), next(self._order), what))

    def run(self, until: float | None = None) -> None:
        """Run all planned moments, or those up to `until`."""
        while self._moments and (until is None or self._moments[0][0] <= until):
            self._step()
        if until is not None:
            self.now = max(self.now, until)

    def spawn(self, procedure: Coroutine[Any, Any, Result]) -> Task[Result]:
        """Start a procedure at this moment."""
        task = Task(procedure)
        self.at(self.now, task.start)
        return task

    def complete(self, procedure: Coroutine[Any, Any, Result]) -> Result:
        """Run until the procedure has ended; return or raise what it did."""
        task = self.spawn(procedure)
        while self._moments and not task.done:
            self._step()
        return task.result()

    async def pause(self, seconds: float) -> None:
        """Let a procedure wait."""
        promise = _Promise()
        self.at(self.now + seconds, lambda: promise.keep(None))
        await promise

    def _step(self) -> None:
        self.now, _, what = heapq.heappop(self._moments)
        what()


class _Promise(Awaitable[Any]):
    """What a procedure waits for; kept by the driver."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: Task[Any] | None = None

    def __await__(self) -> Generator[_Promise, Any, Any]:
        return (yield self)

    def keep(self, value: Any) -> None:
        assert self._task is not None
        self._task.advance(value, None)

    def fail(self, error: BaseException) -> None:
        assert self._task is not None
        self._task.advance(None, error)


class Task(Generic[Result]):
    """A running procedure."""

    def __init__(self, procedure: Coroutine[Any, Any, Result]) -> None:
        self._procedure = procedure
        self._value: Any = None
        self._error: BaseException | None = None
        self.done = False

    def start(self) -> None:
        self.advance(None, None)

    def advance(self, value: Any, error: BaseException | None) -> None:
        try:
            promise = self._procedure.send(value) if error is None else self._procedure.throw(error)
        except StopIteration as done:
            self._value, self.done = done.value, True
        except Exception as failure:  # noqa: BLE001 - kept for whoever asks for the result
            self._error, self.done = failure, True
        else:
            promise._task = self

    def result(self) -> Result:
        """What the procedure returned or raised; `LineError` while it still waits."""
        if self._error is not None:
            raise self._error
        if not self.done:
            raise LineError("the procedure waits for something that will not happen", where="line")
        return self._value  # type: ignore[no-any-return]


@dataclass(slots=True)
class Physics:
    """What a line does to what it carries; shares are 0 to 1, times seconds."""

    latency_s: float = 0.01
    octets_per_second: float | None = None
    loss: float = 0.0
    duplication: float = 0.0
    reorder: float = 0.0
    damage: float = 0.0


class Carrier(Protocol):
    """What stacks hang on in virtual time: a line with two ends, or a medium with many."""

    time: VirtualTime

    def carry(self, sender: VirtualEnd, octets: bytes) -> float:
        """Take octets from an end; the moment when they have left it."""


class VirtualEnd:
    """One stack on a carrier; by itself a passive one, which nobody gives anything to send."""

    def __init__(self, carrier: Carrier, layer: Layer[Any, Any, bytes]) -> None:
        self.carrier = carrier
        self.layer = layer
        # The short way of an exchange at a passive end, where the stack has one.
        self._serve: Callable[[bytes], bytes | None] | None = getattr(layer, "served", None)
        self._busy_until = 0.0
        self._armed: float | None = None

    def listen(self) -> None:
        """Open a passive stack."""
        self.layer.open(self.carrier.time.now)
        self.drain()

    def drain(self) -> None:
        time, layer = self.carrier.time, self.layer
        while True:
            while (what := layer.event()) is not None:
                self.happened(what)
            if time.now < self._busy_until:
                break
            unit = self.feed() or layer.transmit(time.now)
            if unit is None:
                what = layer.event()
                if what is None:
                    break
                self.happened(what)
            elif not isinstance(unit, LineSettings):
                self._give(unit)
        self._arm()

    def happened(self, what: Any) -> None:
        """Take one event of the stack."""

    def feed(self) -> bytes | None:
        """Give the stack what waits for room; what has to leave at once."""
        return None

    def arrive(self, octets: bytes) -> None:
        """Octets come in from the carrier."""
        now = self.carrier.time.now
        if self._serve is not None and now >= self._busy_until:
            answer = self._serve(octets)
            if answer is not None:
                self._give(answer)
                return
        self.layer.receive(octets, now)
        self.drain()

    def _give(self, unit: bytes) -> None:
        """Put a unit on the carrier, and go on when it has left."""
        time = self.carrier.time
        self._busy_until = self.carrier.carry(self, unit)
        if self._busy_until > time.now:
            time.at(self._busy_until, self.drain)

    def lose(self, error: Error) -> None:
        """The carrier is gone, and the stack hears of it."""
        self.layer.notice(Closed(error), self.carrier.time.now)
        self.drain()

    def _arm(self) -> None:
        deadline = self.layer.deadline
        if deadline is None:
            if self.layer.expects and self.layer.room:
                raise AssertionError("a layer expects an answer and has no deadline")
            return
        if self._armed is None or deadline < self._armed:
            self._armed = deadline
            self.carrier.time.at(deadline, self._wake)

    def _wake(self) -> None:
        self._armed = None
        deadline = self.layer.deadline
        if deadline is not None and deadline <= self.carrier.time.now:
            self.layer.wake(self.carrier.time.now)
            self.drain()
        else:
            self._arm()


class VirtualDriver(VirtualEnd, Generic[In, Out]):
    """The active end; `exchange` suspends the procedure until virtual time brings the answer."""

    def __init__(
        self,
        carrier: Carrier,
        layer: Layer[In, Out, bytes],
        *,
        is_push: Callable[[Out], bool] | None = None,
        on_push: Callable[[Out], None] | None = None,
    ) -> None:
        super().__init__(carrier, layer)
        # The short way of an exchange, where the stack has one, as with asyncio.
        self._ask: Callable[[In, float], bytes | None] | None = getattr(layer, "asked", None)
        self._hear: Callable[[bytes, float], Out | None] | None
        self._hear = getattr(layer, "answered", None)
        self._is_push = is_push
        self._on_push = on_push
        self._pending: tuple[In, _Promise] | None = None
        self._waiting: list[tuple[In, _Promise]] = []
        self._opening: _Promise | None = None
        self._closing: _Promise | None = None
        self._down: Error | None = None

    async def open(self) -> None:
        self._opening = _Promise()
        self.layer.open(self.carrier.time.now)
        self._soon()
        await self._opening

    async def exchange(self, unit: In) -> Out:
        if self._down is not None:
            raise self._down
        promise = _Promise()
        self._waiting.append((unit, promise))
        self._soon()
        return await promise  # type: ignore[no-any-return]

    async def close(self) -> None:
        if self._down is not None:
            return
        self._closing = _Promise()
        self.layer.close(self.carrier.time.now)
        self._soon()
        await self._closing

    def _soon(self) -> None:
        """Drain after the procedure has suspended: a promise must be waited for when kept."""
        self.carrier.time.at(self.carrier.time.now, self.drain)

    def feed(self) -> bytes | None:
        if self._pending is None and self._waiting and self.layer.room:
            self._pending = self._waiting.pop(0)
            unit, now = self._pending[0], self.carrier.time.now
            if self._ask is not None and (octets := self._ask(unit, now)) is not None:
                return octets
            self.layer.send(unit, now)
        return None

    def arrive(self, octets: bytes) -> None:
        if self._hear is None:
            super().arrive(octets)
            return
        answer = self._hear(octets, self.carrier.time.now)
        if answer is not None:
            self.happened(Deliver(answer))
        self.drain()

    def happened(self, what: Any) -> None:
        kind = type(what)
        if kind is Deliver:
            if self._is_push is not None and self._is_push(what.unit):
                if self._on_push is not None:
                    self._on_push(what.unit)
                return
            if self._pending is not None:
                promise, self._pending = self._pending[1], None
                promise.keep(what.unit)
        elif kind is Failed:
            if self._pending is not None and what.ref is self._pending[0]:
                promise, self._pending = self._pending[1], None
                promise.fail(what.error)
        elif kind is Opened:
            if self._opening is not None:
                promise, self._opening = self._opening, None
                promise.keep(None)
        elif kind is Closed:
            self._end(what.error)

    def _end(self, error: Error | None) -> None:
        self._down = error or LineError("the connection is closed", where="line")
        waiting = [promise for _, promise in self._waiting]
        self._waiting.clear()
        if self._pending is not None:
            waiting.insert(0, self._pending[1])
            self._pending = None
        if self._opening is not None:
            waiting.append(self._opening)
            self._opening = None
        for promise in waiting:
            promise.fail(self._down)
        if self._closing is not None:
            closing, self._closing = self._closing, None
            closing.keep(None)


class VirtualLine:
    """A line between an active and a passive stack, with the physics of `physics`."""

    def __init__(
        self,
        time: VirtualTime,
        active: Layer[In, Out, bytes],
        passive: Layer[Any, Any, bytes],
        physics: Physics | None = None,
        *,
        seed: int = 0,
        is_push: Callable[[Out], bool] | None = None,
    ) -> None:
        self.time = time
        self.physics = physics or Physics()
        self.cut = False
        self._random = Random(seed)  # noqa: S311 - physics, not secrets
        self.driver: VirtualDriver[Any, Any] = VirtualDriver(self, active, is_push=is_push)
        self.station = VirtualEnd(self, passive)
        self.station.listen()

    def carry(self, sender: VirtualEnd, octets: bytes) -> float:
        """Bring octets to the other end, as the physics will have it."""
        physics, now = self.physics, self.time.now
        peer = self.station if sender is self.driver else self.driver
        left = now + len(octets) / physics.octets_per_second if physics.octets_per_second else now
        for copy in self.deliveries(octets):
            delay = physics.latency_s * (4 if self.chance(physics.reorder) else 1)
            self.time.at(left + delay, lambda copy=copy: self._arrive(peer, copy))  # type: ignore[misc]
        return left

    def _arrive(self, end: VirtualEnd, octets: bytes) -> None:
        if not self.cut:
            end.arrive(octets)

    def chance(self, share: float) -> bool:
        """Throw the dice of this line."""
        return share > 0 and self._random.random() < share

    def disconnect(self) -> None:
        """Cut the line: both ends hear of it, as with a connection."""
        self.cut = True
        for end in (self.driver, self.station):
            end.lose(LineError("the connection was cut", where="line"))

    def silence(self) -> None:
        """Cut the line so that nobody hears of it."""
        self.cut = True

    def deliveries(self, octets: bytes) -> list[bytes]:
        """What arrives of `octets`: none, one or two copies, perhaps damaged."""
        if self.cut or self.chance(self.physics.loss):
            return []
        if self.chance(self.physics.damage):
            place = self._random.randrange(len(octets))
            flipped = octets[place] ^ (1 << self._random.randrange(8))
            octets = octets[:place] + bytes([flipped]) + octets[place + 1 :]
        return [octets, octets] if self.chance(self.physics.duplication) else [octets]
