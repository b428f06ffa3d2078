from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    RefusedError,
    SecurityError,
    UsageError,
)
from ferraris.headend.collect.policy import (
    HUMAN,
    PERMANENT,
    SECURITY,
    TRANSIENT,
    Policy,
    failure_of,
)


@given(st.integers(1, 200), st.integers(0, 1 << 40))
def test_pauses_grow_are_bounded_and_spread(tries, seed):
    policy = Policy()
    verdict = policy.verdict(TRANSIENT, tries, seed)
    nominal = min(10.0 * 3.0 ** min(tries - 1, 64), 3600.0)
    assert not verdict.held
    assert 0.75 * nominal <= verdict.pause_s <= nominal
    assert verdict == policy.verdict(TRANSIENT, tries, seed)


def test_meters_do_not_come_back_together():
    policy = Policy()
    assert len({policy.verdict(TRANSIENT, 1, meter).pause_s for meter in range(50)}) > 30


def test_classes_end_at_a_human():
    policy = Policy()
    assert [policy.verdict(SECURITY, n, 1).held for n in (1, 2, 3)] == [False, False, True]
    assert [policy.verdict(PERMANENT, n, 1).held for n in (1, 2, 3)] == [False, False, True]
    assert policy.verdict(HUMAN, 1, 1).held
    assert not policy.verdict(TRANSIENT, 10**6, 1).held


def test_limits_are_data():
    policy = Policy.of({"transient": {"first_s": 1, "tries": 2}})
    assert policy.verdict(TRANSIENT, 1, 7).pause_s <= 1
    assert policy.verdict(TRANSIENT, 2, 7).held
    assert policy.verdict(SECURITY, 1, 7) == Policy().verdict(SECURITY, 1, 7)
    for wrong in ({"x": {}}, {"human": 5}, {"human": {"pause": 1}}, {"human": {"tries": -1}},
                  {"human": {"tries": "many"}}, {"human": {"tries": True}}):  # fmt: skip
        with pytest.raises(UsageError, match="back_off"):
            Policy.of(wrong)


@pytest.mark.parametrize(
    ("error", "reason", "kind"),
    [
        (LineError("x"), "line", TRANSIENT),
        (ConnectionResetError("x"), "line", TRANSIENT),
        (TimeoutError(), "line", TRANSIENT),
        (DecodeError("x"), "decode", TRANSIENT),
        (SecurityError("tag", where="association"), "security", SECURITY),
        (RefusedError("no"), "refused", PERMANENT),
        (IncompatibleError("old"), "incompatible", PERMANENT),
        (UsageError("no key"), "usage", HUMAN),
        (KeyError("x"), "internal", HUMAN),
    ],
)
def test_errors_are_sorted(error, reason, kind):
    failure = failure_of(error)
    assert (failure.reason, failure.kind) == (reason, kind)
    assert failure_of(SecurityError("tag", where="association")).message == "association: tag"
    assert failure_of(KeyError("x")).message == "KeyError('x')"
