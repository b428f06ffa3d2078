"""Synthetic meters in virtual time: what they answer is a function of meter and time."""

from __future__ import annotations

import asyncio
import uuid
from array import array
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import func, insert, select

from ferraris.core.errors import RefusedError
from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Reading, Series
from ferraris.headend.collect import Collection, CollectionSettings, plan_of, put_plan
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.tables.collecting import CONTACT, LACK, SESSION
from ferraris.headend.store.tables.inventory import LIFE, METER, NODE, TENANT
from ferraris.headend.store.tables.readings import BLOCK, EVENT, REGISTER_READ

DAY = 20_000
DAY_S = 86_400
HOUR = 3600
NOW = (DAY + 1) * DAY_S + 600.0
PROFILE = "1-0:99.1.0*255"
BILLING = "0-0:98.1.0*255"
LOG = "0-0:99.98.0*255"
CLOCK = "0-0:1.0.0*255"
REGISTERS = ("1-0:1.8.0*255", "1-0:2.8.0*255")
CHANNELS = [Channel(Obis.parse(name), 3, 2, -1, 30) for name in REGISTERS]
CODES = [Channel(Obis.parse("0-0:96.11.0*255"), 1, 2)]
PLAN = {
    "name": "daily",
    "profiles": [{"profile": PROFILE, "period": "1 h"}],
    "registers": list(REGISTERS),
    "back_days": 1,
}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when everybody waits for it; whoever waits for nothing hangs no test."""

    def __init__(self, start=0.0):
        super().__init__()
        self.passed = start
        self._really_select = self._selector.select
        self._selector.select = self._select

    def time(self):
        return self.passed

    def _select(self, timeout=None):
        found = self._really_select(0)
        if not found and timeout is None:
            raise RuntimeError("everybody waits, and nobody for the time")
        if not found and timeout > 0:
            self.passed += timeout
        return found


def virtually(work):
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def inline(function, *arguments):
    """Instead of a thread: everything in order, so that a test can be repeated exactly."""
    await asyncio.sleep(0)
    return function(*arguments)


def series(number, since, until, step=HOUR):
    ends = array("q", range(int(since) // step * step + step, int(until) + 1, step))
    return Series(
        "",
        Obis.parse(PROFILE),
        ends,
        CHANNELS,
        [[end // 7 + number for end in ends], [end % 1000 * number for end in ends]],
        stamps=[DateTime.from_epoch(end).octets for end in ends],
        status=[0] * len(ends),
    )


class Meter:
    """Answers after `latency_s`; `faults` are (place, error), each raised once in order."""

    def __init__(self, number, faults=(), clock=None):
        self.number = number
        self.faults = list(faults)
        self.clock = clock or (lambda: NOW)
        self.meter = self
        self.latency_s = 0.05
        self.lacks = set()  # interval ends that it has not
        self.refuses = set()
        self.first_s = 0
        self.dead = None
        self.deviation_s = 0.0
        self.events = []
        self.billed = []
        self.opened = self.failed = self.most_open = self.now_open = 0
        self.asked = []
        self.set_to = []

    def fault(self, place):
        if self.faults and self.faults[0][0] == place:
            raise self.faults.pop(0)[1]

    async def read_profile(self, profile, since, until):
        self.asked.append((profile, since, until))
        await asyncio.sleep(self.latency_s)
        self.fault(profile)
        self.fault("profile")
        if profile in self.refuses:
            raise RefusedError("read-write denied")
        low = 0 if since is None else since.timestamp()
        high = self.clock() if until is None else min(until.timestamp(), self.clock())
        if profile == LOG:
            return self._rows(LOG, CODES, self.events, low, high)
        if profile == BILLING:
            rows = [(at, at % 1000) for at in self.billed]
            return self._rows(BILLING, CHANNELS[:1], rows, low, high)
        whole = series(self.number, max(low - HOUR, self.first_s), high)
        kept = [n for n, end in enumerate(whole.ends) if end not in self.lacks]
        return Series(
            "", whole.profile, array("q", [whole.ends[n] for n in kept]), CHANNELS,
            [[column[n] for n in kept] for column in whole.columns],
            stamps=[whole.stamps[n] for n in kept], status=[0] * len(kept),
        )  # fmt: skip

    def _rows(self, name, channels, rows, low, high):
        rows = [row for row in rows if low < row[0] <= high]
        ends = array("q", [row[0] for row in rows])
        stamps = [DateTime.from_epoch(end).octets for end in ends]
        return Series(
            "", Obis.parse(name), ends, channels, [[row[1] for row in rows]], stamps=stamps
        )

    async def read_registers(self, names):
        await asyncio.sleep(self.latency_s)
        self.asked.append(("registers", *names))
        self.fault("registers")
        at = datetime.fromtimestamp(self.clock(), UTC)
        found = []
        for name in names:
            if name == CLOCK:
                now = DateTime.from_epoch(int(self.clock() + self.deviation_s))
                found.append(Reading("", Obis.parse(name), now, None, at, origin="8/2"))
            elif name not in self.refuses:
                value = self.number
                found.append(Reading("", Obis.parse(name), value, units.unit(30), at, origin="3/2"))
        return found

    async def set_clock(self, when):
        await asyncio.sleep(self.latency_s)
        self.fault("set clock")
        self.set_to.append(when)
        self.deviation_s = when.timestamp() - self.clock()
        self.fault("clock was set")


class Street:
    """A store with meters, and the meters; `collection` reads them."""

    def __init__(self, engine, count, *, faults=None, nodes=(), life=False, tenant=None, **columns):
        self.engine = engine
        self.meters = {}
        self.start = NOW
        self.open_now = self.most_open = 0
        with engine.transaction() as connection:
            self.tenant = known = (
                tenant
                or connection.execute(
                    insert(TENANT).values(name=uuid.uuid4().hex).returning(TENANT.c.id)
                ).scalar_one()
            )
            mine = METER.c.tenant == known
            self.nodes = [
                connection.execute(
                    insert(NODE).values(tenant=known, **node).returning(NODE.c.id)
                ).scalar_one()
                for node in nodes
            ]
            names = [f"meter-{number}" for number in range(count)]
            there = set(connection.execute(select(METER.c.external_id).where(mine)).scalars())
            rows = [
                {"tenant": known, "external_id": name, "state": "active", "system_title": b"",
                 "address": f"tcp://127.0.0.1:{n + 1}", "created_s": 0, "changed_s": 0,
                 "node": self.nodes[n % len(self.nodes)] if self.nodes else None, **columns}
                for n, name in enumerate(names) if name not in there
            ]  # fmt: skip
            if rows:
                connection.execute(insert(METER), rows)
            self.numbers = dict(
                connection.execute(
                    select(METER.c.external_id, METER.c.id).where(mine).order_by(METER.c.id)
                ).all()
            )
            if life:
                connection.execute(
                    insert(LIFE),
                    [{"tenant": known, "meter": n, "before": "known", "after": "active",
                      "at_s": NOW, "reason": "", "by": ""} for n in self.numbers.values()],
                )  # fmt: skip
        for number, name in enumerate(names):
            self.meters[name] = Meter(number, (faults or {}).get(number, ()), self.clock)
        self.archive = Archive(engine, self.tenant)

    def clock(self):
        try:
            return self.start + asyncio.get_running_loop().time()
        except RuntimeError:
            return self.start

    @asynccontextmanager
    async def open(self, target):
        meter = self.meters[target.external_id]
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await asyncio.sleep(meter.latency_s)
            if meter.dead is not None:
                meter.failed += 1
                raise meter.dead
            meter.fault("open")
            meter.opened += 1
            yield meter
            await asyncio.sleep(0)
            meter.fault("close")
        finally:
            self.open_now -= 1

    def plan(self, **changes):
        with self.engine.transaction() as connection:
            return put_plan(connection, self.tenant, plan_of(PLAN | changes), now=self.clock())

    def collection(self, **options):
        given = {"concurrency": 5, "batch": 4, "lease_s": 60.0}
        given |= options.pop("settings", {})
        options.setdefault("offload", inline)
        options.setdefault("steady", lambda: asyncio.get_running_loop().time())
        return Collection(
            self.archive, self.open, settings=CollectionSettings(**given), clock=self.clock,
            **options,
        )  # fmt: skip

    def once(self, **options):
        """One run in virtual time, and how long it took on the clock."""

        async def run():
            summary = await self.collection(**options).run_once()
            self.start = self.clock()
            return summary

        return virtually(run())

    def rows(self, table, *columns):
        with self.engine.reading() as connection:
            chosen = [table.c[name] for name in columns] or list(table.c)
            wanted = select(*chosen).where(table.c.tenant == self.tenant).order_by(*chosen)
            return [tuple(row) for row in connection.execute(wanted)]

    def counts(self):
        tables = (BLOCK, REGISTER_READ, EVENT, SESSION, CONTACT, LACK)
        with self.engine.reading() as connection:
            return tuple(
                connection.execute(
                    select(func.count()).select_from(table).where(table.c.tenant == self.tenant)
                ).scalar_one()
                for table in tables
            )

    def dump(self):
        """All that was read, as plain values: equal for stores that hold the same."""
        found = {}
        with self.engine.reading() as connection:
            for name, number in self.numbers.items():
                rows = self.archive.series(
                    connection, number, PROFILE, (DAY - 40) * DAY_S, (DAY + 10) * DAY_S
                )
                found[name] = (list(rows.rows()), rows.stamps, list(rows.status))
        return found
