"""The store: processor time for one meter-day, octets for one value, and how quickly it answers.

`python bench/store.py [METERS] [--store URL]` writes that many synthetic meter-days (96 rows of 4
noisy energy registers and 20 register values each) in batches, as the collector does, and a month
of 100 of them, and asks for them again. Without `--store` into a new SQLite file; with the URL of
a PostgreSQL database into a new schema, which is dropped at the end.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from array import array
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, insert, select

from _places import named, place
from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.backing_up import back_up
from ferraris.headend.store.blocks import unpack
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.checking import check
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import pack_readings, pack_series
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.opening import octets_of
from ferraris.headend.store.records import Brought
from ferraris.headend.store.restoring import restore
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK, CHANNEL, DAY_TOTAL

DAY = 20_000
DAY_S = 86_400
PROFILE = "1-0:99.1.0*255"
NOW = (DAY + 1) * DAY_S + 600
CODES = [Obis.parse(f"1-0:{c}.8.{e}*255") for c in (1, 2, 5, 8) for e in range(5)]
CHANNELS = [Channel(code, 3, 2, 0, 30) for code in CODES[::5]]
UNIT = units.unit(30)
READ_AT = datetime.fromtimestamp(NOW, UTC)
BATCH, MONTHS = 256, 100


def columns(source: random.Random) -> list[list[int]]:
    """Four energy registers of a noisy day, in Wh."""
    found = []
    for mean in (400, 900, 50, 120):
        value, column = source.randrange(10**6, 10**7), []
        for _ in range(96):
            value += int(source.gammavariate(1.5, mean / 1.5))
            column.append(value)
        found.append(column)
    return found


def series(day: int, values: list[list[int]]) -> Series:
    """What a meter answers for a day."""
    ends = array("q", range(day * DAY_S + 900, (day + 1) * DAY_S + 1, 900))
    stamps = [DateTime.from_epoch(end).octets for end in ends]
    return Series("", PROFILE, ends, CHANNELS, values, stamps=stamps, status=[0] * len(ends))


def readings(values: list[list[int]]) -> list[Reading]:
    """Twenty registers of a meter."""
    return [
        Reading("", code, values[n % 4][-1] // (n + 1), UNIT, READ_AT, origin="3/2")
        for n, code in enumerate(CODES)
    ]


def size(engine: Engine) -> int:
    """Octets of everything: the file, or all tables with their indexes."""
    with engine.reading() as connection:
        if not engine.is_postgresql:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
        return octets_of(connection)


def packing(days: list[list[list[int]]]) -> None:
    """Print what packing and unpacking cost."""
    serieses = [series(DAY, day) for day in days]
    start = time.process_time()
    blocks = [pack_series(PROFILE, one, DAY * DAY_S, (DAY + 1) * DAY_S)[0] for one in serieses]
    packed = time.process_time()
    for block in blocks:
        unpack(block.body)
    unpacked = time.process_time()
    given = readings(days[0])
    start_reads = time.process_time()
    for _ in days:
        pack_readings(DAY, NOW, given)
    done = time.process_time()
    octets = sum(len(block.body) for block in blocks) / len(blocks) / 384
    count = len(days)
    print(f"pack a day of 96 x 4   {(packed - start) / count * 1e6:7.1f} us, {octets:.2f} octets")
    print(f"unpack it              {(unpacked - packed) / count * 1e6:7.1f} us")
    print(f"pack 20 registers      {(done - start_reads) / count * 1e6:7.1f} us")


def enrol(engine: Engine, count: int) -> tuple[int, list[int]]:
    """A tenant and its meters."""
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True) or 0
        connection.execute(
            insert(METER),
            [
                {"tenant": tenant, "external_id": f"m{n}", "system_title": b"", "created_s": 0,
                 "changed_s": 0}
                for n in range(count)
            ],
        )  # fmt: skip
        return tenant, list(connection.execute(select(METER.c.id).order_by(METER.c.id)).scalars())


def write(archive: Archive, batch: list[tuple[int, Brought]]) -> None:
    """Write in transactions of a batch each."""
    for start in range(0, len(batch), BATCH):
        with archive.engine.transaction() as connection:
            archive.put_many(connection, batch[start : start + BATCH], now=NOW)


def upkeep(archive: Archive, folder: str) -> None:
    """Print how long it takes to check everything, to write a backup, and to restore it."""
    start = time.perf_counter()
    faults = list(check(archive.engine))
    checked = time.perf_counter()
    made = back_up(archive.engine, Path(folder) / "backup", now=NOW)
    written = time.perf_counter()
    target = Engine(Path(folder) / "restored.sqlite")
    restore(target, Path(folder) / "backup")
    restored = time.perf_counter()
    target.close()
    print(f"check                  {checked - start:7.2f} s, {len(faults)} faults")
    print(f"backup                 {written - checked:7.2f} s, {made.octets / 1e6:.1f} MB")
    print(f"restore into SQLite    {restored - written:7.2f} s")


def late(archive: Archive, days: list[list[list[int]]], meters: list[int]) -> None:
    """Print what rows cost that come after the others of their day."""
    values = [[column[:48] for column in day] for day in days]
    parts = []
    for n, meter in enumerate(meters):
        first = series(DAY + 1, days[n % len(days)])
        first.ends, first.columns = first.ends[:48], list(values[n % len(days)])
        first.stamps, first.status, first.quality = first.stamps[:48], [0] * 48, first.quality[:48]
        blocks = pack_series(PROFILE, first, 0, 1 << 40)
        parts.append((meter, Brought(blocks)))
    write(archive, parts)
    rest = [(m, brought(DAY + 1, days[n % len(days)], False)) for n, m in enumerate(meters)]
    cpu = time.process_time()
    write(archive, rest)
    print(f"merge half a day       {(time.process_time() - cpu) / len(meters) * 1e6:7.1f} us here")


def brought(day: int, values: list[list[int]], reads: bool = True) -> Brought:
    """A packed meter-day."""
    blocks = pack_series(PROFILE, series(day, values), day * DAY_S, (day + 1) * DAY_S)
    return Brought(blocks, [pack_readings(day, NOW, readings(values))] if reads else [])


def median(call: object, turns: int) -> float:
    """The median of several runs, in milliseconds."""
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return sorted(times)[turns // 2] * 1e3


def answers(archive: Archive, meters: list[int]) -> None:
    """Print how long common questions take."""
    turns = iter(meters[:MONTHS] * 3)
    with archive.engine.reading() as connection:
        channel = connection.execute(select(func.min(CHANNEL.c.id))).scalar()
        profile = connection.execute(select(func.min(BLOCK.c.profile))).scalar()

        def month() -> None:
            since, until = (DAY - 29) * DAY_S, (DAY + 1) * DAY_S
            found = archive.series(connection, next(turns), PROFILE, since, until)
            assert len(found) == 30 * 96

        def fleet() -> None:
            total = DAY_TOTAL.c
            connection.execute(
                select(func.count(), func.sum(total.last - total.first)).where(
                    total.tenant == archive.tenant,
                    total.day == DAY,
                    total.profile == profile,
                    total.channel == channel,
                )
            ).one()

        def coverage() -> None:
            best = (
                select(BLOCK.c.meter, BLOCK.c.layout, func.max(BLOCK.c.rows).label("rows"))
                .where(BLOCK.c.profile == profile, BLOCK.c.day == DAY)
                .where(BLOCK.c.meter.between(meters[0], meters[-1]))
                .group_by(BLOCK.c.meter, BLOCK.c.layout)
                .subquery()
            )
            whole = select(best.c.meter).group_by(best.c.meter).having(func.sum(best.c.rows) >= 96)
            assert len(connection.execute(whole).all()) == len(meters)

        print(f"a meter's month        {median(month, 2 * MONTHS):7.2f} ms")
        print(f"a day of the fleet     {median(fleet, 5):7.2f} ms for {len(meters)} meters")
        print(f"what of it is complete {median(coverage, 5):7.2f} ms")


def main() -> None:
    """Print the figures."""
    arguments = sys.argv[1:]
    url = next(iter(named(arguments)), "")
    count = int(arguments[0]) if arguments else 10_000
    source = random.Random(1)
    days = [columns(source) for _ in range(min(count, 1000))]
    packing(days)
    with place(url) as location:
        engine = Engine(location)
        migrate(engine)
        tenant, meters = enrol(engine, count)
        archive = Archive(engine, tenant)
        batch = [(meter, brought(DAY, days[n % len(days)])) for n, meter in enumerate(meters)]
        write(archive, batch[:BATCH])
        empty, rest = size(engine), batch[BATCH:]
        wall, cpu = time.perf_counter(), time.process_time()
        write(archive, rest)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        octets = (size(engine) - empty) / max(1, len(rest)) / (384 + 20)
        each = 1e6 / max(1, len(rest))
        print(
            f"write a meter-day      {cpu * each:7.1f} us here, {wall * each:.1f} us by the clock"
        )
        print(f"octets of a value      {octets:7.2f} in {os.path.basename(engine.url.drivername)}")
        start = time.process_time()
        write(archive, batch)
        again = (time.process_time() - start) / count * 1e6
        print(f"the same once more     {again:7.1f} us")
        for day in range(DAY - 29, DAY):
            write(archive, [(m, brought(day, days[m % len(days)], False)) for m in meters[:MONTHS]])
        answers(archive, meters)
        late(archive, days, meters[:1000])
        with tempfile.TemporaryDirectory() as folder:
            upkeep(archive, folder)
        engine.close()


if __name__ == "__main__":
    main()
