"""Every operation is declared so that a route, a command and documents can be made of it."""

from __future__ import annotations

import re

import pytest

from ferraris.headend.operations.registry import collected, found
from ferraris.headend.operations.shape import shape_of


def test_names_routes_and_commands_are_unique() -> None:
    operations = collected()
    assert operations
    for kind in ("name", "command"):
        values = [getattr(each, kind) for each in operations]
        assert len(values) == len(set(values)), kind
    assert found(operations[0].name) is operations[0]


def test_no_command_is_also_a_group() -> None:
    commands = {each.command for each in collected()}
    groups = {
        " ".join(words[:n]) for words in map(str.split, commands) for n in range(1, len(words))
    }
    assert commands & groups == set()


@pytest.mark.parametrize("operation", collected(), ids=lambda each: each.name)
def test_an_operation_tells_what_it_does(operation) -> None:
    assert re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE)", operation.method)
    assert re.fullmatch(r"(/[a-z-]+|/\{[a-z_]+\})+", operation.path)
    assert operation.summary.endswith(".")
    shape = shape_of(operation)
    assert operation.changes or shape.body is None
    assert not operation.changes or not shape.query, "arguments of a change are in its body"
