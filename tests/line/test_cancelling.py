"""A task that is cancelled half way through an answer in blocks, on a real socket."""

from __future__ import annotations

import asyncio
import os

import pytest

from ferraris.client.connecting import connect
from ferraris.client.security import Password
from ferraris.line import tcp
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP


@pytest.mark.parametrize("at", [1, 2, 5])
def test_the_next_exchange_after_a_cancelled_one_is_right(at: int) -> None:
    fleet = Fleet(template("residential"), 1, seed=7)
    security = Password(fleet.line(0, "")["password"].encode())

    def stack():  # type: ignore[no-untyped-def]
        return server_stack(TCP, fleet.find, entropy=os.urandom, utc=lambda: 1_795_003_200.0)

    async def session() -> None:
        async with await tcp.listen(Endpoint("tcp", "127.0.0.1", 0), stack) as listener:
            endpoint = Endpoint("tcp", "127.0.0.1", listener.port)
            async with connect(endpoint, security=security, max_pdu=200) as meter:
                expected = await meter.object_list()
                meter.kind.objects = None
                exchange = meter._driver.exchange
                asked = 0

                async def counted(unit):  # type: ignore[no-untyped-def]
                    nonlocal asked
                    asked += 1
                    if asked == at:
                        task.cancel()
                    return await exchange(unit)

                meter._driver.exchange = counted  # type: ignore[method-assign]
                task = asyncio.ensure_future(meter.object_list())
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert asked == at
                assert await meter.object_list() == expected

    asyncio.run(session())
