"""No operation reaches what is of another tenant: all of them are tried, with all of its names.

Every table gets a row of the first tenant with names that occur nowhere else. Then an
administrator of the second tenant asks for everything by those names and numbers.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import is_dataclass
from datetime import date, datetime
from typing import get_args

import pytest
from sqlalchemy import BigInteger, Double, Integer, LargeBinary, insert, select

from ferraris.headend.operations.registry import collected
from ferraris.headend.operations.shape import bare, body_fields, is_list, shape_of
from ferraris.headend.store.tables import METADATA

TABLES = [table for table in METADATA.sorted_tables if "tenant" in table.c]
# What every request may write: the log of it, and what is new.
LOGS = {"audit", "audit_chain", "anchor", "change", "idempotency", "tenant"}
MARK = "mark"
DAY = 20_000


def filled(table):
    """A row of the first tenant; names tell the table."""
    row = {}
    for column in table.columns:
        if column.name == "tenant":
            row[column.name] = 1
        elif column.name == "id":
            row[column.name] = 900
        elif column.foreign_keys:
            row[column.name] = None if column.nullable else 900
        elif column.name == "day":
            row[column.name] = DAY
        elif isinstance(column.type, BigInteger | Integer | Double):
            row[column.name] = 1
        elif isinstance(column.type, LargeBinary):
            row[column.name] = f"{MARK}-{table.name}".encode()
        else:
            row[column.name] = f"{MARK}-{table.name}"
    return row


def rows_of(engine, tenant):
    """All that a tenant has."""
    with engine.reading() as connection:
        return {
            table.name: sorted(
                map(repr, connection.execute(select(table).where(table.c.tenant == tenant)))
            )
            for table in TABLES
            if table.name not in LOGS
        }


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
    with api.house.engine.transaction() as connection:
        for table in TABLES:
            if table.name not in LOGS:
                connection.execute(insert(table).values(filled(table)))
    return api


SENSIBLE = {
    "system_title": "0102030405060708",
    "zone": "UTC",
    "commodity": "electricity",
    "medium": "electricity",
    "role": "viewer",
    "roles": ["viewer"],
    "until": "2025-10-04T00:00:00Z",
    "reason": "why",
    "to": "retired",
    "firmware": "1",
    "authentication": "gmac",
    "contact": "called",
    "address": "tcp://10.0.0.1:4059",
}
KINDS = {"add_node": "network", "change_node": "network", "add_meter": "meter"}
"""What operations look at before they look for anything."""


def body_of(operation, shape, name, *, whole):
    """A document that names something of another tenant wherever it can; else of its own."""
    body = {}
    for field in body_fields(shape.body):
        if field.required or whole:
            body[field.name] = SENSIBLE.get(field.name, value(field.type, name))
        if field.name == "kind" and operation.name in KINDS:
            body["kind"] = KINDS[operation.name]
        if field.name == "query":
            body["query"] = f'below="{name}" or node="{name}" or behind="{name}" or id="{name}"'
    return body


def value(kind, name):
    """Something of a type, with the name wherever a name can be."""
    kind = bare(kind)
    if kind is bytes:
        return base64.b64encode(name.encode()).decode()
    if kind is date:
        return "2024-10-04"
    if is_list(kind):
        return [value((get_args(kind) or (str,))[0], name)]
    if kind is bool:
        return True
    if kind is datetime:
        return "2024-10-04T00:00:00Z"
    if kind in (int, float):
        return int(name) if name.isdigit() else 900
    if is_dataclass(kind):
        return {each.name: value(each.type, name) for each in body_fields(kind)}
    if kind is dict or str(kind).startswith("dict"):
        return {name: name}
    choices = [each for each in get_args(kind) if isinstance(each, str)]
    members = (
        [str(each.value) for each in kind]
        if isinstance(kind, type) and hasattr(kind, "__members__")
        else []
    )
    return (choices or members or [name])[0]


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
        if each.changes:
            continue
        shape = shape_of(each)
        for name in (*NAMES, "900"):
            path = each.path
            for field in shape.path:
                path = path.replace(f"{{{field.name}}}", str(value(field.type, name)))
            texts = [field for field in shape.query if bare(field.type) is str]
            queries = [f"?{field.name}={name}" for field in texts if field.name != "after"] or [""]
            for query in queries if name in (NAMES[0], "900") or "{" not in each.path else [""]:
                got = marked.ask("GET", f"/v1{path}{query}", who="stranger")
                assert got.status < 500, (each.name, name, got)
                assert not leaks(got, [name]), (each.name, name, got)


def test_changes_do_not_touch_another_tenant(marked) -> None:
    """First while the names are the other tenant's alone, then again beside ones of its own."""
    before = rows_of(marked.house.engine, 1)
    changing = [each for each in collected() if each.changes]
    carried_out = Counter()
    for each in [each for each in changing if not each.name.startswith("add_")] + changing:
        shape = shape_of(each)
        for name in (*NAMES, "900"):
            path = each.path
            for field in shape.path:
                path = path.replace(f"{{{field.name}}}", str(value(field.type, name)))
            bodies = [None]
            if shape.body is not None:
                bodies = [body_of(each, shape, name, whole=whole) for whole in (False, True)]
            for body in bodies:
                got = marked.ask(each.method, f"/v1{path}", who="stranger", body=body)
                assert got.status < 500, (each.name, name, json.dumps(body), got)
                assert not leaks(got, [name]), (each.name, name, got)
                carried_out[each.name] += got.status < 300
    assert rows_of(marked.house.engine, 1) == before
    assert strangers(marked.house.engine) == []
    assert len(+carried_out) >= 5, carried_out
