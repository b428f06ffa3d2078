"""A clock that jumps: a night takes seconds, and everything in it has its proper hour."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["StoryClock"]


class StoryClock:
    """UTC in epoch seconds, from wherever it was put on; `steady` is monotonic."""

    def __init__(self, at_s: float, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self.put(at_s)

    def __call__(self) -> float:
        return self._at_s + self._steady() - self._since_s

    def put(self, at_s: float) -> None:
        """Go on from here."""
        self._at_s, self._since_s = at_s, self._steady()
