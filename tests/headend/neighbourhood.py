"""Synthetic meters for the head-end's tests: what they answer is a function of meter and time."""

from __future__ import annotations

import asyncio
from array import array
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.store import MeterEntry, Plan

DAY = 20_000
DAY_S = 86_400
NOW = (DAY + 1) * DAY_S + 600.0
PROFILE = "1-0:99.1.0*255"
REGISTERS = ("1-0:1.8.0*255", "1-0:2.8.0*255")
PLAN = Plan("daily", PROFILE, 3600, REGISTERS)
CHANNELS = [Channel(Obis.parse(name), 3, 2, -1, 30) for name in REGISTERS]


def series(number, since, until, step=3600):
    ends = array("q", range(int(since) + step, int(until) + 1, step))
    return Series(
        "",
        Obis.parse(PROFILE),
        ends,
        CHANNELS,
        [[end // 7 + number for end in ends], [end % 1000 * number for end in ends]],
        stamps=[DateTime.from_epoch(end).octets for end in ends],
        status=[0] * len(ends),
    )


class Clock:
    """Time that passes only when somebody sleeps, and not for those who sleep for years."""

    def __init__(self, now=NOW):
        self.now = now
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        if seconds > 1e6:
            await asyncio.Event().wait()
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Meter:
    def __init__(self, number, faults=(), rows=24):
        self.number = number
        self.faults = list(faults)
        self.rows = rows
        self.opened = 0
        self.reads = 0

    def _fault(self, place):
        if self.faults and self.faults[0][0] == place:
            raise self.faults.pop(0)[1]

    async def read_profile(self, profile, since, until):
        await asyncio.sleep(0)
        self._fault("profile")
        self.reads += 1
        whole = series(self.number, since.timestamp() - 3600, until.timestamp() + 3600)
        if self.rows < 24:
            whole = series(self.number, since.timestamp(), since.timestamp() + 3600 * self.rows)
        await asyncio.sleep(0)
        return whole

    async def read_registers(self, names):
        await asyncio.sleep(0)
        self._fault("registers")
        at = datetime.fromtimestamp(NOW, UTC)
        return [
            Reading("", Obis.parse(name), self.number, units.unit(30), at, origin="3/2")
            for name in names
        ]


@asynccontextmanager
async def open_meter(meter):
    await asyncio.sleep(0)
    meter._fault("open")
    meter.opened += 1
    yield meter
    await asyncio.sleep(0)
    meter._fault("close")


async def inline(function, *arguments):
    """Instead of a thread: everything in order, so that a test can be repeated exactly."""
    await asyncio.sleep(0)
    return function(*arguments)


def enrol(store, count):
    names = [f"meter-{number}" for number in range(count)]
    store.enrol(MeterEntry(name) for name in names)
    return names


def dump(store):
    """All that was read, as plain values: equal for stores that hold the same."""
    found = {}
    for entry in store.meters():
        rows = store.series(entry.external_id, PROFILE, (DAY - 10) * DAY_S, (DAY + 10) * DAY_S)
        readings = list(store.registers(entry.external_id, 0, 1 << 40))
        found[entry.external_id] = (list(rows.rows()), rows.stamps, list(rows.status), readings)
    return found, counts(store)


def counts(store):
    held = store.summary()
    return held.meters, held.blocks, held.intervals, held.register_reads, held.registers
