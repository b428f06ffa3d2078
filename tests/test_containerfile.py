"""The recipe of the image: what it copies is here, and what it runs are commands that there are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from ferraris.cli.main import main; main()"]


@pytest.fixture(scope="module")
def recipe(root: Path) -> list[tuple[str, str]]:
    """Its instructions and their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (root / "deploy" / "Containerfile").read_text())
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in found]


def ran(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of the image, where `/data` is another folder."""
    moved = [each.replace("/data", str(folder)) for each in arguments]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [*COMMAND, *moved], capture_output=True, text=True, check=False, env=environment
    )


def test_what_it_copies_is_here(root: Path, recipe: list[tuple[str, str]]) -> None:
    copied = [rest.split()[:-1] for name, rest in recipe if name == "COPY" and "--from" not in rest]
    for source in (each for line in copied for each in line):
        assert (root / source).exists(), source
    metadata = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needed = [metadata["readme"], *metadata.get("license-files", ())]
    assert {str(each) for each in needed} <= {each for line in copied for each in line}


def test_what_it_installs_is_an_extra_of_a_python_that_will_do(
    root: Path, recipe: list[tuple[str, str]]
) -> None:
    metadata = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    (installs,) = [rest for name, rest in recipe if name == "RUN" and "pip install" in rest]
    (extra,) = re.findall(r"'\.\[(\w+)\]'", installs)
    assert extra in metadata["optional-dependencies"]
    bases = {rest.split()[0] for name, rest in recipe if name == "FROM"}
    (base,) = bases  # both stages have the same interpreter, or the environment breaks
    version = tuple(map(int, re.findall(r"(\d+)\.(\d+)", base)[0]))
    least = tuple(map(int, re.findall(r"(\d+)\.(\d+)", metadata["requires-python"])[0]))
    assert version >= least
    assert "ferraris" in metadata["scripts"]


def test_what_it_runs_are_commands(tmp_path: Path, recipe: list[tuple[str, str]]) -> None:
    told = dict(recipe)  # the last of each kind
    assert json.loads(told["ENTRYPOINT"]) == ["ferraris"]
    assert told["USER"] == "ferraris"
    served, checked = json.loads(told["CMD"]), json.loads(told["HEALTHCHECK"].partition("CMD ")[2])
    (init,) = re.findall(r"ferraris (headend init .*)", documented(recipe_file()))
    for command in (served, checked[1:]):
        missing = ran(command, tmp_path)
        assert missing.returncode == 2
        assert "headend.toml: No such file" in missing.stderr
    made = ran(init.split(), tmp_path)
    assert made.returncode == 0, made.stderr
    silent = ran(checked[1:], tmp_path)
    assert silent.returncode == 1, silent.stderr  # nobody runs it
    assert "does not answer" in silent.stdout


def recipe_file() -> Path:
    return Path(__file__).resolve().parent.parent / "deploy" / "Containerfile"


def documented(file: Path) -> str:
    """The commands of its first lines."""
    return "\n".join(line for line in file.read_text().splitlines() if line.startswith("#"))
