"""A customer is given what is theirs, to the second, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from ferraris.headend.audit import Journal
from ferraris.headend.errors import NotFoundError
from ferraris.headend.privacy import (
    concerns_customer,
    customer_sealer,
    erase,
    hand_out,
    look_detail,
)
from ferraris.headend.privacy.records_of import TABLES
from ferraris.headend.store.sealing import ErasedError
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.readings import ALARM, EVENT
from ferraris.headend.store.tables.validated import HUMAN_EDIT

DAY = 86_400
COMES, CHANGE = 10 * DAY + DAY // 2, 12 * DAY + DAY // 4


class Finals:
    """Hourly final values of day 11: all of them 7, the first one estimated."""

    qualities = ("valid", "estimated")
    rules = ("measured", "interpolation")

    def __init__(self, shelf):
        self._shelf = shelf

    def days(self, connection, tenant, meters, since_s, until_s):
        for meter in meters:
            if since_s < 12 * DAY and until_s > 11 * DAY:
                yield SimpleNamespace(
                    meter=meter, profile=self._shelf.profile, channel=self._shelf.channel,
                    start_s=11 * DAY, period_s=3600, final=[7] * 24, quality=[1] + [0] * 23,
                    rule=[1] + [0] * 23, versions=[2] * 24,
                )  # fmt: skip


@pytest.fixture
def archive_of(engine, town, sealer):
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for meter in (town.a, town.b):
            for day in range(8, 15):
                shelf.block(meter, day)
        shelf.read(town.a, COMES, 1000)
        shelf.read(town.a, CHANGE, 2000)
        shelf.read(town.a, CHANGE + 5, 3000)
        undated = (town.a, 11 * DAY + 9)
        shelf.undated(*undated)
        who = {"tenant": town.tenant, "meter": town.a}
        for day in (9, 11, 13):
            at = day * DAY + 60
            edit = {"profile": shelf.profile, "channel": shelf.channel, "version": 1}
            for table, values in (
                (EVENT, {"log": "0-0:99.98.0*255", "at_s": at, "turn": 0, "code": day, "stamp": b"",
                         "stored_s": at}),
                (ALARM, {"name": f"a{day}", "source": "push", "raised_s": at, "last_s": at,
                         "times": 1}),
                (SESSION, {"started_s": at, "ended_s": at + 1.5, "occasion": "plan",
                           "outcome": "done", "message": "", "intervals": day, "registers": 0,
                           "events": 0}),
                (HUMAN_EDIT, edit | {"end_s": at, "kind": "set", "value": day, "by": "x",
                                     "reason": "broken", "at_s": at}),
            ):  # fmt: skip
                connection.execute(insert(table).values(**who, **values))
        journal = Journal()
        for since in (8, 11):
            journal.write(
                connection, tenant=town.tenant, principal="evelyn", action="show_readings",
                subject="A", detail=look_detail(since * DAY, (since + 1) * DAY), at_s=since * 100.0,
            )  # fmt: skip

    def made(name, finals=None):
        target = io.BytesIO()
        with engine.reading() as connection:
            told = hand_out(connection, sealer, town.tenant, name, target, at_s=1e9, finals=finals)
        target.seek(0)
        archive = zipfile.ZipFile(target)
        assert archive.testzip() is None
        return told, {name: archive.read(name).decode() for name in archive.namelist()}

    return SimpleNamespace(made=made, shelf=shelf)


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_an_archive_holds_what_is_theirs(archive_of, town):
    told, files = archive_of.made("C-1", Finals(archive_of.shelf))
    values = [row for row in rows(files["readings.csv"]) if row["profile"] and row["time"]]
    hours = range(10 * 24 + 13, 12 * 24 + 7)  # those that end after ann came, until she left
    assert [row["value"] for row in values] == [f"{hour / 1000:.3f}" for hour in hours]
    assert values[0]["time"] == "1970-01-11T13:00:00Z"
    assert {(row["meter"], row["unit"], row["channel"]) for row in values} == {
        ("A", "Wh", "1-0:1.8.0*255")
    }
    registers = [row["value"] for row in rows(files["readings.csv"]) if not row["profile"]]
    assert registers == ["1.000", "2.000"]
    as_json = json.loads(files["readings.json"])
    assert [each["value"] for each in as_json if each["profile"] and each["time"]] == [
        r["value"] for r in values
    ]
    assert told.values == len(as_json) == len(values) + 3
    (undated,) = (row for row in rows(files["readings.csv"]) if not row["time"])
    assert undated["value"] == f'["{"ff" * 12}", {11 * DAY + 9}]'
    assert json.loads(files["customer.json"]) == {
        "customer": "C-1", "utility": "main", "made": "2001-09-09T01:46:40Z",
        "assignments": [{"service_point": "SP1", "meter": "A", "since": "1970-01-11T12:00:00Z",
                         "until": "1970-01-13T06:00:00Z"}],
    }  # fmt: skip
    final = rows(files["validated.csv"])
    assert [row["value"] for row in final] == ["0.007"] * 24
    assert [row["final_quality"] for row in final[:2]] == ["estimated", "valid"]
    assert [row["code"] for row in rows(files["events.csv"])] == ["11"]
    assert [row["alarm"] for row in rows(files["alarms.csv"])] == ["a11"]
    assert [row["value"] for row in rows(files["edits.csv"])] == ["11"]
    assert [row["intervals"] for row in rows(files["sessions.csv"])] == ["11"]
    assert [row["since"] for row in rows(files["looks.csv"])] == ["1970-01-12T00:00:00Z"]
    assert "evelyn" not in "".join(files.values())
    for name in files:
        if not name.startswith("README"):
            assert all(name in files[f"README.{language}.txt"] for language in ("en", "de"))
    assert "C-1" in files["README.de.txt"]
    assert set(TABLES) <= set(files)


def test_the_next_customer_gets_the_rest(archive_of, town):
    _, files = archive_of.made("C-2")
    found = [row["value"] for row in rows(files["readings.csv"]) if row["profile"]]
    assert found == [f"{hour / 1000:.3f}" for hour in range(12 * 24 + 7, 15 * 24 + 1)]
    registers = [row["value"] for row in rows(files["readings.csv"]) if not row["profile"]]
    assert registers == ["2.000", "3.000"]
    assert json.loads(files["customer.json"])["assignments"][0]["until"] is None
    assert "validated.csv" not in files


def test_who_is_erased_or_unknown_gets_nothing(archive_of, engine, town, sealer):
    with pytest.raises(NotFoundError, match="no customer"):
        archive_of.made("C-9")
    with engine.transaction() as connection:
        erase(connection, sealer, town.tenant, "C-1", reason="asked", at_s=1_773_187_200.0)
    with pytest.raises(ErasedError, match="2026-03-11"):
        archive_of.made("C-1")
    _, files = archive_of.made("C-2")
    assert rows(files["readings.csv"])[0]["value"] == "0.295"  # the hours of the shared day


def test_a_look_concerns_a_customer_or_nobody(engine, town, keys):
    with engine.reading() as connection:
        for meters, since, until, told in (
            ([town.a], 0, COMES, False), ([town.a], 0, COMES + 1, True),
            ([town.b], 0, 1 << 40, False), ([town.b, town.a], CHANGE, CHANGE + 1, True),
            (range(10**6, 10**6 + 1200), 0, 1 << 40, False),
        ):  # fmt: skip
            assert concerns_customer(connection, list(meters), since, until) is told
    assert customer_sealer(engine, keys) is customer_sealer(engine, keys)
