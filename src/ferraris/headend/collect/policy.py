"""What to do after a failure: by the class of the error, when to try again or whom to ask.

Only reads are repeated, and only here: neither the client nor a layer below tries twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ferraris.core.errors import (
    DecodeError,
    Error,
    IncompatibleError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)

__all__ = ["HUMAN", "PERMANENT", "SECURITY", "SHORT", "TRANSIENT", "BackOff", "Failure", "Policy",
           "Verdict", "failure_of"]  # fmt: skip

TRANSIENT, PERMANENT, SECURITY, HUMAN, SHORT = (
    "transient", "permanent", "security", "human", "short",
)  # fmt: skip
"""Classes of failures: what passes by itself, what hardly does, what may lock us out, what only a
human can change, and days that a meter has not all rows of."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed session: its `reason`, the class that decides what follows, and a text."""

    reason: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class BackOff:
    """Pauses that grow: `first_s`, then `factor` times as long, up to `longest_s`.

    After `tries` failures in a row a human is asked; 0 never asks, 1 asks at once.
    """

    first_s: float = 10.0
    factor: float = 3.0
    longest_s: float = 3600.0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a failure: hold it for a human, or try again after a pause."""

    held: bool
    pause_s: float


_DEFAULTS: Final[Mapping[str, BackOff]] = MappingProxyType(
    {
        TRANSIENT: BackOff(),
        PERMANENT: BackOff(3600.0, 4.0, 86_400.0, 3),
        SECURITY: BackOff(900.0, 4.0, 86_400.0, 3),
        HUMAN: BackOff(tries=1),
        SHORT: BackOff(6 * 3600.0, 1.0, 6 * 3600.0, 3),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How each class of failures is met; `asleep_s` is how long a sleepy meter is left alone."""

    classes: Mapping[str, BackOff] = field(default_factory=lambda: _DEFAULTS)
    asleep_s: float = 900.0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Policy:
        """From a table of classes; what it leaves out stays as it is. Raises `UsageError`."""
        classes = dict(_DEFAULTS)
        for name, given in document.items():
            if name not in classes or not isinstance(given, Mapping):
                raise UsageError(f"back_off has tables {', '.join(classes)}", where="collect")
            values = {key: getattr(classes[name], key) for key in BackOff.__slots__}
            for key, value in given.items():
                usable = isinstance(value, int | float) and not isinstance(value, bool)
                if key not in values or not usable or value < 0:
                    text = f"back_off.{name} has numbers {', '.join(values)}"
                    raise UsageError(text, where="collect")
                values[key] = int(value) if key == "tries" else float(value)
            classes[name] = BackOff(**values)
        return cls(MappingProxyType(classes))

    def verdict(self, kind: str, tries: int, seed: int) -> Verdict:
        """What follows from the failure number `tries` in a row, from 1."""
        back_off = self.classes[kind]
        if back_off.tries and tries >= back_off.tries:
            return Verdict(True, 0.0)
        power = min(tries - 1, 64)
        pause = min(back_off.first_s * back_off.factor**power, back_off.longest_s)
        # Spread over meters by up to a quarter; computed, not drawn, so a run can be repeated.
        spread = 0.75 + zlib.crc32(b"%d/%d" % (seed, tries)) % 1024 / 4096
        return Verdict(False, pause * spread)


_SORTED: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (LineError, "line", TRANSIENT),
    (TimeoutError, "line", TRANSIENT),
    (OSError, "line", TRANSIENT),
    (SequenceError, "sequence", TRANSIENT),
    (DecodeError, "decode", TRANSIENT),
    (SecurityError, "security", SECURITY),
    (RefusedError, "refused", PERMANENT),
    (IncompatibleError, "incompatible", PERMANENT),
    (UsageError, "usage", HUMAN),
)


def failure_of(error: BaseException) -> Failure:
    """Sort an exception of a session; what nobody foresaw is a fault of the program: `internal`."""
    message = str(error) if isinstance(error, Error | OSError) else repr(error)
    for known, reason, kind in _SORTED:
        if isinstance(error, known):
            return Failure(reason, kind, message)
    return Failure("internal", HUMAN, message)
