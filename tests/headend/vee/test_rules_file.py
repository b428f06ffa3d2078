from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.vee import (
    RULES,
    Estimation,
    High,
    Spike,
    SumCheck,
    Verdict,
    default_rules,
    load,
    parse,
)

GOOD = """\
name = "gas"
title = "Hours of gas"

[estimation]
methods = ["register_difference", "similar_days"]
weeks = 3

[[rules]]
rule = "high"
limit = 40
verdict = "suspect"

[[rules]]
rule = "spike"
"""


def test_rules_come_out_of_their_file(tmp_path):
    file = tmp_path / "gas.toml"
    file.write_text(GOOD)
    rules = load(file)
    assert (rules.name, rules.title) == ("gas", "Hours of gas")
    assert rules.rules == (High(limit=40, verdict=Verdict.SUSPECT), Spike())
    assert rules.estimation == Estimation(
        methods=frozenset({"register_difference", "similar_days"}), weeks=3
    )


def test_the_default_knows_every_rule_but_a_lower_limit():
    rules = default_rules()
    assert {each.name for each in rules.rules} == RULES.keys() - {"low"}
    assert SumCheck(tolerance=1) in rules.rules


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('"high"', '"hihg"', r"gas.toml, line 9: rules\[1\].rule: one of gaps, .*not 'hihg'"),
        ("limit = 40", "limit = -1", r"gas.toml, line 10: rules\[1\].limit: a whole number 0\.\."),
        ("limit = 40\n", "", r"rules\[1\].limit: missing"),
        ("limit = 40", "limit = 40\nlimti = 3", r"rules\[1\].limti: this key means nothing here"),
        ('"suspect"', '"bad"', r"line 11: rules\[1\].verdict: one of note, suspect, reject"),
        ('"spike"', '"high"\nlimit = 3', r"rules\[2\].rule: high is there twice"),
        ('"spike"', '"rollover"\nmodulus = 9\nlargest = 9', r"rules\[2\].rule: .*less than"),
        ('"similar_days"', '"weather"', r"line 5: estimation.methods: 'weather' is none of"),
        ("weeks = 3", "weeks = 99", r"line 6: estimation.weeks: a whole number 0..53"),
        ('name = "gas"', 'Name = "gas"', r"gas.toml.*name: missing"),
        ("[estimation]", "[estimation]\nyears = 1", r"line 5: estimation.years: this key means"),
        (GOOD, 'name = "gas"\nestimation = 3', r"line 2: estimation: a table expected, not 3"),
        ("[estimation]", "[estimation", r"gas.toml: .*line 4"),
    ],
)
def test_errors_name_file_and_path(before, after, what):
    assert before in GOOD
    with pytest.raises(UsageError, match=what):
        parse(GOOD.replace(before, after, 1), "gas.toml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")
    file = tmp_path / "odd.toml"
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match=r"odd\.toml: UTF-8 expected, octet 8"):
        load(file)
