"""The layer contract: what every protocol layer is, from HDLC to the association.

Down goes by pull (`transmit`), up goes by event (`event`); time comes in as an argument; nothing
blocks, calls back, or raises for the peer's octets. Drivers in `line/` and the combinators in
`core.stack` are the only callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ferraris.core.errors import Error

__all__ = [
    "Closed",
    "Deliver",
    "Ended",
    "Event",
    "Failed",
    "Layer",
    "LineSettings",
    "Notice",
    "Opened",
    "Progress",
    "To",
]

Below = TypeVar("Below")
In_contra = TypeVar("In_contra", contravariant=True)
Out = TypeVar("Out")
Unit = TypeVar("Unit")
Address = TypeVar("Address")


@dataclass(slots=True)
class Deliver(Generic[Unit]):
    """A unit for the layer above or the user; its type tells an answer from a push."""

    unit: Unit


@dataclass(slots=True)
class Opened:
    """The layer is ready, the layer above may open. May come again on a passive layer."""


@dataclass(slots=True)
class Progress:
    """Octets of a unit have left, were acknowledged, or arrived in part: clocks above restart."""


@dataclass(slots=True)
class Failed:
    """One thing went wrong, the layer lives; `ref` names the exchange it ended, None for none."""

    error: Error
    ref: object = None


@dataclass(slots=True)
class Closed:
    """The layer is down, in order when `error` is None. After it only `open` is of use."""

    error: Error | None = None


@dataclass(slots=True)
class Ended:
    """One of several links that a layer carries is over, that to `address`; the layer lives."""

    address: object
    error: Error | None = None


@dataclass(slots=True, frozen=True)
class LineSettings:
    """New settings of the line, in the order of the octets around them."""

    baud: int
    data_bits: int = 8
    parity: str = "N"


@dataclass(slots=True)
class To(Generic[Address, Unit]):
    """A unit and the address it rides to or from; `confirmed` False: it has no answer."""

    address: Address
    unit: Unit
    confirmed: bool = True


Notice = Opened | Progress | Failed | Ended | Closed
Event = Deliver[Unit] | Notice


class Layer(Protocol[In_contra, Out, Below]):
    """One protocol layer: units `In_contra` from above, `Out` to above, `Below` below."""

    @property
    def room(self) -> bool:
        """`send` is accepted now: at least one window ahead of the line, never unbounded."""

    @property
    def expects(self) -> bool:
        """This layer waits for the peer; a polled link below must give the peer its turn."""

    @property
    def connectionless(self) -> bool:
        """Units are taken in spite of `Closed`, as long as there is room: some need no link."""

    @property
    def deadline(self) -> float | None:
        """Earliest of this layer's clocks, monotonic seconds. Whoever expects has one."""

    def open(self, now: float) -> None:
        """Begin: a client connects, a server listens. Answered by `Opened` or `Closed`."""

    def close(self, now: float) -> None:
        """End in order. Answered by `Closed`, always."""

    def cancel(self, now: float) -> None:
        """Drop the exchange in flight and half-made units; stay open."""

    def send(self, unit: In_contra, now: float) -> None:
        """Take one unit from above; `UsageError` without room."""

    def receive(self, unit: Below, now: float) -> None:
        """Take one unit from below: a chunk of a stream, or exactly one datagram."""

    def notice(self, what: Notice, now: float) -> None:
        """Hear what else happened below. `Closed(error)` ends what is pending."""

    def wake(self, now: float) -> None:
        """Called at or after `deadline`; early or repeated calls do nothing."""

    def transmit(self, now: float, expecting: bool = False) -> Below | LineSettings | None:
        """Next unit for below, made at this moment, None for nothing now.

        The call also says that the previous unit has left: its clock starts here. `expecting`
        says that somebody above waits for the peer.
        """

    def event(self) -> Deliver[Out] | Notice | None:
        """Next thing for above, oldest first."""
