"""What the configuration says of registration reaches who registers."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import parse
from ferraris.headend.inventory import tenant_number
from ferraris.headend.service.building import Furnishing, built
from ferraris.keys import KeyStore

TEXT = """
store = "store.sqlite"
[collect]
system_title = "{title}"
timeout_s = 3.0
[register]
trust_passwords = true
trust_weak = true
agree_keys = false
tolerate = ["missing"]
"""


@pytest.fixture
def furnished(sqlite_engine, tmp_path):
    with sqlite_engine.transaction() as connection:
        tenant_number(connection, "main", make=True)
    with KeyStore.create(tmp_path / "keys.sqlite", "a head-end", cost=16) as keys:
        yield Furnishing(keys=keys)


def test_the_policy_is_that_of_the_file(furnished, tmp_path):
    text = TEXT.format(title="4652520000000001")
    with built(parse(text, folder=str(tmp_path)), furnished) as whole:
        policy = whole.registrar.policy
    assert (policy.trust_passwords, policy.trust_weak, policy.agree_keys) == (True, True, False)
    assert policy.tolerance.verdicts == {"missing"}
    assert policy.timeout_s == 3.0


@pytest.mark.parametrize("title", ["FRR", "465252000000000x"])
def test_a_title_that_is_none_is_refused(furnished, tmp_path, title):
    with (
        pytest.raises(UsageError, match="sixteen hexadecimal digits"),
        built(parse(TEXT.format(title=title), folder=str(tmp_path)), furnished),
    ):
        pass
