"""Meters that call in: kept until driven, driven one stack after another, bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from loopback import Files, needs_ipv6
from scripted import NOON, PUSH, client, request

from ferraris.core.errors import LineError, UsageError
from ferraris.line import incoming as incoming_module
from ferraris.line.incoming import Incoming, accept
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.association.client import is_push
from ferraris.messaging.dlms.get import GetResponseNormal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP
from ferraris.transport.wrapper import WrapperClient, pack

PUSHED = pack(1, 16, PUSH.to_octets())


async def call_in(
    port: int, files: Files | None = None, host: str = "127.0.0.1", first: bytes = b""
) -> asyncio.Task[None]:
    """A meter that connects, says `first`, and then serves until the line is cut."""
    context = None
    if files is not None:
        from ferraris.line.tls import client_context

        context = client_context(Endpoint("tls", host, port, files[1]))
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(first)
    fleet = Fleet(template("residential"), 1, seed=5)
    stack = server_stack(TCP, fleet.find, entropy=bytes, utc=lambda: NOON)
    stack.open(0.0)

    async def serve() -> None:
        while octets := await reader.read(65536):
            stack.receive(octets, 0.0)
            while isinstance(answer := stack.transmit(0.0), bytes):
                writer.write(answer)
        writer.close()
        await writer.wait_closed()

    return asyncio.create_task(serve())


async def asked(incoming: Incoming, pushed: list[Any] | None = None) -> Any:
    driver = incoming.drive(
        client("tcp", 5.0),
        is_push=is_push,
        on_push=None if pushed is None else pushed.append,
    )
    await driver.open()
    answer = await driver.exchange(request())
    await driver.close()
    return answer


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=needs_ipv6), pytest.param("::", marks=needs_ipv6)],
)
def test_several_stacks_on_one_connection(scheme: str, host: str, certificates: Files) -> None:
    files = certificates if scheme == "tls" else None

    async def test() -> None:
        options = {} if files is None else files[0]
        async with accept(Endpoint(scheme, host, 0, options)) as calling:
            meter = await call_in(calling.port, files, "127.0.0.1" if host == "::" else host)
            incoming = await anext(calling)
            assert "127.0.0.1:" in incoming.peer or incoming.peer.startswith("[::1]:")
            for _ in range(3):
                assert isinstance(await asked(incoming), GetResponseNormal)
                assert not incoming.closed
            await incoming.close()
            assert incoming.closed
            await meter

    asyncio.run(test())


def test_what_came_early_is_kept() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            meter = await call_in(calling.port, first=PUSHED * 3 + PUSHED[:5])
            incoming = await anext(calling)
            await asyncio.sleep(0.01)  # so that octets are there before a stack is
            pushed: list[bytes] = []
            listening = incoming.drive(
                WrapperClient(16, 1), is_push=lambda unit: True, on_push=pushed.append
            )
            await listening.open()
            assert pushed == [PUSH.to_octets()] * 3
            with pytest.raises(UsageError, match="another stack"):
                await incoming.drive(client("tcp")).open()
            await listening.close()
            await incoming.close()
            await meter

    asyncio.run(test())


def test_a_meter_that_pushes_and_hangs_up() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            _, writer = await asyncio.open_connection("127.0.0.1", calling.port)
            writer.write(PUSHED)
            writer.close()
            await writer.wait_closed()
            incoming = await anext(calling)
            while not incoming.closed:
                await asyncio.sleep(0)
            pushed: list[bytes] = []
            driver = incoming.drive(
                WrapperClient(16, 1), is_push=lambda unit: True, on_push=pushed.append
            )
            await driver.open()
            assert pushed == [PUSH.to_octets()]
            with pytest.raises(LineError, match="closed the connection"):
                await driver.exchange(b"\xc0")
            await driver.close()
            with pytest.raises(LineError, match="closed the connection"):
                await incoming.drive(client("tcp")).open()

    asyncio.run(test())


def test_a_flood_before_anybody_drives_is_not_read() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            meter = await call_in(calling.port, first=PUSHED * 300_000)
            incoming = await anext(calling)
            held = incoming._held
            while held._reading:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert len(held.kept) < 2 * incoming_module._KEPT_OCTETS
            count = 0

            def one(unit: bytes) -> None:
                nonlocal count
                count += 1
                if count == 300_000:
                    arrived.set()

            arrived = asyncio.Event()
            driver = incoming.drive(WrapperClient(16, 1), is_push=lambda unit: True, on_push=one)
            await driver.open()
            await arrived.wait()
            await driver.close()
            assert isinstance(await asked(incoming), GetResponseNormal)
            await incoming.close()
            await meter

    asyncio.run(test())


def test_an_error_of_the_stack_leaves_the_connection() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            meter = await call_in(calling.port)
            incoming = await anext(calling)
            stranger = client("tcp", 0.05)
            stranger.lower._asked = pack(99, 1, b"")[:-2]  # type: ignore[attr-defined]
            driver = incoming.drive(stranger)
            with pytest.raises(LineError, match="silent"):
                await driver.open()
            await driver.close()
            assert isinstance(await asked(incoming), GetResponseNormal)
            await incoming.close()
            await meter

    asyncio.run(test())


def test_a_cancelled_opening_cuts_the_connection() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            meter = await call_in(calling.port)
            incoming = await anext(calling)
            task = asyncio.create_task(incoming.drive(client("tcp", 5.0)).open())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            assert incoming.closed
            with pytest.raises(LineError, match="closed"):
                await incoming.drive(client("tcp")).open()
            await asyncio.wait((meter,))
            meter.exception()

    asyncio.run(test())


def test_closing_closes_the_stack_that_drives() -> None:
    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            meter = await call_in(calling.port)
            incoming = await anext(calling)
            driver = incoming.drive(client("tcp", 5.0))
            await driver.open()
            await incoming.close()
            with pytest.raises(LineError):
                await driver.exchange(request())
            await meter

    asyncio.run(test())


def test_too_many_are_refused_and_counted() -> None:
    async def test() -> None:
        calling = accept(Endpoint("tcp", "127.0.0.1", 0), most_waiting=2)
        async with calling:
            meters = [await call_in(calling.port) for _ in range(5)]
            while calling.refused < 3:
                await asyncio.sleep(0)
            first = await anext(calling)
            assert isinstance(await asked(first), GetResponseNormal)
            await first.close()
        with pytest.raises(StopAsyncIteration):
            await anext(calling)
        for meter in meters:
            await asyncio.wait((meter,))
            meter.exception()

    asyncio.run(test())


def test_doors_that_cannot_be_opened() -> None:
    with pytest.raises(UsageError, match="nobody calls in"):
        accept(Endpoint("udp", "127.0.0.1", 0))

    async def test() -> None:
        async with accept(Endpoint("tcp", "127.0.0.1", 0)) as calling:
            with pytest.raises(LineError, match="cannot listen"):
                async for _ in accept(Endpoint("tcp", "127.0.0.1", calling.port)):
                    pass

    asyncio.run(test())
