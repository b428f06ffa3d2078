"""`ferraris headend export` and `customers`: files whole, by day; a customer's archive and end."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from array import array

import pytest
from sqlalchemy import insert

from ferraris.cli.headend_commands import commands
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
)
from ferraris.keys import KeyStore

DAY, FIRST, LOAD = 86_400, 20_523, "1-0:99.1.0*255"
SPAN = ("--since", "2026-03-11T00:00Z", "--until", "2026-03-14T00:00Z")


@pytest.fixture
def where(tmp_path, monkeypatch):
    """Options for a store with a customer's meter M1 and nobody's M2; days 11 and 12 of March."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHRASE", "correct horse")
    with (
        KeyStore.create("keys.db", "correct horse", cost=2) as keys,
        Store.open("store.sqlite") as store,
        store.engine.transaction() as connection,
    ):
        for number in (1, 2):
            connection.execute(
                insert(METER).values(
                    id=number, tenant=1, external_id=f"M{number}", system_title=b"",
                    created_s=0, changed_s=0,
                )
            )  # fmt: skip
        connection.execute(insert(CUSTOMER).values(id=1, tenant=1, name="C-1"))
        connection.execute(insert(SERVICE_POINT).values(id=1, tenant=1, name="S"))
        connection.execute(
            insert(SERVICE_POINT_METER).values(
                tenant=1, service_point=1, since_s=0, meter=1, customer=1
            )
        )
        channel = Channel(Obis.parse("1-0:1.8.0*255"), 3, 2, -3, 30)
        ends = array("q", range(FIRST * DAY + 3600, (FIRST + 2) * DAY + 1, 3600))
        archive = Archive(store.engine, 1, CustomerSealer(store.engine, keys))
        for meter in (1, 2):
            series = Series("m", LOAD, ends, [channel], [[end // 3600 for end in ends]])
            brought = Brought(pack_series(LOAD, series, 0, 1 << 40))
            archive.put(connection, meter, brought, now=0)
    return ("--store", "store.sqlite", "--keys", "keys.db", "--passphrase", "env:PHRASE")


@pytest.fixture
def ferraris(capsys):
    def run(*arguments):
        code = commands()(list(arguments), prog_name="ferraris headend", standalone_mode=False)
        return code or 0, capsys.readouterr().out

    return run


def test_days_of_parquet(ferraris, where, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    code, told = ferraris(*where, "export", *SPAN, "--to", "out")
    assert code == 0
    assert told.split() == [f"out/day=2026-03-{day}/readings.parquet" for day in (11, 12)]
    assert parquet.read_table(told.split()[0]).num_rows == 48
    code, told = ferraris(*where, "export", *SPAN, "--to", "out", "--json")
    assert len(json.loads(told)["files"]) == 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "_export.json", "day=2026-03-11", "day=2026-03-12",
    ]  # fmt: skip
    with pytest.raises(Exception, match="another export"):
        ferraris(*where, "export", *SPAN, "--to", "out", "--meter", "M2")
    with pytest.raises(Exception, match="ends after"):
        ferraris(*where, "export", "--since", "2026-03-11", "--until", "2026-03-11", "--to", "x")


@pytest.mark.parametrize(("form", "rows"), [("csv", 96), ("csv-wide", 96)])
def test_one_file_of_text(ferraris, where, form, rows):
    _, told = ferraris(*where, "export", *SPAN, "--to", "out", "--form", form)
    assert told.strip() == "out/readings-20260311-20260314.csv"
    with open(told.strip(), newline="") as file:
        assert len(list(csv.DictReader(file))) == rows


def test_without_keys_nobodys_readings_are_there(ferraris, where):
    plain = where[:2]
    ferraris(
        *plain, "readings", "export", *SPAN, "--form", "csv", "--meter", "M2", "--out", "x.csv"
    )
    with open("x.csv", newline="") as file:
        assert {row["meter"] for row in csv.DictReader(file)} == {"M2"}
    with pytest.raises(Exception, match="passphrase"):
        ferraris(*plain, "export", *SPAN, "--to", "out", "--form", "csv", "--meter", "M1")


def test_a_customer_is_handed_out_and_erased(ferraris, where):
    ferraris(*where, "customers", "export", "C-1", "--out", "c.zip")
    with zipfile.ZipFile("c.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("readings.csv").decode(), newline="")))
    assert len(rows) == 48
    assert rows[0]["value"] == f"{(FIRST * 24 + 1) / 1000:.3f}"
    code, told = ferraris(*where, "customers", "erase", "C-1", "--reason", "request 17")
    assert code == 0
    assert "C-1" in told
    _, told = ferraris(*where, "export", *SPAN, "--to", "out", "--form", "csv")
    with open(told.strip(), newline="") as file:
        assert {row["meter"] for row in csv.DictReader(file)} == {"M2"}
    with pytest.raises(Exception, match="erased on"):
        ferraris(*where, "customers", "export", "C-1", "--out", "d.zip")
    code, told = ferraris(*where, "check")
    assert (code, told.strip()) == (0, "sound")
    code, told = ferraris(*where[:2], "customers", "data")
    assert "service_point_meter" in told
