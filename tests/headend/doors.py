"""Both doors for meters that begin by themselves, pushes and calls, and who comes to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import cache

import pytest
from colony import TITLE
from sqlalchemy import func, select

from ferraris.headend.collect import DlmsFace
from ferraris.headend.intake import CallIntake, CallSettings
from ferraris.headend.store.archive import Archive
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.meter.calling import Patience, call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.pushing import SCHEMES, Pusher
from ferraris.meter.templates import template
from ferraris.transport import wrapper

NOON = 1_795_003_200.0
DAY = 86_400
QUICK = Patience(0.01, 0.02)
ENERGY = "1-0:1.8.0*255"

BOTH = pytest.mark.parametrize(
    "location", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


def run(procedure):
    async def limited():
        async with asyncio.timeout(20):
            return await procedure

    return asyncio.run(limited())


@contextlib.asynccontextmanager
async def taking(intake):
    """The intake at work; at the end all that it took is written."""
    await intake.open()
    task = asyncio.create_task(intake.run())
    await asyncio.sleep(0)
    try:
        yield intake
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for _ in range(10):  # what was cut ends in the next turns of the loop
            await asyncio.sleep(0)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def pusher(fleet, intake, clock, scheme="udp", **changes):
    endpoint = parse_url(f"{scheme}://127.0.0.1:{intake.ports[0]}", schemes=SCHEMES)
    return Pusher(fleet, endpoint, every_s=None, utc=clock, **changes)


def apdu(fleet, index=0, control=None, source=KeySource.IDENTIFIED, **changes):
    """A push of a meter as octets for a datagram; `control` and `source` as `Pusher.protected`."""
    meter = fleet[index]
    made = Pusher.__new__(Pusher)  # no plan for the whole fleet, only what makes a push
    made.__dict__ |= bare_pusher(fleet.template, **changes).__dict__ | {"_fleet": fleet}
    octets = made.protected(meter, made.notification(meter), control, TITLE, source)
    return wrapper.pack(meter.server_sap, 1, octets)


@cache
def bare_pusher(kind, **changes):
    endpoint = parse_url("udp://127.0.0.1:9")
    return Pusher(Fleet(kind, 1), endpoint, every_s=None, utc=lambda: NOON, **changes)


class Talker:
    """Somebody with a socket."""

    def __init__(self, intake):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", intake.ports[0]))

    def say(self, octets):
        self.socket.send(octets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def household(colony, count=1, *, suite=0, **fields):
    """Meters that are active already."""
    fleet = Fleet(template("residential", suite=suite), count, seed=7)
    fields = {"state": "active"} | fields
    numbers = [colony.deliver(fleet, index, **fields) for index in range(count)]
    return fleet, numbers


def readings(colony, number):
    with colony.engine.reading() as connection:
        archive = Archive(colony.engine, colony.tenant)
        return archive.registers(connection, number, int(NOON) - DAY, int(NOON) + DAY)


def stored(colony, table):
    with colony.engine.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def seen(intake):
    counts = intake.counts
    return counts.stored + counts.duplicates + counts.turned_away.total() + counts.announced


class Door:
    """A door that remembers what was read of whom."""

    def __init__(self, colony, endpoint=None, *, offload=asyncio.to_thread, **settings):
        self.read = {}
        self.collection = None
        self.registrar = colony.registrar(offload=offload)
        self.intake = CallIntake(
            endpoint or Endpoint("tcp", "127.0.0.1", 0),
            colony.tenant,
            self.registrar,
            colony.strangers,
            engine=colony.engine,
            keys=colony.keys,
            serve=self.serve,
            system_title=b"FRR\x00\x00\x00\x00\x01",
            settings=CallSettings(timeout_s=5.0, **settings),
            clock=colony.clock,
            offload=offload,
        )

    async def serve(self, known, meter):
        if self.collection is not None:
            await self.collection.serve(known.number, DlmsFace(meter))
        self.read[known.external_id] = (await meter.read(ENERGY)).value

    @contextlib.asynccontextmanager
    async def open(self, *fleets):
        await self.intake.open()
        endpoint = Endpoint("tcp", "127.0.0.1", self.intake.port)
        tasks = [asyncio.create_task(self.intake.run())]
        for fleet in fleets:
            calling = call_in(fleet, endpoint, patience=QUICK, utc=lambda: NOON)
            tasks.append(asyncio.create_task(calling))
        try:
            yield self.intake
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await turns()


async def turns():
    """What was closed or cut ends in the next turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)


def households(colony, count=1, **fields):
    fleet = Fleet(template("residential"), count, seed=7)
    fields = {"contact": "calls in"} | fields
    return fleet, [colony.deliver(fleet, index, **fields) for index in range(count)]
