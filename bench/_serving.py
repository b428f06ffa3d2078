"""The server's side of `exchanges`: a simulated meter, and what its sockets and its loop cost bare.

All servers run at once, each in a process of its own, and are asked in turn by one load, a request
at a time on each of 100 sockets, so that what else the machine does befalls them alike. Each is
told by its best round, of many short ones. Two bare echoes answer the same octets to whatever
comes: one on a selector, and one on the same event loop as the meter, a protocol of `create_server`
for TCP, a reader of the loop for UDP.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from ferraris.client.security import NoSecurity, Password
from ferraris.core.layer import Opened
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

CONNECTIONS = 100
EXCHANGES = 5_000
ROUNDS = 20

PUBLIC, READING = 16, 2

METER = """
import asyncio, os, resource, sys, time
from ferraris.line.serving import serve
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

async def main():
    fleet = Fleet(template("residential"), 1, seed=1)
    profile = profile_of(sys.argv[1])
    listener = await serve(
        Endpoint(sys.argv[1], "127.0.0.1", 0),
        lambda: server_stack(profile, fleet.find, entropy=os.urandom, utc=time.time),
    )
    print(listener.port, flush=True)
    await tell()
"""

LOOP = """
import asyncio, resource, socket, sys
answer = bytes.fromhex("0001000100100016c401c1000910") + b"FER0000000000001"
buffer = memoryview(bytearray(65536))

class Echo(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.write = transport.write
    def get_buffer(self, hint):
        return buffer
    def buffer_updated(self, count):
        self.write(answer)

async def main():
    loop = asyncio.get_running_loop()
    if sys.argv[1] == "tcp":
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
    else:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)

        def take():
            try:
                for _ in range(64):
                    _, address = server.recvfrom_into(buffer)
                    server.sendto(answer, address)
            except BlockingIOError:
                pass

        loop.add_reader(server, take)
        print(server.getsockname()[1], flush=True)
    await tell()
"""

RUN = """
async def tell():
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), flush=True)

if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""

SELECTOR = """
import resource, selectors, socket, sys, threading
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
server = socket.socket(socket.AF_INET, kind)
server.bind(("127.0.0.1", 0))
server.setblocking(False)
chooser = selectors.DefaultSelector()
chooser.register(server, selectors.EVENT_READ)
answer = bytes.fromhex("0001000100100016c401c1000910") + b"FER0000000000001"
if kind == socket.SOCK_STREAM:
    server.listen(1024)
print(server.getsockname()[1], flush=True)

def tell():
    while sys.stdin.readline():
        print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), flush=True)

threading.Thread(target=tell, daemon=True).start()
buffer = bytearray(4096)

def serve(connection):
    try:
        if connection.recv_into(buffer):
            connection.send(answer)
            return
    except ConnectionError:
        pass
    chooser.unregister(connection)
    connection.close()

while True:
    for key, _ in chooser.select():
        if kind == socket.SOCK_DGRAM:
            try:
                for _ in range(64):
                    _, address = server.recvfrom(4096)
                    server.sendto(answer, address)
            except BlockingIOError:
                pass
        elif key.fileobj is server:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            chooser.register(connection, selectors.EVENT_READ)
        else:
            serve(key.fileobj)
"""


class Asked(NamedTuple):
    """What a load asks for, and as whom; `living` values are computed for each answer."""

    label: str
    client: int
    descriptor: AttributeDescriptor

    def request(self) -> bytes:
        """With the wrapper's header."""
        return wrap(GetRequestNormal(0xC1, self.descriptor).to_octets(), self.client)


NAME = Asked("name", PUBLIC, AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2))
ASKED = (
    NAME,
    Asked("energy", READING, AttributeDescriptor(3, bytes(Obis.parse("1-0:1.8.0*255")), 2)),
    Asked("voltage", READING, AttributeDescriptor(3, bytes(Obis.parse("1-0:32.7.0*255")), 2)),
)


def measure_servers(loops: Sequence[str]) -> None:
    """Print what each server does for each second of its processor, and its shares of the bare."""
    for scheme in ("tcp", "udp"):
        best: dict[tuple[str, str], float] = {}
        with ExitStack() as running:
            servers = {"selector": running.enter_context(measured(SELECTOR, scheme, ""))}
            for name in loops:
                servers[f"echo {name}"] = running.enter_context(measured(LOOP + RUN, scheme, name))
                servers[name] = running.enter_context(measured(METER + RUN, scheme, name))
            for _ in range(ROUNDS):
                for name, (port, used) in servers.items():
                    for asked in ASKED if name in loops else (NAME,):
                        key = (name, asked.label)
                        best[key] = max(load(port, scheme, used, asked), best.get(key, 0.0))
        bare = best["selector", NAME.label]
        print(f"bare echo, server, {scheme}              {bare / 1e3:5.1f} k")
        for name in loops:
            loop_bare = best[f"echo {name}", NAME.label]
            print(f"bare echo, server, {scheme}, {name:8}    {loop_bare / 1e3:5.1f} k")
            for asked in ASKED:
                ours = best[name, asked.label]
                shares = (
                    f"{ours / loop_bare:.0%} of the loop's bare echo, {ours / bare:.0%} of bare"
                )
                label = f"server, {scheme}, {name:8} {asked.label:8}"
                print(f"{label}      {ours / 1e3:5.1f} k   ({shares})")


def load(port: int, scheme: str, used: Callable[[], float], asked: Asked = NAME) -> float:
    """Ask a server on many sockets at once; exchanges for each of its processor's seconds."""
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    chooser = selectors.DefaultSelector()
    opening, unit = wrap(aarq(asked.client), asked.client), asked.request()
    buffer, left = bytearray(4096), EXCHANGES
    for _ in range(CONNECTIONS):
        each = socket.socket(socket.AF_INET, kind)
        each.connect(("127.0.0.1", port))
        if scheme == "tcp":
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octets in (opening, unit):
            each.send(octets)
            assert each.recv(4096)
        chooser.register(each, selectors.EVENT_READ)
    before = used()
    for key in chooser.get_map().values():
        key.fileobj.send(unit)  # type: ignore[union-attr]
    while left > 0:
        for key, _ in chooser.select():
            count = key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
            assert buffer[8] == 0xC4, buffer[:count].hex()
            assert not buffer[11], buffer[:count].hex()
            left -= 1
            key.fileobj.send(unit)  # type: ignore[union-attr]
    rate = EXCHANGES / (used() - before)
    for key in list(chooser.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return rate


def aarq(client: int) -> bytes:
    """What the client opens its association with."""
    password = Fleet(template("residential"), 1, seed=1).password(0)
    security = NoSecurity() if client == PUBLIC else Password(password)
    association = ClientAssociation(security.parameters(bytes))
    association.open(0.0)
    association.notice(Opened(), 0.0)
    octets = association.transmit(0.0)
    assert isinstance(octets, bytes)
    return octets


def wrap(apdu: bytes, client: int = PUBLIC) -> bytes:
    """Put the wrapper's header before it, from a client to server 1."""
    return bytes((0, 1, 0, client, 0, 1)) + len(apdu).to_bytes(2, "big") + apdu


@contextmanager
def measured(code: str, *arguments: str) -> Iterator[tuple[int, Callable[[], float]]]:
    """A server in a process of its own, and how to ask it for its processor time."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def used() -> float:
            print("used", file=process.stdin, flush=True)
            return float(process.stdout.readline())  # type: ignore[union-attr]

        try:
            yield int(process.stdout.readline()), used
        finally:
            process.kill()
