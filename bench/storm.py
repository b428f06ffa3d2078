"""A storm of pushes: thousands of datagrams a second through one socket into the store.

`python bench/storm.py [METERS] [--store URL] [--rate N] [--seconds S] [--profile]` lets that many
meters push eight registers each, ciphered and authenticated, again and again, out of a process of
its own, and takes them in as a service does. It tells how many a second came to be on the disk, the
processor time of one, what the kernel dropped, and how much memory was needed; nothing that the
socket delivered may be missing.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import resource
import secrets
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _places import place
from ferraris.headend.intake import PushIntake, PushWriter, Senders
from ferraris.headend.inventory import key_id, move_many
from ferraris.headend.inventory.shipments import import_shipment
from ferraris.headend.inventory.states import State
from ferraris.headend.inventory.tenants import tenant_number, transport_key_id
from ferraris.headend.registration.recognition import known_meters
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.opening import octets_of
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import KeyStore
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.pushing import Pusher
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template
from ferraris.transport import wrapper

TITLE = b"FRRHES01"
STORM = """
import socket, struct, sys, time
port, rate, file = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
octets = open(file, "rb").read()
at, datagrams = 0, []
while at < len(octets):
    (size,) = struct.unpack_from(">H", octets, at)
    datagrams.append(octets[at + 2 : at + 2 + size])
    at += 2 + size
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.connect(("127.0.0.1", port))
begun, step = time.perf_counter(), max(1, int(rate / 200))
for first in range(0, len(datagrams), step):
    while (wait := first / rate - (time.perf_counter() - begun)) > 0:
        time.sleep(min(wait, 0.01))
    for each in datagrams[first : first + step]:
        out.send(each)
print(len(datagrams) / (time.perf_counter() - begun), flush=True)
"""


def bring_in(engine: Engine, keys: KeyStore, fleet: Fleet, meters: int) -> int:
    """Meters with their keys, at work; the number of the tenant."""
    transport_key, now = secrets.token_bytes(16), time.time()
    keys.put(transport_key_id("main", "maker"), "master_key", transport_key)
    lines = (fleet.line(index, "") for index in range(meters))
    file = "".join(shipment_lines(fleet, lines, transport_key)).encode()
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True) or 0
        report = import_shipment(
            connection, tenant, keys, file, at_s=now, by="bench", transport_key="maker"
        )
        assert not report.errors, report.errors[0]
        numbers = [each.number for each in known_meters(connection, METER.c.tenant == tenant)]
        for state in (State.INSTALLED, State.ACTIVE):
            move_many(connection, tenant, numbers, state, reason="", by="bench", at_s=now)
    return tenant


def datagrams(fleet: Fleet, meters: int, count: int) -> bytes:
    """What they will send, each with its length before it."""
    made = Pusher(fleet, parse_url("udp://127.0.0.1:9"), every_s=None, utc=time.time)
    parts = []
    for turn in range(count):
        meter = fleet[turn % meters]
        sealed = made.protected(meter, made.notification(meter))
        octets = wrapper.pack(meter.server_sap, 1, sealed)
        parts.append(struct.pack(">H", len(octets)) + octets)
    return b"".join(parts)


async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    """Instead of a thread, so that one profile sees everything."""
    return work(*arguments)


async def storm(intake: PushIntake, file: Path, count: int, rate: float) -> tuple[float, int]:
    """Let it come, and wait until all is written that came; the sender's rate, and the drops."""
    await intake.open()
    work = asyncio.create_task(intake.run())
    command = [sys.executable, "-c", STORM, str(intake.ports[0]), str(rate), str(file)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    counts, before = intake.counts, -1
    while counts.stored + intake.drops < count and counts.taken + counts.stored != before:
        before = counts.taken + counts.stored
        await asyncio.sleep(1.0)
    drops = intake.drops
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return float(out), drops


def run(options: argparse.Namespace, engine: Engine, keys: KeyStore, folder: Path) -> None:
    """One storm."""
    migrate(engine)
    fleet = Fleet(template("residential"), options.meters, seed=5)
    tenant = bring_in(engine, keys, fleet, options.meters)
    count = int(options.rate * options.seconds)
    file = folder / "datagrams"
    file.write_bytes(datagrams(fleet, options.meters, count))
    strangers = Strangers(engine, time.time)
    senders = Senders(engine, keys, tenant, system_title=TITLE, clock=time.time, key_name=key_id)
    archive = Archive(engine, tenant)
    writer = PushWriter(
        engine, archive, senders, strangers, announced=lambda *_: None, clock=time.time
    )
    intake = PushIntake(
        [parse_url("udp://127.0.0.1:0")],
        tenant,
        senders,
        writer,
        strangers,
        offload=at_once if options.profile else asyncio.to_thread,
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    profile = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if options.profile:
        profile.enable()
    sent, drops = asyncio.run(storm(intake, file, count, options.rate))
    profile.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    counts, after = intake.counts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    missing = counts.taken - counts.stored - counts.turned_away.total()
    print(f"sent                   {count} datagrams, {sent:.0f} a second")
    print(f"on the disk            {counts.stored}, {counts.stored / wall:.0f} a second")
    print(f"dropped by the kernel  {drops}, counted by it")
    print(f"delivered and missing  {missing}, turned away {dict(counts.turned_away)}")
    each = cpu / max(1, counts.taken)
    print(f"processor time of one  {each * 1e6:.1f} us: {1 / each:.0f} a second and core")
    print(f"memory                 {(after - before) / 1024:.0f} MB more; load {load():.1f}")
    with engine.reading() as connection:
        print(f"store                  {octets_of(connection) / 1e6:.1f} MB")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def load() -> float:
    """How busy the machine is besides."""
    return float(Path("/proc/loadavg").read_text().split()[0])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("meters", type=int, nargs="?", default=5000)
    parser.add_argument("--store", default="")
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        place(options.store) as location,
        KeyStore.create(Path(name) / "keys.sqlite", secrets.token_urlsafe(24)) as keys,
    ):
        engine = Engine(location)
        run(options, engine, keys, Path(name))
        engine.close()


if __name__ == "__main__":
    main()
