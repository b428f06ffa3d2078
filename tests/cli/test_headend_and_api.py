"""Every command of the head-end beside the request that it stands for: they answer the same.

Operations are those that are declared, each asked of a store of its own that holds a small town.
"""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

pytest.importorskip("litestar")
sys.path.insert(0, str(Path(__file__).parents[1] / "headend" / "page"))

import town
from litestar.testing import TestClient

from ferraris.headend.api import application
from ferraris.headend.api.examples import BODIES
from ferraris.headend.operations import House
from ferraris.headend.operations.export import Form
from ferraris.headend.operations.registry import collected, found
from ferraris.headend.operations.shape import body_fields, shape_of
from ferraris.headend.operations.streams import Stream
from ferraris.headend.store.engine import Engine
from ferraris.keys import MemoryKeys

OPERATIONS = collected()
EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
DAY = str(datetime.fromtimestamp(town.NOW - 86_400, UTC).date())
NAMES = {
    "alarm": 1,
    "customer": "C-88123",
    "day": DAY,
    "external_id": "NEW1",
    "group": "here",
    "meter": town.SHOWN,
    "meters": [town.SHOWN],
    "name": "residential",
    "node": "Hafen",
    "number": 5,
    "plan": "daily",
    "principal": "reader",
    "profile": town.PROFILE,
    "query": f'id="{town.SHOWN}"',
    "service_point": "SP-1001",
    "since": f"{DAY}T00:00:00Z",
    "stranger": 1,
    "to": "suspended",
    "token": 2,
    "until": f"{DAY}T12:00:00Z",
    "version": 1,
}
"""What the town has, by the names of arguments and fields."""
OF_OPERATION = {
    "add_meter": {"node": "Hafen"},
    "add_node": {"parent": "Hafen"},
    "again_validated": {"since": DAY, "until": DAY},
    "count_validated": {"since": DAY, "until": DAY},
    "delete_group": {"group": "unused"},
    "delete_node": {"node": "Empty"},
    "end_assignment": {"until": "2026-12-01T00:00:00Z"},
    "grant_role": {"role": "planner"},
    "list_exceptions": {"since": DAY, "until": DAY},
    "put_new_command": {"not_after": "2026-03-11T00:00:00Z"},
    "withdraw_assignment": {"since": "1970-01-01T00:00:00Z"},
}
PREPARED = (
    ("POST", "/groups", {"group": "here", "query": "state=active"}),
    ("POST", "/groups", {"group": "unused", "query": "state=active"}),
    ("POST", "/nodes", {"node": "Empty", "kind": "cell"}),
    ("POST", "/principals", {"name": "reader", "roles": ["viewer"]}),
    ("POST", "/principals/reader/grants", {"role": "viewer", "group": "here"}),
    ("POST", "/principals/reader/tokens", {"name": "laptop"}),
    ("PUT", "/validation/rules/residential", {"document": 'name = "residential"'}),
    ("POST", f"/meters/{town.SHOWN}/commands", BODIES["put_new_command"] | {"not_after": None}),
)


def words_of(operation):
    """Path arguments, query and document of a request that the town can answer."""
    of, own = shape_of(operation), NAMES | OF_OPERATION.get(operation.name, {})
    path = {each.name: str(own[each.name]) for each in of.path}
    query = {each.name: str(own[each.name]) for each in of.query if each.required}
    body = BODIES.get(operation.name, {} if of.body is not None else None)
    if body is not None:
        fields = body_fields(of.body)
        given = OF_OPERATION.get(operation.name, {}) if operation.name.startswith("add_") else own
        wanted = [each.name for each in fields if each.required or each.name in body]
        body = body | {name: given[name] for name in wanted if name in given}
    return path, query, body


@contextlib.contextmanager
def served(place):
    """A client of the API of a store."""
    engine = Engine(str(place))
    house = House(engine, MemoryKeys(), lambda: town.NOW)
    with TestClient(application(house)) as client:
        yield client
    engine.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The store of the town, with one of everything, and the token of its administrator."""
    place = tmp_path_factory.mktemp("town") / "store.sqlite"
    engine = Engine(str(place))
    town.fill(engine)
    token = town.token(engine, "administrator")
    engine.close()
    with served(place) as client:
        for method, path, body in PREPARED:
            asked = client.request(method, f"/v1{path}", json=body, headers=bearer(token))
            assert asked.status_code == 200, (path, asked.text)
    return place, token


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Both:
    """The API and the command line, each with a store of its own."""

    api: Any
    cli: Any

    def __call__(self, operation, path, query, body, *more):
        return self.api(operation, path, query, body), self.cli(operation, path, query, body, *more)


@pytest.fixture
def both(filled, ferraris, tmp_path, monkeypatch):
    """Asks the API and the command line, each with a store of its own."""
    place, token = filled
    shutil.copy(place, tmp_path / "api.sqlite")
    shutil.copy(place, tmp_path / "cli.sqlite")
    monkeypatch.chdir(tmp_path)
    clock = SimpleNamespace(time=lambda: town.NOW)
    monkeypatch.setattr("ferraris.cli.headend_asking.time", clock)
    (tmp_path / "phrase").write_text("correct horse battery staple")
    keys = ("--keys", "keys.sqlite", "--passphrase", "@phrase")
    assert ferraris("keys", "--store", "keys.sqlite", "--passphrase", "@phrase", "init").code == 0

    def api(operation, path, query, body):
        place = operation.path
        for name, value in path.items():
            place = place.replace(f"{{{name}}}", quote(value, safe=""))
        with served("api.sqlite") as client:
            return client.request(
                operation.method, f"/v1{place}", params=query, json=body, headers=bearer(token)
            )

    def cli(operation, path, query, body, *more):
        words = [*operation.command.split(), *path.values()]
        for name, value in query.items():
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value == "true" else [flag, value]
        if operation.name == "import_shipment":
            words += ["-", "--dry-run", "--transport-key", "maker-26", *more]
            return ferraris(*HEAD, *keys, *words, stdin=base64.b64decode(body["file"]))
        words += [] if body is None else ["--body", msgspec.json.encode(body).decode()]
        return ferraris(*HEAD, *keys, *words, *more)

    return Both(api, cli)


HEAD = ("headend", "--store", "cli.sqlite", "--tenant", "town")


def shape(document):
    """Names and kinds, without values."""
    if isinstance(document, dict):
        return {name: shape(value) for name, value in document.items()}
    if isinstance(document, list):
        kinds = [shape(each) for each in document]
        return [each for place, each in enumerate(kinds) if each not in kinds[:place]]
    return type(document).__name__


@EVERY
def test_a_command_prints_what_the_api_answers(both, operation, tmp_path) -> None:
    streams = shape_of(operation).result is Stream
    answer, ran = both(operation, *words_of(operation), "--json", *(["--out", "f"] * streams))
    assert answer.status_code < 300, answer.text
    assert (ran.code, ran.err) == (0, "")
    if streams:
        kind = answer.headers["content-type"]
        octets = (tmp_path / "f").read_bytes()
        assert ran.json == {"file": "f", "media_type": kind, "octets": len(octets)}
        assert octets[:4] == answer.content[:4]
    elif answer.status_code == 204:
        assert ran.json is None
    elif operation.changes or operation.name in ("show_myself", "list_audit", "check_audit"):
        assert shape(ran.json) == shape(answer.json())
    else:
        assert ran.json == answer.json()


NAMING = [each for each in OPERATIONS if shape_of(each).path and each.name != "put_plan_document"]
TAKING = [each for each in OPERATIONS if shape_of(each).body and each.name != "import_shipment"]


@pytest.mark.parametrize("operation", NAMING, ids=lambda each: each.name)
def test_what_is_not_there_is_told_in_the_same_words(both, operation) -> None:
    path, query, body = words_of(operation)
    streams = shape_of(operation).result is Stream
    path = {name: DAY if name == "day" else "77" for name in path}
    answer, ran = both(operation, path, query, body, "--json", *(["--out", "f"] * streams))
    is_one_line(ran, answer)


@pytest.mark.parametrize("operation", TAKING, ids=lambda each: each.name)
def test_what_cannot_be_read_is_told_in_the_same_words(both, operation) -> None:
    path, query, _ = words_of(operation)
    answer, ran = both(operation, path, query, {"nonsense": 1}, "--json")
    is_one_line(ran, answer)


def is_one_line(ran, answer):
    assert ran.code == (1 if answer.status_code in (403, 502) else 2)
    assert answer.json()["detail"] in ran.err
    assert (ran.out, len(ran.err.splitlines())) == ("", 1)


@EVERY
def test_what_is_no_option_is_one_line(ferraris, operation) -> None:
    path = words_of(operation)[0].values()
    ran = ferraris("headend", *operation.command.split(), *path, "--nonsense")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "--nonsense" in ran.err


@EVERY
def test_help_names_every_argument(ferraris, operation) -> None:
    ran = ferraris("headend", *operation.command.split(), "--help")
    assert ran.code == 0
    told, of = re.sub(r"\s+", " ", ran.out), shape_of(operation)
    assert operation.summary in told
    wanted = [each.name.upper() for each in of.path]
    for each in (*of.query, *body_fields(of.body)):
        if operation.name == "import_shipment" and each.name == "file":
            continue  # it is an argument there
        wanted.append(f"--{each.name.replace('_', '-')}")
    wanted += ["--json", "--out"]
    assert [name for name in wanted if name not in told] == []


def test_columns_are_no_json_so_they_need_a_file(both) -> None:
    path, query, _ = words_of(found("export_readings"))
    _, ran = both(found("export_readings"), path, query, None, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "--out" in ran.err


@pytest.mark.parametrize("form", list(Form))
def test_columns_are_the_same_in_every_form(both, tmp_path, form) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, query, _ = words_of(found("export_readings"))
    query |= {"form": form.value, "registers": "true"}
    query |= {"until": "2026-03-11T00:00:00Z", "meter": town.SHOWN}
    if form is Form.CSV_WIDE:
        del query["registers"]
    answer = both.api(found("export_readings"), path, query, None)
    assert answer.status_code == 200, answer.text
    ran = both.cli(found("export_readings"), path, query, None, "--out", "f")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    octets = (tmp_path / "f").read_bytes()
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    if form in (Form.CSV, Form.CSV_WIDE):
        assert answer.content == octets
        assert octets.count(b"\n") > 80
        return
    read = {
        Form.PARQUET: lambda each: parquet.read_table(pyarrow.BufferReader(each)),
        Form.ARROW: lambda each: pyarrow.ipc.open_stream(each).read_all(),
    }[form]
    assert read(octets).num_rows > 150
    assert read(octets).equals(read(answer.content))
