"""How a failure ends a command: its line, its exit code, its JSON."""

from __future__ import annotations

from typing import Any

from ferraris.core.errors import DecodeError, Error, UsageError

__all__ = ["BAD_INPUT", "DONE", "REFUSED", "exit_code", "failure", "one_line"]

DONE = 0
REFUSED = 1
"""The peer refused, did not answer, or failed a check."""
BAD_INPUT = 2
"""Bad input or usage."""

_LONGEST_LINE = 400


def exit_code(error: Error, *, from_peer: bool = True) -> int:
    """2 for what the caller gave us, 1 for what a peer did.

    Octets that do not decode are the peer's fault, unless `from_peer` is False.
    """
    if isinstance(error, UsageError) or (isinstance(error, DecodeError) and not from_peer):
        return BAD_INPUT
    return REFUSED


def one_line(error: Error) -> str:
    """The error for a person: one line, bounded.

    A write or an action whose outcome is unknown begins with what to do about it.
    """
    line = " ".join(str(error).split())
    if error.outcome_unknown:
        line = f"unknown: read it back; {line}"
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def failure(error: Error) -> dict[str, Any]:
    """The error for a program: `kind` is the class name, `where` the layer and the octet."""
    where = error.where
    if isinstance(error, DecodeError):
        where = f"{where}, octet {error.offset}" if where else f"octet {error.offset}"
    return {"kind": type(error).__name__, "message": error.message, "where": where}
