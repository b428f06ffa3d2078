"""`ferraris meter cable`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ferraris.meter.cable import Cable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
MAIN = "from ferraris.cli.main import main; main()"


def test_a_cable_carries_both_ways_and_goes_away(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAIN, "meter", "cable", "reader", "meter"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reader - meter\n"
        ends = [os.open(tmp_path / name, os.O_RDWR | os.O_NOCTTY) for name in ("reader", "meter")]
        for here, there in (ends, reversed(ends)):
            os.write(here, b"\x7e\x00\r\n\xff")
            heard = b""
            while len(heard) < 5:
                heard += os.read(there, 5)
            assert heard == b"\x7e\x00\r\n\xff"
        for end in ends:
            os.close(end)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_meter_whose_cable_is_pulled_says_so_and_waits_for_another(ferraris, tmp_path) -> None:
    cable, port = Cable(), tmp_path / "meter"
    port.symlink_to(cable.meter)
    command = [sys.executable, "-c", MAIN, "meter", "run", "residential"]
    command += ["--listen", f"serial://{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"1 x residential at serial://{port}\n"
        port.unlink()
        cable.unplug()
        assert process.stderr.readline().endswith(" is gone: is the cable unplugged?\n")
        assert "there is no port" in process.stderr.readline()
        cable = Cable()
        port.symlink_to(cable.meter)
        for _ in range(10):  # the port may still be closed: the meter looks every few seconds
            ran = ferraris("read", f"serial://{cable.reader}", "0-0:42.0.0", "--timeout", "3")
            if ran.code == 0:
                break
        assert "FRR" in ran.out
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        cable.unplug()


def test_a_name_that_is_taken(ferraris, tmp_path: Path) -> None:
    (tmp_path / "reader").touch()
    ran = ferraris("meter", "cable", str(tmp_path / "reader"), str(tmp_path / "meter"))
    assert ran.code == 2
    assert "File exists" in ran.err


def test_meters_do_not_wait_at_modems(ferraris) -> None:
    ran = ferraris("meter", "run", "residential", "--listen", "modem:///dev/ttyS0?phone=1")
    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_a_port_that_is_not_there(ferraris) -> None:
    ran = ferraris("read", "serial:///dev/ttyNOWHERE0", "1.8.0")
    assert ran.code == 1
    assert "there is no port /dev/ttyNOWHERE0" in ran.err
