"""Operations on personal data: rights, lines in the audit log, and what comes out."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.api.problems import problem_of
from ferraris.headend.operations import Caller, ForbiddenError, House, NotFoundError
from ferraris.headend.operations.export import Form
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.privacy import ErasureDocument
from ferraris.headend.operations.registry import found
from ferraris.headend.privacy import PERSONAL_DATA, CustomerSealer
from ferraris.headend.store.sealing import ErasedError
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import METER

DAY = 86_400


@pytest.fixture
def house(engine, town, keys):
    sealer = CustomerSealer(engine, keys)
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for meter in (town.a, town.b):
            for day in (9, 11, 13):
                shelf.block(meter, day)
        other = town.town(connection, "other")
        other.customer("C-1")
    return House(engine, keys, lambda: 1_773_187_200.0)


def caller(town, *rights, among=None, tenant=None):
    return Caller("olga", tenant or town.tenant, dict.fromkeys(rights, among))


def audited(engine):
    with engine.reading() as connection:
        rows = connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).all()
    return [(row.action, row.subject, row.outcome) for row in rows]


def read(house, who, **more):
    arguments = {
        "since": datetime(1970, 1, 12, tzinfo=UTC), "until": datetime(1970, 1, 13, tzinfo=UTC),
        "form": Form.CSV,
    } | more  # fmt: skip
    stream = perform(house, who, found("export_readings"), arguments)
    return b"".join(stream.chunks).decode()


def test_bulk_readings_are_of_those_who_may_be_seen_and_audited(house, town, engine):
    who = caller(town, Right.SEE_READINGS)
    text = read(house, who)
    assert text.count("\r\nA,") == text.count("\r\nB,") == 24
    assert audited(engine) == [("export_readings", "all meters", "done")]
    only_b = caller(town, Right.SEE_READINGS, among=select(METER.c.id).where(METER.c.id == town.b))
    text = read(house, only_b)
    assert (text.count("\r\nA,"), text.count("\r\nB,")) == (0, 24)
    assert len(audited(engine)) == 1  # B is nobody's
    with pytest.raises(NotFoundError, match="no meter 'A'"):
        read(house, only_b, meter=["A"])
    with pytest.raises(NotFoundError, match="no group"):
        read(house, who, group="north")
    with pytest.raises(ForbiddenError):
        read(house, caller(town, Right.SEE_METERS))
    assert read(house, caller(town, Right.SEE_READINGS, tenant=town.tenant + 1)).count("\n") == 1
    before = len(audited(engine))
    assert read(house, who, meter=["A"], form=Form.CSV_WIDE).count("\r\nA,") == 24
    assert audited(engine)[before:] == [("export_readings", "A", "done")]


def test_an_archive_then_an_erasure(house, town, engine):
    officer = caller(town, Right.PRIVACY)
    archive, erasure = found("export_customer"), found("erase_customer")
    stream = perform(house, officer, archive, {"customer": "C-1"})
    assert (stream.media_type, stream.file_name) == ("application/zip", "C-1.zip")
    held = zipfile.ZipFile(io.BytesIO(b"".join(stream.chunks)))
    assert len(held.read("readings.csv").splitlines()) == 25
    perform(house, officer, archive, {"customer": "C-1"}).close()  # nobody took it
    document = {"customer": "C-1", "body": ErasureDocument("request 17")}
    for refused in (
        caller(town, Right.SEE_READINGS),
        caller(town, Right.PRIVACY, among=select(METER.c.id)),
    ):
        with pytest.raises(ForbiddenError):
            perform(house, refused, erasure, document)
    with pytest.raises(NotFoundError):
        perform(house, officer, erasure, {"customer": "C-9", "body": ErasureDocument("x")})
    with pytest.raises(UsageError, match="say why"):
        perform(house, officer, erasure, {"customer": "C-1", "body": ErasureDocument("")})
    done = perform(house, officer, erasure, document)
    assert (done.customer, done.erased_at, done.meters) == (
        "C-1",
        datetime(2026, 3, 11, tzinfo=UTC),
        1,
    )
    with pytest.raises(ErasedError, match="erased on 2026-03-11") as gone:
        perform(house, officer, archive, {"customer": "C-1"})
    problem = problem_of(gone.value)
    assert (problem.status, problem.title) == (410, "Erased")
    text = read(house, caller(town, Right.SEE_READINGS))
    assert (text.count("\r\nA,"), text.count("\r\nB,")) == (0, 24)
    lines = audited(engine)
    assert ("export_customer", "C-1", "done") in lines
    assert ("erase_customer", "C-1", "done") in lines
    assert [line[2] for line in lines].count("refused") == 4
    with engine.reading() as connection:
        details = connection.execute(select(AUDIT.c.detail)).scalars().all()
    assert any("request 17" in detail for detail in details)


def test_what_the_store_tells_about_customers_can_be_asked(house, town):
    rows = perform(house, caller(town, Right.SEE_METERS), found("list_personal_data"), {})
    assert {row.table for row in rows} == set(PERSONAL_DATA)
    assert next(row for row in rows if row.table == "block").exported


def test_erasures_are_settled_after_a_restore(house, town, engine, keys):
    """The database came back from before the erasure; another tenant's officer cannot settle it."""
    sealer = CustomerSealer(engine, keys)
    with engine.transaction() as connection:
        sealer.destroy(connection, town.ann, 1_700_000_000.0)
    settle = found("settle_erasures")
    assert perform(house, caller(town, Right.PRIVACY, tenant=town.tenant + 1), settle, {}) == []
    with pytest.raises(ForbiddenError):
        perform(house, caller(town, Right.SEE_READINGS), settle, {})
    (done,) = perform(house, caller(town, Right.PRIVACY), settle, {})
    assert (done.customer, done.erased_at.year) == ("C-1", 2023)
    assert ("erase_customer", "C-1", "done") in audited(engine)
    assert perform(house, caller(town, Right.PRIVACY), settle, {}) == []
