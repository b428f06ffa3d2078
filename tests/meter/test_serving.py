"""Fleets on real sockets: what the lines of keys say is where the meters are."""

from __future__ import annotations

import asyncio

import pytest

import ferraris
from ferraris.core.errors import LineError, UsageError
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template


async def _read(line: dict[str, object]) -> object:
    security = ferraris.HighGMAC(
        bytes.fromhex(str(line["encryption_key"])),
        bytes.fromhex(str(line["authentication_key"])),
    )
    server = int(str(line["server"]))
    async with ferraris.connect(str(line["url"]), server=server, security=security) as meter:
        return (await meter.read("0-0:42.0.0*255")).value


@pytest.mark.parametrize("url", ["tcp+hdlc://127.0.0.1:0", "tcp+hdlc://0.0.0.0:0?physical=200"])
def test_every_meter_of_an_hdlc_listener_is_reached_by_its_line(url: str) -> None:
    async def session() -> None:
        fleet = Fleet(template("residential"), 200, 3)
        async with await listen(fleet, parse_url(url)) as listening:
            for index in (0, 1, 111, 112, 199):
                line = listening.line(index)
                found = await _read(dict(line))
                assert found == fleet[index].logical_device_name

    asyncio.run(session())


def test_a_fleet_too_large_for_hdlc_addresses_takes_the_ports_that_follow() -> None:
    async def session() -> None:
        fleet = Fleet(template("residential"), 32_001, 3)
        async with await listen(fleet, parse_url("tcp+hdlc://127.0.0.1:0")) as listening:
            lines = [listening.line(index) for index in (0, 15_999, 16_000, 31_999, 32_000)]
            assert len({line["url"].partition("?")[0] for line in lines}) == 3
            assert max(line["server"] for line in lines) < 1 << 14
            for line, index in zip(lines, (0, 15_999, 16_000, 31_999, 32_000), strict=True):
                assert await _read(dict(line)) == fleet[index].logical_device_name

    asyncio.run(session())


def test_a_physical_address_stands_in_the_url_where_it_is_needed() -> None:
    async def urls(url: str, *places: int) -> list[bool]:
        fleet = Fleet(template("residential"), 200, 3)
        async with await listen(fleet, parse_url(url)) as listening:
            return ["?physical=" in listening.line(place)["url"] for place in places]

    assert asyncio.run(urls("tcp+hdlc://127.0.0.1:0", 0, 111, 112)) == [False, False, True]
    assert asyncio.run(urls("tcp+hdlc://127.0.0.1:0?physical=5", 0, 112)) == [True, True]
    assert asyncio.run(urls("tcp://127.0.0.1:0", 0, 112)) == [False, False]


def test_whoever_listens_everywhere_is_reached_on_loopback() -> None:
    async def host() -> str:
        fleet = Fleet(template("residential"), 1)
        async with await listen(fleet, parse_url("tcp://0.0.0.0:0")) as listening:
            return listening.endpoint().host

    assert asyncio.run(host()) == "127.0.0.1"


def test_a_port_in_use_and_a_line_without_listeners_are_named() -> None:
    async def twice() -> None:
        fleet = Fleet(template("residential"), 1)
        async with await listen(fleet, parse_url("tcp://127.0.0.1:0")) as listening:
            with pytest.raises(LineError, match="cannot listen"):
                await listen(fleet, listening.endpoint())
        with pytest.raises(UsageError, match="meters listen on"):
            await listen(fleet, parse_url("sim://residential"))
        many = Fleet(template("residential"), 16_001)
        with pytest.raises(UsageError, match="16000"):
            await listen(many, parse_url("serial:///dev/nowhere"))

    asyncio.run(twice())
