"""Whoever runs the service hears how it stands."""

from __future__ import annotations

import socket
import sys

import pytest

from ferraris.headend.service.notifying import notify, watchdog_s

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd is not there")


def test_a_state_reaches_the_socket(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_whoever_does_not_listen_is_not_waited_for(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        told = [notify(f"STATUS={'x' * 4000}") for _ in range(1000)]
        assert told[0]
        assert not told[-1]


def test_silence_where_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "10.1.2.3:99")
    assert not notify("READY=1")


def test_the_watchdog_says_how_often(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    assert watchdog_s() == 60.0
    monkeypatch.setenv("WATCHDOG_USEC", "x")
    assert watchdog_s() is None
