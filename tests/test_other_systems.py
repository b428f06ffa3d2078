"""The library where all that only Linux or POSIX has is missing: what is left runs it.

A process of its own takes it away before Ferraris is imported: modules, names of `os`, `select`,
`signal`, `socket` and `time`, and loops that watch sockets and signals. That is no Windows, but
whatever leans on one of these fails here as it would there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
POORER = """
import asyncio, contextlib, os, select, selectors, signal, socket, sys, threading, time

with contextlib.suppress(ImportError):
    import numpy, pandas, pyarrow  # packages of others know their own systems

MODULES = "fcntl grp pty pwd resource syslog termios tty uvloop"
NAMES = {
    os: "fork forkpty register_at_fork getuid geteuid getgid getegid openpty mkfifo chown fchown"
    " fchmod sched_getaffinity statvfs uname killpg setsid pread pwrite writev readv sendfile"
    " eventfd posix_spawn posix_fadvise posix_fallocate fdatasync getloadavg",
    select: "epoll poll",
    signal: "SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGCHLD alarm setitimer pause"
    " pthread_sigmask sigwait",
    socket: "AF_UNIX AF_PACKET SO_REUSEPORT SO_BINDTODEVICE MSG_DONTWAIT MSG_NOSIGNAL"
    " TCP_USER_TIMEOUT TCP_QUICKACK",
    time: "clock_gettime clock_gettime_ns tzset CLOCK_BOOTTIME CLOCK_MONOTONIC_RAW",
}
for module in MODULES.split():
    sys.modules[module] = None
for place, names in NAMES.items():
    for name in names.split():
        if hasattr(place, name):
            delattr(place, name)


def pair(*_):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        return one, listening.accept()[0]


socket.socketpair = pair


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(selectors.SelectSelector())

    def refused(self, *_):
        raise NotImplementedError

    add_reader = add_writer = add_signal_handler = remove_signal_handler = refused


class Loops(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop


asyncio.set_event_loop_policy(Loops())
sys.platform = "win32"
"""
LIBRARY = """
import ferraris
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

ENERGY = "1-0:1.8.0*255"
"""
EVERY_LINE = """
async def over(scheme):
    listening = await listen(Fleet(template("residential"), 1, seed=1), parse_url(scheme + "://127.0.0.1:0"))
    url = str(listening.endpoint())
    async with ferraris.connect(url) as meter:
        first = (await meter.read("0-0:42.0.0*255")).value
    def blocking():
        with ferraris.open(url) as meter:
            return meter.read("0-0:42.0.0*255").value
    assert await asyncio.to_thread(blocking) == first
    await listening.close()
    return first

for scheme in ("tcp", "udp", "tcp+hdlc", "udp+hdlc"):
    assert asyncio.run(over(scheme)), scheme
with ferraris.open("sim://residential?seed=1") as meter:
    assert str(meter.read(ENERGY).unit) == "Wh"
"""
CALLS = """
async def called():
    async with ferraris.accept("tcp://127.0.0.1:0", {}) as calls:
        assert calls.port

asyncio.run(called())
PUSHES = 1000
unit = bytes.fromhex(
    "000100010001001d 0f00000000 00 0101020309060100010700ff060000011802020f00161b"
)
# Two may wait, so that it pauses and goes on all the time.
with ferraris.listen("udp://127.0.0.1:0", most_waiting=2) as listening:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        came = iter(listening)
        for _ in range(PUSHES // 100):
            for _ in range(100):
                sender.sendto(unit, ("127.0.0.1", listening.port))
            assert {str(next(came).readings[0].value) for _ in range(100)} == {"280"}
"""
KEPT = """
from ferraris.keys import KeyStore

with KeyStore.create("keys.sqlite", "correct horse") as store:
    store.put("m1", "encryption_key", bytes(16))
with KeyStore.open("keys.sqlite", "correct horse") as store:
    first = store.lease("m1", n=16)
    assert store.get("m1", "encryption_key") == bytes(16)
with KeyStore.open("keys.sqlite", "correct horse") as store:
    assert store.lease("m1", n=16) != first
with ferraris.KindCache("kinds.json") as kinds:
    with ferraris.open("sim://residential?seed=1", kinds=kinds) as meter:
        meter.read_many([ENERGY])
"""
EVERY_ROOM = """
import importlib, pkgutil

for room in "core data crypto model messaging transport line keys client server meter".split():
    package = importlib.import_module("ferraris." + room)
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
"""


@pytest.mark.parametrize(
    "work", [EVERY_LINE, CALLS, KEPT, EVERY_ROOM], ids=["lines", "calls", "kept", "rooms"]
)
def test_the_library_runs_without_what_other_systems_lack(work: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-c",
            POORER + LIBRARY + work + "print('whole')",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr[-6000:]
