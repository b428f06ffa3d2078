"""Meters that call in at the service as it is built: what they push is learnt in their session."""

from __future__ import annotations

import asyncio

import pytest
from colony import Colony
from sqlalchemy import select

from ferraris.headend.configuration import parse
from ferraris.headend.service.building import Furnishing, built
from ferraris.headend.store.tables.inventory import METER, PUSH_LISTS, REGISTRATION
from ferraris.line.url import Endpoint
from ferraris.meter.calling import Patience, call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

TEXT = """
store = "store.sqlite"
tenant = "north"
[collect]
system_title = "4652520000000001"
[intake]
call_in = ["tcp://127.0.0.1:0"]
"""
PUSH = 'push = ["udp://127.0.0.1:0"]\n'


def row_of(colony, number):
    query = (
        select(REGISTRATION.c.step, REGISTRATION.c.occasion, PUSH_LISTS.c.document)
        .outerjoin(PUSH_LISTS, PUSH_LISTS.c.id == REGISTRATION.c.push_lists)
        .where(REGISTRATION.c.meter == number)
    )
    with colony.engine.reading() as connection:
        return connection.execute(query).one_or_none()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("hears_pushes", [True, False])
def test_an_active_meter_that_calls_tells_what_it_pushes_where_pushes_are_heard(
    sqlite_engine, tmp_path, hears_pushes
):
    colony = Colony(sqlite_engine, tmp_path / "keys.sqlite")
    fleet = Fleet(template("residential"), 1, seed=7)
    number = colony.deliver(fleet, 0, contact="calls in", state="active")
    configuration = parse(TEXT + PUSH * hears_pushes, folder=str(tmp_path))

    async def scenario(whole):
        (calls,) = (run for name, run in whole.parts.items() if name.startswith("calls"))
        tasks = [asyncio.create_task(each()) for each in (whole.parts["clock"], calls)]
        await until(lambda: any(name.startswith("calls") for name in whole.ports))
        (port,) = (port for name, port in whole.ports.items() if name.startswith("calls"))
        endpoint = Endpoint("tcp", "127.0.0.1", port)
        calling = call_in(fleet, endpoint, patience=Patience(0.01, 0.02), utc=colony.clock)
        tasks.append(asyncio.create_task(calling))
        learnt = lambda: row_of(colony, number) is not None  # noqa: E731
        served = lambda: fleet[0].receive_floor(1) > 1024  # noqa: E731  (it called three times)
        await until(learnt if hears_pushes else served)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def limited(whole):
        async with asyncio.timeout(20):
            await scenario(whole)

    furnishing = Furnishing(keys=colony.keys, clock=colony.clock)
    with built(configuration, furnishing) as whole:
        asyncio.run(limited(whole))
    found = row_of(colony, number)
    colony.close()
    if not hears_pushes:
        assert found is None
        return
    assert (found.step, found.occasion) == ("active", "session")
    assert "1-0:1.8.0*255" in found.document
    with colony.engine.reading() as connection:
        assert connection.execute(select(METER.c.heard_s)).scalar_one() == colony.clock()
