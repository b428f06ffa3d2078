"""Exchanges on sockets: one plain GET and its answer, each end alone, and many meters far away.

The other end runs in a process of its own and is as bare as it can be: a loop over `select.epoll`
(or what the system has) that knows two answers. Figures are exchanges for each second of processor
time of the measured process; a bare echo of the same octets in the same run says what the sockets
themselves cost. The server's side is in `_serving.py`.
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

from _serving import measure_servers, wrap
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
GET = bytes.fromhex("c001c1000100002a0000ff0200")

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
    measure_servers([name for name, _ in loops()])
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


def cpu() -> float:
    """Processor seconds of this process."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


if __name__ == "__main__":
    main()
