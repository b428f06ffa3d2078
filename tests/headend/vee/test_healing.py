"""A meter that is dead for days and comes back: gaps, final values and read success are healed.

Meters of the simulator on sockets, the collection and the validation of the head-end, days that
pass at will.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

from sqlalchemy import select

from ferraris.core.errors import LineError
from ferraris.headend.collect import (
    Collection,
    CollectionSettings,
    DlmsMeters,
    plan_of,
    put_plan,
)
from ferraris.headend.inventory import (
    NewMeter,
    State,
    enrol,
    group_selection,
    key_id,
    move_many,
    tenant_number,
)
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.collecting import READ_SUCCESS
from ferraris.headend.vee import Quality
from ferraris.headend.vee.columns_series import final_series
from ferraris.headend.vee.exceptions import versions
from ferraris.headend.vee.local_days import DAY_S, day_bounds
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.validation import Validation
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

LOAD, TOTALS = "1-0:99.1.0*255", ("1-0:1.8.0*255", "1-0:2.8.0*255")
ZONE = "Europe/Berlin"
FIRST = 20_600
METERS, DEAD, LEARNT, AWAY = 3, 1, 8, 3  # meters, one of them, days before, days without it
PLAN = {
    "name": "nightly",
    "zone": ZONE,
    "profiles": [{"profile": LOAD, "period": "15 min"}],
    "back_days": 30,
    "before_days": LEARNT,
}


class Utility:
    """Some households and the head-end that reads them; the clock stands until somebody sets it."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.keys = KeyStore.create(folder / "keys", "passphrase", cost=16)
        self.fleet = Fleet(template("residential"), METERS, seed=3)
        self.now = float(day_bounds(FIRST, ZONE)[0])
        self.dead = False
        self.rounds = Rounds(engine)

    async def __aenter__(self):
        self.listening = await listen(
            self.fleet, Endpoint("tcp", "127.0.0.1", 0), utc=lambda: self.now
        )
        with self.engine.transaction() as connection:
            self.tenant = tenant_number(connection, "utility", make=True)
            self.meters = self._register(connection)
            put_plan(connection, self.tenant, plan_of(PLAN), now=self.now)
        self.archive = Archive(self.engine, self.tenant)
        self.reached = DlmsMeters(
            self.keys, system_title=b"FRRHES01",
            key_of=lambda target: key_id("utility", target.external_id),
        )  # fmt: skip
        self.collection = Collection(
            self.archive, self._open, settings=CollectionSettings(tries=1),
            members=group_selection, clock=lambda: self.now, exclusive=True,
        )  # fmt: skip
        self.validation = Validation(self.rounds, clock=lambda: self.now, patience_s=DAY_S)
        return self

    async def __aexit__(self, *_):
        await self.listening.close()
        self.keys.close()

    def _register(self, connection):
        new = []
        for index in range(METERS):
            line = self.listening.line(index)
            new.append(
                NewMeter(
                    external_id=line["id"], address=self.listening.endpoint(index).url,
                    client=line["client"], server=line["server"], zone=ZONE,
                    system_title=bytes.fromhex(line["system_title"]), template="residential",
                )
            )  # fmt: skip
            for secret in ("encryption_key", "authentication_key"):
                self.keys.put(key_id("utility", line["id"]), secret, bytes.fromhex(line[secret]))
        made = enrol(connection, self.tenant, new, at_s=self.now)
        for state in (State.INSTALLED, State.ACTIVE):
            move_many(
                connection, self.tenant, made.values(), state, reason="", by="", at_s=self.now
            )  # fmt: skip
        return list(made.values())

    @asynccontextmanager
    async def _open(self, target):
        if self.dead and target.meter == self.meters[DEAD]:
            raise LineError("no answer", where="tcp")
        async with self.reached.open(target) as face:
            yield face

    async def night(self, day):
        """Three o'clock in the night after a local day: read, then validate."""
        self.now = float(day_bounds(day, ZONE)[1] + 3 * 3600)
        summary = await self.collection.run_once()
        await self.validation.catch_up()
        return summary

    def final(self, meter, day):
        with self.engine.reading() as connection:
            profile = self.archive.catalogue.profile(connection, LOAD)
            found = final_series(
                connection, NoSealer(), self.meters[meter], profile, day_bounds(day, ZONE)
            )
            return {each.channel.name: each for each in found}

    def versions(self, meter, day):
        with self.engine.reading() as connection:
            profile = self.archive.catalogue.profile(connection, LOAD)
            found = versions(connection, self.meters[meter], profile, day)
        return [each.version for each in found if each.channel == TOTALS[0]]

    def success(self):
        with self.engine.reading() as connection:
            rows = connection.execute(select(READ_SUCCESS)).all()
        return {row.day: (row.due, row.in_time, row.late) for row in rows}

    def truth(self, meter, day, channel=0):
        start, end = day_bounds(day, ZONE)
        counted = [self.fleet[meter].total(channel, at) for at in range(start, end + 1, 900)]
        return [after - before for before, after in pairwise(counted)]


def check(utility, meter, day):
    found = utility.final(meter, day)
    for channel, name in enumerate(TOTALS):
        assert found[name].final == utility.truth(meter, day, channel), (meter, day, name)
        assert set(found[name].quality) <= {Quality.VALID, Quality.SUSPECT}


def test_a_dead_meter_that_comes_back_is_healed(make_engine, tmp_path):
    async def story():
        async with Utility(make_engine(), tmp_path) as utility:
            await utility.night(FIRST)
            for meter in range(METERS):
                check(utility, meter, FIRST)
            utility.dead = True
            lost = range(FIRST + 1, FIRST + 1 + AWAY)
            for day in lost:
                summary = await utility.night(day)
                assert (summary.read, summary.failed) == (METERS - 1, 1)
                check(utility, 0, day)
            guessed = utility.final(DEAD, lost[0])[TOTALS[0]]
            assert set(guessed.quality) == {Quality.ESTIMATED}
            assert set(guessed.raw) == {None}
            assert utility.versions(DEAD, lost[0]) == [1]
            before = utility.success()
            assert all(before[day] == (METERS, METERS - 1, 0) for day in lost)
            utility.dead = False
            summary = await utility.night(lost[-1] + 1)
            assert (summary.read, summary.failed) == (METERS, 0)
            for day in range(FIRST, lost[-1] + 2):
                for meter in range(METERS):
                    check(utility, meter, day)
            assert utility.versions(DEAD, lost[0]) == [2, 1]
            assert utility.versions(0, lost[0]) == [1]
            after = utility.success()
            assert all(after[day] == (METERS, METERS - 1, 1) for day in lost)
            assert after[lost[-1] + 1] == (METERS, METERS, 0)

    asyncio.run(story())
