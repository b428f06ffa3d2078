"""The rules of validation as data: what each looks for, its parameters, and what a finding means.

A rule is a frozen dataclass of whole numbers; `RULES` knows them by name. How a rule is carried
out on columns stands in `columns_validation`. Limits are in the unit of the column.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any, ClassVar, Self

from ferraris.core.errors import UsageError
from ferraris.headend.vee.applies import EVERYTHING, Applies
from ferraris.headend.vee.class_profile import ClassProfile
from ferraris.headend.vee.quality import Finding, Made, Verdict

__all__ = [
    "METHODS",
    "RULES",
    "Clock",
    "Duplicates",
    "Estimation",
    "Gaps",
    "High",
    "Low",
    "Negative",
    "Overlap",
    "Rollover",
    "Rule",
    "RuleSet",
    "Spike",
    "Status",
    "SumCheck",
    "ZeroRun",
    "counted_between",
]

MOST = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules have; `verdict` is what a finding means for the value.

    Raises `UsageError` for a parameter outside `bounds`, which are 0 to 2^62 where nothing is said.
    """

    name: ClassVar[str]
    finding: ClassVar[Finding]
    bounds: ClassVar[dict[str, tuple[int, int]]] = {}
    amounts: ClassVar[tuple[str, ...]] = ()
    """Parameters that are an amount of what is measured."""
    per_interval: ClassVar[tuple[str, ...]] = ()
    """Those among them that grow with the interval."""

    verdict: Verdict = Verdict.SUSPECT

    def __post_init__(self) -> None:
        for each in fields(self)[1:]:
            value, (low, high) = getattr(self, each.name), self.bounds_of(each.name)
            if type(value) is not int or not low <= value <= high:
                raise UsageError(
                    f"rule {self.name}: {each.name}: "
                    f"a whole number {low}..{high} expected, not {value!r:.40}"
                )
        if not isinstance(self.verdict, Verdict):
            raise UsageError(f"rule {self.name}: verdict: a Verdict expected")

    @classmethod
    def bounds_of(cls, parameter: str) -> tuple[int, int]:
        """The least and the greatest value of a parameter."""
        return cls.bounds.get(parameter, (0, MOST))

    def measured_in(self, amount: Fraction, longer: Fraction) -> Self:
        """The rule for a column in which a unit is `amount`, of intervals `longer` than its own."""
        given: dict[str, Any] = {}
        for name in self.amounts:
            factor = amount * longer if name in self.per_interval else amount
            low, high = self.bounds_of(name)
            given[name] = min(max(low, ceil(getattr(self, name) * factor)), high)
        return replace(self, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps(Rule):
    """An interval without a row. There is no value to judge, so the verdict is always reject."""

    name = "gaps"
    finding = Finding.GAP
    verdict: Verdict = Verdict.REJECT

    def __post_init__(self) -> None:
        # A dataclass with slots is a new class, which `super()` without arguments does not know.
        Rule.__post_init__(self)
        if self.verdict is not Verdict.REJECT:
            raise UsageError("rule gaps: verdict: only reject makes sense where there is no value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates(Rule):
    """Rows of one interval that differ; rows that agree are only noted."""

    name = "duplicates"
    finding = Finding.CONFLICT
    verdict: Verdict = Verdict.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(Rule):
    """A row that ends between two places of the axis and so covers parts of two intervals."""

    name = "overlap"
    finding = Finding.OVERLAP


@dataclass(frozen=True, slots=True, kw_only=True)
class SumCheck(Rule):
    """The intervals against the register's difference, when it is known at both ends.

    Allowed are `tolerance` units and `tolerance_permille` of the difference. While intervals are
    missing, the rest may be less than the register counted, but not more.
    """

    name = "sum"
    finding = Finding.SUM
    bounds: ClassVar = {"tolerance_permille": (0, 1000)}
    amounts = ("tolerance",)
    tolerance: int = 0
    tolerance_permille: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike(Rule):
    """The highest interval stands out: above the third-highest by more than `ratio_percent` of it.

    180 % is the figure of the Californian rules [memory]. Peaks up to `least` never count, since
    next to nothing is easily exceeded. Of equal peaks, none stands out.
    """

    name = "spike"
    finding = Finding.SPIKE
    bounds: ClassVar = {"ratio_percent": (1, 1_000_000)}
    amounts = per_interval = ("least",)
    ratio_percent: int = 180
    least: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class High(Rule):
    """More than can flow through the connection in one interval."""

    name = "high"
    finding = Finding.HIGH
    amounts = per_interval = ("limit",)
    verdict: Verdict = Verdict.REJECT
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Low(Rule):
    """Less than this customer ever uses; a negative value is another rule's."""

    name = "low"
    finding = Finding.LOW
    amounts = per_interval = ("limit",)
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroRun(Rule):
    """`intervals` zeros or more in a row; a missing interval ends the row.

    Intervals whose status has a bit of `excused` do not count: after a power failure (bit 7 of the
    AMR profile status [facts-g]) nothing is what one expects.
    """

    name = "zero_run"
    finding = Finding.ZERO_RUN
    bounds: ClassVar = {"intervals": (1, 1 << 16), "excused": (0, 0xFF)}
    intervals: int = 96
    excused: int = 0x80

    def measured_in(self, amount: Fraction, longer: Fraction) -> ZeroRun:
        """As many intervals as last as long."""
        low, high = self.bounds_of("intervals")
        return replace(self, intervals=min(max(low, ceil(self.intervals / longer)), high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative(Rule):
    """A counter that counted backwards."""

    name = "negative"
    finding = Finding.NEGATIVE
    verdict: Verdict = Verdict.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover(Rule):
    """A negative value that is 0..`largest` with `modulus` added: the counter began again at zero.

    Final is the sum, raw stays negative. The register's difference is understood in the same way.
    """

    name = "rollover"
    finding = Finding.ROLLOVER
    bounds: ClassVar = {"modulus": (1, MOST), "largest": (0, 1 << 46)}
    verdict: Verdict = Verdict.NOTE
    modulus: int
    largest: int

    def __post_init__(self) -> None:
        Rule.__post_init__(self)  # see Gaps
        if self.largest >= self.modulus:
            raise UsageError("rule rollover: largest: less than the modulus expected")

    def measured_in(self, amount: Fraction, longer: Fraction) -> Rollover:
        """The modulus is that of the counter, whatever it counts."""
        largest = min(ceil(self.largest * amount * longer), self.modulus - 1, 1 << 46)
        return replace(self, largest=largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Rule):
    """Bits of the status that cast doubt on the time: clock invalid, clock adjusted [facts-g]."""

    name = "clock"
    finding = Finding.CLOCK
    bounds: ClassVar = {"mask": (0, 0xFF)}
    mask: int = 0x02 | 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Rule):
    """Bits of the status that deny the value: critical error, data not valid [facts-g]."""

    name = "status"
    finding = Finding.STATUS
    bounds: ClassVar = {"mask": (0, 0xFF)}
    verdict: Verdict = Verdict.REJECT
    mask: int = 0x01 | 0x04


RULES: dict[str, type[Rule]] = {
    each.name: each
    for each in (
        Gaps,
        Duplicates,
        Overlap,
        Clock,
        Status,
        Rollover,
        Negative,
        High,
        Low,
        Spike,
        ZeroRun,
        SumCheck,
    )
}
"""The rules by name, in the order in which they are carried out."""

METHODS = {
    "register_difference": Made.REGISTER_DIFFERENCE,
    "interpolation": Made.INTERPOLATION,
    "similar_days": Made.SIMILAR_DAYS,
    "class_profile": Made.CLASS_PROFILE,
}
"""The methods of estimation by name, in the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimation:
    """Which methods serve, and within which limits.

    A gap up to `longest_interpolated` intervals is interpolated; one to two hours are usual
    [memory]. An interval needs `least_days` similar days of the last `weeks`.
    """

    methods: frozenset[str] = frozenset(METHODS)
    longest_interpolated: int = 8
    weeks: int = 4
    least_days: int = 1
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if unknown := self.methods - METHODS.keys():
            raise UsageError(
                f"no method of estimation {min(unknown)!r}; there are: {', '.join(METHODS)}"
            )


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a class of profiles, each at most once, and its estimation.

    Limits are meant for intervals of `period_s`.
    """

    name: str
    rules: tuple[Rule, ...]
    estimation: Estimation = Estimation()
    title: str = ""
    period_s: int = 900
    applies: Applies = EVERYTHING
    class_profiles: tuple[ClassProfile, ...] = ()

    def __post_init__(self) -> None:
        kinds = [each.name for each in self.rules]
        if twice := {name for name in kinds if kinds.count(name) > 1}:
            raise UsageError(f"rules {self.name}: {min(twice)} is there twice")

    @property
    def ordered(self) -> list[Rule]:
        """The rules in the order of `RULES`."""
        order = list(RULES)
        return sorted(self.rules, key=lambda each: order.index(each.name))

    def measured_in(self, scaler: int, period_s: int) -> RuleSet:
        """The rules for a column whose values count ten to the power of `scaler` units."""
        amount = Fraction(10) ** -scaler
        longer = Fraction(period_s, self.period_s)
        return replace(
            self,
            rules=tuple([each.measured_in(amount, longer) for each in self.rules]),
            period_s=period_s,
        )

    @property
    def rollover(self) -> Rollover | None:
        """The rule of the counter's rollover."""
        return next((each for each in self.rules if isinstance(each, Rollover)), None)


def counted_between(
    opening: int, closing: int, intervals: int, rollover: Rollover | None
) -> int | None:
    """What a register counted over some intervals, None when it fell and that is no rollover.

    A fall is one when a rule says how the counter begins again, and the intervals can hold as much.
    """
    difference = closing - opening
    if difference >= 0:
        return difference
    if rollover is None or not 0 <= difference + rollover.modulus <= rollover.largest * intervals:
        return None
    return difference + rollover.modulus
