"""The API: small reads a second, and the processor time that the server needs for one.

`python bench/api.py [REQUESTS] [--store URL]` serves a new store with 10,000 meters by uvicorn in
a process of its own, and asks it from here over 16 connections, each with a token: one meter of
ten thousand, in turn. What counts is the processor time of the server's process alone. Beside it
an application that answers a constant shows what uvicorn itself costs.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import insert

from _places import named, place
from ferraris.headend.access.first import first_administrator
from ferraris.headend.api import ApiSettings, application
from ferraris.headend.audit import Journal
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations import House
from ferraris.headend.operations.registry import collected
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import MemoryKeys

METERS, CONNECTIONS = 10_000, 16
TICKS = os.sysconf("SC_CLK_TCK")


def furnish(where: str) -> str:
    """A store with meters and an administrator; its token."""
    engine = Engine(where)
    migrate(engine)
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
        rows = [
            {
                "tenant": tenant,
                "external_id": f"M{number:05d}",
                "system_title": b"",
                "created_s": 0,
                "changed_s": 0,
                "address": f"tcp://10.0.{number >> 8}.{number & 255}:4059",
            }
            for number in range(METERS)
        ]
        connection.execute(insert(METER), rows)
        secret = first_administrator(connection, tenant, Journal().write, at_s=time.time())
    engine.close()
    return secret


def serve(what: str, where: str) -> None:
    """The process of the server; prints its port."""
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    if what == "api":
        settings = ApiSettings(requests_a_second=1e9, burst=10**9)
        app: Any = application(House(Engine(where), MemoryKeys(), time.time), settings=settings)
    else:
        app = constant
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", access_log=False, log_level="warning", ws="none"
    )
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listening])


async def constant(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """What the server costs without an application."""
    if scope["type"] != "http":
        return
    body = b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def spent(process: int) -> float:
    """Processor seconds of a process so far."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.requests, self.done, self.answered = requests, done, 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            self.done.set_result(None)
        else:
            self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, split, rest = self.buffer.partition(b"\r\n\r\n")
        if not split:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) >= length:
            assert b" 200 " in head[:20], (head, rest)
            self.buffer = rest[length:]
            self.answered += 1
            self.ask()


def _given(client: Client) -> Client:
    return client


async def ask(port: int, requests: Iterator[bytes]) -> int:
    """Ask all of it; how many answers came."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        client = Client(requests, loop.create_future())
        await loop.create_connection(partial(_given, client), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    return sum(client.answered for client in clients)


def requests(count: int, path: str, secret: str) -> Iterator[bytes]:
    """Requests for one meter after another."""
    for number in range(count):
        place = path.format(f"M{number * 7919 % METERS:05d}")
        yield (
            f"GET {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n"
        ).encode()


def measure(what: str, where: str, path: str, secret: str, count: int) -> dict[str, float]:
    """Serve, warm up, measure."""
    command = [sys.executable, __file__, "--serve", what, where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        time.sleep(0.3)
        asyncio.run(ask(port, requests(500, path, secret)))
        began, before = time.perf_counter(), spent(server.pid)
        answered = asyncio.run(ask(port, requests(count, path, secret)))
        took, cost = time.perf_counter() - began, spent(server.pid) - before
        server.terminate()
    each_us = cost / answered * 1e6
    return {"a second": answered / took, "a core": answered / cost, "us each": each_us}


def main() -> None:
    """Print a line for each."""
    arguments = sys.argv[1:]
    url = next(iter(named(arguments)), "")
    count = int(arguments[0]) if arguments else 20_000
    with place(url) as where:
        secret = furnish(where)
        rows = {
            "nothing (uvicorn alone)": measure("constant", where, "/x/{}", secret, count),
            "who am I": measure("api", where, "/v1/me", secret, count),
        }
        if "/meters/{meter}" in {each.path for each in collected()}:
            rows["one meter"] = measure("api", where, "/v1/meters/{}", secret, count)
    for name, row in rows.items():
        figures = "  ".join(f"{value:8.0f} {what}" for what, value in row.items())
        print(f"{name:24} {figures}")
    print(json.dumps(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:4])
    else:
        main()
