"""Stores on disks of a few megabytes, which can be filled to the last octet and freed again.

The disks are mounted where that is allowed, as root; else PostgreSQL runs in a mount namespace of
its own, and files are kept from growing instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

if sys.platform != "win32":
    import resource

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
_MOUNT = "mount -t tmpfs -o size={megabytes}m,mode=0777 small {folder}"
_APART = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]


class NoDiskError(Exception):
    """It cannot be tried here, and why."""


def _run(*command: str, **more: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise NoDiskError(f"{command[0]}: {done.stderr or done.stdout}")
    return str(done.stdout)


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """One that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ferraris-disk-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk mounted at a new folder; as root."""
    folder.mkdir()
    _run(*_MOUNT.format(megabytes=megabytes, folder=folder).split())
    with contextlib.suppress(LookupError):
        shutil.chown(folder, "postgres", "postgres")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


class SmallFile:
    """Where an SQLite store has little room."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder / "store.sqlite")
        self._ballast = folder / "ballast"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        if not AS_ROOT:
            largest = Path(f"{self.location}-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, self._limits[1]))
            return
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_file() -> Iterator[SmallFile]:
    """A place for an SQLite store."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(folder_of_its_own())
        if AS_ROOT:
            folder = stack.enter_context(small_disk(folder / "disk", 8))
        found = SmallFile(folder)
        stack.callback(found.free)
        yield found


class SmallCluster:
    """A PostgreSQL of our own: its database on one small disk, its write-ahead log on another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data, self.small, self.log = folder / "data", folder / "small", folder / "wal"
        self.user = "postgres" if AS_ROOT else os.environ.get("USER", "ferraris")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.bin = Path(_run("pg_config", "--bindir").strip())
        if not (self.bin / "initdb").exists():
            raise NoDiskError("no initdb here")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def location(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/store"

    def make(self) -> None:
        options = ["--auth=trust", "--no-sync", "--wal-segsize=1", f"--username={self.user}"]
        if AS_ROOT:
            options.append(f"--waldir={self.log}/pg")
        self._as_owner(str(self.bin / "initdb"), "-D", str(self.data), *options)
        with (self.data / "postgresql.conf").open("a") as out:
            out.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                "unix_socket_directories = ''\nfsync = off\nautovacuum = off\n"
                "max_wal_size = 4MB\nmin_wal_size = 2MB\nshared_buffers = 8MB\n"
            )
        self.start()
        self.sql(f"CREATE TABLESPACE small LOCATION '{self.small}'", "postgres")

    def empty(self) -> None:
        """Make the database anew."""
        self.sql("DROP DATABASE IF EXISTS store WITH (FORCE)", "postgres")
        self.sql("CREATE DATABASE store TABLESPACE small", "postgres")

    def begin_again(self) -> None:
        """As whoever runs it would, after it has failed: by itself it does so only sometimes."""
        while self._runs() and "reinitializing" not in (self.folder / "log").read_text():
            time.sleep(0.02)
        if not self._answers():
            self.start()

    def start(self) -> None:
        command = [str(self.bin / "postgres"), "-D", str(self.data)]
        if not AS_ROOT:
            mount = _MOUNT.format(megabytes=40, folder=self.small)
            command = [*_APART, "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, **self._owner())  # type: ignore[call-overload]
        if not self._answers():
            raise NoDiskError((self.folder / "log").read_text()[-2000:])

    def _answers(self) -> bool:
        """Wait until it does, or has ended."""
        while self._runs():
            with contextlib.suppress(psycopg.OperationalError):
                self.sql("SELECT 1", "postgres")
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(30)

    def _runs(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def sql(self, line: str, database: str = "store") -> None:
        place = f"host=127.0.0.1 port={self.port} user={self.user} dbname={database}"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(line)

    def fill(self) -> None:
        self._shell(f"head -c 100000000 /dev/zero > {self.small}/ballast; true")

    def free(self) -> None:
        self._shell(f"rm -f {self.small}/ballast")

    def fill_log(self) -> None:
        with contextlib.suppress(OSError), (self.log / "ballast").open("wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))

    def free_log(self) -> None:
        (self.log / "ballast").unlink(missing_ok=True)

    def _shell(self, command: str) -> None:
        """As the server, which may be in a namespace of its own."""
        self.sql(f"COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; {command}'", "postgres")

    def _as_owner(self, *command: str) -> None:
        _run(*command, **self._owner())

    @staticmethod
    def _owner() -> dict[str, object]:
        if not AS_ROOT:
            return {}
        return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


@contextlib.contextmanager
def small_cluster() -> Iterator[SmallCluster]:
    """A cluster that runs; raises `NoDiskError` where there can be none."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(folder_of_its_own())
        cluster = SmallCluster(folder)
        if AS_ROOT:
            stack.enter_context(small_disk(cluster.small, 40))
            stack.enter_context(small_disk(cluster.log, 16))
            cluster.data.mkdir(mode=0o700)
            shutil.chown(cluster.data, "postgres", "postgres")
        else:
            cluster.small.mkdir()
        stack.callback(cluster.stop)
        cluster.make()
        yield cluster
