"""One socket, many peers: storms, strangers, and peers that come and go."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import Any

import pytest
from loopback import needs_ipv6
from scripted import NOON, PUSH, client, request

import ferraris
from ferraris.core.errors import LineError
from ferraris.line import udp
from ferraris.line.dialing import dial
from ferraris.line.serving import serve
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.get import GetResponseNormal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import UDP, HdlcProfile
from ferraris.transport.wrapper import pack

LINUX = sys.platform == "linux"
ANYWHERE = Endpoint("udp", "127.0.0.1", 0)
PUSHED = pack(1, 16, PUSH.to_octets())


def meter_stack() -> Any:
    fleet = Fleet(template("residential"), 1, seed=5)
    return server_stack(UDP, fleet.find, entropy=bytes, utc=lambda: NOON)


def test_a_storm_is_taken_or_counted() -> None:
    taken: list[tuple[str, Any]] = []

    async def test() -> None:
        listener = await udp.listen(
            ANYWHERE, UDP.server_stack, on_unit=lambda peer, unit: taken.append((peer, unit))
        )
        async with listener:
            sent = 0
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect(("127.0.0.1", listener.port))
                for _ in range(50):
                    for _ in range(400):
                        sender.send(PUSHED)
                        sent += 1
                    await asyncio.sleep(0)
                source = f"127.0.0.1:{sender.getsockname()[1]}"
                while LINUX and listener.received + (listener.dropped or 0) < sent:
                    await asyncio.sleep(0)
            assert len(taken) == listener.received
            assert {peer for peer, _ in taken} == {source}
            assert all(unit.unit == PUSH.to_octets() for _, unit in taken)
            assert listener.peers == 1
            if LINUX:
                assert listener.received + (listener.dropped or 0) == sent

    asyncio.run(test())


@pytest.mark.skipif(not LINUX, reason="only Linux tells what it dropped")
def test_drops_are_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(udp, "_RECEIVE_BUFFER", 0)

    async def test() -> None:
        async with await udp.listen(ANYWHERE, UDP.server_stack) as listener:
            assert listener.dropped == 0
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect(("127.0.0.1", listener.port))
                for _ in range(20_000):
                    sender.send(PUSHED)
            while listener.received + (listener.dropped or 0) < 20_000:
                await asyncio.sleep(0)
            assert listener.dropped
            assert f"dropped {listener.dropped} datagrams" in caplog.text
        assert listener.dropped is None
        listener.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(test())


def test_strangers_get_no_place() -> None:
    async def test() -> None:
        async with await udp.listen(ANYWHERE, meter_stack) as listener:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for octets in (b"", b"noise", PUSHED[:9], pack(77, 99, b"\xc0"), b"\x00" * 2000):
                    sender.sendto(octets, ("127.0.0.1", listener.port))
                while listener.received < 5:
                    await asyncio.sleep(0)
            assert listener.peers == 0

    asyncio.run(test())


def test_who_was_heard_longest_ago_goes_first() -> None:
    async def test() -> None:
        async with await udp.listen(ANYWHERE, meter_stack, most_peers=3) as listener:
            endpoint = Endpoint("udp", "127.0.0.1", listener.port)
            drivers = [await dial(endpoint, client("udp", 0.1)) for _ in range(4)]
            for driver in drivers[:3]:
                await driver.open()
            assert isinstance(await drivers[0].exchange(request()), GetResponseNormal)
            await drivers[3].open()  # in place of the second
            assert (listener.peers, listener.evicted) == (3, 1)
            for driver in (drivers[0], drivers[2], drivers[3]):
                assert isinstance(await driver.exchange(request()), GetResponseNormal)
            refused = await drivers[1].exchange(request())
            assert not isinstance(refused, GetResponseNormal)  # its association is gone
            for driver in drivers:
                await driver.close()

    asyncio.run(test())


def test_a_datagram_that_is_too_long() -> None:
    async def test() -> None:
        async with await udp.listen(ANYWHERE, UDP.server_stack) as listener:
            endpoint = Endpoint("udp", "127.0.0.1", listener.port)
            driver = await dial(endpoint, UDP.client_stack(16, 1))
            await driver.open()
            with pytest.raises(LineError, match="too long for a datagram"):
                await driver.exchange(bytes(65535))
            await driver.close()

    asyncio.run(test())


def test_a_link_that_ends_leaves_its_place() -> None:
    profile = HdlcProfile("hdlc")

    async def test() -> None:
        fleet = Fleet(template("residential"), 1, seed=5)
        async with await udp.listen(
            ANYWHERE,
            lambda: server_stack(profile, fleet.find, entropy=bytes, utc=lambda: NOON),
        ) as listener:
            endpoint = Endpoint("udp+hdlc", "127.0.0.1", listener.port)
            driver = await dial(endpoint, client("tcp+hdlc"))
            await driver.open()
            assert isinstance(await driver.exchange(request()), GetResponseNormal)
            await driver.close()
            assert listener.peers <= 1

    asyncio.run(test())


@needs_ipv6
@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_everywhere_means_both_families(host: str) -> None:
    async def test() -> None:
        async with await serve(Endpoint("udp", "::", 0), meter_stack) as listener:
            driver = await dial(Endpoint("udp", host, listener.port), client("udp", 5.0))
            await driver.open()
            assert isinstance(await driver.exchange(request()), GetResponseNormal)
            await driver.close()

    asyncio.run(test())


def test_an_address_that_is_taken() -> None:
    async def test() -> None:
        async with await udp.listen(ANYWHERE, meter_stack) as listener:
            with pytest.raises(LineError, match="cannot listen"):
                await serve(Endpoint("udp", "127.0.0.1", listener.port), meter_stack)
        with pytest.raises(LineError, match="cannot listen"):
            await serve(Endpoint("udp", "meter.invalid", 1), meter_stack)

    asyncio.run(test())


def test_loops_that_cannot_watch_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: the loop's own datagram transport takes over."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        listener = udp.DatagramListener(await udp._bound(ANYWHERE), meter_stack, loop)

        def refuse(*_: object) -> None:
            raise NotImplementedError

        with monkeypatch.context() as patched:
            patched.setattr(loop, "add_reader", refuse)
            await listener.start()
        async with listener:
            driver = await dial(Endpoint("udp", "127.0.0.1", listener.port), client("udp", 5.0))
            await driver.open()
            assert isinstance(await driver.exchange(request()), GetResponseNormal)
            await driver.close()

    asyncio.run(test())


def test_a_client_asks_for_no_more_than_a_datagram_carries() -> None:
    async def test() -> None:
        async with await udp.listen(ANYWHERE, meter_stack) as listener:
            url = f"udp://127.0.0.1:{listener.port}"
            async with ferraris.connect(url) as meter:
                assert meter.negotiated.max_receive == 65_507 - 8
                assert (await meter.read("0-0:42.0.0")).value
            async with ferraris.connect(url, max_pdu=500) as meter:
                assert meter.negotiated.max_receive == 500

    asyncio.run(test())
