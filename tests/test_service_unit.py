"""The unit of systemd: systemd understands it, and what it runs is a command that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ferraris.headend.service import notifying

UNIT = "ferraris-headend.service"


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "deploy" / UNIT).read_text()


def value(text: str, name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", text, re.M)
    return str(found)


@pytest.mark.services
def test_systemd_has_nothing_to_say_against_it(text: str, tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("no systemd-analyze")
    program = value(text, "ExecStart").split()[0]
    (tmp_path / UNIT).write_text(text.replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    ran = subprocess.run(
        [systemd, "verify", "--recursive-errors=no", str(tmp_path / UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_it_runs_a_command_and_keeps_to_one_folder(text: str) -> None:
    program, *words = value(text, "ExecStart").split()
    assert program == f"{value_in_comment(text)}/ferraris"
    folder = f"/var/lib/{value(text, 'StateDirectory')}"
    assert words[:2] == ["headend", "--config"]
    assert words[2].startswith(folder + "/")
    command = "from ferraris.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", command, "headend", *words[3:], "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, "Run the head-end" in ran.stdout) == (0, True)


def value_in_comment(text: str) -> str:
    """Where the comment says that the program is installed."""
    (found,) = re.findall(r"python3 -m venv (\S+)", text)
    return f"{found}/bin"


def test_it_waits_for_words_that_the_head_end_says(text: str, monkeypatch) -> None:
    assert value(text, "Type") == "notify"
    monkeypatch.setenv("WATCHDOG_USEC", f"{int(value(text, 'WatchdogSec'))}000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert notifying.watchdog_s() == int(value(text, "WatchdogSec"))
