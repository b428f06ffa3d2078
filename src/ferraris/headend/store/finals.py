"""Validated values as exports and archives take them; whoever validates hands in their source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

__all__ = ["FinalDay", "Finals"]


class FinalDay(NamedTuple):
    """One channel of a meter on one local day; `channel` and `profile` are numbers of the store.

    `final` and `raw` are before scaling, None where there is no value. `quality` and `rule` are
    places in the names that `Finals` has, `findings` are bits, `versions` those of each value.
    """

    meter: int
    profile: int
    channel: int
    start_s: int
    period_s: int
    final: Sequence[int | None]
    raw: Sequence[int | None]
    quality: Sequence[int]
    rule: Sequence[int]
    findings: Sequence[int]
    versions: Sequence[int]


class Finals(Protocol):
    """The source of final values."""

    qualities: tuple[str, ...]
    """Names of qualities, best first."""
    rules: tuple[str, ...]
    """Names of what makes a final value."""

    def days(
        self, connection: Connection, tenant: int, meters: Sequence[int], since_s: int, until_s: int
    ) -> Iterable[FinalDay]:
        """The newest versions that have an interval with `since_s < end <= until_s`.

        In the order of meters, profiles, channels and days; those of erased customers are left
        out.
        """
