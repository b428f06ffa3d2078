"""What rooms tell whoever watches them; they know no metric, no log and no span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Observer", "Observers", "SessionSeen"]


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """One session with a meter that is over; times are UTC in epoch seconds."""

    meter: str
    occasion: str
    outcome: str
    started_s: float
    ended_s: float
    intervals: int = 0
    registers: int = 0
    message: str = ""


class Observer(Protocol):
    """Watches; whatever it does must be quick and must not raise."""

    def session(self, seen: SessionSeen) -> None:
        """A session is over and what it brought is durable."""

    def request(self, operation: str, status: int, duration_s: float) -> None:
        """A request of the API was answered."""

    def pushed(self, kind: str, outcome: str, count: int) -> None:
        """Pushes were taken in, or not."""


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def session(self, seen: SessionSeen) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.session(seen)

    def request(self, operation: str, status: int, duration_s: float) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.request(operation, status, duration_s)

    def pushed(self, kind: str, outcome: str, count: int) -> None:
        """Tell all of them."""
        for observer in self._observers:
            observer.pushed(kind, outcome, count)
