"""Fleets that answer: one connection speaks to thousands, and who has no power says nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ferraris.client import services
from ferraris.client.connecting import associate, client_stack
from ferraris.client.security import NoSecurity
from ferraris.core.errors import LineError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.line.blocking import BlockingDriver, run
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.meter import life
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import Listening, listen
from ferraris.meter.templates import template
from ferraris.transport.profiles import HDLC

NAME = AttributeDescriptor(1, bytes(Obis.parse("0-0:42.0.0*255")), 2)
PUBLIC = 16
NOON = 1_795_003_200
METERS = 2000
LINES = ("tcp", "udp", "tcp+hdlc")
SILENCE_S = 0.3
HASTY = replace(HDLC, response_timeout_s=0.3, inter_octet_timeout_s=0.2, max_tries=1)


class Kept:
    """A socket that stays open when one of the stacks on it is closed."""

    def __init__(self, endpoint: Endpoint) -> None:
        kind = socket.SOCK_DGRAM if endpoint.line == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.connect((endpoint.host, endpoint.port))
        self.settimeout = self.socket.settimeout
        self.recv_into = self.socket.recv_into
        self.sendall = self.socket.sendall

    def close(self) -> None:
        return


@contextmanager
def connected(endpoint: Endpoint) -> Iterator[Kept]:
    kept = Kept(endpoint)
    try:
        yield kept
    finally:
        kept.socket.close()


def ask(
    kept: Kept, endpoint: Endpoint, server: int, *, release: bool = True, hasty: bool = False
) -> object:
    """Associate, read the name of the logical device, and release, on a socket that stays."""
    stack, association = client_stack(
        endpoint,
        PUBLIC,
        server,
        NoSecurity(),
        timeout_s=SILENCE_S if hasty else 10.0,
        entropy=os.urandom,
        profile=HASTY if hasty and endpoint.scheme.endswith("+hdlc") else None,
    )
    driver = BlockingDriver(stack, kept, datagrams=endpoint.line == "udp")

    async def session() -> object:
        meter = await associate(driver, association)
        name = axdr.decode(await services.get(driver, NAME))[1]
        if release:
            await meter.close()
        return name

    return run(session())


def ask_all(listening: Listening, places: range) -> list[object]:
    """One after the other on one socket."""
    names = []
    with connected(listening.endpoint(places[0])) as kept:
        for place in places:
            endpoint = listening.endpoint(place)
            names.append(ask(kept, endpoint, listening.fleet.server_sap(place)))
    return names


@pytest.mark.parametrize("scheme", LINES)
def test_thousands_answer_one_after_the_other(scheme: str) -> None:
    async def session() -> None:
        fleet = Fleet(template("residential"), METERS, 3)
        async with await listen(fleet, parse_url(f"{scheme}://127.0.0.1:0")) as listening:
            names = await asyncio.to_thread(ask_all, listening, range(METERS))
        assert names == [meter.logical_device_name for meter in fleet]

    asyncio.run(session())


def test_who_is_associated_keeps_the_place_and_strangers_cannot_have_it() -> None:
    def speak(listening: Listening) -> None:
        endpoint, fleet = listening.endpoint(), listening.fleet
        with connected(endpoint) as kept:
            for place in range(64):
                ask(kept, endpoint, fleet.server_sap(place), release=False)
            with pytest.raises(LineError, match="silent"):
                ask(kept, endpoint, fleet.server_sap(64), hasty=True)
            ask(kept, endpoint, fleet.server_sap(3))  # which gives its place back
            assert ask(kept, endpoint, fleet.server_sap(64)) == fleet[64].logical_device_name

    async def session() -> None:
        fleet = Fleet(template("residential"), 65, 3)
        async with await listen(fleet, parse_url("tcp://127.0.0.1:0")) as listening:
            await asyncio.to_thread(speak, listening)

    asyncio.run(session())


@pytest.mark.parametrize("scheme", LINES)
@pytest.mark.parametrize("how", ["without power", "in its reboot"])
def test_who_has_no_power_or_begins_anew_says_nothing_at_all(scheme: str, how: str) -> None:
    heard: list[bytes] = []
    is_back = False

    def speak(listening: Listening) -> object:
        endpoint = listening.endpoint()
        with connected(endpoint) as kept:
            receive = kept.recv_into

            def recv_into(buffer: memoryview) -> int:
                count = receive(buffer)
                heard.append(bytes(buffer[:count]))
                return count

            kept.recv_into = recv_into  # type: ignore[method-assign, assignment]
            return ask(kept, endpoint, listening.fleet.server_sap(0), hasty=not is_back)

    async def session() -> None:
        fleet = Fleet(template("residential"), 1, 3)
        meter = fleet[0]
        nonlocal is_back
        now = float(NOON)
        url = parse_url(f"{scheme}://127.0.0.1:0")
        async with await listen(fleet, url, utc=lambda: now) as listening:
            if how == "without power":
                life.switch_off(meter, NOON)
            else:
                meter.change().silence = (NOON, NOON + 30)
            with pytest.raises(LineError):
                await asyncio.to_thread(speak, listening)
            assert heard == []
            now += 60
            is_back = True
            if how == "without power":
                life.switch_on(meter, NOON + 60)
            found = await asyncio.to_thread(speak, listening)
            assert found == meter.logical_device_name

    asyncio.run(session())


def test_power_that_goes_while_a_link_is_open_silences_the_link() -> None:
    async def session() -> None:
        fleet = Fleet(template("residential"), 1, 3)
        now = float(NOON)
        url = parse_url("tcp+hdlc://127.0.0.1:0")
        async with await listen(fleet, url, utc=lambda: now) as listening:
            endpoint = listening.endpoint()

            def speak() -> None:
                with connected(endpoint) as kept:
                    stack, association = client_stack(
                        endpoint, PUBLIC, 1, NoSecurity(), timeout_s=SILENCE_S, profile=HASTY
                    )
                    driver = BlockingDriver(stack, kept)

                    async def exchanges() -> None:
                        await associate(driver, association)
                        await services.get(driver, NAME)
                        life.switch_off(fleet[0], NOON)
                        count = len(heard)
                        with pytest.raises(LineError):
                            await services.get(driver, NAME)
                        assert heard[count:] == []

                    heard: list[int] = []
                    receive = kept.recv_into

                    def recv_into(buffer: memoryview) -> int:
                        heard.append(receive(buffer))
                        return heard[-1]

                    kept.recv_into = recv_into  # type: ignore[method-assign, assignment]
                    run(exchanges())

            await asyncio.to_thread(speak)

    asyncio.run(session())
