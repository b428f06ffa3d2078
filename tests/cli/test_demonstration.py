"""`ferraris demo` as a person sees it, in a terminal, and as a script does, in a pipe."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

# Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
RUN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from ferraris.cli.main import main; main()"
)
TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
COMMAND = [sys.executable, "-c", RUN, "demo"]
KEYS = ["version", "meters", "read", "failed", "registers", "intervals", "duration_s", "store"]
KEYS += ["night"]


class Terminal:
    """A process in a pseudo-terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{TAKE_TERMINAL}; {RUN}", "demo", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"},
        )
        os.close(theirs)
        self.shown = ""

    def until(self, *wanted: str, limit_s: float = 60.0) -> None:
        """Read until all of `wanted` has been shown."""
        end = time.monotonic() + limit_s
        while not all(each in self.shown for each in wanted):
            assert self._read(end - time.monotonic()), f"{wanted} not in {self.shown!r}"

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self, limit_s: float = 30.0) -> int:
        """Read to the end; the exit code."""
        end = time.monotonic() + limit_s
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(timeout=limit_s)

    def close(self) -> None:
        os.close(self._ours)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, wait_s))
        if not ready:
            return False
        try:
            octets = os.read(self._ours, 65536)
        except OSError:  # the last process of the terminal has ended
            return False
        text = octets.decode("utf-8", "replace")
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        return bool(octets)


needs_terminals = pytest.mark.skipif(
    sys.platform == "win32", reason="there are no pseudo-terminals here"
)


@needs_terminals
def test_the_live_table_shows_the_neighbourhood_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    terminal = Terminal("--meters", "5", "--store", str(tmp_path / "demo.sqlite"))
    try:
        terminal.until("5 of 5 meters read", "agree with the meters to the last unit")
        terminal.until("5 meters: 5 read, 0 failed", "a second", "voltage", "Ctrl-C ends it")
        page = re.search(r"page +(http://127\.0\.0\.1:\d+)  with the token (\S+)", terminal.shown)
        assert page is not None
        with urllib.request.urlopen(f"{page[1]}/login", timeout=20) as answer:
            assert b'name="token"' in answer.read()
        terminal.type(b"\x03")
        code = terminal.end()
    finally:
        terminal.close()
    assert code == 0
    before, after = terminal.shown.split("interrupted:")
    assert len(set(re.findall(r"FRR\d{13}", before))) == 5
    assert re.search(r"[1-9]\d* +V\b|[1-9]\d*(\.\d+)? V\b", before)
    assert "5 of 5 meters read" in after
    assert "480 rows" in after
    assert "demo.sqlite" in after
    assert "Traceback" not in terminal.shown


@needs_terminals
def test_a_terminal_gets_a_bar_with_figures(tmp_path: Path) -> None:
    terminal = Terminal("--meters", "40", "--once", "--store", str(tmp_path / "demo.sqlite"))
    try:
        code = terminal.end(60.0)
    finally:
        terminal.close()
    assert code == 0
    assert re.search(r"meters .*\d+/40 +\d+ read, \d+ failed, \d+ a second", terminal.shown)


def test_a_pipe_gets_the_summary_and_no_bar(tmp_path: Path) -> None:
    store = str(tmp_path / "demo.sqlite")
    done = subprocess.run(
        [*COMMAND, "--meters", "4", "--once", "--json", "--store", store],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert list(summary) == KEYS
    assert isinstance(summary.pop("duration_s"), float)
    assert summary.pop("night")["agreement"]["wrong"] == 0
    assert summary == {
        "version": 1,
        "meters": 4,
        "read": 4,
        "failed": 0,
        "registers": 80,
        "intervals": 384,
        "store": store,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_a_pipe_gets_one_object_a_round_until_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--meters", "2", "--json", "--store", str(tmp_path / "demo.sqlite")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert list(first) == KEYS
    assert process.returncode == 0
    assert errors == ""
    assert all(list(json.loads(line)) == KEYS for line in rest.splitlines())


def test_without_the_extra_the_way_to_it_is_told() -> None:
    code = "import sys; sys.modules['msgspec'] = None; from ferraris.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--once"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'ferraris[headend]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
