"""`connect(..., pre_established=True)` on a real socket."""

from __future__ import annotations

import asyncio
import os
from copy import copy
from dataclasses import replace
from types import MappingProxyType

import pytest

import ferraris
from ferraris.core.errors import RefusedError
from ferraris.line import tcp
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP


def test_an_association_that_is_open_beforehand() -> None:
    made = copy(template("residential"))
    changed = replace(made.associations[1], pre_established=True, mechanism=0)
    made.associations = MappingProxyType({**made.associations, 1: changed})
    fleet = Fleet(made, 1, seed=7)
    line = fleet.line(0, "")
    security = ferraris.HighGMAC(
        bytes.fromhex(line["encryption_key"]),
        bytes.fromhex(line["authentication_key"]),
        general=True,
        server_system_title=fleet[0].system_title,
    )

    async def session() -> None:
        async with await tcp.listen(
            Endpoint("tcp", "127.0.0.1", 0),
            lambda: server_stack(TCP, fleet.find, entropy=os.urandom, utc=lambda: 1_795_003_200.0),
        ) as listener:
            url = f"tcp://127.0.0.1:{listener.port}"
            # The counter is learnt by the public client, whose association is opened as ever.
            async with ferraris.connect(url, security=security, pre_established=True) as meter:
                assert (await meter.read("1-0:1.8.0")).value
            with pytest.raises(RefusedError):
                await ferraris.connect(url, security=security)

    asyncio.run(session())
