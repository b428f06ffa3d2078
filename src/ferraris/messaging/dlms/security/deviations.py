"""Deployments that deviate from the standard, by name; a name that is not here is refused."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import UsageError

__all__ = ["Deviation", "check_association", "deviation"]


class Deviation(NamedTuple):
    """One deployment's own way.

    Attributes:
        name: by which it is chosen.
        what: what deviates, for people.
        associates: whether associations have it, too, or messages alone.
    """

    name: str
    what: str
    associates: bool


_KNOWN = {
    each.name: each
    for each in (Deviation("gbcs", "messages of Great Britain's smart metering", False),)
}


def deviation(name: str) -> Deviation:
    """The deviation of that name; `UsageError`, with the names that are known, for another."""
    found = _KNOWN.get(name.lower())
    if found is None:
        known = ", ".join(_KNOWN)
        raise UsageError(f"there is no deviation {name!r}: known are {known}", where="security")
    return found


def check_association(name: str) -> None:
    """Return for no deviation, or one that associations have; `UsageError` otherwise."""
    if not name:
        return
    found = deviation(name)
    if not found.associates:
        raise UsageError(
            f"{found.name} is a format of messages, not of associations: connect without it, and "
            f"open its messages by `ferraris decode --deviation {found.name}`",
            where="security",
        )
