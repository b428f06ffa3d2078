"""A full disk or a killed process leaves a store that opens and goes on."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ferraris.headend.collect import Collector, Limits
from ferraris.headend.store import Result, Store, StoreError
from ferraris.headend.store.exchange import pack_series

from .neighbourhood import (
    DAY,
    DAY_S,
    NOW,
    PLAN,
    PROFILE,
    Clock,
    Meter,
    counts,
    dump,
    enrol,
    open_meter,
    series,
)

HERE = Path(__file__).parent
START, END = DAY * DAY_S, (DAY + 1) * DAY_S

WRITER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("neighbourhood", sys.argv[1])
near = importlib.util.module_from_spec(spec)
spec.loader.exec_module(near)
from ferraris.headend.store import Result, Store
from ferraris.headend.store.exchange import pack_series

store = Store.open(sys.argv[2])
gaps = store.plan(near.PLAN, near.enrol(store, 5000), worker="killed")
gaps.keep_alive(near.NOW + 30)
after = 0
while after is not None:
    work, after = gaps.claim([near.DAY], near.NOW, 20, after)
    results = []
    for item in work:
        result = Result(item, near.NOW, near.NOW)
        span = near.DAY * near.DAY_S, (near.DAY + 1) * near.DAY_S
        result.blocks = pack_series(near.PROFILE, near.series(item.meter - 1, *span), *span)
        results.append(result)
    store.commit(gaps, results, near.NOW)
    print(len(results), flush=True)
"""

LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"


def start(path, program=WRITER):
    source = str(HERE.parents[1] / "src")
    return subprocess.Popen(
        [sys.executable, "-c", program, str(HERE / "neighbourhood.py"), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def go_on(path, count):
    """Collect the rest of `count` meters with another process's store."""
    with Store.open(path) as store:
        assert store.check() == []
        clock = Clock()
        targets = {f"meter-{number}": Meter(number) for number in range(count)}
        collector = Collector(
            store,
            open_meter,
            targets,
            PLAN,
            days=[DAY],
            clock=clock,
            sleep=clock.sleep,
            limits=Limits(concurrency=20, lease_s=30),
        )
        summary = asyncio.run(collector.run())
        assert store.check() == []
        return summary, counts(store), dump(store)


def test_a_killed_writer_loses_nothing_it_had_told(tmp_path):
    path = tmp_path / "s.sqlite"
    with start(path) as writer:
        told = sum(int(writer.stdout.readline()) for _ in range(10))
        os.kill(writer.pid, signal.SIGKILL)
        told += sum(int(line) for line in writer.stdout.read().split())
    with Store.open(path) as store:
        assert store.check() == []
        assert told <= store.summary().blocks <= told + 20
    # The claims of the killed one return when its lease is over.
    summary, found, _ = go_on(path, 400)
    assert (summary.read, summary.failed) == (400, 0)
    with Store.open(path) as store:
        for number in (0, 1, 399):
            rows = store.series(f"meter-{number}", PROFILE, START, END)
            assert list(rows.rows()) == list(series(number, START, END).rows())
    assert found[2] == found[1] * 24


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
def test_a_full_disk_is_one_clear_error_and_no_damage(tmp_path):
    path = tmp_path / "s.sqlite"
    with start(path, LIMITED + WRITER) as writer:
        out, err = writer.communicate()
    assert "StoreError" in err.splitlines()[-1]
    assert "full" in err.splitlines()[-1] or "room" in err.splitlines()[-1]
    told = sum(map(int, out.split()))
    with Store.open(path) as store:
        assert store.check() == []
        assert store.summary().blocks == told
    summary, _, _ = go_on(path, 30)
    assert (summary.read, summary.failed) == (30, 0)


def test_a_collector_on_a_full_disk_stops_and_a_later_one_goes_on(tmp_path):
    path = tmp_path / "s.sqlite"
    clock = Clock()
    with Store.open(path) as store:
        targets = {name: Meter(n) for n, name in enumerate(enrol(store, 300))}
        store.plan(PLAN, targets)
        connection = store._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")
        limits = Limits(concurrency=10, batch=16)

        def run():
            collector = Collector(
                store, open_meter, targets, PLAN, days=[DAY], clock=clock, sleep=clock.sleep,
                limits=limits,
            )  # fmt: skip
            return asyncio.run(collector.run())

        with pytest.raises(StoreError, match="no room left"):
            run()
        assert store.check() == []
        assert 0 < store.summary().blocks < 300
        connection.execute("PRAGMA max_page_count = 100000")
        clock.now += 60
        summary = run()
        assert (summary.read, summary.failed) == (300, 0)
        assert counts(store) == (300, 300, 7200, 300, 600)
        assert store.check() == []


def test_a_locked_store_says_so(tmp_path):
    path = tmp_path / "s.sqlite"
    Store.open(path).close()
    with Store.open(path, wait_s=0.01) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            enrol(store, 1)
        other.execute("ROLLBACK")
        other.close()
        gaps = store.plan(PLAN, enrol(store, 1))
        (work,), _ = gaps.claim([DAY], NOW, 1)
        result = Result(
            work, NOW, NOW, blocks=pack_series(PROFILE, series(0, START, END), START, END)
        )
        assert store.commit(gaps, [result], NOW).intervals == 24
