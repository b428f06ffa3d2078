"""A row of the first tenant in every table, and requests for every operation there is.

Made out of the tables and the declared operations, so a new one of either is among them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from typing import Any, get_args
from urllib.parse import urlencode

from sqlalchemy import BigInteger, Double, Integer, LargeBinary, insert, select

from ferraris.headend.api.examples import BODIES
from ferraris.headend.operations.shape import bare, body_fields, is_list, shape_of
from ferraris.headend.store.tables import METADATA

TABLES = [table for table in METADATA.sorted_tables if "tenant" in table.c]
# What every request may write: the log of it, and what is new.
LOGS = {"audit", "audit_chain", "anchor", "change", "idempotency", "tenant"}
MARK = "mark"
READ = {
    ("meter_group", "query"): '{"maker": ["mark"]}',
    ("plan", "document"): '{"name": "mark-plan", "registers": ["1-0:1.8.0*255"]}',
    ("vee_rules", "document"): "",
    ("layout", "channels"): "[]",
    ("command", "parameters"): "{}",
    ("command", "state"): "queued",
    ("command", "result"): "",
    ("node", "kind"): "network",
    ("meter", "kind"): "meter",
    ("meter", "state"): "active",
    ("meter", "medium"): "electricity",
    ("meter", "contact"): "called",
    ("meter", "authentication"): "gmac",
    ("meter", "ciphering"): "general",
    ("registration", "step"): "held",
    ("registration", "findings"): "[]",
    ("stranger", "decision"): "",
}
"""What is one of some words, or is read as a document."""
SHARED = {"meter_group", "node", "plan", "plan_item", "item", "profile", "channel", "layout"}
SHARED |= {"item_layout", "vee_rules", "worker", "push_lists"}
"""What is of no meter, but of a tenant: whoever sees one of its meters sees these."""
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
        elif (table.name, column.name) in READ:
            row[column.name] = READ[table.name, column.name]
        elif column.name == "day":
            row[column.name] = DAY
        elif isinstance(column.type, BigInteger | Integer | Double):
            row[column.name] = 1
        elif isinstance(column.type, LargeBinary):
            row[column.name] = f"{MARK}-{table.name}".encode()
        else:
            row[column.name] = f"{MARK}-{table.name}"
    return row


def fill(engine, only=None):
    """Put a row into every table that a tenant has a share of, or into some of them."""
    with engine.transaction() as connection:
        for table in TABLES:
            if table.name not in LOGS and (only is None or table.name in only):
                connection.execute(insert(table).values(filled(table)))


def rows_of(engine, tenant):
    """All that a tenant has, but the logs."""
    with engine.reading() as connection:
        return {
            table.name: sorted(
                map(repr, connection.execute(select(table).where(table.c.tenant == tenant)))
            )
            for table in TABLES
            if table.name not in LOGS
        }


SENSIBLE = {
    "system_title": "0102030405060708",
    "zone": "UTC",
    "commodity": "electricity",
    "medium": "electricity",
    "role": "viewer",
    "roles": ["viewer"],
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


NAMING = {"query", "meter", "meters", "service_point", "customer", "group", "external_id", "name"}


def example_of(operation, body, name):
    """The example of the OpenAPI document, with the name where the example has others."""
    made = {**body, **{k: v for k, v in BODIES[operation.name].items() if k not in NAMING}}
    if "document" in made:
        made["document"] = f'name = "{name}"'
    if "node" in made:
        made["node"] = name if operation.name == "add_node" else ""
    return made


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


@dataclass(frozen=True)
class Request:
    """A request of an operation, without its method."""

    path: str
    body: Any = None


def requests_of(operation, name, *, own=""):
    """Requests that have a name wherever a name can be; in the path another where `own` is one."""
    shape = shape_of(operation)
    path = f"/v1{operation.path}"
    for field in shape.path:
        path = path.replace(f"{{{field.name}}}", str(value(field.type, own or name)))
    if operation.changes:
        bodies = [None]
        if shape.body is not None:
            bodies = [body_of(operation, shape, name, whole=whole) for whole in (False, True)]
            bodies.append(example_of(operation, bodies[0], name))
        return [Request(path, body) for body in bodies]
    needed = {each.name: each for each in shape.query if each.required}
    texts = {each.name: each for each in shape.query if _text(each) and each.name != "after"}
    asked = [needed, *({**needed, one: texts[one]} for one in texts if one not in needed)]
    return [Request(path + _query(each, name)) for each in asked]


def _text(field):
    kind = bare(field.type)
    return (get_args(kind)[0] if is_list(kind) else kind) is str


def _query(fields, name):
    given = {each.name: SENSIBLE.get(each.name, value(each.type, name)) for each in fields.values()}
    return f"?{urlencode(given, doseq=True)}" if given else ""
