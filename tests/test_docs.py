"""The documents do what they say: their examples run, their links lead somewhere.

In the pages, ```` ```python ```` blocks run in order in one namespace for each page, and
```` ```console ```` blocks run their `$ ` lines by the shell, in one folder for each page. Printed
lines that follow a `$ ` line must appear in this order in what the command printed; `…` stands for
anything. A line that ends in `&` goes on in the background until the page is done, and counts as
started when it has printed the line after it. `<!-- not run: reason -->` before a block excuses it.

`ferraris` is forked from a process that has loaded it (`prefork.py`), as most of these commands
take less than their start. The pages in `FRESH` start it as a reader does.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PREFORK = Path(__file__).with_name("prefork.py")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(
    r"^(?P<excuse><!-- not run: [^\n]+ -->\n\n?)?^```(?P<language>python|console)\n"
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
PATIENCE_S = 90
PORT_OF_PAGES = "45059"
FRESH = ("README.md", "tutorial.md")
SHOWN = {"COLUMNS": "120", "NO_COLOR": "1"}


@dataclass
class Block:
    """One example of a page."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(match["language"], match["text"], text[: match.start("text")].count("\n") + 1)
        for match in BLOCK.finditer(text)
        if not match["excuse"]
    ]


def free_port() -> int:
    """A port below those that systems give to connections, so that none takes it meanwhile."""
    for port in range(20_000 + os.getpid() % 4_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


class Shell:
    """Runs the commands of one page in one folder, and ends what it left in the background."""

    def __init__(self, folder: Path, commands: Path | None) -> None:
        """`commands` has what stands before all other commands."""
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        self._port = str(free_port())
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if commands is not None:
            path = f"{commands}{os.pathsep}{path}"
        self._environment = os.environ | SHOWN | {"PATH": path}

    def run(self, text: str) -> None:
        for part in re.split(r"^\$ ", self.placed(text), flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            lines = [line for line in expected.splitlines() if line.strip()]
            if command.rstrip().endswith("&"):
                self._start(command.rstrip()[:-1], lines)
            else:
                self._finish(command, lines)

    def placed(self, text: str) -> str:
        """Pages name one port; a run of its own port leaves other runs on this machine alone."""
        return text.replace(PORT_OF_PAGES, self._port)

    def close(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait(PATIENCE_S)
            assert process.stdout is not None
            process.stdout.close()
        self._running.clear()

    def _finish(self, command: str, lines: list[str]) -> None:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        printed = iter(done.stdout.splitlines())
        for line in lines:
            assert any(fits(line, shown) for shown in printed), (
                f"$ {command}\ndid not print, in its turn: {line}\nbut:\n{done.stdout}"
            )

    def _start(self, command: str, lines: list[str]) -> None:
        process = subprocess.Popen(
            f"exec {command}",
            shell=True,
            cwd=self._folder,
            env=self._environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(process)
        printed: queue.Queue[str | None] = queue.Queue()

        def listen() -> None:
            assert process.stdout is not None
            with contextlib.suppress(ValueError):  # closed at the end of the page
                for line in process.stdout:
                    printed.put(line.rstrip("\n"))
            printed.put(None)

        threading.Thread(target=listen, daemon=True).start()
        told = []
        for expected in lines:
            while (line := printed.get(timeout=PATIENCE_S)) is None or not fits(expected, line):
                assert line is not None, f"$ {command}\nended, it printed: {told}"
                told.append(line)


def fits(expected: str, shown: str) -> bool:
    """Whether a printed line is the expected one; `…` stands for anything, spaces count once."""
    parts = [re.escape(" ".join(part.split())) for part in expected.split("…")]
    return re.fullmatch(" ?.*? ?".join(parts), " ".join(shown.split())) is not None


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Pages name the ports of their meters, so each is tried once at a time on this machine."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (Path(tempfile.gettempdir()) / f"ferraris-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def forking() -> Iterator[Path | None]:
    """A folder with a `ferraris` that is quick to start; None where nothing forks."""
    if not hasattr(os, "fork"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ferraris-") as name:  # short, as places of sockets are
        folder = Path(name)
        server = subprocess.Popen(
            [sys.executable, PREFORK, folder / "socket", folder / "ferraris"],
            stdout=subprocess.PIPE,
            env=os.environ | SHOWN,
            start_new_session=True,
        )
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield folder
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # and whatever it has left
            server.communicate()


@pytest.fixture
def shell(page: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    commands = None if page.name in FRESH else request.getfixturevalue("forking")
    shell = Shell(tmp_path, commands)
    yield shell
    shell.close()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.name)
def test_examples_run(
    page: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    with alone(page.name):
        for block in blocks(page):
            if block.language == "console":
                shell.run(block.text)
                continue
            code = compile("\n" * block.line + shell.placed(block.text), str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, names)
        shell.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [
        target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()
    ]
    assert missing == []


def test_fits_takes_the_ellipsis_for_anything() -> None:
    assert fits("1-0:1.8.0*255 … Wh", "1-0:1.8.0*255   12345  Wh")
    assert fits("…", "")
    assert not fits("1-0:1.8.0*255 … Wh", "1-0:1.8.0*255   12345  var")


def test_a_forked_command_is_one_of_its_own(forking: Path | None, tmp_path: Path) -> None:
    """With its own arguments, input, folder, environment, output, exit code and end."""
    if forking is None:
        pytest.skip("nothing forks here")
    command = str(forking / "ferraris")

    def ran(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        asked = [command, *arguments]
        return subprocess.run(asked, cwd=tmp_path, capture_output=True, check=False, **more)

    done = ran("decode", "--json", "-", input=b"6203800100")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"rlrq"' in done.stdout
    (tmp_path / "octets").write_text("6203800100")
    assert b'"rlrq"' in ran("decode", "--json", "octets").stdout
    assert ran("decode", "zz").returncode == 2
    assert ran("nonsense").stderr.startswith(b"ferraris: No such command")
    listening = "udp://127.0.0.1:0"
    with subprocess.Popen(
        [command, "listen", listening], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert b"listening" in process.stderr.readline()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
