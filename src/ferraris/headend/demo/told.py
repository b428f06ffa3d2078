"""What a night came to, for people and for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from ferraris.headend.collect import Summary
from ferraris.headend.demo.columns_truth import Agreement

__all__ = ["HOURS", "Success", "Told", "joined"]

HOURS: Final = ("00:20", "02:30", "07:15")
"""When the rounds of the night are."""


@dataclass(frozen=True, slots=True)
class Success:
    """Read success of the day: how many meters were due, read in time, and late."""

    due: int
    in_time: int
    late: int


@dataclass(slots=True)
class Told:
    """What the night came to; `summary` counts its rounds, not what was read the evening before."""

    day: int
    imported: int = 0
    commissioned: int = 0
    evening: Summary | None = None
    rounds: list[Summary] = field(default_factory=list)
    success: list[Success] = field(default_factory=list)
    finals: list[dict[str, int]] = field(default_factory=list)
    agreement: Agreement = field(default_factory=Agreement)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> Summary:
        """All rounds as one."""
        last = self.rounds[-1]
        return Summary(
            last.meters,
            last.read,
            last.failed,
            sum(each.registers for each in self.rounds),
            sum(each.intervals for each in self.rounds),
            round(sum(each.duration_s for each in self.rounds), 3),
            last.failures,
        )

    def document(self) -> dict[str, Any]:
        """The night as plain values."""
        rounds = []
        for hour, each, success, finals in zip(
            HOURS, self.rounds, self.success, self.finals, strict=False
        ):
            rounds.append(
                {"hour": hour} | each.counts() | {"failures": dict(each.failures)}
                | {"due": success.due, "in_time": success.in_time, "late": success.late}
                | {"finals": finals}
            )  # fmt: skip
        found = self.agreement
        return {
            "delivered": self.imported,
            "registered": self.commissioned,
            "rounds": rounds,
            "agreement": {
                "intervals": found.intervals,
                "registers": found.registers,
                "finals": found.finals,
                "wrong": len(found.wrong),
            },
            "seconds": self.seconds,
        }


def joined(before: Summary, more: Summary) -> Summary:
    """A round that went on: both parts as one."""
    return replace(
        more,
        registers=before.registers + more.registers,
        intervals=before.intervals + more.intervals,
        duration_s=round(before.duration_s + more.duration_s, 3),
    )
