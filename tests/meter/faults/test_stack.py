"""Faults on real sockets: the client of a person, and connections that really end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import ferraris
from ferraris.client.calling import Access, accept
from ferraris.core.errors import DecodeError, Error, LineError, RefusedError
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.calling import Patience, call_in
from ferraris.meter.faults import lots
from ferraris.meter.fleet import Fleet
from ferraris.meter.scenario.course import Course
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import parse
from ferraris.meter.serving import Listening, listen
from ferraris.meter.templates import template

NAME = "0-0:42.0.0*255"
NOON = 1_795_003_200
SILENCE_S = 0.4


def run(url: str, session: Callable[[Listening], Awaitable[None]]) -> None:
    async def limited() -> None:
        fleet = Fleet(template("residential"), 2, 3)
        fleet.may_fail = True
        async with asyncio.timeout(20):
            async with await listen(fleet, parse_url(url)) as listening:
                await session(listening)

    asyncio.run(limited())


async def read(listening: Listening, place: int = 0) -> object:
    line = listening.line(place)
    async with ferraris.connect(
        line["url"], server=line["server"], security=password(line["password"]), timeout_s=SILENCE_S
    ) as meter:
        return (await meter.read(NAME)).value


def password(text: str) -> ferraris.Password:
    return ferraris.Password(text.encode())


@pytest.mark.parametrize("scheme", ["tcp", "udp", "tcp+hdlc"])
def test_a_sound_meter_answers_through_the_layers_of_faults(scheme: str) -> None:
    async def session(listening: Listening) -> None:
        for place in (0, 1):
            assert await read(listening, place) == listening.fleet[place].logical_device_name

    run(f"{scheme}://127.0.0.1:0", session)


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize("fault", ["cut before answer", "cut after answer"])
def test_a_connection_is_cut_for_the_client_too(scheme: str, fault: str) -> None:
    async def session(listening: Listening) -> None:
        meter, line = listening.fleet[0], listening.line(0)
        async with ferraris.connect(
            line["url"], server=1, security=password(line["password"])
        ) as client:
            name = (await client.read(NAME)).value
            lots.begin(meter, fault, NOON)
            if fault == "cut after answer":
                assert (await client.read(NAME)).value == name
            with pytest.raises(LineError):
                await client.read(NAME)
        lots.end(meter, fault, NOON)
        assert await read(listening) == name

    run(f"{scheme}://127.0.0.1:0", session)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("dead meter", LineError),
        ("lose answers", LineError),
        ("busy", RefusedError),
        ("garbage before frame", DecodeError),
        ("wrong check", DecodeError),
    ],
)
def test_one_of_two_meters_fails_by_name(fault: str, error: type[Error]) -> None:
    async def session(listening: Listening) -> None:
        fleet = listening.fleet
        lots.begin(fleet[0], fault, NOON)
        with pytest.raises(error):
            await read(listening, 0)
        assert await read(listening, 1) == fleet[1].logical_device_name
        lots.end(fleet[0], fault, NOON)
        assert await read(listening, 0) == fleet[0].logical_device_name

    run("tcp://127.0.0.1:0", session)


def test_a_scenario_lets_a_running_meter_fail_for_a_while() -> None:
    text = (
        "{scenario: x, start: 2026-03-02T00:00:00Z, lasts: 1 d, "
        "meters: [{group: a, template: residential, count: 1}], "
        "events: [{at: +1 h, who: a, what: fault, name: busy, for: 1 h}]}"
    )
    course = Course(scenario_of(parse(text, "x.yaml")))
    real = 0.0
    utc = course.clock(lambda: real, 3600)

    async def session() -> None:
        nonlocal real
        async with await listen(course.fleets[0], parse_url("tcp://127.0.0.1:0"), utc=utc) as there:
            name = await read(there)
            assert name == course.fleets[0][0].logical_device_name
            real = 1.5
            with pytest.raises(RefusedError):
                await read(there)
            real = 2.5
            assert await read(there) == name

    asyncio.run(session())


def test_a_meter_that_calls_in_fails_as_well() -> None:
    async def session() -> None:
        fleet = Fleet(template("residential"), 1, 3)
        line = fleet.line(0, "")
        keys = ferraris.HighGMAC(
            bytes.fromhex(line["encryption_key"]), bytes.fromhex(line["authentication_key"])
        )
        async with (
            asyncio.timeout(20),
            accept("tcp://127.0.0.1:0", {line["id"]: Access(keys)}) as calls,
        ):
            fleet.may_fail = True
            endpoint = Endpoint("tcp", "127.0.0.1", calls.port)
            caller = asyncio.create_task(call_in(fleet, endpoint, patience=Patience(0.01, 0.02)))
            try:
                meter = await anext(calls)
                assert (await meter.read(NAME)).value == fleet[0].logical_device_name
                lots.begin(fleet[0], "refuse data", NOON)
                with pytest.raises(RefusedError, match="temporary-failure"):
                    await meter.read(NAME)
                lots.end(fleet[0], "refuse data", NOON)
                await meter.close()
            finally:
                caller.cancel()
                await asyncio.gather(caller, return_exceptions=True)

    asyncio.run(session())
