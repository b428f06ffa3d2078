"""One day from each meter: connect, HLS 5, 96 x 4 in blocks, release, decode, block stored.

The meters run in a process of their own; both ends tell the processor time that they used.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from _meters import Meters, meters_apart
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


def main() -> None:
    """Print milliseconds of processor time for each session, head-end and meter."""
    with meters_apart(METERS) as meters:
        figures = [run(collect(meters, day)) for day in range(1, 8)][1:]
    head_end, meter = (min(column) for column in zip(*figures, strict=True))
    print(f"day-profile session, head-end  {head_end:.3f} ms   (minimum 0.9, target 0.5)")
    print(f"day-profile session, meter     {meter:.3f} ms   (minimum 0.45, target 0.25)")


async def collect(meters: Meters, day: int) -> tuple[float, float]:
    """One day of every meter; processor milliseconds a session of both ends."""
    keys = MemoryKeys()
    new = []
    for line in meters.lines:
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
        opened = DlmsMeters(keys, system_title=b"FRRBENCH", max_pdu=MAX_PDU)
        collection = Collection(
            Archive(engine, tenant),
            opened.open,
            settings=CollectionSettings(concurrency=50, session=SessionLimits(check_clock=False)),
            prepare=opened.prepare,
        )
        before, theirs = time.process_time(), meters.used()
        summary = await collection.run_once()
        ours, theirs = time.process_time() - before, meters.used() - theirs
        engine.close()
    assert summary.intervals == 96 * len(meters.lines), summary
    return ours / len(meters.lines) * 1e3, theirs / len(meters.lines) * 1e3


if __name__ == "__main__":
    main()
