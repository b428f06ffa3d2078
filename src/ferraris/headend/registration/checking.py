"""A meter against its companion specification: what differs, and whether that is tolerable."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ferraris.client import Meter
from ferraris.client.comparing import EXTRA, UNCHECKED, Finding
from ferraris.core.errors import IncompatibleError, UsageError
from ferraris.headend.registration.renewing import UnfitError
from ferraris.model.companion import companion as specification

__all__ = ["Tolerance", "check", "documented", "refuse_intolerable"]

_MOST_KEPT = 200
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which differences keep no meter from becoming active.

    `verdicts` are those of `client.comparing`; `aspects` what was compared (`version`, `unit`, …)
    of attributes that differ. Specifications from memory accuse nobody with `trust_memory` False.
    """

    verdicts: frozenset[str] = frozenset({EXTRA, UNCHECKED})
    aspects: frozenset[str] = frozenset()
    trust_memory: bool = False

    def bears(self, finding: Finding) -> bool:
        """Whether one finding is tolerable."""
        if finding.verdict in self.verdicts or finding.what in self.aspects:
            return True
        return finding.rests_on == "memory" and not self.trust_memory


async def check(meter: Meter, companion: str) -> list[Finding]:
    """What differs from the specification, what is unchecked left out; reads what it speaks of.

    Raises `UnfitError` for a specification that there is not.
    """
    try:
        wanted = specification(companion)
    except UsageError as error:
        raise UnfitError(str(error), where="registration") from None
    report = await meter.check(wanted)
    return [finding for finding in report.findings if finding.verdict != UNCHECKED]


def refuse_intolerable(companion: str, findings: Sequence[Finding], tolerance: Tolerance) -> None:
    """`IncompatibleError` with a summary, when something is not tolerable; names what differs."""
    grave = [finding for finding in findings if not tolerance.bears(finding)]
    if not grave:
        return
    counts = Counter(finding.verdict for finding in grave)
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    named = ", ".join(
        f"{each.logical_name} {each.verdict}" + (f" in {each.what}" if each.what else "")
        for each in grave[:_NAMED]
    )
    more = f" and {len(grave) - _NAMED} more" if len(grave) > _NAMED else ""
    text = f"not as {companion} says: {told}; {named}{more}"
    raise IncompatibleError(text, where="registration")


def documented(findings: Sequence[Finding], tolerance: Tolerance) -> str:
    """Findings as a JSON list, the grave ones first; at most 200 of them."""
    ordered = sorted(findings, key=tolerance.bears)[:_MOST_KEPT]
    shapes: list[dict[str, Any]] = [
        {
            "verdict": finding.verdict,
            "class_id": finding.class_id,
            "obis": str(finding.logical_name),
            "attribute": finding.attribute,
            "what": finding.what,
            "expected": finding.expected,
            "found": finding.found,
            "rests_on": finding.rests_on,
            "tolerable": tolerance.bears(finding),
        }
        for finding in ordered
    ]
    return json.dumps(shapes, separators=(",", ":"))
