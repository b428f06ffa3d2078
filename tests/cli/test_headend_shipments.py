"""`ferraris headend shipments import FILE`, with all that is wrong in a table."""

from __future__ import annotations

import json

import pytest

from ferraris.cli.headend_remote import _Told
from ferraris.headend.inventory import meters, tenant_number
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = Engine("store.sqlite")
    migrate(engine)
    with engine.transaction() as connection:
        tenant_number(connection, "main", make=True)
    yield engine
    engine.close()


@pytest.fixture
def bring(ferraris):
    return lambda *words: ferraris(
        "headend", "--store", "store.sqlite", "shipments", "import", *words
    )


def ids(engine):
    with engine.reading() as connection:
        return [each.external_id for each in meters(connection, 1)]


def test_a_file_comes_in_by_its_name(store, tmp_path, bring):
    (tmp_path / "new.csv").write_text("external_id,model\nE1,FRR-1\nE2,FRR-1\n")
    assert bring("new.csv", "--dry-run").code == 0
    assert ids(store) == []
    ran = bring("new.csv", "--json")
    assert (ran.code, json.loads(ran.out)["new"]) == (0, 2)
    assert ids(store) == ["E1", "E2"]
    assert "unchanged: 2" in bring("--file", "@new.csv").out


def test_rows_that_are_wrong_are_listed_in_a_table(store, tmp_path, bring):
    (tmp_path / "bad.csv").write_text("external_id,suite,node\nE1,9,\nE2,,Cell-7\na/b,,\n")
    ran = bring("bad.csv")
    told = ran.err.splitlines()
    assert ran.code == 2
    assert told[0].split() == ["row", "column", "what", "remedy"]
    assert [line.split()[:2] for line in told[1:4]] == [
        ["2", "suite"],
        ["4", "external_id"],
        ["3", "node"],
    ]
    assert "make it first" in told[3]
    assert told[-1] == "ferraris: shipment: 3 errors in 3 rows: nothing was written"
    assert ids(store) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "which file? name one, or - for standard input"),
        (("none.csv",), "none.csv: No such file"),
        (("new.csv", "--file", "@new.csv"), "which file?"),
    ],
)
def test_which_file(store, words, told, bring):
    ran = bring(*words)
    (line,) = ran.err.splitlines()
    assert ran.code == 2
    assert told in line


def test_what_is_sent_is_told():
    told = []
    document = _Told(b"x" * 10, lambda done, of, what: told.append((done, of, what)))
    while document.read(4):
        pass
    assert [done for done, _, _ in told] == [4, 8, 10, 10]
    assert {(of, what) for _, of, what in told} == {(10, "octets sent")}
