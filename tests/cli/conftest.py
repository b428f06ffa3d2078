"""Running command lines inside the test process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ferraris.cli.main import run

_HERE = Path(__file__).parent
# What serves the tests of one room may serve those of another.
sys.path[:0] = [str(_HERE), str(_HERE.parent / "crypto"), str(_HERE.parent / "keys")]


class Ran(NamedTuple):
    """How a command line ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def ferraris(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """`ferraris("decode", "--json", "0100")`, with standard input as a keyword."""

    def command(*arguments: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        capsys.readouterr()
        code = run(arguments)
        return Ran(code, *capsys.readouterr())

    return command
