"""Meters behind a gateway: dialled at its address, with one of their own behind it."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
import os

import pytest

from ferraris.core.errors import UsageError
from ferraris.core.stack import over
from ferraris.headend import inventory
from ferraris.line.serving import serve
from ferraris.line.url import Endpoint
from ferraris.server.gateway import Gateway
from ferraris.server.service import Service
from ferraris.transport.schemes import profile_of

from .hosts import HOUR, LOAD, NOW, TOTAL, VALUE, Hosts

ADDRESSES = ((1, b"\x0a"), (1, b"\x0b"))


class Behind(Hosts):
    """The hosts stand behind a gateway, each at an address of its own network."""

    async def gateway(self):
        meters = dict(zip(ADDRESSES, self.fleet, strict=True))

        def behind(network, address):
            meter = meters.get((network, address))
            return None if meter is None else lambda server: meter if server == 1 else None

        def stack():
            own = Service(lambda server: None, entropy=os.urandom, utc=self.clock)
            gateway = Gateway(own, behind, entropy=os.urandom, utc=self.clock)
            return over(gateway, profile_of("tcp").server_stack())

        self.server = await serve(Endpoint("tcp", "127.0.0.1", 0), stack)
        return f"tcp://127.0.0.1:{self.server.port}"

    def move_behind(self, address):
        self.enrol(
            inventory.NewMeter(
                external_id="G", kind=inventory.Kind.GATEWAY, address=address,
                authentication=inventory.Authentication.NONE,
            )
        )  # fmt: skip
        for name, (network, there) in zip(("H1", "H2"), ADDRESSES, strict=True):
            self.change(name, behind="G", address=f"?via={network}/{there.hex()}", server=1)


def test_meters_and_their_sub_meters_are_read_through_the_gateway(engine):
    hosts = Behind(engine, 2, channels=(1,))
    hosts.plan(group="", profiles=[{"profile": LOAD, "period": "15 min"}], registers=[TOTAL, VALUE])

    async def nights():
        async with hosts.listening():
            address = await hosts.gateway()
            hosts.move_behind(address)
            found = [await hosts.once()]
            with engine.transaction() as connection:
                hosts.move(connection, [hosts.number("G")], "suspended")
            hosts.now += 24 * HOUR
            found.append(await hosts.once())
            missing = hosts.missing()
            hosts.server.close()
            return *found, missing

    first, second, missing = asyncio.run(nights())
    # The gateway itself is a meter of the plan, and nobody who answers.
    assert (first.read, first.failures) == (4, {"line": 1})
    for index in (0, 1):
        assert len(hosts.rows(f"H{index + 1}", LOAD).ends) == 96
        (reading,) = hosts.registers(f"H{index + 1}-1")
        assert int(reading.value * 1000) == hosts.truth(index, 1, NOW)
    assert second.failures == {"host": 4}
    assert missing["H1"].message == "G is suspended"


@pytest.mark.parametrize("address", ["?via=1", "?physical=3", "?via=1/0a&via=1/0b"])
def test_what_completes_no_address_of_a_gateway(sqlite_engine, address):
    hosts = Hosts(sqlite_engine)
    with pytest.raises(UsageError, match="address: "):
        hosts.enrol(inventory.NewMeter(external_id="M", behind="G", address=address))
