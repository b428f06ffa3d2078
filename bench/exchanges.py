"""Exchanges on sockets: one plain GET and its answer, each end alone, and many meters far away.

The other end runs in a process of its own and is as bare as it can be: a loop over `select.epoll`
(or what the system has) that knows two answers. Figures are exchanges for each second of processor
time of the measured process; a bare echo of the same octets in the same run says what the sockets
themselves cost.
"""

from __future__ import annotations

import asyncio
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ferraris.client.security import NoSecurity
from ferraris.core.layer import Layer
from ferraris.core.stack import over
from ferraris.line.dialing import dial
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.get import GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.transport.profiles import TCP

CONNECTIONS = 100
EXCHANGES = 20_000
FAR_METERS = 2_000
FAR_S = 0.1
FAR_ROUNDS = 20
ROUNDS = 5

LOGICAL_DEVICE_NAME = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001014ffff")
GET = bytes.fromhex("c001c1000100002a0000ff0200")
ANSWER = bytes.fromhex("c401c1000910") + b"FER0000000000001"

# A peer that answers anything: AARE for an AARQ, else the same GET response with the invoke id.
BARE_SERVER = """
import selectors, socket, sys
delay = float(sys.argv[1])
import heapq, time
aare = bytes.fromhex("00010001001000 2b".replace(" ", "")) + bytes.fromhex(
    "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001014ffff0007")
get = bytes.fromhex("0001000100100016") + bytes.fromhex("c401c1000910") + b"FER0000000000001"
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
server.setblocking(False)
chooser = selectors.DefaultSelector()
chooser.register(server, selectors.EVENT_READ)
print(server.getsockname()[1], flush=True)
late = []
while True:
    wait = None if not late else max(0.0, late[0][0] - time.monotonic())
    for key, _ in chooser.select(wait):
        if key.fileobj is server:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            chooser.register(connection, selectors.EVENT_READ)
            continue
        try:
            octets = key.fileobj.recv(4096)
        except ConnectionError:
            octets = b""
        if not octets:
            chooser.unregister(key.fileobj)
            key.fileobj.close()
            continue
        answer = aare if octets[8] == 0x60 else get[:10] + octets[10:11] + get[11:]
        if delay:
            heapq.heappush(late, (time.monotonic() + delay, key.fd, key.fileobj, answer))
        else:
            key.fileobj.send(answer)
    now = time.monotonic() if late else 0.0
    while late and late[0][0] <= now:
        _, _, connection, answer = heapq.heappop(late)
        connection.send(answer)
"""

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
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), flush=True)

if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""

ECHO = """
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


def main() -> None:
    """Print figures of each end, and their share of a bare echo."""
    with bare_server() as port:
        bare = max(bare_client(port) for _ in range(ROUNDS))
        print(f"bare echo, client               {bare / 1e3:5.1f} k exchanges a CPU second")
        for name, runner in loops():
            loop_bare = max(runner(echo(port)) for _ in range(ROUNDS))
            ours = max(runner(client(port)) for _ in range(ROUNDS))
            print(f"bare echo, client, {name:8}     {loop_bare / 1e3:5.1f} k")
            print(
                f"client, {name:8}                {ours / 1e3:5.1f} k"
                f"   ({ours / loop_bare:.0%} of the loop's bare echo, {ours / bare:.0%} of bare)"
            )
    for scheme in ("tcp", "udp"):
        with measured(ECHO, scheme) as (port, used):
            bare = max(load(port, scheme, used) for _ in range(ROUNDS))
        print(f"bare echo, server, {scheme}          {bare / 1e3:5.1f} k")
        for name, _ in loops():
            with measured(METER, scheme, name) as (port, used):
                ours = max(load(port, scheme, used) for _ in range(ROUNDS))
            print(f"server, {scheme}, {name:8}           {ours / 1e3:5.1f} k   ({ours / bare:.0%})")
    with bare_server(FAR_S) as port:
        for name, runner in loops():
            share, busy = max(runner(far(port)) for _ in range(ROUNDS))
            print(
                f"{FAR_METERS} meters {FAR_S:g} s away, {name:8}  {share:.0%} of the bound,"
                f" {busy:.0%} of a core at it"
            )


def loops() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The event loops that there are."""
    yield "asyncio", asyncio.run
    try:
        import uvloop
    except ImportError:
        return
    yield "uvloop", uvloop.run


def stack() -> Layer[Apdu, Apdu, bytes]:
    """A public client over the wrapper."""
    association = ClientAssociation(NoSecurity().parameters(bytes))
    return over(association, TCP.client_stack(16, 1))


def request() -> GetRequestNormal:
    """The logical device name."""
    return GetRequestNormal(0, LOGICAL_DEVICE_NAME)


async def client(port: int) -> float:
    """Exchanges a CPU second of our client, on many connections at once."""
    endpoint = Endpoint("tcp", "127.0.0.1", port)
    drivers = [await dial(endpoint, stack()) for _ in range(CONNECTIONS)]
    for driver in drivers:
        await driver.open()

    async def ask(driver: object) -> None:
        for _ in range(EXCHANGES // CONNECTIONS):
            answer = await driver.exchange(request())  # type: ignore[attr-defined]
            assert type(answer) is GetResponseNormal

    before = cpu()
    await asyncio.gather(*(ask(driver) for driver in drivers))
    used = cpu() - before
    for driver in drivers:
        driver.abort()
    return EXCHANGES / used


class Echo(asyncio.BufferedProtocol):
    """The least that a loop can do: one future for each answer."""

    buffer = bytearray(4096)

    def __init__(self) -> None:
        self.answer: asyncio.Future[None] | None = None

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        assert self.answer is not None
        self.answer.set_result(None)


async def echo(port: int) -> float:
    """The same octets through the bare event loop."""
    loop = asyncio.get_running_loop()
    unit = wrap(GET)
    ends = [await loop.create_connection(Echo, "127.0.0.1", port) for _ in range(CONNECTIONS)]

    async def ask(transport: asyncio.Transport, protocol: Echo) -> None:
        for _ in range(EXCHANGES // CONNECTIONS):
            protocol.answer = loop.create_future()
            transport.write(unit)
            await protocol.answer

    before = cpu()
    await asyncio.gather(*(ask(transport, protocol) for transport, protocol in ends))
    used = cpu() - before
    for transport, _ in ends:
        transport.abort()
    return EXCHANGES / used


async def far(port: int) -> tuple[float, float]:
    """Share of the rate that the latency allows, and of one core that the whole rate takes."""
    endpoint = Endpoint("tcp", "127.0.0.1", port)
    drivers = [await dial(endpoint, stack()) for _ in range(FAR_METERS)]
    await asyncio.gather(*(driver.open() for driver in drivers))

    async def ask(driver: object) -> None:
        for _ in range(FAR_ROUNDS):
            await driver.exchange(request())  # type: ignore[attr-defined]

    began, before = time.perf_counter(), cpu()
    await asyncio.gather(*(ask(driver) for driver in drivers))
    took, used = time.perf_counter() - began, cpu() - before
    for driver in drivers:
        driver.abort()
    return FAR_ROUNDS * FAR_S / took, used / (FAR_ROUNDS * FAR_S)


def bare_client(port: int) -> float:
    """The same octets on bare sockets."""
    chooser = selectors.DefaultSelector()
    unit = wrap(GET)
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        chooser.register(each, selectors.EVENT_READ)
    buffer = bytearray(4096)
    left = EXCHANGES
    before = cpu()
    for each in sockets:
        each.send(unit)
    while left > 0:
        for key, _ in chooser.select():
            key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
            left -= 1
            key.fileobj.send(unit)  # type: ignore[union-attr]
    used = cpu() - before
    for each in sockets:
        each.close()
    return EXCHANGES / used


def load(port: int, scheme: str, used: Callable[[], float]) -> float:
    """Ask a server on many sockets at once; exchanges for each of its CPU seconds."""
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    chooser = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        each = socket.socket(socket.AF_INET, kind)
        each.connect(("127.0.0.1", port))
        if scheme == "tcp":
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        each.send(wrap(AARQ))
        assert each.recv(4096)
        chooser.register(each, selectors.EVENT_READ)
    unit, buffer, left = wrap(GET), bytearray(4096), EXCHANGES
    before = used()
    for key in chooser.get_map().values():
        key.fileobj.send(unit)  # type: ignore[union-attr]
    while left > 0:
        for key, _ in chooser.select():
            count = key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
            assert buffer[8] == 0xC4, buffer[:count].hex()
            left -= 1
            key.fileobj.send(unit)  # type: ignore[union-attr]
    rate = EXCHANGES / (used() - before)
    for key in list(chooser.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return rate


def wrap(apdu: bytes) -> bytes:
    """Put the wrapper's header before it, from client 16 to server 1."""
    return bytes.fromhex("000100100001") + len(apdu).to_bytes(2, "big") + apdu


@contextmanager
def bare_server(delay_s: float = 0.0) -> Iterator[int]:
    """The bare server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", BARE_SERVER, str(delay_s)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


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


def cpu() -> float:
    """Processor seconds of this process."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


if __name__ == "__main__":
    main()
