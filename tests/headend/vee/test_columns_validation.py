from __future__ import annotations

import numpy as np
import pytest

from ferraris.headend.vee import (
    RULES,
    Axis,
    Clock,
    Duplicates,
    Finding,
    Gaps,
    High,
    Low,
    Negative,
    Overlap,
    Rollover,
    RuleSet,
    Spike,
    Status,
    SumCheck,
    Verdict,
    ZeroRun,
    default_rules,
)
from ferraris.headend.vee.columns import Intervals, between, placed
from ferraris.headend.vee.columns_validation import _CHECKS, register_difference, validate
from ferraris.headend.vee.rules import counted_between

AXIS = Axis(0, 900, 8)


def at(found, finding):
    return np.flatnonzero(found.findings[0] & finding).tolist()


def run(values, *rules, **columns):
    return validate(Intervals.of(Axis(0, 900, len(values)), values, **columns), RuleSet("t", rules))


def test_every_rule_is_carried_out():
    assert _CHECKS.keys() == set(RULES.values())


def test_gaps_are_rejected_with_a_rule_and_without():
    present = [True, False, True]
    for rules in ((Gaps(),), ()):
        found = run([1, 2, 3], *rules, present=present)
        assert at(found, Finding.GAP) == [1]
        assert found.rejected.tolist() == [[False, True, False]]


def test_duplicates_that_differ_are_rejected():
    rows = placed(AXIS, [*AXIS.ends, 900, 1800], [1, 2, *range(6), 1, 3])
    found = validate(rows, RuleSet("t", (Duplicates(),)))
    assert at(found, Finding.DUPLICATE) == [0]
    assert at(found, Finding.CONFLICT) == [1]
    assert np.flatnonzero(found.rejected).tolist() == [1]


def test_overlap_is_doubted():
    rows = placed(AXIS, [*AXIS.ends, 2000], [*range(8), 9])
    found = validate(rows, RuleSet("t", (Overlap(),)))
    assert at(found, Finding.OVERLAP) == [1, 2]
    assert np.flatnonzero(found.doubted).tolist() == [1, 2]
    assert not found.rejected.any()


@pytest.mark.parametrize(
    ("closing", "present", "rule", "off"),
    [
        (110, [True] * 4, SumCheck(), False),
        (111, [True] * 4, SumCheck(), True),
        (109, [True] * 4, SumCheck(), True),
        (111, [True] * 4, SumCheck(tolerance=1), False),
        (112, [True] * 4, SumCheck(tolerance=1), True),
        (120, [True, True, False, True], SumCheck(), False),
        (106, [True, True, False, True], SumCheck(), True),
        (111, [True] * 4, SumCheck(tolerance_permille=91), False),
        (111, [True] * 4, SumCheck(tolerance_permille=90), True),
    ],
)
def test_the_sum_is_that_of_the_register(closing, present, rule, off):
    found = run([1, 2, 3, 4], rule, present=present, registers=(100, closing))
    assert bool(found.findings.any() and at(found, Finding.SUM)) == off
    assert found.doubted[0].tolist() == [off and there for there in present]


def test_without_registers_there_is_no_sum_check():
    assert not run([1, 2, 3], SumCheck()).findings.any()


@pytest.mark.parametrize(
    ("values", "rule", "out"),
    [
        ([100, 90, 80, 225], Spike(), []),  # 90 + 180 % are 252
        ([100, 90, 80, 252], Spike(), []),
        ([100, 90, 80, 253], Spike(), [3]),
        ([100, 90, 80, 253], Spike(least=253), []),
        ([100, 90, 80, 253], Spike(ratio_percent=200), []),
        ([0, 0, 0, 1], Spike(), [3]),
        ([1, 1, 900, 900], Spike(), []),
        ([1, 900], Spike(), []),
    ],
)
def test_a_spike_stands_out_of_the_third_highest(values, rule, out):
    assert at(run(values, rule), Finding.SPIKE) == out


def test_two_towers_are_no_spike_of_one():
    assert at(run([1, 2, 500, 800], Spike()), Finding.SPIKE) == [3]
    assert at(run([1, 2, 500, 500], Spike()), Finding.SPIKE) == []


def test_high_is_rejected_and_low_doubted():
    found = run([10, 11, 4, 5, -3], High(limit=10), Low(limit=5))
    assert at(found, Finding.HIGH) == [1]
    assert at(found, Finding.LOW) == [2]
    assert np.flatnonzero(found.rejected).tolist() == [1]
    assert np.flatnonzero(found.doubted).tolist() == [2]


def test_a_rejected_value_makes_no_spike():
    assert at(run([1, 1, 1, 99], High(limit=50), Spike()), Finding.SPIKE) == []


@pytest.mark.parametrize(
    ("values", "out"),
    [
        ([0, 0, 1, 0, 0, 0, 1, 0], [3, 4, 5]),
        ([0, 0, 0, 0, 1, 0, 0, 0], [0, 1, 2, 3, 5, 6, 7]),
        ([0, 0, 1, 0, 0, 1, 0, 0], []),
        ([0] * 8, list(range(8))),
    ],
)
def test_runs_of_zeros(values, out):
    assert at(run(values, ZeroRun(intervals=3)), Finding.ZERO_RUN) == out


def test_a_gap_ends_a_run_of_zeros_and_a_power_failure_excuses_it():
    rule = ZeroRun(intervals=3)
    assert not at(run([0] * 5, rule, present=[True, True, False, True, True]), Finding.ZERO_RUN)
    assert not at(run([0] * 5, rule, status=[0, 0, 0x80, 0, 0]), Finding.ZERO_RUN)
    assert at(run([0] * 5, rule, status=[0, 0, 0x08, 0, 0]), Finding.ZERO_RUN) == list(range(5))
    assert not at(run([0] * 5, ZeroRun(intervals=6)), Finding.ZERO_RUN)


def test_negative_is_rejected():
    found = run([1, -1, 0], Negative())
    assert at(found, Finding.NEGATIVE) == [1]
    assert found.rejected.tolist() == [[False, True, False]]


def test_rollover_gives_back_what_was_counted():
    axis = Axis(0, 900, 3)
    rows = between(axis, [9_990, 9_995, 4, 14], [True] * 4)
    assert rows.values.tolist() == [[5, -9_991, 10]]
    rule = Rollover(modulus=10_000, largest=50)
    found = validate(rows, RuleSet("t", (rule, Negative(), SumCheck())))
    assert found.values.tolist() == [[5, 9, 10]]
    assert rows.values.tolist() == [[5, -9_991, 10]]
    assert at(found, Finding.ROLLOVER) == [1]
    assert not found.rejected.any()
    assert not found.doubted.any()


def test_what_is_too_much_for_a_rollover_is_negative():
    found = run([5, -9_949, 5], Rollover(modulus=10_000, largest=50), Negative())
    assert at(found, Finding.ROLLOVER) == []
    assert at(found, Finding.NEGATIVE) == [1]


@pytest.mark.parametrize(
    ("opening", "closing", "expected"),
    [(10, 30, 20), (9_990, 10, 20), (9_000, 10, None), (30, 10, None)],
)
def test_the_difference_of_a_register(opening, closing, expected):
    rows = Intervals.of(Axis(0, 900, 2), [1, 1], registers=(opening, closing))
    rule = Rollover(modulus=10_000, largest=50)
    difference, known = register_difference(rows, rule)
    assert counted_between(opening, closing, 2, rule) == expected
    assert (int(difference[0]) if known[0] else None) == expected


def test_a_register_that_falls_is_unknown_without_a_rule():
    rows = Intervals.of(Axis(0, 900, 2), [1, 1], registers=(30, 10))
    assert not register_difference(rows, None)[1][0]


@pytest.mark.parametrize(
    ("status", "clock", "bad"),
    [(0x01, 0, 1), (0x02, 1, 0), (0x04, 0, 1), (0x08, 0, 0), (0x20, 1, 0), (0x80, 0, 0)],
)
def test_the_meter_says_it_itself(status, clock, bad):
    found = run([1, 1], Clock(), Status(), status=[0, status])
    assert at(found, Finding.CLOCK) == [1] * clock
    assert at(found, Finding.STATUS) == [1] * bad
    assert found.doubted[0].tolist() == [False, bool(clock)]
    assert found.rejected[0].tolist() == [False, bool(bad)]


def test_what_is_rejected_is_not_looked_at_again():
    found = run([1, 99], Status(), High(limit=5), status=[0, 0x04])
    assert at(found, Finding.HIGH) == []


def test_a_verdict_is_what_the_rule_says():
    note = run([1, 9], High(limit=5, verdict=Verdict.NOTE))
    assert at(note, Finding.HIGH) == [1]
    assert not note.doubted.any()
    assert not note.rejected.any()


def test_many_rows_are_as_each_by_itself():
    source = np.random.default_rng(7)
    values = source.integers(-3, 40, (900, 96))
    values[source.random(values.shape) < 0.01] = 30_000
    values[::50, 10:70] = 0
    present = source.random(values.shape) > 0.02
    status = source.choice([0, 0, 0, 2, 4, 0x80], values.shape)
    axis, closing = Axis(0, 900, 96), np.where(present, values, 0).sum(axis=1) // 2
    rows = Intervals.of(
        axis, values, present=present, status=status, registers=(np.zeros(900, int), closing)
    )
    all_at_once = validate(rows, default_rules())
    assert {Finding(1 << bit) for bit in range(13) if (all_at_once.findings >> bit & 1).any()} >= {
        Finding.GAP, Finding.HIGH, Finding.NEGATIVE, Finding.SUM, Finding.CLOCK, Finding.STATUS,
    }  # fmt: skip
    for row in range(0, 900, 37):
        alone = validate(rows.part(row, row + 1), default_rules())
        for name in ("values", "findings", "doubted", "rejected"):
            assert (getattr(alone, name)[0] == getattr(all_at_once, name)[row]).all()
