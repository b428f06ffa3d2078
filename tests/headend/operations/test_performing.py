"""Operations: rights, transactions, lines in the audit log, requests with a key, long answers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest
from sqlalchemy import insert, select, text

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.audit import check
from ferraris.headend.audit.looked_at import means
from ferraris.headend.operations import (
    Caller,
    ConflictError,
    Desk,
    ForbiddenError,
    House,
    NotFoundError,
    Stream,
    operation,
)
from ferraris.headend.operations.once import Answer, KeyUsedError, Once
from ferraris.headend.operations.performing import perform, witness
from ferraris.headend.operations.shape import shape_of
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables.access import AUDIT, PRINCIPAL
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.keys import MemoryKeys

NOW = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Model:
    """What a meter is to be called."""

    model: str
    fail: bool = False


@operation("GET /meters/{meter}", command="meters show", right=Right.SEE_METERS)
def show_meter(desk: Desk, meter: str) -> str:
    """Show."""
    return desk.meter(meter, Right.SEE_METERS).model


@operation("PUT /meters/{meter}", command="meters change", right=Right.MANAGE_METERS)
def change_meter(desk: Desk, meter: str, body: Model) -> str:
    """Change."""
    row = desk.meter(meter, Right.MANAGE_METERS)
    desk.connection.execute(
        METER.update().where(METER.c.id == row.id).values(model=METER.c.model + body.model)
    )
    desk.detail["model"] = body.model
    if body.fail:
        raise ZeroDivisionError
    return body.model


@operation("GET /readings/{meter}", command="readings export", right=Right.SEE_READINGS)
def export(desk: Desk, meter: str) -> Stream:
    """Export."""
    desk.looks[meter] = {}

    def chunks():
        for row in desk.connection.execute(select(METER.c.external_id).order_by(METER.c.id)):
            yield row.external_id.encode()

    return Stream("text/plain", chunks())


@pytest.fixture
def house(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
        connection.execute(
            insert(METER),
            [
                {
                    "id": number,
                    "tenant": tenant,
                    "external_id": name,
                    "system_title": b"",
                    "created_s": 0,
                    "changed_s": 0,
                }
                for number, (tenant, name) in enumerate(((1, "a"), (1, "b"), (2, "c")), 1)
            ],
        )
        connection.execute(insert(PRINCIPAL).values(id=7, tenant=1, name="ada", created_s=0))
    return House(engine, MemoryKeys(), lambda: NOW)


def caller(*rights, among=None, tenant=1):
    return Caller("ada", tenant, dict.fromkeys(rights, among), 7)


def audited(house):
    with house.engine.reading() as connection:
        assert check(connection) == []
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).all()
    return [(row.action, row.subject, row.outcome) for row in rows]


def model(house, name):
    with house.engine.reading() as connection:
        return connection.execute(select(METER.c.model).where(METER.c.external_id == name)).scalar()


def put(house, who, meter="a", once=None, **body):
    return perform(
        house, who, change_meter.operation, {"meter": meter, "body": Model(**body)}, once
    )


def test_a_change_and_its_line_are_one(house) -> None:
    all_rights = caller(*Right)
    assert put(house, all_rights, model="x") == "x"
    with pytest.raises(ZeroDivisionError):
        put(house, all_rights, model="y", fail=True)
    assert model(house, "a") == "x"
    assert audited(house) == [("change_meter", "a", "done"), ("change_meter", "a", "failed")]


def test_without_the_right_nothing_happens_but_a_line(house) -> None:
    viewer = caller(Right.SEE_METERS)
    assert perform(house, viewer, show_meter.operation, {"meter": "a"}) == ""
    with pytest.raises(ForbiddenError):
        put(house, viewer, model="x")
    assert model(house, "a") == ""
    assert audited(house) == [("change_meter", "a", "refused")]


def test_what_is_not_for_the_caller_is_not_there(house) -> None:
    some = caller(*Right, among=select(METER.c.id).where(METER.c.external_id == "a"))
    assert perform(house, some, show_meter.operation, {"meter": "a"}) == ""
    answers = set()
    for meter in ("b", "c", "no such"):
        with pytest.raises(NotFoundError) as caught:
            perform(house, some, show_meter.operation, {"meter": meter})
        answers.add(str(caught.value).replace(repr(meter), "…"))
        with pytest.raises(NotFoundError):
            put(house, some, meter=meter, model="x")
    assert len(answers) == 1
    assert {outcome for _, _, outcome in audited(house)} == {"refused"}
    with pytest.raises(ForbiddenError):
        Desk(house, some, None).demand_everywhere(Right.SEE_AUDIT)


def test_a_long_answer_keeps_its_view_and_gives_it_back(house) -> None:
    for _ in range(40):  # more than there are connections
        stream = perform(house, caller(*Right), export.operation, {"meter": "a"})
        stream.close()  # unused
    for _ in range(40):
        stream = perform(house, caller(*Right), export.operation, {"meter": "a"})
        assert next(stream.chunks) == b"a"
        stream.close()
    stream = perform(house, caller(*Right), export.operation, {"meter": "a"})
    assert b"".join(stream.chunks) == b"abc"
    assert audited(house) == [("export", "a", "done")] * 81


def test_looks_of_several_desks_are_lines_once_each(house) -> None:
    """As on a page, whose parts ask the same of one meter, or one of them of many at once."""
    desks = [Desk(house, caller(*Right), None) for _ in range(3)]
    for desk in desks[:2]:
        desk.looks["a"] = {"until": 5}
        desk.detail["by"] = "page"
    desks[2].looks["all meters"] = {}
    desks[2].among = {1, 2}
    witness(house, [("show", desks[0]), ("show", desks[1]), ("export", desks[2])])
    assert audited(house) == [("show", "a", "done"), ("export", "all meters", "done")]
    with house.engine.reading() as connection:
        one, many = connection.execute(select(AUDIT.c.detail).order_by(AUDIT.c.sequence)).scalars()
        assert json.loads(one) == {"by": "page", "until": 5}
        assert means(connection, 1, json.loads(many)["among"], 2)


def once(key, request=b"1"):
    return Once(key, request, lambda result: Answer(200, "text/plain", result.encode()))


def test_a_request_with_a_key_is_carried_out_once(house) -> None:
    who = caller(*Right)
    first = put(house, who, once=once("k"), model="x")
    assert first == Answer(200, "text/plain", b"x")
    assert put(house, who, once=once("k"), model="x") == first
    assert model(house, "a") == "x"
    with pytest.raises(KeyUsedError):
        put(house, who, once=once("k", b"2"), model="y")
    with pytest.raises(ZeroDivisionError):
        put(house, who, once=once("k2"), model="y", fail=True)
    assert put(house, who, once=once("k2"), model="y").body == b"y"
    assert model(house, "a") == "xy"
    later = House(house.engine, house.keys, lambda: NOW + 25 * 3600)
    assert put(later, who, once=once("k", b"2"), model="z").body == b"z"


def test_the_same_request_many_times_at_once(house) -> None:
    barrier = Barrier(6)

    def ask(_):
        barrier.wait()
        return put(house, caller(*Right), once=once("k"), model="x")

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(ask, range(6)))
    assert answers == {Answer(200, "text/plain", b"x")}
    assert model(house, "a") == "x"


def test_a_store_that_goes_away_is_told_as_such(house) -> None:
    with house.engine.transaction() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO elsewhere"))
    with pytest.raises(StoreError, match="audit"):
        put(house, caller(*Right), model="x")
    with house.engine.transaction() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO audit"))
    assert model(house, "a") == ""


@pytest.mark.parametrize(
    ("path", "query", "body", "told"),
    [
        ({"meter": "a"}, {}, None, "needs a document"),
        ({"meter": "a"}, {"x": ["1"]}, {"model": "x"}, "no argument x"),
        ({"meter": "a"}, {}, {"model": 7}, "does not fit"),
        ({"meter": "a"}, {}, {"model": "x", "colour": 1}, "no field 'colour'"),
        ({"meter": "a"}, {}, [], "does not fit"),
    ],
)
def test_what_does_not_fit_is_said(path, query, body, told) -> None:
    with pytest.raises(UsageError, match=told):
        shape_of(change_meter.operation).bind(path, query, body)


def test_conflicts_are_refusals() -> None:
    assert issubclass(KeyUsedError, ConflictError)
