"""The error tree: who is at fault, in which layer, and the octets that show it.

Every exception that Ferraris raises on purpose is an `Error`. Excerpts are bounded and never hold
secrets: a caller that reports octets near a key passes none.
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "DecodeError",
    "Error",
    "IncompatibleError",
    "LineError",
    "PeerError",
    "RefusedError",
    "SecurityError",
    "SequenceError",
    "UsageError",
]

_EXCERPT_OCTETS = 24


class Error(Exception):
    """Base of all errors; `where` names the layer, `excerpt` shows at most 24 octets as hex.

    `outcome_unknown` is set when a write or an action left and its answer did not come: whether
    the peer carried it out is unknown until read back, and nothing repeats it by itself.
    """

    outcome_unknown: bool = False

    def __init__(self, message: str, *, where: str = "", octets: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        shown = bytes(octets[:_EXCERPT_OCTETS]).hex()
        self.excerpt = shown + ("…" if len(octets) > _EXCERPT_OCTETS else "")

    def with_unknown_outcome(self) -> Self:
        """The same error about a write or an action that may or may not have been carried out."""
        if self.outcome_unknown:
            return self
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        twin.__cause__ = self.__cause__
        twin.outcome_unknown = True
        twin.message = f"{self.message}; whether it was carried out is unknown until read back"
        return twin

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} [{self.excerpt}]" if self.excerpt else text


class UsageError(Error):
    """The caller asked for something impossible: wrong state, value out of range, missing key."""


class PeerError(Error):
    """The peer, or the line, broke the rules."""


class DecodeError(PeerError):
    """Octets that are not what they claim to be; `offset` counts from the start of the unit."""

    def __init__(
        self, message: str, *, where: str = "", offset: int = 0, octets: bytes = b""
    ) -> None:
        super().__init__(message, where=where, octets=octets)
        self.offset = offset

    def __str__(self) -> str:
        text = f"{self.where}: " if self.where else ""
        text += f"{self.message} at octet {self.offset}"
        return f"{text} [{self.excerpt}]" if self.excerpt else text


class SequenceError(PeerError):
    """A well-formed unit that does not belong here: unexpected, repeated or out of order."""


class IncompatibleError(PeerError):
    """The peer is sound but speaks something that we do not, or that was not negotiated."""


class RefusedError(Error):
    """The peer said no, and may; `reason` is the standard's own enumeration member."""

    def __init__(
        self, message: str, *, reason: object = None, where: str = "", octets: bytes = b""
    ) -> None:
        super().__init__(message, where=where, octets=octets)
        self.reason = reason


class SecurityError(Error):
    """Authentication, tag, replay, policy or key failure; says no more than the wire may show."""


class LineError(Error):
    """The line failed: no connection, silence, disconnect."""
