"""Meters that sleep call in their windows alone, and hang up at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ferraris.data.obis import Obis
from ferraris.line.incoming import Incoming, accept
from ferraris.line.url import parse_url
from ferraris.meter.behaviour.windows import Calling
from ferraris.meter.calling import call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

NOON = 1_795_003_200


def opens(fleet: Fleet) -> int:
    calling = fleet.template.behaviours[29, bytes(Obis.parse("0-0:2.1.0*255"))]
    assert isinstance(calling, Calling)
    is_open, change = calling.change(fleet[0], NOON)
    assert not is_open
    assert change is not None
    return change


async def called(fleet: Fleet, utc: Callable[[], float], wait_s: float) -> Incoming | None:
    """Who calls within a while of real time."""
    async with accept(parse_url("tcp://127.0.0.1:0")) as door:
        await door.open()
        endpoint = parse_url(f"tcp://127.0.0.1:{door.port}")
        calling = asyncio.create_task(call_in(fleet, endpoint, utc=utc))
        try:
            async with asyncio.timeout(wait_s):
                incoming = await anext(aiter(door))
            while not incoming.closed and utc() > opens(fleet) + 590:
                await asyncio.sleep(0)
        except TimeoutError:
            return None
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        return incoming


def test_it_calls_in_its_window() -> None:
    fleet = Fleet(template("gas"), 1, seed=7)
    moment = opens(fleet) + 5.0
    assert asyncio.run(called(fleet, lambda: moment, 10.0)) is not None


def test_it_does_not_call_outside() -> None:
    fleet = Fleet(template("gas"), 1, seed=7)
    assert asyncio.run(called(fleet, lambda: float(NOON), 0.05)) is None


def test_it_hangs_up_when_the_window_is_over() -> None:
    fleet = Fleet(template("gas"), 1, seed=7)
    moment = opens(fleet) + 599.99
    incoming = asyncio.run(called(fleet, lambda: moment, 10.0))
    assert incoming is not None
    assert incoming.closed


def test_one_that_shall_not_sleep_calls_at_once() -> None:
    fleet = Fleet(template("gas"), 1, seed=7)
    fleet.always_awake = True
    assert asyncio.run(called(fleet, lambda: float(NOON), 10.0)) is not None
