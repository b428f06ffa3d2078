"""Every operation, asked by those who may not: they learn nothing, nothing is changed, it is kept.

Who shows no token, whose role lacks the right, who has it for other meters, who is of another
tenant: each is answered as if what they name were not there, and all whom the head-end knows leave
a line in the audit log. Operations and tables are those there are, so a new one is among them.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

import pytest
from of_everything import MARK, SHARED, requests_of, rows_of
from sqlalchemy import func, select

from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.rights import ROLES
from ferraris.headend.audit import check
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations.registry import collected
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import METER

OPERATIONS = collected()
EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
CHANGES = pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if each.changes], ids=lambda each: each.name
)
# Names and numbers of what hangs at a meter, or is for whoever may see all of a tenant; of each
# one that is there and one that is not. Who sees a meter also sees segments, groups, plans, rules.
HANGING = ("meter", "customer", "service_point", "stranger", "principal", "alarm")


def pairs(kinds):
    return [*((f"{MARK}-{kind}", f"none-{kind}") for kind in kinds), ("900", "901")]


HIDDEN, FOREIGN = pairs(HANGING), pairs((*HANGING, *sorted(SHARED)))
SEEN_BY_ALL = re.compile(f"{MARK}-({'|'.join(sorted(SHARED, reverse=True))})")


@dataclass(frozen=True)
class Told:
    """What somebody is told, without what they said."""

    status: int
    kind: str
    text: str


def told(api, operation, request, name, who):
    """The answer to a request; what is in it beside the name that was asked for."""
    got = api.ask(operation.method, request.path, who=who, body=request.body)
    kind = got.headers.get("content-type", "")
    assert got.status < 500, (operation.name, request, got)
    assert (got.status < 400) != (kind == "application/problem+json"), (operation.name, got)
    text = got.body.decode("utf-8", "replace")
    if name != "a":
        text = re.sub(rf"{name}(?![\w-])", "…", text)
    text = re.sub(r'"digest":"\w+"', "", text)  # of what was sent
    if got.status < 300 and who == "stranger":  # what it made has numbers of its own
        text = re.sub(r"\d+", "0", text)
    return Told(got.status, kind, text)


def last_line(api, tenant):
    """The last line of a tenant's part of the audit log."""
    newest = select(AUDIT).where(AUDIT.c.tenant == tenant).order_by(AUDIT.c.sequence.desc())
    with api.house.engine.reading() as connection:
        return connection.execute(newest.limit(1)).one()


def lines(api):
    """How many lines there are: this process writes one chain."""
    with api.house.engine.reading() as connection:
        return connection.execute(select(func.max(AUDIT.c.sequence))).scalar() or 0


@pytest.fixture(scope="module")
def before(marked):
    """What the first tenant has; at the end the audit log of all that happened is whole."""
    yield rows_of(marked.house.engine, 1)
    with marked.house.engine.reading() as connection:
        assert check(connection) == []


@pytest.fixture
def untouched(marked, before):
    """The API; what the first tenant has is afterwards as it was."""
    yield marked
    assert rows_of(marked.house.engine, 1) == before


@pytest.fixture
def stranger(marked):
    """The number of a new tenant, whose administrator is known as that."""
    with marked.house.engine.transaction() as connection:
        name = secrets.token_hex(8)
        number = tenant_number(connection, name, make=True)
        made = principals.create(connection, number, "stranger", at_s=0)
        principals.grant(connection, number, made, Grant("administrator"))
        issued = tokens.issue(connection, number, made, "t", at_s=0, expires_s=4e9)
    marked.tokens["stranger"] = issued[1]
    return number


@EVERY
def test_without_a_token(untouched, operation) -> None:
    before, answers = lines(untouched), set()
    for name in ("a", f"{MARK}-meter", "none"):
        for request in requests_of(operation, name):
            answers.add(told(untouched, operation, request, name, None))
            guessed = told(untouched, operation, request, name, "ferraris_0123456789")
            assert guessed.status == 401
    (answer,) = answers
    assert answer.status == 401
    assert json.loads(answer.text)["title"] == "Not signed in"
    assert lines(untouched) == before, "nobody fills the log who is not known"


@EVERY
def test_with_a_role_that_lacks_the_right(untouched, operation) -> None:
    lacking = [role for role, rights in ROLES.items() if operation.right not in rights]
    for place, role in enumerate(lacking if operation.right else ()):
        who, answers = f"a {role}", set()
        for name in ("none",) if place else ("none", "a", f"{MARK}-meter", "900"):
            for request in requests_of(operation, name):
                before = lines(untouched)
                answers.add(told(untouched, operation, request, name, who))
                assert lines(untouched) == before + 1
                assert kept(untouched, 1, operation, who, "refused")
        (answer,) = answers
        assert answer.status == 403
        assert json.loads(answer.text)["detail"] == f"{who} lacks the right to {operation.right}"


def kept(api, tenant, operation, who, *outcomes):
    """Whether the last line tells of this."""
    line = last_line(api, tenant)
    return (line.action, line.principal) == (operation.name, who) and line.outcome in outcomes


@EVERY
def test_with_the_right_for_other_meters(untouched, operation) -> None:
    seen = set()
    for name, none in HIDDEN:
        both = zip(requests_of(operation, name), requests_of(operation, none), strict=True)
        for request, vain in both:
            answer = told(untouched, operation, request, name, "north")
            assert not leaks(answer), (request, answer)
            if answer.status >= 400 and (operation.changes or answer.status != 400):
                assert kept(untouched, 1, operation, "north", "refused", "failed")
            assert answer == told(untouched, operation, vain, none, "north"), request
            seen.add(answer.status)
    assert seen - {400}, "nothing was asked that could be understood"


def leaks(answer):
    """Whether it tells of what is not for everybody who sees some meter."""
    return MARK in SEEN_BY_ALL.sub("", answer.text.replace("maker=mark", ""))


@EVERY
def test_other_meters_are_not_counted(untouched, sparse, operation) -> None:
    """What one who has the right for a group sees is the same whether there are others or not."""
    if operation.changes:
        return
    for name in ("a", "north"):
        for request in requests_of(operation, name):
            seen = told(untouched, operation, request, name, "north")
            assert seen == told(sparse, operation, request, name, "north"), request


@CHANGES
def test_a_change_of_an_own_meter_that_names_another(marked, operation) -> None:
    """It must not touch the other one, nor tell whether that is there."""
    engine = marked.house.engine
    before = others(rows_of(engine, 1))
    for name, none in HIDDEN[:3]:
        both = (requests_of(operation, each, own="a") for each in (name, none))
        for request, vain in zip(*both, strict=True):
            if name not in json.dumps(request.body):
                continue
            answer = told(marked, operation, request, name, "north")
            assert not leaks(answer), (request, answer)
            assert answer.status == told(marked, operation, vain, none, "north").status, request
    assert others(rows_of(engine, 1)) == before


def others(rows):
    """What is of the other meter, or speaks of it."""
    theirs = re.compile(rf"{MARK}|\b900\b")
    return {table: [each for each in found if theirs.search(each)] for table, found in rows.items()}


@EVERY
def test_with_names_of_another_tenant(untouched, stranger, operation) -> None:
    for name, none in FOREIGN:
        both = zip(requests_of(operation, name), requests_of(operation, none), strict=True)
        for request, vain in both:
            answer = told(untouched, operation, request, name, "stranger")
            if operation.name != "list_audit":  # that tells what this caller asked before
                assert MARK not in answer.text, (request, answer)
            if answer.status >= 400 and (operation.changes or answer.status != 400):
                assert kept(untouched, stranger, operation, "stranger", "refused", "failed")
            assert_same(answer, told(untouched, operation, vain, none, "stranger"), request)


def assert_same(answer, vain, request):
    assert (answer.status, answer.kind) == (vain.status, vain.kind), request
    if answer.status >= 300:
        assert answer == vain, request


def test_it_is_about_what_is_there(marked) -> None:
    """The administrator of the first tenant finds what the others are told is not there."""
    assert marked.ask("GET", f"/v1/meters/{MARK}-meter").status == 200
    assert marked.ask("GET", "/v1/commands/900").status == 200
    with marked.house.engine.reading() as connection:
        assert connection.execute(select(METER.c.id).where(METER.c.id == 900)).scalar()
