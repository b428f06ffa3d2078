"""The inventory: 10,000 meters enrolled, delivered with keys, read, selected.

`python bench/inventory.py [METERS] [--store URL]`: without `--store` in a new SQLite file, with the
URL of a PostgreSQL database in a schema of its own, which is dropped at the end. The key store is a
file in either case.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _places import named, place
from ferraris.headend import inventory
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import KeyStore
from ferraris.meter.fleet import Fleet
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template

TRANSPORT_KEY = bytes(range(16))


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """A store that is gone afterwards."""
    with place(url) as location:
        engine = Engine(location)
        migrate(engine)
        yield engine
        engine.close()


@contextmanager
def timed(what: str, most: str = "") -> Iterator[None]:
    """Print how long it took, and how much of it was ours."""
    begun, used = time.perf_counter(), time.process_time()
    yield
    wall, ours = time.perf_counter() - begun, time.process_time() - used
    print(f"{what:<34}{wall:7.2f} s, processor {ours:5.2f} s{most}")


def main() -> None:
    """Print seconds."""
    arguments = sys.argv[1:]
    url = next(iter(named(arguments)), "")
    meters = int(arguments[0]) if arguments else 10_000
    fleet = Fleet(template("residential"), meters, seed=3)
    lines = (fleet.line(place, "tcp://192.0.2.1:4059") for place in range(meters))
    file = "".join(shipment_lines(fleet, lines, TRANSPORT_KEY, node="Cell")).encode()
    print(f"{meters} meters, a shipment file of {len(file) / 1e6:.1f} MB")
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(url) as engine,
        KeyStore.create(Path(folder) / "keys.sqlite", "phrase") as keys,
    ):
        with engine.transaction() as connection:
            tenants = [inventory.tenant_number(connection, each, make=True) for each in "ab"]
            for tenant in tenants:
                inventory.create_node(connection, tenant, "Cell", "cell")
        enrolled, delivered = tenants
        new = [
            inventory.NewMeter(external_id=f"E{n:07d}", node="Cell", labels={"street": "Lane"})
            for n in range(meters)
        ]
        with timed("enrolled", "   (at most 2 for 10,000)"), engine.transaction() as connection:
            inventory.enrol(connection, enrolled, new, at_s=0)
        keys.put(inventory.transport_key_id("b", "maker"), "master_key", TRANSPORT_KEY)
        for what, content, most in (
            ("delivered with 4 secrets each", file, "   (at most 10 for 10,000)"),
            ("delivered again, nothing new", file, ""),
            (
                "delivered, all of them different",
                file.replace(b",residential,", b",M,", meters),
                "",
            ),
        ):
            with timed(what, most), engine.transaction() as connection:
                report = inventory.import_shipment(
                    connection,
                    delivered,
                    keys,
                    content,
                    at_s=0,
                    transport_key="maker",
                    update=True,
                )
            assert report.written, report.problem
        with timed("read, all of them"), engine.reading() as connection:
            assert len(inventory.meters(connection, delivered, limit=None)) == meters
        with timed("the way of each to the root"), engine.reading() as connection:
            assert len(inventory.paths(connection, delivered)) == meters
        query = inventory.parse_query("below=Cell and label.street=Lane and not model=M*")
        with timed("a group of them all"), engine.reading() as connection:
            selection = inventory.selection_of(query, enrolled)
            assert len(list(connection.execute(selection))) == meters


if __name__ == "__main__":
    main()
