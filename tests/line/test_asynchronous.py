"""Cancelling at every point where the driver waits, and after it has waited a little."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

import pytest
from scripted import NOON, client, request

from ferraris.core.errors import LineError
from ferraris.line.dialing import dial
from ferraris.line.serving import Listener, serve
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.get import GetResponseNormal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

LINES = ("tcp", "udp", "tcp+hdlc")


@coroutine
def cancelled_at(procedure: Coroutine[Any, Any, Any], point: int, turns: int) -> Generator[Any]:
    """Run `procedure` and cancel its task `turns` turns of the loop after its wait `point`."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def cancel(left: int) -> None:
        if left:
            loop.call_soon(cancel, left - 1)
        elif not task.done():
            task.cancel()

    waits = procedure.__await__()
    waited = 0
    try:
        wanted = waits.send(None)
        while True:
            waited += 1
            if waited == point:
                cancel(turns)
            try:
                yield wanted
            except BaseException as error:  # noqa: BLE001 - it is the procedure's
                wanted = waits.throw(error)
            else:
                wanted = waits.send(None)
    except StopIteration:
        return waited


async def served(scheme: str) -> tuple[Listener, Endpoint]:
    fleet = Fleet(template("residential"), 1, seed=5)
    profile = profile_of(scheme)
    listener = await serve(
        Endpoint(scheme, "127.0.0.1", 0),
        lambda: server_stack(profile, fleet.find, entropy=bytes, utc=lambda: NOON),
    )
    return listener, Endpoint(scheme, "127.0.0.1", listener.port)


@pytest.mark.parametrize("scheme", LINES)
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
@pytest.mark.parametrize("point", range(1, 6))
def test_a_driver_is_usable_or_closed_after_any_cancellation(
    scheme: str, point: int, turns: int
) -> None:
    async def test() -> None:
        listener, endpoint = await served(scheme)
        async with listener, asyncio.timeout(20):
            driver = await dial(endpoint, client(scheme, 5.0))

            async def session() -> None:
                await driver.open()
                await driver.exchange(request())
                await asyncio.gather(driver.exchange(request()), driver.exchange(request()))
                await driver.close()

            task = asyncio.create_task(wrapped(cancelled_at(session(), point, turns)))
            await asyncio.wait((task,))
            over = not task.cancelled()
            try:
                answer = await driver.exchange(request())
            except LineError:
                pass  # closed, and says so
            else:
                assert not over
                assert isinstance(answer, GetResponseNormal)
            await driver.close()
            with pytest.raises(LineError):
                await driver.exchange(request())
            again = await dial(endpoint, client(scheme, 5.0))
            await again.open()
            assert isinstance(await again.exchange(request()), GetResponseNormal)
            await again.close()

    asyncio.run(test())


async def wrapped(waiting: Any) -> Any:
    return await waiting


def test_closing_waits_for_what_was_given_up() -> None:
    async def test() -> list[str]:
        listener, endpoint = await served("tcp")
        async with listener:
            driver = await dial(endpoint, client("tcp", 5.0))
            await driver.open()
            task = asyncio.create_task(driver.exchange(request()))
            queued = asyncio.create_task(driver.exchange(request()))
            await asyncio.sleep(0)  # the first has been sent, the second waits
            task.cancel()
            await asyncio.gather(driver.close(), driver.close())
            with pytest.raises(LineError, match="is being closed"):
                await queued
            association = driver.layer.upper  # type: ignore[attr-defined]
            return [association.state.name]

    assert asyncio.run(test()) == ["INACTIVE"]


def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferraris.line.asynchronous._PATIENCE_S", 0.01)

    async def test() -> None:
        held = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if (octets := await reader.read(1000)) and octets[8] == 0x60:
                stack = server_stack(
                    profile_of("tcp"),
                    Fleet(template("residential"), 1, seed=5).find,
                    entropy=bytes,
                    utc=lambda: NOON,
                )
                stack.open(0.0)
                stack.receive(octets, 0.0)
                writer.write(stack.transmit(0.0))  # type: ignore[arg-type]
            assert await reader.read(1000)
            held.set()
            await reader.read(1000)
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            driver = await dial(Endpoint("tcp", "127.0.0.1", port), client("tcp", 60.0))
            await driver.open()
            task = asyncio.create_task(driver.exchange(request()))
            await held.wait()
            await driver.close()
            with pytest.raises(LineError, match="closed here"):
                await task
            await asyncio.sleep(0)

    asyncio.run(test())


def test_an_abort_ends_what_waits() -> None:
    async def test() -> None:
        listener, endpoint = await served("tcp")
        async with listener:
            driver = await dial(endpoint, client("tcp", 5.0))
            await driver.open()
            tasks = [asyncio.create_task(driver.exchange(request())) for _ in range(3)]
            await asyncio.sleep(0)
            driver.abort()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(each) for each in found] == [LineError] * 3
            await driver.close()

    asyncio.run(test())
