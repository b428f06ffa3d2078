"""Store and collector: processor time for one meter-day, and octets for one value.

`python bench/store.py [METERS]` writes that many synthetic meter-days (96 rows of 4 noisy energy
registers and 20 register values each) through the collector into a new file, and reads them back.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.collect import Collector, Limits
from ferraris.headend.store import MeterEntry, Plan, Store
from ferraris.headend.store.blocks import unpack
from ferraris.headend.store.exchange import pack_readings, pack_series

DAY = 20_000
PROFILE = "1-0:99.1.0*255"
NOW = (DAY + 1) * 86_400 + 600
CODES = [Obis.parse(f"1-0:{c}.8.{e}*255") for c in (1, 2, 5, 8) for e in range(5)]
PLAN = Plan("daily", PROFILE, 900, tuple(map(str, CODES)))
CHANNELS = [Channel(code, 3, 2, 0, 30) for code in CODES[::5]]
ENDS = array("q", range(DAY * 86_400 + 900, (DAY + 1) * 86_400 + 1, 900))
STAMPS = [DateTime.from_epoch(end).octets for end in ENDS]
UNIT = units.unit(30)
READ_AT = datetime.fromtimestamp(NOW, UTC)


def columns(source: random.Random) -> list[list[int]]:
    """Four energy registers of a noisy day, in Wh."""
    found = []
    for mean in (400, 900, 50, 120):
        value, column = source.randrange(10**6, 10**7), []
        for _ in ENDS:
            value += int(source.gammavariate(1.5, mean / 1.5))
            column.append(value)
        found.append(column)
    return found


class Synthetic:
    """A meter that answers at once, so that only the head-end's own work is measured."""

    def __init__(self, day: list[list[int]]) -> None:
        self.day = day

    async def read_profile(self, profile: str, since: datetime, until: datetime) -> Series:
        ends, stamps = array("q", ENDS), list(STAMPS)
        return Series("", profile, ends, CHANNELS, self.day, stamps=stamps, status=[0] * len(ends))

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        return [
            Reading("", code, self.day[n % 4][-1] // (n + 1), UNIT, READ_AT, origin="3/2")
            for n, code in enumerate(CODES)
        ]


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    source = random.Random(1)
    days = [columns(source) for _ in range(min(count, 1000))]
    meters = [Synthetic(day) for day in days]

    @asynccontextmanager
    async def open_meter(target: int) -> AsyncIterator[Synthetic]:
        yield meters[target % len(meters)]

    async def parts() -> None:
        first, last = DAY * 86_400, (DAY + 1) * 86_400
        serieses = [await meter.read_profile(PROFILE, READ_AT, READ_AT) for meter in meters]
        start = time.process_time()
        blocks = [pack_series(PROFILE, series, first, last)[0] for series in serieses]
        packed = time.process_time()
        for block in blocks:
            unpack(block.body)
        unpacked = time.process_time()
        readings = await meters[0].read_registers(())
        for _ in meters:
            pack_readings(DAY, NOW, readings)
        done = time.process_time()
        values = len(ENDS) * len(CHANNELS)
        size = sum(len(block.body) for block in blocks) / len(blocks) / values
        print(
            f"pack a day of {len(ENDS)} x {len(CHANNELS)}   "
            f"{(packed - start) / len(blocks) * 1e6:7.1f} us, {size:.2f} octets a value"
        )
        print(f"unpack it              {(unpacked - packed) / len(blocks) * 1e6:7.1f} us")
        print(f"pack 20 registers      {(done - unpacked) / len(blocks) * 1e6:7.1f} us")

    asyncio.run(parts())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sqlite"
        with Store.open(path) as store:
            names = {f"meter-{n}": n for n in range(count)}
            store.enrol(MeterEntry(name) for name in names)
            collector = Collector(
                store, open_meter, names, PLAN, days=[DAY], limits=Limits(lease_s=600)
            )
            wall, cpu = time.perf_counter(), time.process_time()
            summary = asyncio.run(collector.run())
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            held = store.summary()
            print(
                f"collect and store      {cpu / count * 1e6:7.1f} us a meter (processor), "
                f"{wall / count * 1e6:.1f} us (clock)"
            )
            values = held.intervals * len(CHANNELS) + held.registers
            print(f"file                   {held.octets / values:7.2f} octets a value, everything")
            start = time.process_time()
            for name in list(names)[:200]:
                store.series(name, PROFILE, DAY * 86_400, (DAY + 1) * 86_400)
            print(f"read a meter-day       {(time.process_time() - start) / 200 * 1e6:7.1f} us")
            print(summary.counts(), "wrong:", store.check())


if __name__ == "__main__":
    main()
