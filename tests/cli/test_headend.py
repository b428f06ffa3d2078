"""`ferraris headend`: commands follow from operations, print the same, and end with their code."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from ferraris.cli.headend_commands import commands_of
from ferraris.cli.headend_operations import command_of
from ferraris.cli.headend_words import WORDS
from ferraris.headend.audit import Journal
from ferraris.headend.operations.registry import collected, declared_in
from ferraris.headend.operations.shape import shape_of
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables import METADATA
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import TENANT

NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with lines in its audit log."""
    monkeypatch.chdir(tmp_path)
    engine = Engine("store.sqlite")
    with engine.transaction() as connection:
        METADATA.create_all(connection)
        connection.execute(insert(TENANT).values(id=1, name="main"))
    journal = Journal("one")
    for number in range(3):
        with engine.transaction() as connection:
            journal.write(
                connection,
                tenant=1,
                principal="ada",
                action="change_meter",
                subject=f"m{number}",
                at_s=NOW + number,
            )
    engine.close()
    return "store.sqlite"


def test_every_operation_has_a_command() -> None:
    """And every first word says all of its commands, and what they are for."""
    made, further = set(), set()
    for word, (told, modules) in WORDS.items():
        declared = [importlib.import_module(module) for module in modules]
        own = {name: each for module in declared for name, each in _own(module).items()}
        further |= own.keys()
        app = commands_of(word)
        names = {each.name for each in app.registered_commands}
        if app.registered_callback is None:
            assert names == {word}
            (single,) = app.registered_commands
            assert told == (single.help or single.callback.__doc__).split("\n")[0]
            made.add(word)
        else:
            assert told.endswith(".")
            made |= {f"{word} {name}" for name in names}
    assert {each.command for each in collected()} | further == made


def _own(module):
    return getattr(module, "COMMANDS", {})


@pytest.mark.parametrize("operation", collected(), ids=lambda each: each.name)
def test_a_command_is_found_without_the_rest(operation) -> None:
    word, *rest = operation.command.split()
    found = commands_of(word, *rest)
    assert (rest or [word])[0] in {each.name for each in found.registered_commands}


def test_no_module_is_loaded_in_vain() -> None:
    for word, (_, modules) in WORDS.items():
        for each in map(importlib.import_module, modules):
            mine = [*_own(each), *(operation.command for operation in declared_in(each))]
            assert word in {command.split()[0] for command in mine}, (word, each)


def test_help_loads_nothing_of_the_head_end_and_a_command_its_own_rooms() -> None:
    code = """
import sys
from ferraris.cli.main import run
assert run(["headend", "--help"]) == 0
assert not {name for name in sys.modules if name.startswith("ferraris.headend.")}
assert "sqlalchemy" not in sys.modules
assert run(["headend", "audit", "list", "--help"]) == 0
for room in ("collect", "registration", "vee", "service", "api"):
    assert f"ferraris.headend.{room}" not in sys.modules, room
assert not {"psycopg", "numpy", "litestar", "ferraris.client"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("operation", collected(), ids=lambda each: each.name)
def test_options_of_a_command_are_all_different(operation) -> None:
    taken = []
    for parameter in command_of(operation).__signature__.parameters.values():
        for note in getattr(parameter.annotation, "__metadata__", ()):
            names = [getattr(note, "default", None), *(getattr(note, "param_decls", None) or ())]
            taken += [name for name in names if isinstance(name, str)]
    assert len(taken) == len(set(taken))


def test_a_list_as_a_table_and_as_json(ferraris, store) -> None:
    ran = ferraris("headend", "--store", store, "audit", "list", "--limit", "2")
    assert ran.code == 0
    heads, *rows = ran.out.splitlines()
    named = {"at", "principal", "action", "subject", "outcome", "detail", "chain", "sequence"}
    assert set(heads.split()) == named
    assert [row.split()[3] for row in rows] == ["m2", "m1"]
    (after,) = re.findall(r"there is more: --after (\S+)", ran.err)

    ran = ferraris("headend", "--store", store, "audit", "list", "--after", after, "--json")
    assert [item["subject"] for item in ran.json["items"]] == ["m0"]
    assert ran.json["next"] == ""

    since = ("--since", "2023-11-14T22:13:21")  # NOW + 1, UTC unless it says otherwise
    ran = ferraris("headend", "--store", store, "audit", "list", *since, "--json")
    assert [item["subject"] for item in ran.json["items"]] == ["m2", "m1"]


def test_a_record_as_lines_and_in_a_file(ferraris, store, tmp_path) -> None:
    ran = ferraris("headend", "--store", store, "audit", "check")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "intact: yes")
    ran = ferraris("headend", "--store", store, "audit", "check", "--out", "found.json")
    assert (ran.code, ran.out) == (0, "")
    assert json.loads((tmp_path / "found.json").read_text())["findings"] == []


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["audit", "list"], (2, "no head-end named")),
        (["--store", "store.sqlite", "--tenant", "x", "audit", "list"], (2, "no tenant 'x'")),
        (["--store", "store.sqlite", "audit", "list", "--limit", "0"], (2, "limit is 1 to 1000")),
        (["--store", "store.sqlite", "audit", "list", "--limit", "ten"], (2, "limit: ")),
        (["--store", "store.sqlite", "audit", "list", "--since", "x"], (2, "since: not a time")),
        (["--store", "store.sqlite", "audit", "list", "--after", "x"], (2, "after is what")),
        (["--store", "store.sqlite", "audit", "list", "--nonsense"], (2, "--nonsense")),
        (["--store", "oracle://x", "audit", "list"], (2, "no store at oracle")),
        (["--config", "nowhere.toml", "audit", "list"], (2, "nowhere.toml")),
        (["--url", "ftp://x", "audit", "list"], (2, "https://HOST:PORT")),
        (["--url", "http://h.example", "--token", "env:T", "audit", "list"], (2, "https")),
        (["--url", "http://127.0.0.1:1", "audit", "list"], (1, "does it run there?")),
        (["--store", "none.sqlite", "audit", "list"], (2, "`ferraris headend init`")),
        (["--store", "store.sqlite", "meters", "add"], (2, "meter is missing")),
        (
            ["--store", "store.sqlite", "meters", "add", "--meter", "m", "--suite", "x"],
            (2, "suite: a whole number is needed"),
        ),
        (["nonsense"], (2, "nonsense")),
    ],
)
def test_what_is_wrong_is_one_line(ferraris, store, monkeypatch, arguments, end) -> None:
    code, told = end
    monkeypatch.setenv("T", "secret-word")
    ran = ferraris("headend", *arguments)
    assert ran.code == code
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert "secret-word" not in ran.err
    assert not Path("none.sqlite").exists()  # nothing is made by a slip of the pen


def test_a_check_that_finds_something_fails(ferraris, store) -> None:
    engine = Engine(store)
    with engine.transaction() as connection:
        connection.execute(update(AUDIT).values(subject="other"))
    engine.close()
    assert ferraris("headend", "--store", store, "audit", "check").code == 1
    assert ferraris("headend", "--store", store, "audit", "check", "--json").code == 1


def test_the_file_of_the_folder_says_where(ferraris, store, tmp_path) -> None:
    (tmp_path / "headend.toml").write_text('store = "store.sqlite"\n')
    ran = ferraris("headend", "audit", "list", "--json")
    assert ran.code == 0
    assert len(ran.json["items"]) == 3


def test_a_head_end_is_made_with_its_first_administrator(ferraris, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = ferraris("headend", "init", "he", "--tenant", "town", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["name"] == "administrator"
    assert ran.json["token"].startswith("ferraris_")
    (tmp_path / "he/headend.toml").read_text().index('tenant = "town"')
    ran = ferraris("headend", "--config", "he/headend.toml", "principals", "list", "--json")
    assert [each["name"] for each in ran.json["items"]] == ["administrator"]
    ran = ferraris("headend", "--config", "he/headend.toml", "audit", "check", "--json")
    assert (ran.json["intact"], ran.json["anchor"]) == (True, 1)
    assert ferraris("headend", "init", "he").code == 2


def test_every_command_that_looks_runs(ferraris, tmp_path, monkeypatch) -> None:
    """On an empty store: lists are empty, what is asked for by name is not there."""
    monkeypatch.chdir(tmp_path)
    assert ferraris("headend", "init", "he").code == 0
    for operation in (each for each in collected() if not each.changes):
        shape = shape_of(operation)
        words = [*operation.command.split(), *("1" for _ in shape.path)]
        needed = [field for field in shape.query if field.required]
        for field in needed:
            words += [f"--{field.name.replace('_', '-')}", "1"]
        ran = ferraris("headend", "--config", "he/headend.toml", *words)
        assert ran.code == 0 if not (shape.path or needed) else ran.code in (0, 2), (words, ran)
        assert "internal error" not in ran.err, (words, ran)
        assert len(ran.err.splitlines()) <= 1, (words, ran)
