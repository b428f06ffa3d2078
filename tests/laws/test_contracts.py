"""Laws 1 to 5: one planted violation of each, and the alarm must name the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

# Contract: where the violation is planted, what it says, what the report must show.
PLANTS = {
    "law-1-floors": ("model/planted.py", "import ferraris.transport", "ferraris.model.planted"),
    "law-1-headend": (
        "headend/store/planted.py",
        "import ferraris.headend.collect",
        "ferraris.headend.store.planted -> ferraris.headend.collect",
    ),
    "law-2-links": (
        "transport/wrapper/planted.py",
        "import ferraris.transport.hdlc",
        "ferraris.transport.wrapper",
    ),
    "law-2-families": (
        "messaging/sml/__init__.py",
        "import ferraris.messaging.dlms",
        "ferraris.messaging.sml",
    ),
    "law-3-no-world": ("core/planted.py", "import socket", "ferraris.core.planted -> socket"),
    "law-4-externals": (
        "data/planted.py",
        "import cryptography",
        "ferraris.data.planted is not allowed to import cryptography",
    ),
    "law-5-raw-data": (
        "messaging/dlms/planted.py",
        "import ferraris.data.types",
        "ferraris.messaging.dlms.planted -> ferraris.data.types",
    ),
}

# Law 3 once more, by ruff: an import and a call.
STYLE_PLANTS = ("import random", "from datetime import datetime, UTC\ndatetime.now(UTC)")


def contract_names(root: Path) -> dict[str, str]:
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    return {c["id"]: c["name"] for c in settings["tool"]["importlinter"]["contracts"]}


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(folder / "src"),
        "COLUMNS": "400",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def planted_house(root: Path, folder: Path) -> Path:
    """Copy of the house with every violation in it."""
    shutil.copytree(
        root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    shutil.copy(root / "pyproject.toml", folder)
    (folder / "tests/laws").mkdir(parents=True)
    shutil.copy(root / "tests/laws/contracts.py", folder / "tests/laws")
    for path, text, _ in PLANTS.values():
        file = folder / "src/ferraris" / path
        if file.parent.with_suffix(".py").exists():  # a link that is one file
            file = file.parent.with_suffix(".py")
            text = file.read_text() + "\n" + text
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        if not (file.parent / "__init__.py").exists():
            (file.parent / "__init__.py").write_text("")
    return folder


@pytest.fixture(scope="module")
def report(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = planted_house(root, tmp_path_factory.mktemp("house"))
    linter = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    return run(linter, folder)


def test_every_contract_is_planted(root: Path) -> None:
    assert set(contract_names(root)) == set(PLANTS)


@pytest.mark.parametrize("contract", PLANTS)
def test_planted_violation_breaks_its_contract(root: Path, report: str, contract: str) -> None:
    name = contract_names(root)[contract]
    assert f"{name} BROKEN" in report
    section = re.split(rf"^{re.escape(name)}\n-+\n", report, flags=re.MULTILINE)[1]
    section = re.split(r"^[^\n]+\n-{5,}\n", section, flags=re.MULTILINE)[0]
    assert PLANTS[contract][2] in section


@pytest.mark.parametrize("text", STYLE_PLANTS)
def test_ruff_bans_clock_and_chance_below_the_line(root: Path, tmp_path: Path, text: str) -> None:
    shutil.copy(root / "pyproject.toml", tmp_path)
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--no-cache", "src"]
    for room, banned in (("data", True), ("line", False)):
        folder = tmp_path / room
        file = folder / "src/ferraris" / room / "planted.py"
        file.parent.mkdir(parents=True)
        shutil.copy(root / "pyproject.toml", folder)
        file.write_text(text + "\n")
        shown = run(ruff, folder)  # the rest of ruff's rules complain in both
        assert ("TID251" in shown) is banned
