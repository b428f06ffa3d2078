"""Layers composed into layers: one over another, and one after another.

A stack opens bottom-up, closes top-down, and lets a failure cascade: whoever dies tells what is
above at once, and what is below is closed in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ferraris.core.errors import UsageError
from ferraris.core.layer import (
    Closed,
    Deliver,
    Failed,
    Layer,
    LineSettings,
    Notice,
    Opened,
    To,
)

__all__ = ["Fork", "Over", "Plain", "Then", "fork", "over", "then"]

In = TypeVar("In")
Mid = TypeVar("Mid")
Out = TypeVar("Out")
Below = TypeVar("Below")


class Plain(Generic[In, Out, Below]):
    """The defaults of a transparent layer: ready when below is, no clocks, notices passed up.

    A subclass overrides `send` and `receive`; it queues units for below in `_down` and events for
    above in `_up`.
    """

    connectionless: bool = False

    def __init__(self) -> None:
        self._down: deque[Below] = deque()
        self._up: deque[Deliver[Out] | Notice] = deque()

    @property
    def room(self) -> bool:
        return not self._down

    @property
    def expects(self) -> bool:
        return False

    @property
    def deadline(self) -> float | None:
        return None

    def open(self, now: float) -> None:
        self._up.append(Opened())

    def close(self, now: float) -> None:
        self._down.clear()
        self._up.append(Closed())

    def cancel(self, now: float) -> None:
        self._down.clear()

    def send(self, unit: In, now: float) -> None:
        raise UsageError(f"{type(self).__name__} takes no units from above")

    def receive(self, unit: Below, now: float) -> None:
        raise UsageError(f"{type(self).__name__} takes no units from below")

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Opened:
            self.open(now)
            return
        if type(what) is Closed:
            self._down.clear()
        self._up.append(what)

    def wake(self, now: float) -> None:
        return

    def transmit(self, now: float, expecting: bool = False) -> Below | LineSettings | None:
        return self._down.popleft() if self._down else None

    def event(self) -> Deliver[Out] | Notice | None:
        return self._up.popleft() if self._up else None


def over(upper: Layer[In, Out, Mid], lower: Layer[Mid, Mid, Below]) -> Over[In, Out, Mid, Below]:
    """Put `upper` on `lower`; the pair is a layer again."""
    return Over(upper, lower)


class Over(Generic[In, Out, Mid, Below]):
    """Two layers as one. `Closed` of the pair comes only when both are down.

    A lower layer that only frames - no clock, nothing of its own to say - may offer `framed(unit)`,
    what it makes of a unit for below, and `unframed(unit)`, the unit in what came from below or
    None where `receive` has to look closer. What they save is a third of an exchange.

    An upper layer that answers requests may offer `asked` and `answered`, the short way of an
    exchange that nothing disturbs; the pair then has it, too. It saves another third.

    At a passive end an upper layer may offer `served(address, unit)`, the answer to a request that
    changes nothing in the layer and concerns no clock, or None. Where the lower one offers
    `through(unit, served)`, which takes the unit out of its frame, hands it on and frames the
    answer, the pair has a short way, too.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_closing",
        "_framed",
        "_lower_open",
        "_now",
        "_served",
        "_stillborn",
        "_through",
        "_told",
        "_unframed",
        "_upper_events",
        "lower",
        "upper",
    )

    def __init__(self, upper: Layer[In, Out, Mid], lower: Layer[Mid, Mid, Below]) -> None:
        self.upper = upper
        self.lower = lower
        self._lower_open = False
        self._closing: Closed | None = None  # the upper's Closed, held until the lower is down
        self._told = False  # the upper has heard that the lower is open
        self._stillborn: Closed | None = None  # the lower died before; the upper may say nothing
        self._now = 0.0
        self._framed: Callable[[Mid], Below] | None = getattr(lower, "framed", None)
        self._unframed: Callable[[Below], Mid | None] | None = getattr(lower, "unframed", None)
        self._asked: Callable[[In, float], Mid | None] | None = getattr(upper, "asked", None)
        self._answered: Callable[[Mid, float], Out | None] | None = getattr(upper, "answered", None)
        self._served: Callable[[Any, Mid], Mid | None] | None = getattr(upper, "served", None)
        self._through: Callable[[Below, Callable[[Any, Mid], Mid | None]], Below | None] | None
        self._through = getattr(lower, "through", None)
        # Of a plain layer the queue of its events says as much as the question for one.
        plain = isinstance(upper, Plain) and type(upper).event is Plain.event
        self._upper_events = upper._up if plain else None  # type: ignore[attr-defined] # plain

    @property
    def room(self) -> bool:
        return self._closing is None and self.upper.room

    @property
    def expects(self) -> bool:
        return self.upper.expects or self.lower.expects

    @property
    def connectionless(self) -> bool:
        return self.upper.connectionless and (self._lower_open or self.lower.connectionless)

    @property
    def deadline(self) -> float | None:
        if self._framed is not None:
            return self.upper.deadline
        first, second = self.upper.deadline, self.lower.deadline
        if first is None:
            return second
        return first if second is None or first < second else second

    def open(self, now: float) -> None:
        self._now = now
        self._closing = self._stillborn = None
        self._lower_open, self._told = True, False
        self.lower.open(now)
        self._lift(now)

    def close(self, now: float) -> None:
        self._now = now
        self.upper.close(now)
        self._lift(now)

    def cancel(self, now: float) -> None:
        self.upper.cancel(now)
        self.lower.cancel(now)
        self._lift(now)

    def send(self, unit: In, now: float) -> None:
        self._now = now
        self.upper.send(unit, now)

    def asked(self, unit: In, now: float) -> Below | None:
        """`send` and `transmit` at once: what has to leave now.

        None when nothing was sent and the unit has to go the long way.
        """
        if (
            self._asked is None
            or self._framed is None
            or self._closing is not None
            or not self._lower_open
        ):
            return None
        self._now = now
        higher = self._asked(unit, now)
        return None if higher is None else self._framed(higher)

    def answered(self, unit: Below, now: float) -> Out | None:
        """`receive`, and the answer to the request when that was all; None: events tell."""
        if self._answered is not None and self._unframed is not None and self._closing is None:
            self._now = now
            inner = self._unframed(unit)
            if inner is not None:
                return self._answered(inner, now)
        self.receive(unit, now)
        return None

    def served(self, unit: Below) -> Below | None:
        """`receive` and `transmit` at once, at a passive end: the answer to a request.

        None when nothing was done and the unit has to go the long way. Whatever the long way has
        left to say or to do must have been fetched before.
        """
        if self._served is None or self._through is None or self._closing is not None:
            return None
        return self._through(unit, self._served)

    def receive(self, unit: Below, now: float) -> None:
        self._now = now
        if self._unframed is not None and self._closing is None:
            inner = self._unframed(unit)
            if inner is not None:
                self.upper.receive(inner, now)
                return
        lower = self.lower
        lower.receive(unit, now)
        while (what := lower.event()) is not None:
            if type(what) is Deliver and self._closing is None:
                self.upper.receive(what.unit, now)
            else:
                self._carry(what, now)

    def notice(self, what: Notice, now: float) -> None:
        self._now = now
        if type(what) is Opened:
            self._lower_open, self._closing = True, None
        self.lower.notice(what, now)
        self._lift(now)

    def wake(self, now: float) -> None:
        self._now = now
        self.lower.wake(now)
        self._lift(now)
        self.upper.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> Below | LineSettings | None:
        self._now = now
        if self._framed is not None and self._lower_open:
            higher = self.upper.transmit(now, expecting)
            if higher is None or isinstance(higher, LineSettings):
                return higher
            return self._framed(higher)
        lower, upper = self.lower, self.upper
        unit = lower.transmit(now, expecting or upper.expects)
        while unit is None and (self._lower_open or lower.connectionless) and lower.room:
            higher = upper.transmit(now, expecting)
            if higher is None:
                break
            if isinstance(higher, LineSettings):
                return higher
            lower.send(higher, now)
            unit = lower.transmit(now, expecting or upper.expects)
        while (what := lower.event()) is not None:
            self._carry(what, now)
        return unit

    def event(self) -> Deliver[Out] | Notice | None:
        events = self._upper_events
        what: Deliver[Out] | Notice | None = None
        if events is None:
            what = self.upper.event()
        elif events:
            what = events.popleft()
        if what is None:
            if self._closing is not None and not self._lower_open:
                what, self._closing = self._closing, None
            elif self._stillborn is not None:
                what, self._stillborn = self._stillborn, None
            return what
        if type(what) is Closed:
            self._closing, self._stillborn = what, None
            if self._lower_open:
                self.lower.close(self._now)
                self._lift(self._now)
            return self.event()
        if type(what) is Failed and what.ref is not None:
            # An exchange that ended above leaves nothing half sent below (contract rule 5).
            self.lower.cancel(self._now)
        return what

    def _lift(self, now: float) -> None:
        """Carry what the lower layer has to say to the upper one."""
        lower = self.lower
        while (what := lower.event()) is not None:
            self._carry(what, now)

    def _carry(self, what: Deliver[Mid] | Notice, now: float) -> None:
        if type(what) is Deliver:
            if self._closing is None:
                self.upper.receive(what.unit, now)
            return
        if type(what) is Closed:
            if self._lower_open and not self._told and self._closing is None:
                self._stillborn = what
            self._lower_open = self._told = False
            if self._closing is not None:
                self._closing = Closed(self._closing.error or what.error)
                return
        elif type(what) is Opened:
            self._lower_open, self._told, self._closing = True, True, None
        if self._closing is None:
            self.upper.notice(what, now)  # type: ignore[arg-type]


def then(first: Layer[Any, Any, Below], second: Layer[In, Out, Below]) -> Then[In, Out, Below]:
    """Run `first` until it closes in order, then let `second` take its place."""
    return Then(first, second)


class Then(Generic[In, Out, Below]):
    """One layer after another; layers above see only `Opened`, of the second.

    Octets that the first delivers when it ends are the beginning of what the second receives.
    """

    def __init__(self, first: Layer[Any, Any, Below], second: Layer[In, Out, Below]) -> None:
        self._first: Layer[Any, Any, Below] | None = first
        self._second = second
        self._started = first
        self._second_is_new = True
        self._up: deque[Deliver[Out] | Notice] = deque()

    @property
    def _layer(self) -> Layer[Any, Any, Below]:
        return self._second if self._first is None else self._first

    @property
    def room(self) -> bool:
        return self._first is None and self._second.room

    @property
    def expects(self) -> bool:
        return self._layer.expects

    @property
    def connectionless(self) -> bool:
        return self._layer.connectionless

    @property
    def deadline(self) -> float | None:
        return self._layer.deadline

    def open(self, now: float) -> None:
        self._first = self._started
        self._second_is_new = True
        self._first.open(now)
        self._move(now)

    def close(self, now: float) -> None:
        if self._first is None:
            self._second.close(now)
        else:
            self._first.cancel(now)
            self._up.append(Closed())

    def cancel(self, now: float) -> None:
        self._layer.cancel(now)

    def send(self, unit: In, now: float) -> None:
        if self._first is not None:
            raise UsageError("the opening is still under way")
        self._second.send(unit, now)

    def receive(self, unit: Below, now: float) -> None:
        self._layer.receive(unit, now)
        self._move(now)

    def notice(self, what: Notice, now: float) -> None:
        self._layer.notice(what, now)
        self._move(now)

    def wake(self, now: float) -> None:
        self._layer.wake(now)
        self._move(now)

    def transmit(self, now: float, expecting: bool = False) -> Below | LineSettings | None:
        unit = self._layer.transmit(now, expecting)
        self._move(now)
        if unit is None and self._first is None:
            return self._second.transmit(now, expecting)
        return unit

    def event(self) -> Deliver[Out] | Notice | None:
        return self._up.popleft() if self._up else self._second.event()

    def _move(self, now: float) -> None:
        """Follow the first layer; when it has closed in order, open the second."""
        left_over: list[Below] = []
        while self._first is not None:
            what = self._first.event()
            if what is None:
                return
            if type(what) is Deliver:
                left_over.append(what.unit)
            elif type(what) is Closed:
                if what.error is not None:
                    self._up.append(what)
                    return
                self._first = None
            elif type(what) is Failed:
                self._up.append(what)
        if self._first is None and self._second_is_new:
            self._second_is_new = False
            self._second.open(now)
            for unit in left_over:
                self._second.receive(unit, now)


def fork(uppers: dict[Any, Layer[Any, Any, Any]]) -> Fork:
    """Put many layers, each under its own address, on one seam that carries `To(address, unit)`."""
    return Fork(uppers)


class Fork(Plain[To[Any, Any], To[Any, Any], To[Any, Any]]):
    """Many uppers on one lower; events come up as `To(address, event unit)`.

    Units for an address nobody has are reported as `Failed` without a reference.
    """

    def __init__(self, uppers: dict[Any, Layer[Any, Any, Any]]) -> None:
        super().__init__()
        self.uppers = uppers
        self._turn: deque[Any] = deque(uppers)

    @property
    def room(self) -> bool:
        return any(upper.room for upper in self.uppers.values())

    @property
    def expects(self) -> bool:
        return any(upper.expects for upper in self.uppers.values())

    @property
    def deadline(self) -> float | None:
        times = [upper.deadline for upper in self.uppers.values()]
        return min((time for time in times if time is not None), default=None)

    def open(self, now: float) -> None:
        for address, upper in self.uppers.items():
            upper.open(now)
            self._gather(address)

    def close(self, now: float) -> None:
        for address, upper in self.uppers.items():
            upper.close(now)
            self._gather(address)
        self._up.append(Closed())

    def cancel(self, now: float) -> None:
        for upper in self.uppers.values():
            upper.cancel(now)

    def send(self, unit: To[Any, Any], now: float) -> None:
        upper = self.uppers.get(unit.address)
        if upper is None:
            raise UsageError(f"nobody has the address {unit.address!r}")
        upper.send(unit.unit, now)

    def receive(self, unit: To[Any, Any], now: float) -> None:
        upper = self.uppers.get(unit.address)
        if upper is None:
            error = UsageError(f"a unit came for {unit.address!r}, which nobody has")
            self._up.append(Failed(error))
            return
        upper.receive(unit.unit, now)
        self._gather(unit.address)

    def notice(self, what: Notice, now: float) -> None:
        for address, upper in self.uppers.items():
            upper.notice(what, now)
            self._gather(address)
        if type(what) is Closed:
            self._up.append(what)

    def wake(self, now: float) -> None:
        for address, upper in self.uppers.items():
            upper.wake(now)
            self._gather(address)

    def transmit(self, now: float, expecting: bool = False) -> To[Any, Any] | LineSettings | None:
        for _ in range(len(self._turn)):
            address = self._turn[0]
            self._turn.rotate(-1)
            unit = self.uppers[address].transmit(now, expecting)
            self._gather(address)
            if isinstance(unit, LineSettings):
                return unit
            if unit is not None:
                return To(address, unit)
        return None

    def _gather(self, address: Any) -> None:
        upper = self.uppers[address]
        while (what := upper.event()) is not None:
            if type(what) is Deliver:
                self._up.append(Deliver(To(address, what.unit)))
            elif type(what) is Failed:
                self._up.append(Failed(what.error, To(address, what.ref)))
            elif type(what) is Opened or type(what) is Closed:
                self._up.append(Deliver(To(address, what)))
