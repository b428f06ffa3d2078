from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.vee import (
    Axis,
    Finding,
    High,
    Made,
    Negative,
    Quality,
    Rollover,
    RuleSet,
    Spike,
    SumCheck,
    default_rules,
)
from ferraris.headend.vee.columns import Intervals, between
from ferraris.headend.vee.columns_editing import revise
from ferraris.headend.vee.columns_estimation import Support

AXIS = Axis(0, 900, 4)
RULES = RuleSet("t", (High(limit=1000), Negative(), SumCheck()))
V, S, E, H, M = Quality.VALID, Quality.SUSPECT, Quality.ESTIMATED, Quality.EDITED, Quality.MISSING


def rows(values, registers=None, axis=AXIS):
    """One row in which None is missing."""
    return Intervals.of(
        axis,
        [value or 0 for value in values],
        present=[value is not None for value in values],
        registers=registers,
    )


def columns(edited):
    """All columns of a version."""
    found = {each.name: getattr(edited, each.name) for each in fields(edited)}
    came = found.pop("came")
    return found | {
        each.name: getattr(came, each.name) for each in fields(came) if each.name != "axis"
    }


def test_every_value_keeps_raw_final_quality_rule_and_version():
    made = revise(rows([10, None, 5000, 40], (0, 100)), RULES)
    assert made.raw.tolist() == [[10, 0, 5000, 40]]
    assert made.present.tolist() == [[True, False, True, True]]
    assert made.final.tolist() == [[10, 20, 30, 40]]
    assert made.quality.tolist() == [[V, E, E, V]]
    assert made.rule.tolist() == [[0, Made.INTERPOLATION, Made.INTERPOLATION, 0]]
    assert made.findings.tolist() == [[0, Finding.GAP, Finding.HIGH, 0]]
    assert made.version.tolist() == [[1] * 4]
    assert made.number.tolist() == [1]
    assert made.total().tolist() == [100]


def test_doubted_values_are_used_and_marked():
    made = revise(rows([1, 1, 1, 90]), RuleSet("t", (Spike(),)))
    assert made.final.tolist() == [[1, 1, 1, 90]]
    assert made.quality.tolist() == [[V, V, V, S]]
    assert made.usable.tolist() == [[True, True, True, False]]


def test_nothing_to_estimate_from_is_missing():
    made = revise(rows([None, 2, 3, None]), RULES)
    assert made.quality.tolist() == [[M, V, V, M]]
    assert made.rule.tolist() == [[Made.NOTHING, 0, 0, Made.NOTHING]]
    assert made.total().tolist() == [5]


def test_a_rollover_is_valid_and_raw_stays_negative():
    rules = RuleSet("t", (Rollover(modulus=1000, largest=50), Negative(), SumCheck()))
    made = revise(between(AXIS, [980, 990, 5, 15, 25], [True] * 5), rules)
    assert made.raw.tolist() == [[10, -985, 10, 10]]
    assert made.final.tolist() == [[10, 15, 10, 10]]
    assert made.quality.tolist() == [[V] * 4]
    assert made.rule.tolist() == [[0, Made.ROLLOVER, 0, 0]]


def test_late_data_makes_a_new_version_and_leaves_the_old_one():
    first = revise(rows([10, None, None, 40], (0, 110)), RULES)
    kept = {name: column.copy() for name, column in columns(first).items()}
    second = revise(rows([10, 15, None, 40], (0, 110)), RULES, before=first)
    assert first.final.tolist() == [[10, 24, 36, 40]]
    assert second.final.tolist() == [[10, 15, 45, 40]]
    assert second.quality.tolist() == [[V, V, E, V]]
    assert second.version.tolist() == [[1, 2, 2, 1]]
    assert second.number.tolist() == [2]
    assert all(np.array_equal(kept[name], column) for name, column in columns(first).items())


def test_no_version_can_be_written_to():
    made = revise(rows([1, 2, 3, 4]), RULES)
    assert len(columns(made)) == 12
    for column in columns(made).values():
        with pytest.raises(ValueError, match="read-only"):
            column[...] = 0


def test_what_came_in_stays_writable_and_the_callers():
    came = rows([1, 2, 3, 4])
    made = revise(came, RULES)
    came.values[:] = 9
    assert made.raw.tolist() == [[1, 2, 3, 4]]
    assert made.final.tolist() == [[1, 2, 3, 4]]


def test_raw_is_not_lost_when_a_later_read_lacks_it():
    first = revise(rows([10, 20, 30, None]), RULES)
    second = revise(rows([10, None, 30, 40]), RULES, before=first)
    assert second.raw.tolist() == [[10, 20, 30, 40]]
    assert second.quality.tolist() == [[V] * 4]
    assert second.version.tolist() == [[1, 1, 1, 2]]


def test_registers_are_not_lost_and_late_ones_scale():
    first = revise(rows([10, None, None, 40]), RULES)
    second = revise(rows([10, None, None, 40], (0, 150)), RULES, before=first)
    third = revise(rows([10, None, 31, 40]), RULES, before=second)
    assert first.final.tolist() == [[10, 20, 30, 40]]
    assert second.final.tolist() == [[10, 40, 60, 40]]
    assert third.final.tolist() == [[10, 69, 31, 40]]


def test_a_register_alone_makes_a_version_but_no_value_differs():
    first = revise(rows([1, 2, 3, 4]), RULES)
    second = revise(rows([1, 2, 3, 4], (0, 10)), RULES, before=first)
    assert (second.number.tolist(), second.version.tolist()) == ([2], [[1] * 4])


def test_a_similar_day_that_came_late_runs_again_what_it_serves():
    first = revise(rows([None, None, None, 40]), RULES)
    week_ago = revise(rows([7, 8, 9, 40]), RULES)
    support = Support(week_ago.final[None], week_ago.usable[None])
    second = revise(first.came, RULES, support, before=first)
    assert first.quality.tolist() == [[M, M, M, V]]
    assert second.final.tolist() == [[7, 8, 9, 40]]
    assert second.version.tolist() == [[2, 2, 2, 1]]


def test_a_profile_of_registers_fills_each_gap_by_itself():
    axis = Axis(0, 900, 7)
    known = [True, True, False, True, True, False, True, True]
    made = revise(between(axis, [0, 10, 0, 40, 50, 0, 100, 110], known), default_rules())
    assert made.final.tolist() == [[10, 15, 15, 10, 25, 25, 10]]


def test_a_gap_over_a_rollover_is_filled():
    rules = RuleSet("t", (Rollover(modulus=1000, largest=50), Negative()))
    made = revise(between(AXIS, [980, 990, 0, 20, 30], [True, True, False, True, True]), rules)
    assert made.final.tolist() == [[10, 15, 15, 10]]


def test_the_rule_of_an_estimate_is_its_method_even_where_a_counter_rolled_over():
    rules = RuleSet("t", (Rollover(modulus=1000, largest=50), High(limit=12)))
    made = revise(between(AXIS, [980, 990, 5, 15, 25], [True] * 5), rules)
    assert made.findings[0, 1] == Finding.ROLLOVER | Finding.HIGH
    assert made.final.tolist() == [[10, 15, 10, 10]]
    assert made.rule[0, 1] == Made.REGISTER_DIFFERENCE


def test_a_human_edits_and_estimates_make_room():
    came = rows([10, None, None, 40], (0, 110))
    first = revise(came, RULES)
    second = revise(came, RULES, before=first, edits={(0, 1): 5})
    assert second.final.tolist() == [[10, 5, 55, 40]]
    assert second.quality.tolist() == [[V, H, E, V]]
    assert second.rule[0, 1] == Made.HUMAN
    third = revise(rows([10, 20, None, 40], (0, 110)), RULES, before=second)
    assert third.final.tolist() == [[10, 5, 55, 40]]
    assert third.raw.tolist() == [[10, 20, 0, 40]]
    back = revise(rows([10, 20, None, 40], (0, 110)), RULES, before=third, edits={(0, 1): None})
    assert back.final.tolist() == [[10, 20, 40, 40]]
    assert back.quality.tolist() == [[V, V, E, V]]
    assert back.number.tolist() == [4]


def test_an_edit_of_a_measured_value_can_be_taken_back():
    rules = RuleSet("t", (Rollover(modulus=1000, largest=50), Negative()))
    came = between(AXIS, [980, 990, 5, 15, 25], [True] * 5)
    edited = revise(came, rules, before=revise(came, rules), edits={(0, 1): 7})
    assert edited.final[0, 1] == 7
    back = revise(came, rules, before=edited, edits={(0, 1): None})
    assert (back.final[0, 1], back.rule[0, 1]) == (15, Made.ROLLOVER)


def test_rows_are_numbered_each_for_itself():
    came = Intervals.of(AXIS, [[1, 2, 3, 4], [5, 6, 7, 8]])
    late = Intervals.of(AXIS, [[1, 2, 3, 4], [5, 6, 7, 9]])
    second = revise(late, RULES, before=revise(came, RULES))
    assert second.number.tolist() == [1, 2]
    assert second.version.tolist() == [[1] * 4, [1, 1, 1, 2]]


@pytest.mark.parametrize(
    ("edits", "what"),
    [
        ({(1, 0): 5}, "row 1, interval 0: beyond 1 x 4"),
        ({(0, 4): 5}, "row 0, interval 4: beyond"),
        ({(0, 0): -1}, "row 0, interval 0: 0.."),
    ],
)
def test_edits_that_cannot_be(edits, what):
    with pytest.raises(UsageError, match=what):
        revise(rows([1, 2, 3, 4]), RULES, edits=edits)


def test_another_axis_is_no_next_version():
    with pytest.raises(UsageError, match="another axis"):
        revise(
            rows([1, 2, 3, 4], axis=Axis(900, 900, 4)),
            RULES,
            before=revise(rows([1, 2, 3, 4]), RULES),
        )


VALUE = st.one_of(st.none(), st.integers(-20, 20_000))
COLUMN = st.lists(VALUE, min_size=12, max_size=12)
DAY = Axis(0, 7200, 12)


@st.composite
def inputs(draw):
    values = draw(COLUMN)
    registers = draw(st.one_of(st.none(), st.tuples(st.just(0), st.integers(0, 400_000))))
    status = draw(st.lists(st.sampled_from([0, 0, 2, 4, 0x80]), min_size=12, max_size=12))
    return Intervals.of(
        DAY,
        [value or 0 for value in values],
        present=[value is not None for value in values],
        status=status,
        registers=registers,
    )


@st.composite
def supports(draw):
    history = np.array(draw(st.lists(COLUMN, min_size=1, max_size=3)), dtype=object)[:, None]
    good = np.array([[[v is not None and v >= 0 for v in row[0]]] for row in history])
    numbers = np.array([[[v or 0 for v in row[0]]] for row in history], np.int64)
    profile = draw(st.one_of(st.none(), st.just(np.arange(12))))
    return Support(numbers, good, profile)


EDITS = st.dictionaries(
    st.tuples(st.just(0), st.integers(0, 11)), st.one_of(st.none(), st.integers(0, 9)), max_size=3
)


@given(inputs(), supports(), EDITS)
def test_running_twice_changes_nothing(came, support, edits):
    once = revise(came, default_rules(), support, edits=edits)
    assert revise(came, default_rules(), support, before=once) is once
    assert revise(came, default_rules(), support, before=once, edits=edits) is once


@given(inputs(), inputs(), supports(), EDITS)
def test_raw_is_what_the_meter_said_and_missing_never_negative(came, late, support, edits):
    first = revise(came, default_rules(), support)
    assert (first.raw == came.values).all()
    assert (first.present == came.present).all()
    kept = {name: column.copy() for name, column in columns(first).items()}
    second = revise(late, default_rules(), support, before=first, edits=edits)
    for name, column in columns(first).items():
        assert (column == kept[name]).all()
    assert (second.raw == np.where(late.present, late.values, came.values)).all()
    assert (second.present == came.present | late.present).all()
    assert (second.final >= 0).all()  # the rules reject what is negative
    assert (second.version <= second.number[:, None]).all()
    assert revise(late, default_rules(), support, before=second, edits=edits) is second
    assert revise(second.came, default_rules(), support, before=second) is second


@given(inputs(), supports())
def test_estimates_fill_the_register_to_the_last_unit(came, support):
    made = revise(came, default_rules(), support)
    estimated = made.quality == Quality.ESTIMATED
    if not (came.registers_known[0] and estimated.any()):
        return
    left = int(came.closing[0]) - int(made.final[~estimated].sum())
    assert made.final[estimated].sum() == max(0, left)
    if left < -1:  # the tolerance of the rule
        assert (made.findings[~estimated] & Finding.SUM).all()
