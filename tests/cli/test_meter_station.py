"""`ferraris meter run --state`: meters that are killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MAIN = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "meter", "run"]
MESSAGE = "1/0-0:96.13.0*255/2"


@contextmanager
def running(
    tmp_path: Path, *more: str, end: int = signal.SIGKILL
) -> Iterator[tuple[dict[str, Any], Path]]:
    """Two meters with a state; the line of the second one, and the file of keys."""
    keys = tmp_path / "keys.jsonl"
    keys.unlink(missing_ok=True)
    command = [*MAIN, "residential", "--count", "2", "--listen", "tcp://127.0.0.1:0"]
    command += ["--keys-out", str(keys), "--state", str(tmp_path / "state"), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("2 x residential at tcp://127.0.0.1:")
            yield json.loads(keys.read_text().splitlines()[1]), keys
        finally:
            process.send_signal(end)
    assert process.returncode == (0 if end == signal.SIGTERM else -end)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_what_was_answered_outlives_a_kill(ferraris: Any, tmp_path: Path) -> None:
    for end in (signal.SIGKILL, signal.SIGTERM):
        with running(tmp_path, end=end) as (line, keys):
            at = (line["url"], "--server", str(line["server"]), "--keys", str(keys))
            value = f"octet-string:{end:02x}"
            assert ferraris("set", at[0], MESSAGE, value, *at[1:]).code == 0
            key = line["encryption_key"]
        with running(tmp_path) as (line, keys):
            assert line["encryption_key"] == key
            at = (line["url"], "--server", str(line["server"]), "--keys", str(keys))
            ran = ferraris("read", at[0], "0-0:96.13.0*255", *at[1:], "--json")
            assert ran.code == 0
            assert ran.json["readings"][0]["value"] == f"{end:02x}"


def test_the_state_of_other_meters_is_one_line(ferraris: Any, tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    here = ("--listen", "tcp://127.0.0.1:0", "--state", str(tmp_path / "state"))
    ran = ferraris("meter", "run", "residential", "--seed", "9", *here)
    assert ran.code == 2
    assert "start them with seed 1" in ran.err
    assert len(ran.err.splitlines()) == 1
    ran = ferraris("meter", "run", "residential", "--state-key", "env:HOME")
    assert ran.code == 2
    assert "--state-key goes with --state" in ran.err
