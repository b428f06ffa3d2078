"""Checks a meter against a companion specification: what is missing, extra or different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferraris.client.comparing import (
    DIFFERS,
    EXTRA,
    MISSING,
    UNCHECKED,
    Finding,
    compare,
    demanded,
)
from ferraris.client.inventory import FoundObject, client_address, object_lists, read_objects
from ferraris.data.obis import Obis
from ferraris.model.companion import Companion, CompanionObject

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["DIFFERS", "EXTRA", "MISSING", "UNCHECKED", "CheckReport", "Finding", "check"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        companion: the name of the specification; `kind` and `channels`: what the meter was taken
            for; `assumed` tells whether the kind was found out by what fits best.
        client: address of the client that looked.
        objects: how many objects the meter shows this client.
        expected: how many the specification names, optional ones included.
        findings: all of them; first what is missing, then extra, different, unchecked.
    """

    companion: str
    kind: str
    channels: int
    assumed: bool
    client: int | None
    objects: int
    expected: int
    findings: tuple[Finding, ...]

    def of(self, verdict: str) -> list[Finding]:
        """The findings with one verdict."""
        return [finding for finding in self.findings if finding.verdict == verdict]

    @property
    def passed(self) -> bool:
        """Whether nothing is missing, extra or different; what is unchecked does not count."""
        return all(finding.verdict == UNCHECKED for finding in self.findings)


async def check(
    meter: Meter,
    companion: Companion,
    *,
    client: int | None = None,
    kind: str | None = None,
    channels: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Read what the specification speaks of, and compare.

    Rights are compared when the client is the one that the specification states them for; `client`
    is the address that the association was opened from, by default what the meter says. Without
    `kind` the meter is taken for the kind that leaves the fewest objects missing or extra.
    `progress(done, all)` is called after each object. Raises `UsageError` for a kind or number of
    channels that the specification lacks.
    """
    listed = await object_lists(meter)
    taken = _fitting(companion, listed, channels) if kind is None else kind
    expected = companion.expected(taken, channels)
    rows = {(row.class_id, row.logical_name): row for row in expected}

    def wanted(found: FoundObject) -> set[int]:
        row = rows.get((found.class_id, found.logical_name))
        return set() if row is None else demanded(row, found)

    await read_objects(meter, listed, wanted, progress)
    if client is None:
        client = await client_address(meter)
    order = (MISSING, EXTRA, DIFFERS, UNCHECKED)
    findings = sorted(
        compare(companion, expected, listed, client),
        key=lambda finding: order.index(finding.verdict),
    )
    return CheckReport(
        companion.name,
        taken,
        companion.channels if channels is None else channels,
        kind is None and len(companion.kinds) > 1,
        client,
        len(listed),
        len(expected),
        tuple(findings),
    )


def _fitting(companion: Companion, found: Sequence[FoundObject], channels: int | None) -> str:
    """The kind that leaves the fewest objects missing or extra, the fullest of equal ones."""
    there = {(each.class_id, each.logical_name) for each in found}

    def misfits(kind: str) -> int:
        rows = companion.expected(kind, channels)
        missing = {_key(row) for row in rows if not row.optional} - there
        return len(missing) + len(there - {_key(row) for row in rows})

    return min(reversed(companion.kinds), key=misfits)


def _key(row: CompanionObject) -> tuple[int, Obis]:
    return (row.class_id, row.logical_name)
