"""A head-end by the evening load: 10,000 TCP meters, HLS 5, ciphered, 96 x 4 values, 20 registers.

`python bench/headend.py [METERS] [--store URL]...` lets the meters answer in a process of their
own and reads them all with a head-end in another, put together as a service does it, keys in a
key store of its own: into a new SQLite file, and into a new schema of each PostgreSQL database
that is named. It prints the time by the clock and the processor time of every part: meters, the
event loop of the head-end with sessions and packing, its other threads with the store's writes,
and the servers of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from _meters import Meters, meters_apart
from _places import named, place
from ferraris.headend.collect import CollectionSettings, Summary, plan_of, put_plan
from ferraris.headend.configuration import Collecting, Configuration, Observing
from ferraris.headend.demo.settings import PROFILE, REGISTERS
from ferraris.headend.inventory import State, move_many
from ferraris.headend.inventory.shipments import import_shipment
from ferraris.headend.inventory.tenants import transport_key_id
from ferraris.headend.registration.recognition import known_meters
from ferraris.headend.service.building import Built, Furnishing, built
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import KeyStore

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]

METERS = 10_000
LIMIT_S, LIMIT_MB = 45, 400
TENANT, MAKER = "main", "maker"
PLAN = {
    "name": "bench",
    "profiles": [{"profile": PROFILE, "period": "15 min"}],
    "registers": list(REGISTERS),
    "back_days": 1,
    "before_days": 1,
}


def main() -> None:
    """Print the figures of each store; each head-end is a new process, for its memory."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["once"]:
        once(int(arguments[1]), arguments[2])
        return
    urls = ["", *named(arguments)]
    for url in urls:
        command = [sys.executable, __file__, "once", arguments[0] if arguments else str(METERS)]
        subprocess.run([*command, url], check=True)


def once(count: int, url: str) -> None:
    """Read all meters of a street into a store, and print what it took."""
    transport_key = secrets.token_bytes(16)
    with (
        meters_apart(count, transport_key) as meters,
        tempfile.TemporaryDirectory() as folder,
        place(url) as location,
        KeyStore.create(Path(folder) / "keys.sqlite", secrets.token_urlsafe(24)) as keys,
    ):
        configuration = Configuration(
            store=location, tenant=TENANT, collect=Collecting(), observe=Observing(metrics="")
        )
        furnishing = Furnishing(
            keys=keys, exclusive=True, collection=CollectionSettings(concurrency=64)
        )
        with built(configuration, furnishing) as whole:
            began = time.process_time()
            bring_in(whole, meters.shipment, transport_key)
            print(
                f"== {count} meters into {whole.house.engine.url.get_backend_name()};"
                f" load {os.getloadavg()[0]:.1f}"
            )
            print(f"brought in             {time.process_time() - began:6.1f} s of processor")
            measured = Measured(meters, whole.house.engine)
            summary, loop_s = run(collect(whole))
            measured.tell(summary, loop_s)
    print(f"head-end, at most      {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f}"
          f" MB (limit {LIMIT_MB})")  # fmt: skip


class Measured:
    """Clock and processor time of every part since it was made."""

    def __init__(self, meters: Meters, engine: Engine) -> None:
        self._meters, self._engine = meters, engine
        self._before = self._now()

    def tell(self, summary: Summary, loop_s: float) -> None:
        """Print them."""
        parts = [after - before for before, after in zip(self._before, self._now(), strict=True)]
        wall, ours, theirs, servers = parts
        print(f"by the clock           {summary.duration_s:6.1f} s (limit {LIMIT_S})"
              f", {wall:.1f} s with start and end")  # fmt: skip
        print(f"processor: meters      {theirs:6.1f} s")
        print(f"           head-end    {ours:6.1f} s: {loop_s:.1f} s sessions and packing, "
              f"{ours - loop_s:.1f} s threads with the store")  # fmt: skip
        if self._engine.is_postgresql:
            print(f"           PostgreSQL  {servers:6.1f} s")
        print(f"stored                 {summary.read} of {summary.meters} meters, "
              f"{summary.intervals} rows, {summary.registers} registers")  # fmt: skip
        if summary.failed:
            print(f"NOT ALL WERE READ: {dict(summary.failures)}")

    def _now(self) -> tuple[float, float, float, float]:
        servers = server_seconds() if self._engine.is_postgresql else 0.0
        return time.perf_counter(), time.process_time(), self._meters.used(), servers


async def collect(whole: Built) -> tuple[Summary, float]:
    """Read all, once; with the processor seconds of the thread of the event loop."""
    before = time.thread_time()
    summary = await whole.collection.run_once()
    return summary, time.thread_time() - before


def bring_in(whole: Built, shipment: str, transport_key: bytes) -> None:
    """Meters out of their shipment file, all at work under one plan."""
    keys, now = whole.house.keys, time.time()
    assert isinstance(keys, KeyStore)
    keys.put(transport_key_id(TENANT, MAKER), "master_key", transport_key)
    tenant = whole.archive.tenant
    with whole.house.engine.transaction() as connection:
        report = import_shipment(
            connection, tenant, keys, shipment.encode(), at_s=now, by="bench", transport_key=MAKER
        )
        assert not report.errors, report.errors[0]
        numbers = [each.number for each in known_meters(connection, METER.c.tenant == tenant)]
        for state in (State.INSTALLED, State.ACTIVE):
            move_many(connection, tenant, numbers, state, reason="", by="bench", at_s=now)
        plan: dict[str, Any] = PLAN
        put_plan(connection, tenant, plan_of(plan), now=now)
    if whole.house.engine.is_postgresql:
        with whole.house.engine.transaction() as connection:
            connection.execute(text("ANALYZE"))


def server_seconds() -> float:
    """Processor seconds of all servers of PostgreSQL on this machine, and of those that ended."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name, _, rest = (folder / "stat").read_text().rpartition(")")
        except OSError:
            continue  # it has ended
        if name.partition("(")[2].startswith("postgres"):
            fields = rest.split()
            ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
