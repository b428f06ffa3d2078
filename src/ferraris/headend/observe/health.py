"""Alive and ready: the two questions that whoever runs the process asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Health", "Report"]

STILL_S = 120.0
"""A part that has not been heard of for so long counts as stuck."""


@dataclass(frozen=True, slots=True)
class Report:
    """`ok`, and for each part what is to be said of it: "ok" or what is wrong."""

    ok: bool
    parts: Mapping[str, str]


@dataclass(slots=True)
class Health:
    """What the parts of the process say of themselves; `clock` is monotonic.

    The process is alive while its event loop answers; it is ready when no part is at fault and
    each that beats has done so lately.
    """

    clock: Callable[[], float]
    _faults: dict[str, str] = field(default_factory=dict)
    _beats: dict[str, float] = field(default_factory=dict)

    def beat(self, part: str) -> None:
        """The part goes on and is well."""
        self._beats[part] = self.clock()
        self._faults.pop(part, None)

    def fault(self, part: str, message: str) -> None:
        """Something is wrong with the part, until it beats again; no secrets in the message."""
        self._beats.setdefault(part, self.clock())
        self._faults[part] = message

    def leave(self, part: str) -> None:
        """The part has ended as it should."""
        self._beats.pop(part, None)
        self._faults.pop(part, None)

    def ready(self) -> Report:
        """What each part says."""
        now = self.clock()
        parts = {}
        for part, at in sorted(self._beats.items()):
            silent_s = now - at
            still = f"nothing heard for {silent_s:.0f} s" if silent_s > STILL_S else "ok"
            parts[part] = self._faults.get(part, still)
        return Report(all(text == "ok" for text in parts.values()), parts)
