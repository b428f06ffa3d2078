"""Hosts with their M-Bus devices on loopback, an inventory that knows them, and what is true."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from sqlalchemy import select

from ferraris.headend import inventory
from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    plan_of,
    put_plan,
)
from ferraris.headend.collect.commands import commands
from ferraris.headend.collect.overview import missing_meters
from ferraris.headend.collect.plans import plans
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import MemoryKeys
from ferraris.line.url import Endpoint
from ferraris.meter import life
from ferraris.meter.behaviour.mbus_client import clients
from ferraris.meter.fleet import Fleet
from ferraris.meter.mbus_devices import devices_of
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

DAY_S, HOUR = 86_400, 3600
NOW = 20_514 * DAY_S + 2 * HOUR
HOURS, VALUE = "0-0:24.3.0*255", "0-0:24.2.1*255"
LOAD, TOTAL = "1-0:99.1.0*255", "1-0:1.8.0*255"
MEDIA = ("gas", "water", "heat", "electricity")
PLAN = {
    "name": "sub-meters",
    "group": "subs",
    "profiles": [{"profile": HOURS, "period": "1 h"}],
    "registers": [VALUE],
    "back_days": 1,
    "before_days": 1,
}


class Hosts:
    """`count` hosts `H1`, `H2` … with sub-meters `H1-1` to `H1-4`, all active since now."""

    def __init__(self, engine, count=1, *, known=True, channels=(1, 2)):
        self.engine, self.now = engine, float(NOW)
        self.keys = MemoryKeys()
        self.fleet = Fleet(template("mbus-host"), count, seed=7)
        self.known, self.channels = known, channels
        with engine.transaction() as connection:
            self.tenant = inventory.tenant_number(connection, "north", make=True)
            inventory.create_group(connection, self.tenant, "subs", "kind=sub-meter")
        self.archive = Archive(engine, self.tenant)
        self.opened = []

    def clock(self):
        return self.now

    def enrol(self, *new):
        with self.engine.transaction() as connection:
            made = inventory.enrol(connection, self.tenant, new, at_s=self.now)
            self.move(connection, made.values(), "installed", "active")
        return made

    def move(self, connection, numbers, *states):
        for state in states:
            inventory.move_many(
                connection, self.tenant, numbers, state, reason="", by="me", at_s=self.now
            )

    def change(self, name, **fields):
        with self.engine.transaction() as connection:
            inventory.change(connection, self.tenant, name, fields, at_s=self.now)

    def retire(self, name):
        with self.engine.transaction() as connection:
            self.move(connection, [self.number(name)], "retired")

    @asynccontextmanager
    async def listening(self):
        endpoint = Endpoint("tcp", "127.0.0.1", 0)
        async with await listen(self.fleet, endpoint, utc=self.clock) as listening:
            for index in range(len(self.fleet)):
                self.host(index, listening)
            yield self
        for _ in range(10):  # what was cut ends in the next turns of the loop
            await asyncio.sleep(0)

    def host(self, index, listening):
        line, name = listening.line(index), f"H{index + 1}"
        for kind in ("encryption_key", "authentication_key"):
            self.keys.put(name, kind, bytes.fromhex(line[kind]))
        host = inventory.NewMeter(
            external_id=name, address=listening.endpoint(index).url, client=line["client"],
            server=line["server"], system_title=bytes.fromhex(line["system_title"]),
            template="mbus-host",
        )  # fmt: skip
        self.enrol(host, *(self.sub_meter(index, channel) for channel in self.channels))

    def sub_meter(self, index, channel, name="", **fields):
        device = self.device(index, channel)
        given = {"serial_number": device.address.number} if self.known else {}
        return inventory.NewMeter(
            external_id=name or f"H{index + 1}-{channel}", kind=inventory.Kind.SUB_METER,
            behind=f"H{index + 1}", channel=channel, medium=MEDIA[channel - 1], **given | fields,
        )  # fmt: skip

    def device(self, index, channel):
        return devices_of(self.fleet[index])[channel - 1]

    def truth(self, index, channel, end):
        return self.device(index, channel).value(self.fleet[index], end)

    def act(self, index, channel, method, data):
        """Somebody at the host itself: 1 installs, 2 lets go."""
        meter = self.fleet[index]
        with life.intervening(meter, int(self.now)):
            client = next(each for each in clients(meter) if each.channel.number == channel)
            client.act(meter, method, data, int(self.now))

    def plan(self, **changes):
        with self.engine.transaction() as connection:
            return put_plan(connection, self.tenant, plan_of(PLAN | changes), now=self.now)

    def meters(self):
        return DlmsMeters(self.keys, system_title=b"FRRHES01", timeout_s=5.0)

    def collection(self, opener=None, **settings):
        opener = opener or self.meters().open

        @asynccontextmanager
        async def noting(target):
            self.opened.append(target.external_id)
            async with opener(target) as face:
                yield face

        return Collection(
            self.archive,
            noting,
            settings=CollectionSettings(tries=1, **settings),
            members=inventory.group_selection,
            clock=self.clock,
        )

    async def once(self, opener=None):
        return await self.collection(opener).run_once()

    def number(self, name):
        with self.engine.reading() as connection:
            return inventory.meter_number(connection, self.tenant, name)

    def meter(self, name):
        with self.engine.reading() as connection:
            return inventory.meter(connection, self.tenant, name)

    def rows(self, name, profile=HOURS):
        with self.engine.reading() as connection:
            return self.archive.series(
                connection, self.number(name), profile, NOW - 40 * DAY_S, NOW + 40 * DAY_S
            )

    def registers(self, name):
        with self.engine.reading() as connection:
            return self.archive.registers(connection, self.number(name), 0, NOW + 40 * DAY_S)

    def missing(self):
        with self.engine.reading() as connection:
            known = plans(connection, self.tenant)
            found, _ = missing_meters(connection, self.tenant, known, now=self.now)
        return {each.external_id: each for each in found}

    def commands(self):
        with self.engine.reading() as connection:
            return commands(connection, self.tenant)

    def sessions(self):
        with self.engine.reading() as connection:
            rows = connection.execute(
                select(METER.c.external_id, SESSION.c.outcome, SESSION.c.message)
                .join(METER, METER.c.id == SESSION.c.meter)
                .order_by(SESSION.c.id)
            )
            return [tuple(row) for row in rows]


DEINSTALL, INSTALL = (2, b"\x0f\x00"), (1, b"\x11\x00")
