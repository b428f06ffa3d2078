"""Fleets: what idle meters take, a day of consumption of all of them, and all of them answering.

`python -m bench fleet` makes a million meters of mixed templates in one process, touches none, and
prints what the process takes, and what it takes when each has been looked up; then the day of
100,000 meters as columns, 96 quarters of four channels each, in processor time. Then 100,000 meters
answer over TCP, UDP and HDLC on loopback, asked by another process: each is associated with, gives
its name and is released. Listeners and meters are in one process, whose memory is printed;
`FERRARIS_BENCH_METERS` makes it fewer.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path

from ferraris.client import services
from ferraris.client.connecting import associate, client_stack
from ferraris.client.security import NoSecurity
from ferraris.data.obis import Obis
from ferraris.line.blocking import BlockingDriver, run
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.meter.columns_consumption import day_of_fleet
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, FIRST_DAY, QUARTERS
from ferraris.meter.serving import listen
from ferraris.meter.templates import names, template

IDLE = 1_000_000
METERS = 100_000
ROUNDS = 3
LIMIT_MB, LIMIT_S = 1024, 2.0
LINES = ("tcp", "udp", "tcp+hdlc")
PUBLIC = 16
NAME = AttributeDescriptor(1, bytes(Obis.parse("0-0:42.0.0*255")), 2)


def main() -> None:
    """Print all."""
    kinds = [template(name) for name in names()]
    fleets = [
        Fleet(kind, count, seed=place + 1)
        for place, (kind, count) in enumerate(zip(kinds, shares(IDLE, len(kinds)), strict=True))
    ]
    gc.collect()
    total = sum(len(fleet) for fleet in fleets)
    print(f"{total} idle meters of {len(kinds)} templates: {peak_mb():.0f} MB (limit {LIMIT_MB})")
    looked_up = sum(1 for fleet in fleets for _ in fleet)
    print(f"{looked_up} of them looked up: {peak_mb():.0f} MB (limit {LIMIT_MB})")
    fleet = Fleet(template("residential"), METERS, seed=5)
    best = float("inf")
    for day in range(FIRST_DAY + 400, FIRST_DAY + 400 + ROUNDS):
        began = time.process_time()
        day_of_fleet(fleet, day)
        best = min(best, time.process_time() - began)
    values = METERS * CHANNELS * QUARTERS
    print(
        f"a day of {METERS} meters x {QUARTERS} x {CHANNELS}: {best:.2f} s (limit {LIMIT_S:g}),"
        f" {best / values * 1e9:.0f} ns a value"
    )
    del fleets, fleet
    count = int(os.environ.get("FERRARIS_BENCH_METERS", METERS))
    for scheme in LINES:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=answering, args=(scheme, count))
        process.start()
        process.join()


def shares(total: int, parts: int) -> list[int]:
    """`total` in whole parts that differ by one at most."""
    return [total // parts + (place < total % parts) for place in range(parts)]


def answering(scheme: str, count: int) -> None:
    """Let `count` meters answer over one kind of line, in this process."""
    asyncio.run(_answer(scheme, count))


async def _answer(scheme: str, count: int) -> None:
    fleet = Fleet(template("residential"), count, seed=5)
    async with await listen(fleet, parse_url(f"{scheme}://127.0.0.1:0")) as listening:
        places: dict[str, list[int]] = {}
        for index in range(count):
            places.setdefault(listening.endpoint(index).url, []).append(fleet.server_sap(index))
        began = time.perf_counter()
        asker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.fleet", "ask"), stdin=asyncio.subprocess.PIPE
        )
        plan = "".join(f"{url} {sap}\n" for url, saps in places.items() for sap in saps)
        await asker.communicate(plan.encode())
        took = time.perf_counter() - began
    ports = len({url.partition("?")[0] for url in places})
    print(
        f"{count} meters answer over {scheme}, {ports} ports: {count / took:.0f} meters a second,"
        f" {3 * count / took:.0f} answers, {peak_mb():.0f} MB"
        + ("" if asker.returncode == 0 else " - NOT ALL ANSWERED")
    )


def ask_all() -> None:
    """Ask the meters that standard input names, one URL and server address a line.

    A socket serves for a whole port.
    """
    connection: socket.socket | None = None
    before: Endpoint | None = None
    for line in sys.stdin:
        url, server = line.split()
        endpoint = before if before is not None and before.url == url else parse_url(url)
        if connection is None or before is None or endpoint.port != before.port:
            if connection is not None:
                connection.close()
            connection = _connected(endpoint)
        before = endpoint
        _ask(_Kept(connection), endpoint, int(server))


def _connected(endpoint: Endpoint) -> socket.socket:
    kind = socket.SOCK_DGRAM if endpoint.line == "udp" else socket.SOCK_STREAM
    connection = socket.socket(socket.AF_INET, kind)
    connection.connect((endpoint.host, endpoint.port))
    if kind == socket.SOCK_STREAM:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class _Kept:
    """A socket that stays open when one of the stacks on it is closed."""

    def __init__(self, connection: socket.socket) -> None:
        self.settimeout = connection.settimeout
        self.recv_into = connection.recv_into
        self.sendall = connection.sendall

    def close(self) -> None:
        return


def _ask(kept: _Kept, endpoint: Endpoint, server: int) -> None:
    stack, association = client_stack(endpoint, PUBLIC, server, NoSecurity())
    driver = BlockingDriver(stack, kept, datagrams=endpoint.line == "udp")

    async def session() -> None:
        meter = await associate(driver, association)
        await services.get(driver, NAME)
        await meter.close()

    run(session())


def peak_mb() -> float:
    """The most memory this process ever had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):  # the kernel's ru_maxrss begins with that of the parent
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not say how much memory was used")


if __name__ == "__main__":
    if sys.argv[1:] == ["ask"]:
        ask_all()
    else:
        main()
