"""Whatever operation hands out what a customer's meter measured leaves a look, which they learn of.

The operations come from the registry. Values that stand nowhere else are put wherever the store
keeps measured ones; an answer that has one of them is a look.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import get_args

import msgspec
import numpy as np
import pytest
from sqlalchemy import func, insert, select, update

from ferraris.core.errors import Error
from ferraris.headend.access.rights import Right
from ferraris.headend.audit import Journal, check
from ferraris.headend.audit.looked_at import keep_meters, means
from ferraris.headend.inventory.groups import create_group
from ferraris.headend.operations import Caller, House
from ferraris.headend.operations.export import Form
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.registry import collected, found
from ferraris.headend.operations.shape import bare, shape_of
from ferraris.headend.operations.streams import Stream
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.privacy.looking import look_detail, looks_at
from ferraris.headend.store.retention import Retention, apply
from ferraris.headend.store.sealing import seal_context
from ferraris.headend.store.tables.access import AUDIT, LOOKED_AT, PRINCIPAL
from ferraris.headend.store.tables.collecting import COMMAND, PLAN
from ferraris.headend.store.tables.inventory import NODE, REGISTRATION
from ferraris.headend.store.tables.readings import DAY_TOTAL
from ferraris.headend.store.tables.validated import FINAL, HUMAN_EDIT
from ferraris.headend.vee.columns_versions import Versions, pack_versions
from ferraris.headend.vee.rule_sets import install

DAY = 86_400
NOW = 1_773_187_200.0
PROFILE, CHANNEL = "1-0:99.1.0*255", "1-0:1.8.0*255"
FINALS, RAWS, BLOCKS, READ, SET, TOTAL, RESULT, UNDATED = (
    str(86_420_531_000_000 + 1_111_111 * place) for place in range(1, 9)
)
MARKS = (FINALS, RAWS, BLOCKS, READ, SET, TOTAL, RESULT, UNDATED)

SINCE, UNTIL = datetime(1970, 1, 12, tzinfo=UTC), datetime(1970, 1, 13, tzinfo=UTC)
ARGUMENTS = {
    "meter": "A", "customer": "C-1", "group": "all", "node": "N", "plan": "P",
    "principal": "olga", "name": "electricity", "number": 1, "profile": PROFILE,
    "channel": CHANNEL, "since": SINCE, "until": UNTIL, "day": date(1970, 1, 12),
    "form": Form.CSV, "by": "day", "query": "", "registers": True, "limit": 100,
}  # fmt: skip
"""What an argument of a name is given; a required one that is not here fails the test."""
OTHERWISE = {
    "list_success": {"by": None},
    "list_success_parts": {"by": "segment"},
    "count_troubles": {"by": "reason"},
    "list_exceptions": {"since": SINCE.date(), "until": UNTIL.date()},
    "count_validated": {"since": SINCE.date(), "until": UNTIL.date()},
    "list_audit": {"since": None, "until": None},
}


@pytest.fixture
def house(engine, town, keys):
    sealer = CustomerSealer(engine, keys)
    tenant, meter = town.tenant, town.a
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, tenant)
        shelf.block(meter, 11, values=[int(BLOCKS)] * 24)
        shelf.read(meter, 11 * DAY + 60, int(READ))
        shelf.undated(meter, 11 * DAY + 9, value=int(UNDATED))
        shelf.final(meter, 11, 11 * DAY)
        _put_final(connection, sealer, connection.execute(select(FINAL)).one())
        who = {"tenant": tenant, "meter": meter}
        of = who | {"profile": shelf.profile, "channel": shelf.channel}
        rows = {
            HUMAN_EDIT: of | {"end_s": 11 * DAY + 3600, "version": 1, "kind": "set", "raw": 1,
                              "value": int(SET), "by": "x", "reason": "r", "at_s": 0.0},
            DAY_TOTAL: of | {"day": 11, "rows": 24, **dict.fromkeys(
                ("first", "last", "least", "most"), int(TOTAL))},
            COMMAND: who | {"kind": "read registers", "parameters": "{}", "priority": 0,
                            "state": "done", "requested_by": "x", "requested_s": 11.0 * DAY,
                            "ended_s": 11.0 * DAY + 5, "message": "", "changes": 0,
                            "result": json.dumps({"readings": [{"value": RESULT}]})},
            REGISTRATION: who | {"step": "active", "occasion": "push", "asked_by": "",
                                 "since_s": 0.0, "changed_s": 0.0, "not_before_s": 0.0,
                                 "counter_asked": 0},
            NODE: {"tenant": tenant, "name": "N", "kind": "network"},
            PLAN: {"tenant": tenant, "name": "P", "changed_s": 0,
                   "document": json.dumps({"name": "P", "profiles": [{"profile": PROFILE}]})},
            PRINCIPAL: {"tenant": tenant, "name": "olga", "created_s": 0.0},
        }  # fmt: skip
        install(connection, tenant, at_s=0.0)
        create_group(connection, tenant, "all", "medium=electricity")
        for table, row in rows.items():
            connection.execute(insert(table).values(row))
    return House(engine, keys, lambda: NOW)


def _put_final(connection, sealer, row):
    """Final values in place of those that the shelf made up; raw ones differ from them."""
    whole = (1, 24)
    nothing = np.zeros(whole, np.int64)
    columns = Versions(
        np.full(whole, int(RAWS)), np.ones(whole, bool), np.full(whole, int(FINALS)),
        nothing, nothing, nothing, nothing + 1,
    )  # fmt: skip
    key = [getattr(row, column.name) for column in FINAL.primary_key]
    body = sealer.close(row.seal, pack_versions(columns)[0], seal_context("final", *key))
    connection.execute(update(FINAL).values(body=body))


@pytest.fixture
def caller(town):
    return Caller("olga", town.tenant, dict.fromkeys(Right))


def told(answer):
    """All that an answer says, as text."""
    if isinstance(answer, Stream):
        octets = b"".join(answer.chunks)
        if octets[:2] == b"PK":
            archive = zipfile.ZipFile(io.BytesIO(octets))
            octets = b"".join(archive.read(name) for name in archive.namelist())
        return octets.decode().replace(".", "")  # exports scale what they hand out
    return msgspec.json.encode(answer).decode()


def given(operation, *, whole):
    """Arguments for an operation: what it cannot do without, or all that it takes."""
    shape = shape_of(operation)
    known = ARGUMENTS | OTHERWISE.get(operation.name, {})
    wanted = [*shape.path, *(each for each in shape.query if each.required or whole)]
    found = {}
    for each in wanted:
        if each.required or each.name in known:
            value = known[each.name]
            is_many = "list" in str(each.type) and not isinstance(value, list)
            found[each.name] = [value] if is_many else value
    if operation.name == "export_readings":
        found |= {"form": Form.CSV, "registers": True}
        if whole:
            found["values"] = "final"
    return {name: value for name, value in found.items() if value is not None}


def looks(engine, town):
    """What the customer is told about the meter, as a list of actions."""
    with engine.reading() as connection:
        every = looks_at(connection, town.tenant, town.a, "A")
        return [
            each.action
            for each in every
            if each.period and each.period[0] < 12 * DAY and each.period[1] > 11 * DAY
        ]


def parts_of(kind):
    """A type, and what it is made of."""
    bared = bare(kind)
    if isinstance(bared, type):
        yield bared
    inner = get_args(kind) or get_args(bared)
    if is_dataclass(bared):
        inner = [*inner, *(each.type for each in fields(bared) if not isinstance(each.type, str))]
    for each in inner:
        yield from parts_of(each)


def test_whoever_hands_out_what_was_measured_leaves_a_look(house, caller, town, engine):
    seen, handed = set(), set()
    operations = [each for each in collected() if not each.changes]
    for operation in operations:
        for whole in (False, True):
            before = len(looks(engine, town))
            text = told(perform(house, caller, operation, given(operation, whole=whole)))
            marks = {mark for mark in MARKS if mark in text}
            if marks:
                after = looks(engine, town)[before:]
                assert operation.name in after, f"{operation.name} hands out and leaves no look"
                handed.add(operation)
            seen |= marks
    assert seen == set(MARKS) - {TOTAL}, "some values are handed out by nobody: is that so?"

    # What changes something is written down in any case; the customer learns of values in it.
    personal = {each for one in handed for each in parts_of(shape_of(one).result)}
    personal = {each for each in personal if is_dataclass(each)}
    for operation in collected():
        if operation.changes and personal & set(parts_of(shape_of(operation).result)):
            assert answers_without_values(house, caller, operation), operation.name


def answers_without_values(house, caller, operation):
    arguments = {each.name: ARGUMENTS[each.name] for each in shape_of(operation).path}
    body = shape_of(operation).body
    if body is not None:
        arguments["body"] = body("read registers", {"names": [CHANNEL]})
    try:
        answer = perform(house, caller, operation, arguments)
    except Error:
        return True
    return not any(mark in told(answer) for mark in MARKS)


def test_versions_of_a_day_are_a_look(house, caller, town, engine):
    operation = found("list_final_versions")
    arguments = given(operation, whole=True)
    assert perform(house, caller, operation, arguments)
    assert looks(engine, town) == ["list_final_versions"]
    assert perform(house, caller, operation, arguments | {"day": date(1971, 1, 1)}) == []
    assert looks(engine, town) == ["list_final_versions"]


def test_who_may_not_see_a_meters_readings_sees_no_results(house, town, engine):
    rights = {Right.COMMAND: None, Right.SEE_READINGS: select(town.b).where(False)}
    answer = perform(
        house, Caller("otto", town.tenant, rights), found("show_command"), {"number": 1}
    )
    assert answer.result is None
    assert looks(engine, town) == []


def test_a_look_at_many_is_one_line_that_each_of_them_has(house, caller, town, engine):
    operation = found("export_readings")
    arguments = {"since": SINCE, "until": UNTIL, "form": Form.CSV, "group": "all"}
    for _ in range(2):
        perform(house, caller, operation, arguments).close()
    with engine.reading() as connection:
        lines = connection.execute(select(AUDIT.c.subject, AUDIT.c.detail)).all()
        assert [line.subject for line in lines] == ["all", "all"]
        assert connection.execute(select(func.count()).select_from(LOOKED_AT)).scalar() == 1
        detail = json.loads(lines[0].detail)
        assert detail["meters"] == 2
        assert means(connection, town.tenant, detail["among"], town.b)
        assert not means(connection, town.tenant + 1, detail["among"], town.b)
        assert not means(connection, town.tenant, "0" * 64, town.b)
        assert list(looks_at(connection, town.tenant, town.a, "A"))
        assert list(looks_at(connection, town.tenant, town.a + 99, "all")) == []
    text = told(perform(house, caller, found("export_customer"), {"customer": "C-1"}))
    assert text.count("export_readings") == 2


def test_whoever_alters_which_meters_a_line_means_is_found(engine, town):
    meters = list(range(5, 3000, 7))
    with engine.transaction() as connection:
        detail = look_detail(0, 1) | keep_meters(connection, town.tenant, meters, at_s=NOW)
        Journal("c").write(
            connection, tenant=town.tenant, principal="p", action="a", subject="s",
            detail=detail, at_s=NOW,
        )  # fmt: skip
    among = detail["among"]
    those = f"audit: the meters {among[:16]} that a line means"
    with engine.transaction() as connection:
        assert check(connection) == []
        assert means(connection, town.tenant, among, 5 + 7 * 20)
        assert not means(connection, town.tenant, among, 6)
        connection.execute(update(LOOKED_AT).values(meters=b"\0\0\0\1\1\x0a"))
        assert check(connection) == [f"{those} are altered"]
        connection.execute(LOOKED_AT.delete())
        assert check(connection) == [f"{those} are missing"]
        keep_meters(connection, town.tenant, meters, at_s=NOW)
    apply(engine, Retention(audit=10), NOW + 10.5 * DAY)
    with engine.reading() as connection:
        assert check(connection) == []
    apply(engine, Retention(audit=10), NOW + 12 * DAY)
    with engine.reading() as connection:
        assert connection.execute(select(LOOKED_AT)).all() == []
