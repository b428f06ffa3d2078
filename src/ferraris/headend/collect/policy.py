"""What to do after a failure: by the kind of error, when to try again or whom to ask.

Only reads are repeated, and only here: neither the client nor a layer below tries twice.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

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

__all__ = ["Failure", "RetryPolicy", "failure_of"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed session: `transient` ones may pass by themselves, the others need a human."""

    reason: str
    transient: bool
    message: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries of one run, the pause before each next one, and when a later run may try again."""

    tries: int = 3
    first_pause_s: float = 2.0
    factor: float = 3.0
    longest_pause_s: float = 60.0
    give_up_s: float = 900.0
    """How long a meter rests after all tries of a run failed."""
    short_pause_s: float = 6 * 3600.0
    """How long to wait before asking again for rows that the meter did not have."""
    short_tries: int = 3
    """After so many reads without all rows the gap is held."""

    def pause_s(self, tried: int, meter: int) -> float:
        """The pause after `tried` failures: growing, and spread by up to a quarter over meters.

        The spread is computed, not drawn, so that a run can be repeated exactly.
        """
        pause = min(self.first_pause_s * self.factor ** (tried - 1), self.longest_pause_s)
        return pause * (0.75 + zlib.crc32(b"%d/%d" % (meter, tried)) % 1024 / 4096)


_TRANSIENT: tuple[tuple[type[BaseException], str], ...] = (
    (LineError, "line"),
    (TimeoutError, "line"),
    (OSError, "line"),
    (SequenceError, "sequence"),
    (DecodeError, "decode"),
)
_PERMANENT: tuple[tuple[type[BaseException], str], ...] = (
    (SecurityError, "security"),
    (RefusedError, "refused"),
    (IncompatibleError, "incompatible"),
    (UsageError, "usage"),
)


def failure_of(error: Exception) -> Failure:
    """Sort an exception of a session; what nobody foresaw is a fault of the program: `internal`."""
    message = str(error) if isinstance(error, Error | OSError) else repr(error)
    for transient, table in ((True, _TRANSIENT), (False, _PERMANENT)):
        for kind, reason in table:
            if isinstance(error, kind):
                return Failure(reason, transient, message)
    return Failure("internal", False, message)
