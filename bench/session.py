"""One day from each meter: connect, HLS 5, 96 x 4 in blocks, release, decode, block stored.

The meters run in a process of their own; both ends tell the processor time that they used.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    SessionLimits,
    plan_of,
    put_plan,
)
from ferraris.headend.inventory import NewMeter, State, enrol, move_many, tenant_number
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import MemoryKeys

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]

METERS = 600
MAX_PDU = 1024  # the client's, so that the day comes in four blocks
PLAN = {
    "name": "bench",
    "profiles": [{"profile": "1-0:99.1.0*255", "period": "15 min"}],
    "back_days": 1,
    "before_days": 1,
}

SERVER = """
import asyncio, json, resource, sys
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

async def main():
    fleet = Fleet(template("residential"), int(sys.argv[1]), seed=1)
    listening = await listen(fleet, parse_url("tcp://127.0.0.1:0"))
    print(json.dumps([listening.line(n) for n in range(len(fleet))]), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), flush=True)

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]
run(main())
"""


def main() -> None:
    """Print milliseconds of processor time for each session, head-end and meter."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(METERS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        lines = json.loads(server.stdout.readline())

        def used() -> float:
            print("used", file=server.stdin, flush=True)
            return float(server.stdout.readline())  # type: ignore[union-attr]

        figures = [run(collect(lines, used, day)) for day in range(1, 8)][1:]
        server.stdin.close()
    head_end, meter = (min(column) for column in zip(*figures, strict=True))
    print(f"day-profile session, head-end  {head_end:.3f} ms   (minimum 0.9, target 0.5)")
    print(f"day-profile session, meter     {meter:.3f} ms   (minimum 0.45, target 0.25)")


async def collect(lines: list[dict[str, object]], used: object, day: int) -> tuple[float, float]:
    """One day of every meter; processor milliseconds a session of both ends."""
    keys = MemoryKeys()
    new = []
    for line in lines:
        name = str(line["id"])
        for kind in ("encryption_key", "authentication_key"):
            keys.put(name, kind, bytes.fromhex(str(line[kind])))
        keys.raise_next(name, "send", day * 1000)
        new.append(
            NewMeter(
                external_id=name,
                address=str(line["url"]),
                server=int(str(line["server"])),
                system_title=bytes.fromhex(str(line["system_title"])),
                template="residential",
            )
        )
    now = datetime.now(UTC).timestamp()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder) / "s.sqlite")
        migrate(engine)
        with engine.transaction() as connection:
            tenant = tenant_number(connection, "bench", make=True)
            numbers = enrol(connection, tenant, new, at_s=now).values()
            for state in (State.INSTALLED, State.ACTIVE):
                move_many(connection, tenant, numbers, state, reason="", by="", at_s=now)
            put_plan(connection, tenant, plan_of(PLAN), now=now)
        meters = DlmsMeters(keys, system_title=b"FRRBENCH", max_pdu=MAX_PDU)
        collection = Collection(
            Archive(engine, tenant),
            meters.open,
            settings=CollectionSettings(concurrency=50, session=SessionLimits(check_clock=False)),
            prepare=meters.prepare,
        )
        before, theirs = cpu(), used()  # type: ignore[operator]
        summary = await collection.run_once()
        ours, theirs = cpu() - before, used() - theirs  # type: ignore[operator]
        engine.close()
    assert summary.intervals == 96 * len(lines), summary
    return ours / len(lines) * 1e3, theirs / len(lines) * 1e3


def cpu() -> float:
    """Processor seconds of this process."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


if __name__ == "__main__":
    main()
