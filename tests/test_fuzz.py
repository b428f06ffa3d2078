"""Every fuzzing target survives ten thousand mutations; `make fuzz` tries a million."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def fuzz_module(name: str) -> ModuleType:
    """A module of the folder `fuzz`, which is no installed package."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(name)


TARGETS = fuzz_module("fuzz.targets").TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_ten_thousand_mutations(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sound = fuzz_module("fuzz.__main__").fuzz(name, TARGETS[name], 10_000, 1)
    assert sound, capsys.readouterr().out
