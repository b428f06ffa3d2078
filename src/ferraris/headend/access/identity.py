"""Who somebody turned out to be, whichever way they showed it."""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import SecurityError
from ferraris.headend.access.grants import Grant

__all__ = ["Identity", "UnknownCallerError"]


class UnknownCallerError(SecurityError):
    """Nobody is known by what was shown; says no more, so that nothing can be learnt from it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal with its grants; `until_s` is when the proof ends (UTC), None for never.

    `token` is the number of the token of ours that was shown, None for other proofs; `vouched` are
    those of the grants that the proof itself brought, whatever the store has of them.
    """

    principal: int
    tenant: int
    name: str
    grants: tuple[Grant, ...]
    until_s: float | None = None
    token: int | None = None
    vouched: tuple[Grant, ...] = ()
