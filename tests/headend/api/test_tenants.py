"""No operation reaches what is of another tenant: all of them are tried, with all of its names.

Every table gets a row of the first tenant with names that occur nowhere else. Then an
administrator of the second tenant asks for everything by those names and numbers.
"""

from __future__ import annotations

from collections import Counter

import pytest
from of_everything import MARK, TABLES, fill, requests_of, rows_of
from sqlalchemy import select

from ferraris.headend.operations.registry import collected


def strangers(engine):
    """Rows of one tenant that refer to another's."""
    found = []
    with engine.reading() as connection:
        for table in TABLES:
            for key in table.foreign_keys:
                other = key.column.table
                if other.name == "tenant" or "tenant" not in other.c:
                    continue
                there = other.alias()
                joined = table.join(there, key.parent == there.c[key.column.name])
                wrong = select(table).select_from(joined).where(table.c.tenant != there.c.tenant)
                found += [(table.name, row) for row in connection.execute(wrong)]
    return found


@pytest.fixture
def marked(made):
    api = made(requests_a_second=1e9, burst=10**9)
    fill(api.house.engine)
    return api


NAMED = (
    "alarm",
    "command",
    "customer",
    "meter",
    "meter_group",
    "node",
    "plan",
    "principal",
    "service_point",
    "stranger",
)
NAMES = [f"{MARK}-{name}" for name in NAMED]


def leaks(got, sent):
    """Whether an answer tells a name that was not in the request."""
    text = got.body.decode("utf-8", "replace")
    for name in sorted(sent, key=len, reverse=True):
        text = text.replace(name, "")
    return MARK in text


def test_lists_show_nothing_of_another_tenant(marked) -> None:
    seen = 0
    for each in collected():
        if each.changes or "{" in each.path:
            continue
        got = marked.ask("GET", f"/v1{each.path}", who="stranger")
        assert got.status < 500, (each.name, got)
        assert not leaks(got, ()), (each.name, got)
        seen += got.status == 200
    assert seen > 5


def test_names_of_another_tenant_are_not_there(marked) -> None:
    for each in collected():
        if each.changes or each.name == "list_audit":  # that tells what this caller asked before
            continue
        for name in (*NAMES, "900"):
            for request in requests_of(each, name):
                got = marked.ask("GET", request.path, who="stranger")
                assert got.status < 500, (request, got)
                assert not leaks(got, [name]), (request, got)


def test_changes_do_not_touch_another_tenant(marked) -> None:
    """First while the names are the other tenant's alone, then again beside ones of its own."""
    before = rows_of(marked.house.engine, 1)
    changing = [each for each in collected() if each.changes]
    carried_out = Counter()
    for each in [each for each in changing if not each.name.startswith("add_")] + changing:
        for name in (*NAMES, "900"):
            for request in requests_of(each, name):
                got = marked.ask(each.method, request.path, who="stranger", body=request.body)
                assert got.status < 500, (request, got)
                assert not leaks(got, [name]), (request, got)
                carried_out[each.name] += got.status < 300
    assert rows_of(marked.house.engine, 1) == before
    assert strangers(marked.house.engine) == []
    assert len(+carried_out) >= 5, carried_out
