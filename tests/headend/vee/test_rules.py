from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.vee import (
    RULES,
    Clock,
    Estimation,
    Gaps,
    High,
    Rollover,
    RuleSet,
    Spike,
    Verdict,
    ZeroRun,
)


def test_every_rule_has_a_name_a_finding_and_says_what_it_is():
    assert [kind.name for kind in RULES.values()] == list(RULES)
    assert len({kind.finding for kind in RULES.values()}) == len(RULES)
    assert all(kind.__doc__ for kind in RULES.values())


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Spike(ratio_percent=0), "spike: ratio_percent: a whole number 1..1000000"),
        (lambda: High(limit=-1), "high: limit"),
        (lambda: High(limit=1.5), "high: limit"),
        (lambda: Clock(mask=256), "clock: mask"),
        (lambda: ZeroRun(intervals=True), "zero_run: intervals"),
        (lambda: Rollover(modulus=100, largest=100), "less than the modulus"),
        (lambda: Gaps(verdict=Verdict.NOTE), "only reject"),
        (lambda: High(limit=1, verdict="reject"), "a Verdict expected"),
        (lambda: Estimation(methods=frozenset({"weather"})), "no method of estimation 'weather'"),
        (lambda: RuleSet("twice", (High(limit=1), High(limit=2))), "high is there twice"),
    ],
)
def test_parameters_out_of_bounds(make, what):
    with pytest.raises(UsageError, match=what):
        make()


def test_rules_go_in_their_own_order():
    rules = RuleSet("any", (Spike(), High(limit=9), Gaps()))
    assert [each.name for each in rules.ordered] == ["gaps", "high", "spike"]
