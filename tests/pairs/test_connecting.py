"""What a URL and the arguments of `connect` put into the stack: gateways and priority."""

from __future__ import annotations

from typing import Any

import pytest
from pairing import NOON, Pair

from ferraris.client.connecting import associate, client_stack
from ferraris.client.meter import Meter
from ferraris.client.security import NoSecurity
from ferraris.client.wishes import ReadData, WriteData
from ferraris.core.errors import RefusedError
from ferraris.core.stack import over
from ferraris.data.kinds import octet_string
from ferraris.line.url import parse_url
from ferraris.line.virtual import VirtualLine
from ferraris.server.gateway import Gateway
from ferraris.server.service import Service
from ferraris.transport.schemes import profile_of

NAME = "0-0:42.0.0*255"


@pytest.mark.parametrize("url", ["tcp://gateway?via=3/000a", "tcp+hdlc://gateway?via=3/000a"])
def test_a_url_reaches_a_device_behind_a_gateway(url: str) -> None:
    pair = Pair()
    endpoint = parse_url(url)

    def utc() -> float:
        return NOON + pair.time.now

    def behind(network: int, address: bytes) -> Any:
        if (network, address) != (3, b"\x00\x0a"):
            return None
        return lambda server: pair.fleet[1] if server == 1 else None

    stack, association = client_stack(endpoint, 16, 1, NoSecurity(), entropy=pair.entropy)
    own = Service(lambda server: None, entropy=pair.entropy, utc=utc)
    gateway = Gateway(own, behind, entropy=pair.entropy, utc=utc)
    line = VirtualLine(pair.time, stack, over(gateway, profile_of(endpoint.scheme).server_stack()))

    async def session() -> object:
        meter = await associate(line.driver, association)
        name = (await meter.read(NAME)).value
        await meter.close()
        return name

    assert pair.time.complete(session()) == pair.fleet[1].logical_device_name


@pytest.mark.parametrize("high", [True, False])
def test_the_priority_of_every_request(high: bool) -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        meter._high_priority = high
        sent: list[Any] = []
        exchange = meter._driver.exchange

        async def noting(unit: Any) -> Any:
            sent.append(unit)
            return await exchange(unit)

        meter._driver.exchange = noting  # type: ignore[method-assign]
        await meter.read(NAME)
        write = WriteData(1, NAME, 2, octet_string(b"x"))
        await meter.do([ReadData(1, NAME, 2), ReadData(1, NAME, 2), write, write, write])
        with pytest.raises(RefusedError):
            await meter.act_data(70, "0-0:96.3.10", 9)
        await meter.profile("1-0:99.1.0")
        assert len(sent) > 6
        assert {bool(unit.invoke_id_and_priority & 0x80) for unit in sent} == {high}

    pair.run(pair.security("gmac"), procedure, max_pdu=500)
