"""A night of validation: from the packed blocks of a fleet to packed final days, in either store.

10,000 households of the simulator, 96 quarter-hours of four registers each, of which 3 % lack some
hours. `python -m bench.vee_night [METERS] [STORE]`, a file unless a URL of PostgreSQL is given.
"""

from __future__ import annotations

import sys
import tempfile
import time
from array import array
from pathlib import Path

import numpy as np
from sqlalchemy import func, insert, select

from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.catalogue import tenant_number
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.rule_sets import install
from ferraris.meter.columns_consumption import day_of_fleet
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

DAY_S = 86_400
DAY = 20_600
LOAD = "1-0:99.1.0*255"
NAMES = ("1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:3.8.0*255", "1-0:4.8.0*255")
UNITS = (30, 30, 32, 32)


def fill(engine: Engine, meters: int) -> int:
    """Store a day of a fleet as a collector would; returns how many rows."""
    fleet = Fleet(template("residential"), meters, seed=6)
    days = [day_of_fleet(fleet, DAY + n) for n in (-1, 0, 1)]
    totals = np.concatenate(days, axis=2).astype(np.int64)
    channels = [Channel(Obis.parse(n), 3, 2, 0, u) for n, u in zip(NAMES, UNITS, strict=True)]
    source = np.random.default_rng(6)
    start = (DAY - 1) * DAY_S
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
        assert tenant is not None
        install(connection, tenant, at_s=0.0)
        rows = [
            {"tenant": tenant, "external_id": f"m{n}", "system_title": b"", "created_s": 0,
             "changed_s": 0}
            for n in range(meters)
        ]  # fmt: skip
        connection.execute(insert(METER), rows)
        numbers = list(connection.execute(select(METER.c.id).order_by(METER.c.id)).scalars())
    archive = Archive(engine, tenant)
    stored = 0
    for begin in range(0, meters, 1000):
        batch = []
        for place in range(begin, min(meters, begin + 1000)):
            keep = np.arange(
                96, 193
            )  # what the register had when the day began, then every quarter
            if source.random() < 0.03:
                hole = source.integers(97, 180)
                keep = keep[(keep < hole) | (keep > hole + source.integers(1, 40))]
            series = Series(
                "", Obis.parse(LOAD), array("q", (start + keep * 900).tolist()), channels,
                [totals[place, channel, keep].tolist() for channel in range(4)],
                status=[0] * len(keep),
            )  # fmt: skip
            stored += len(keep)
            batch.append((numbers[place], Brought(blocks=pack_series(LOAD, series, 0, 1 << 40))))
        with engine.transaction() as connection:
            archive.put_many(connection, batch, now=float((DAY + 1) * DAY_S))
    return stored


def main() -> None:
    """Print how long the night takes, and what of it is the processor's."""
    meters = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(sys.argv[2] if len(sys.argv) > 2 else Path(folder) / "store.sqlite")
        migrate(engine)
        began = time.perf_counter()
        fill(engine, meters)
        print(f"stored in {time.perf_counter() - began:.1f} s")
        rounds = Rounds(engine)
        began, worked = time.perf_counter(), time.process_time()
        kept = rounds.all(float((DAY + 1) * DAY_S + 3600))
        wall, cpu = time.perf_counter() - began, time.process_time() - worked
        with engine.reading() as connection:
            query = select(
                func.count(), func.sum(FINAL.c.estimated), func.sum(func.length(FINAL.c.body))
            )
            finals, estimated, octets = connection.execute(query).one()
        values = meters * 4 * 96
        print(
            f"{kept.due} due, {finals} final days, {estimated} intervals estimated: "
            f"{wall:.2f} s "
            f"({cpu:.2f} s of the processor), {values / cpu / 1e6:.2f} M intervals/s of it, "
            f"{octets / values:.2f} octets a value"
        )
        engine.close()


if __name__ == "__main__":
    main()
