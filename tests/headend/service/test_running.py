"""The service as a process: made, run, asked, looked at, stopped; and what it says of itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals there")

COMMAND = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "headend"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def headend(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def get(url: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Service:
    """A head-end in a folder, running."""

    def __init__(self, folder: Path) -> None:
        self.port, self.watch = free_port(), free_port()
        made = headend("init", folder, "--listen", f"127.0.0.1:{self.port}", "--json")
        assert made.returncode == 0, made.stderr
        self.token = json.loads(made.stdout)["token"]
        self.file = folder / "headend.toml"
        with self.file.open("a") as more:
            more.write(f'\n[observe]\nmetrics = "127.0.0.1:{self.watch}"\n')
            more.write(
                '\n[intake]\npush = ["udp://127.0.0.1:0"]\ncall_in = ["tcp://127.0.0.1:0"]\n'
            )
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes.bind(str(folder / "notes"))
        self.notes.settimeout(60)
        self.process = subprocess.Popen(
            [*COMMAND, "--config", str(self.file), "run"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notes"), "WATCHDOG_USEC": "600000"},
        )

    def noted(self) -> str:
        return self.notes.recv(4096).decode()

    def stop(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)

    def close(self) -> None:
        self.notes.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def service(tmp_path: Path):
    running = Service(tmp_path / "night")
    yield running
    running.close()


def test_a_service_from_its_making_to_its_end(service: Service) -> None:
    while service.noted() != "READY=1":
        pass
    base = f"http://127.0.0.1:{service.port}"
    status, body = get(f"{base}/v1/meters", service.token)
    assert (status, json.loads(body)["items"]) == (200, [])
    assert get(f"{base}/v1/meters")[0] == 401
    status, page = get(f"{base}/")
    assert status == 200
    assert 'name="token"' in page
    status, metrics = get(f"http://127.0.0.1:{service.watch}/metrics")
    assert "ferraris_sessions" in metrics
    status, report = get(f"http://127.0.0.1:{service.watch}/ready")
    parts = json.loads(report)["parts"]
    assert status == 200
    assert {"http", "collection", "validation", "registration", "pushes", "calls"} <= set(parts)
    assert set(parts.values()) == {"ok"}
    asked = headend("--config", service.file, "ready", "--json")
    assert (asked.returncode, json.loads(asked.stdout)["ok"]) == (0, True), asked.stdout
    assert "WATCHDOG=1\nSTATUS=well" in {service.noted(), service.noted()}

    out, logs = service.stop()
    assert service.process.returncode == 0, logs
    assert f"listening at {base}" in out
    lines = [json.loads(line) for line in logs.splitlines()]
    assert [line["event"] for line in lines if line.get("room") == "service"] == [
        "starting",
        "ready",
        "stopping",
        "stopped",
    ]
    assert {line["level"] for line in lines} <= {"info", "warning"}, logs
    assert service.token not in logs
    asked = headend("--config", service.file, "ready")
    assert asked.returncode == 1
    assert "does not answer" in asked.stdout
    checked = headend("--config", service.file, "check")
    assert (checked.returncode, checked.stdout) == (0, "sound\n")


def test_an_address_in_use_is_told_and_waited_for(tmp_path: Path) -> None:
    running = Service(tmp_path / "night")
    try:
        with socket.create_server(("127.0.0.1", running.port)):
            lines = iter(running.process.stderr.readline, "")
            told = next(line for line in lines if "cannot be listened on" in line)
            assert str(running.port) in told
        while running.noted() != "READY=1":
            pass
        assert get(f"http://127.0.0.1:{running.port}/v1/meters", running.token)[0] == 200
        running.stop()
    finally:
        running.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `headend init` has made, to be copied."""
    folder = tmp_path_factory.mktemp("made") / "night"
    ran = headend("init", folder, "--json")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[http]\nlisten = "0.0.0.0:1"\n', "behind_proxy"),
        ('zone = "Nowhere/At"\n', "Nowhere/At"),
        ('[collect]\nsystem_title = "TOOLONGTITLE"\n', "eight characters"),
        ('[keys]\npassphrase = ""\n', "opens the key store"),
        ("[retention]\nspoons = 3\n", "spoons"),
    ],
)
def test_what_cannot_work_ends_at_once_with_its_place(made, tmp_path, text, told):
    shutil.copytree(made, tmp_path / "night")
    file = tmp_path / "night" / "headend.toml"
    lines = file.read_text()
    if text.startswith("[keys]"):
        lines = lines.replace('passphrase = "@passphrase"\n', "")
        text = ""
    if text.startswith("[http]"):
        lines = lines.replace("127.0.0.1:8470", "0.0.0.0:1")
        text = ""
    if text.startswith("zone"):
        lines = re.sub(r"zone = .*\n", text, lines)
        text = ""
    file.write_text(lines + text)
    ran = headend("--config", file, "run")
    assert ran.returncode == 2, ran.stderr
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr
