"""Columns out of the archive: 10,000 meters with 96 x 4 values a day, in every form.

`python bench/export.py [METERS] [DAYS]`: a new SQLite file, fifty different days in turn. Rates are
values for each second of processor time; the last column is the most memory so far.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from ferraris.headend.export import Gathering, Selection
from ferraris.headend.export.columns_files import arrow_stream, record_batches, write_days
from ferraris.headend.export.csv_text import csv_long, csv_wide
from ferraris.headend.store.blocks import Rows, pack
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import BLOCK

FIRST, DAY_S, ROWS, CHANNELS, KINDS = 20_000, 86_400, 96, 4, 50


def bodies(day: int, chance: random.Random) -> list[bytes]:
    """Days of counters that rise unevenly; the last of four stands still."""
    ends = array("q", range(day * DAY_S + 900, (day + 1) * DAY_S + 1, 900))
    made = []
    for _ in range(KINDS):
        columns = []
        for channel in range(CHANNELS):
            total, column = chance.randrange(10**7), []
            for _ in range(ROWS):
                total += chance.randrange(300) if channel < CHANNELS - 1 else 0
                column.append(total)
            columns.append(column)
        made.append(pack(Rows(ends, [], [0] * ROWS, columns, [])))
    return made


def fill(store: Store, meters: int, days: int) -> None:
    """Blocks of all meters."""
    chance = random.Random(1)
    names = [f"1-0:{number}.8.0*255" for number in range(1, CHANNELS + 1)]
    with store.engine.transaction() as connection:
        connection.execute(
            insert(METER),
            [
                {"id": n, "tenant": store.tenant, "external_id": f"FRR{n:010}", "system_title": b"",
                 "created_s": 0, "changed_s": 0}
                for n in range(1, meters + 1)
            ],
        )  # fmt: skip
        catalogue = store.archive.catalogue
        channels = tuple(ChannelKey(name, 1, 3, 2, 0, 0, 30) for name in names)
        key = {"layout": catalogue.make_layout(connection, channels)}
        key["profile"] = catalogue.make_profile(connection, "1-0:99.1.0*255")
        for day in range(FIRST, FIRST + days):
            several = [(body, digest(body)) for body in bodies(day, chance)]
            rest = {"tenant": store.tenant, "day": day, "version": 1, "rows": ROWS, "stored_s": 0}
            connection.execute(
                insert(BLOCK),
                [
                    key | rest | {"meter": n, "body": body, "digest": proof}
                    for n in range(1, meters + 1)
                    for body, proof in [several[n % KINDS]]
                ],
            )


def timed(what: str, values: int, make: Callable[[], int]) -> None:
    """Print values a second and octets a value."""
    begun = time.process_time()
    octets = make()
    rate = values / (time.process_time() - begun) / 1e6
    size = f"{octets / values:6.2f} octets a value" if octets else " " * 21
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{what:<24}{rate:6.2f} M values/s  {size}  {most:5} MB")


def main() -> None:
    """Fill a store, export it."""
    given = [int(each) for each in sys.argv[1:]]
    meters, days = (*given, *(10_000, 3)[len(given) :])
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.sqlite") as store:
        fill(store, meters, days)

        def gathering(count: int = days) -> Gathering:
            span = FIRST * DAY_S, (FIRST + count) * DAY_S
            return Gathering(store.engine, NoSealer(), Selection(store.tenant, *span))

        def written() -> int:
            write_days(gathering(), Path(folder) / "out", "all")
            return sum(file.stat().st_size for file in Path(folder, "out").rglob("*.parquet"))

        day = meters * ROWS * CHANNELS
        timed("Arrow batches", day * days, lambda: 0 * sum(1 for _ in record_batches(gathering())))
        timed("Arrow stream", day * days, lambda: sum(map(len, arrow_stream(gathering()))))
        timed("Parquet by day", day * days, written)
        timed("CSV, long", day, lambda: sum(map(len, csv_long(gathering(1)))))
        timed("CSV, wide", day, lambda: sum(map(len, csv_wide(gathering(1)))))


if __name__ == "__main__":
    main()
