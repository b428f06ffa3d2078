"""`ferraris` without its start: a process that has loaded it forks one for each command.

    python prefork.py SOCKET SHIM

serves at a socket and writes SHIM, a command that hands over its arguments, folder, environment and
open files, passes signals on, and ends as the command does. Each command runs the real `main` in a
process of its own. POSIX only.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from ferraris.cli import main as command_line
from ferraris.cli.headend_words import WORDS

# The start of Python without its site costs a tenth of a start with Ferraris.
SHIM = """\
#!{python} -IS
import marshal, os, signal, sys
from _socket import AF_UNIX, SOCK_STREAM, SOL_SOCKET, SCM_RIGHTS, socket
asked = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))
server = socket(AF_UNIX, SOCK_STREAM)
server.connect({place!r})
files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
server.sendmsg([len(asked).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, files)])
server.sendall(asked)
process = int.from_bytes(server.recv(4), "big")
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(process, number))
code = server.recv(1)
os._exit(code[0] if code else 1)
"""
FURTHER = ("ferraris.cli.telegram", "ferraris.cli.meter_station", "ferraris.client", "sqlite3")


def serve(place: str, shim: Path) -> None:
    """Load what commands load, and fork for whoever comes."""
    for name in {module for word in WORDS.values() for module in word.modules} | {*FURTHER}:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each process would copy the pages of what all of them share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen(16)
        shim.write_text(SHIM.format(python=sys.executable, place=place))
        shim.chmod(0o755)
        print("ready", flush=True)
        while True:
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    listening.close()
                    run(asking)


def run(asking: socket.socket) -> NoReturn:
    """Be the process that was asked for."""
    code = 1
    try:
        become(asking)
        asking.sendall(os.getpid().to_bytes(4, "big"))
        code = outcome()
        threading._shutdown()  # type: ignore[attr-defined] # what the interpreter does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        asking.sendall(bytes((code & 0xFF,)))
        os._exit(code)


def become(asking: socket.socket) -> None:
    """Take over files, arguments, folder and environment."""
    size, files, _, _ = socket.recv_fds(asking, 4, 3)
    wanted, given = int.from_bytes(size, "big"), b""
    while len(given) < wanted:
        given += asking.recv(wanted - len(given))
    arguments, folder, environment = marshal.loads(given)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv[:] = ["ferraris", *arguments]
    unbuffered = bool(environment.get("PYTHONUNBUFFERED"))
    # Standard files stay open as long as the process.
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1 if unbuffered else -1)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115


def outcome() -> int:
    """Run it, and say with which code it ends."""
    try:
        command_line.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - nothing is above
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
