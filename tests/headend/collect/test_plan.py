from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend.collect.plan import (
    BILLING,
    LOG,
    PROFILE,
    REGISTERS,
    Item,
    parse_plan,
    plan_of,
)

TOML = """
name = "daily"
group = "households"
zone = "Europe/Berlin"
priority = 3
profiles = [{profile = "1-0:99.1.0*255", period = "15 min"}]
registers = ["1.8.0", "1-0:2.8.0*255", "1-0:1.8.0*255"]
billing = [{profile = "0-0:98.1.0*255", each = "month"}]
logs = ["0-0:99.98.0*255"]
windows = [
  {from = "00:15", until = "05:00"},
  {from = "08:00", until = "20:00", on = ["mon", "fri"], every = "4 h", for = "30 min"},
]
deadline = "06:00"
back_days = 20
"""
LEAST = {"name": "least", "logs": ["0-0:99.98.0*255"]}


def utc(*fields):
    return int(datetime(*fields, tzinfo=UTC).timestamp())


def test_a_plan_in_toml_and_back():
    plan = parse_plan(TOML)
    assert plan.items == (
        Item(PROFILE, "1-0:99.1.0*255", 900),
        Item(BILLING, "0-0:98.1.0*255", each="month"),
        Item(REGISTERS, '["1-0:1.8.0*255", "1-0:2.8.0*255"]'),
        Item(LOG, "0-0:99.98.0*255"),
    )
    assert plan.items[2].registers == ("1-0:1.8.0*255", "1-0:2.8.0*255")
    assert (plan.priority, plan.deadline, plan.back_days) == (3, 360, 20)
    assert parse_plan(json.dumps(plan.document())) == plan
    assert plan_of(plan.document()) == plan


def test_what_is_due_reaches_to_local_midnight():
    plan = parse_plan(TOML)
    now = utc(2026, 3, 29, 1, 30)  # the night of the change
    assert plan.due_until(now) == utc(2026, 3, 28, 23)
    assert plan.due_until(now) - plan.due_since(now) == 20 * 86_400
    assert plan.opening(now).end_s == utc(2026, 3, 29, 3)
    assert plan.opening(utc(2026, 3, 29, 3)) is None
    assert plan.next_opening(utc(2026, 3, 29, 3)).start_s == utc(2026, 3, 29, 22, 15)
    assert plan.deadline_of((now + 3600) // 86_400 - 1) == utc(2026, 3, 29, 4)
    assert plan_of(LEAST | {"reach": "now"}).due_until(now + 7.5) == now + 7
    assert plan_of(LEAST | {"reach": "utc day"}).due_until(now) == utc(2026, 3, 29)
    assert plan_of(LEAST).opening(now).start_s == utc(2026, 3, 29)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "name has 1 to 80"),
        ({"name": "a/b"}, "name has 1 to 80"),
        ({"logs": []}, "reads nothing"),
        ({"logs": "0-0:99.98.0*255"}, "logs is a list"),
        ({"logs": ["nonsense"]}, "logs: "),
        ({"logs": ["0-0:99.98.0*255"] * 2}, "twice"),
        ({"profiles": [{"profile": "1-0:99.1.0*255", "period": "7 min"}]}, "period divides a day"),
        ({"profiles": [{"period": "15 min"}]}, "profile is missing"),
        ({"profiles": ["1-0:99.1.0*255"]}, r"profiles\[0\] is a table"),
        ({"billing": [{"profile": "98.1.0", "each": "moon"}]}, "each is one of day, week"),
        ({"windows": []}, "at least one"),
        ({"windows": [{"from": "25:00"}]}, "from is a time of day"),
        ({"windows": [{"from": "24:00"}]}, "from is before"),
        ({"windows": [{"every": "4 h"}]}, "opens `every`"),
        ({"windows": [{"every": "1 h", "for": "2 h"}]}, "opens `every`"),
        ({"windows": [{"on": []}]}, "names no day"),
        ({"windows": [{"on": ["monday"]}]}, "some of mon"),
        ({"windows": [{"form": "00:00"}]}, r"no field \[0\].form"),
        ({"zone": "Europe/Bonn"}, "no time zone"),
        ({"zone": "../../etc/passwd"}, "no time zone"),
        ({"deadline": "6"}, "deadline is a time of day"),
        ({"priority": 10}, "from 0 to 9"),
        ({"priority": True}, "from 0 to 9"),
        ({"reach": "year"}, "reach is one of"),
        ({"back_days": 0}, "from 1 to 400"),
        ({"active": 1}, "true or false"),
        ({"wndows": []}, "no field wndows"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change, says):
    with pytest.raises(UsageError, match=says):
        plan_of(LEAST | change)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*parse_plan(TOML).document(), *LEAST, "profiles", "billing", "registers", "before_days"]
)


@given(st.dictionaries(FIELDS, VALUES) | VALUES)
def test_any_document_is_a_plan_or_a_usage_error(document):
    if isinstance(document, dict):
        document = LEAST | document
    try:
        plan = plan_of(document)
    except UsageError:
        return
    assert plan_of(plan.document()) == plan


@given(st.text(max_size=60))
def test_any_text_is_a_plan_or_a_usage_error(text):
    with pytest.raises(UsageError):
        parse_plan("{" + text)
    with pytest.raises(UsageError):
        parse_plan(text)
