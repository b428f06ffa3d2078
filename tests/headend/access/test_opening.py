"""Tokens of ours: what opens, what does not any more, and how soon."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend.access import principals, tokens
from ferraris.headend.access.first import first_administrator
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.identity import UnknownCallerError
from ferraris.headend.access.opening import Access
from ferraris.headend.access.rights import ROLES, Right
from ferraris.headend.operations.callers import caller_of
from ferraris.headend.store.tables.access import AUDIT, PRINCIPAL, TOKEN

DAY_S = 86_400


@pytest.fixture
def access(engine, tenant, journal, clock):
    return Access(engine, journal.write, clock=clock, monotonic=clock.monotonic)


@pytest.fixture
def ada(engine, tenant, clock):
    """A principal of two roles, and a token for a day."""
    with engine.transaction() as connection:
        number = principals.create(connection, 1, "ada", at_s=clock())
        principals.grant(connection, 1, number, Grant("viewer"))
        principals.grant(connection, 1, number, Grant("operator", "north"))
        made, secret = tokens.issue(
            connection, 1, number, "laptop", at_s=clock(), expires_s=clock() + DAY_S
        )
    return number, made.number, secret


def refusals(engine):
    with engine.reading() as connection:
        rows = connection.execute(select(AUDIT)).all()
    return [(row.principal, row.action, row.outcome) for row in rows]


def test_a_token_tells_who_and_what(access, ada, engine) -> None:
    identity = access.identify(ada[2])
    assert (identity.name, identity.tenant, identity.token) == ("ada", 1, ada[1])
    assert identity.grants == (Grant("operator", "north"), Grant("viewer"))
    with engine.reading() as connection:
        caller = caller_of(connection, identity)
        assert caller.rights[Right.SEE_METERS] is None
        assert Right.MANAGE_KEYS not in caller.rights
        # The group does not exist: it has no members, and that is not "all of them".
        assert connection.execute(caller.rights[Right.COMMAND]).all() == []


def test_only_a_hash_is_kept(ada, engine) -> None:
    secret = ada[2].removeprefix(tokens.PREFIX)
    assert len(secret) >= 43
    with engine.reading() as connection:
        (row,) = connection.execute(select(TOKEN)).all()
    assert secret not in repr(row)
    assert row.digest == tokens.digest_of(ada[2])


def test_what_nobody_has_opens_nothing(access, ada, engine) -> None:
    guesses = ["", "x", tokens.PREFIX, tokens.PREFIX + "A" * 43, "\ud800", "é", ada[2][:-1]]
    for wrong in guesses:
        with pytest.raises(UnknownCallerError):
            access.identify(wrong)
    assert refusals(engine) == []


@pytest.mark.parametrize("how", ["revoked", "shut out", "expired"])
def test_what_is_over_opens_nothing_within_five_seconds(access, ada, engine, clock, how) -> None:
    principal, number, secret = ada
    access.identify(secret)
    with engine.transaction() as connection:
        if how == "revoked":
            assert tokens.revoke(connection, principal, number, at_s=clock())
            assert not tokens.revoke(connection, principal, number, at_s=clock())
        elif how == "shut out":
            principals.change_active(connection, principal, active=False)
    clock.go(DAY_S if how == "expired" else 5)
    for _ in range(3):
        with pytest.raises(UnknownCallerError):
            access.identify(secret)
    assert refusals(engine) == [("ada", "sign_in", "refused")]
    clock.go(61)
    with pytest.raises(UnknownCallerError):
        access.identify(secret)
    assert len(refusals(engine)) == 2


def test_a_token_that_expires_is_not_kept_beyond_that(access, ada, clock) -> None:
    clock.go(DAY_S - 1)
    access.identify(ada[2])
    assert access.known(ada[2]) is not None
    clock.go(1)
    assert access.known(ada[2]) is None


def test_grants_that_change_are_seen_within_five_seconds(access, ada, engine, clock) -> None:
    access.identify(ada[2])
    with engine.transaction() as connection:
        assert principals.withdraw(connection, ada[0], Grant("viewer"))
    clock.go(5)
    assert access.identify(ada[2]).grants == (Grant("operator", "north"),)


def test_the_first_administrator_can_do_everything(access, engine, journal, clock) -> None:
    with engine.transaction() as connection:
        secret = first_administrator(connection, 1, journal.write, at_s=clock())
    identity = access.identify(secret)
    with engine.reading() as connection:
        assert caller_of(connection, identity).rights == dict.fromkeys(Right)
        assert principals.administrators(connection, 1) == 1
        assert principals.administrators(connection, 2) == 0
    assert refusals(engine) == [("init", "first_administrator", "done")]
    with pytest.raises(UsageError), engine.transaction() as connection:
        first_administrator(connection, 1, journal.write, at_s=clock())


def test_names_of_principals(engine, tenant) -> None:
    with engine.transaction() as connection:
        for name in ("", " a", "a\n", "local:root", "x" * 201, "\0"):
            with pytest.raises(UsageError):
                principals.create(connection, 1, name, at_s=0)
        assert connection.execute(select(PRINCIPAL)).all() == []


def test_there_are_eight_roles_at_most_and_one_manages_access() -> None:
    assert len(ROLES) <= 8
    assert [name for name, rights in ROLES.items() if Right.MANAGE_ACCESS in rights] == [
        "administrator"
    ]
    with pytest.raises(UsageError):
        Grant("emperor")
