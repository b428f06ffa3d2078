"""Hours of a gas meter that were read through its host become final values of its own."""

# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from ferraris.headend import inventory
from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.readings import CHANNEL
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee import Made, Quality
from ferraris.headend.vee.columns_series import final_series
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.rule_sets import install
from ferraris.meter.behaviour.mbus_client import fix, silence

from .hosts import DAY_S, HOUR, HOURS, NOW, VALUE, Hosts

MIDNIGHT = NOW // DAY_S * DAY_S - HOUR  # in Amsterdam, in winter
DAY = range(MIDNIGHT - DAY_S + HOUR, MIDNIGHT + 1, HOUR)


class Validated(Hosts):
    """A host in one zone; each of its sub-meters has a service point in another."""

    def mount(self, name, zone):
        with self.engine.transaction() as connection:
            point = f"P-{name}"
            inventory.create_service_point(connection, self.tenant, point, zone=zone)
            inventory.assign(
                connection, self.tenant, point, name, since_s=NOW - 10 * DAY_S, at_s=self.now
            )

    def validate(self):
        Rounds(self.engine).all(self.now)

    def final(self, name):
        """The final values of the local day."""
        with self.engine.reading() as connection:
            number = self.archive.catalogue.profile(connection, HOURS)
            span = DAY[0] - HOUR, DAY[-1]
            found = final_series(connection, NoSealer(), self.number(name), number, span)
        (one,) = found
        return one

    def days(self, name):
        with self.engine.reading() as connection:
            rows = connection.execute(
                select(FINAL.c.day, FINAL.c.start_s, FINAL.c.period_s, FINAL.c.intervals,
                       FINAL.c.zone, CHANNEL.c.name)
                .join(CHANNEL, CHANNEL.c.id == FINAL.c.channel)
                .where(FINAL.c.meter == self.number(name), FINAL.c.version == 1)
                .order_by(FINAL.c.day)
            )  # fmt: skip
            return {row.day: tuple(row)[1:] for row in rows}


@pytest.fixture
def hosts(engine):
    return ruled(engine)


def ruled(engine, **options):
    """With the rules that come with the program."""
    made = Validated(engine, 1, **options)
    with engine.transaction() as connection:
        install(connection, made.tenant, at_s=0.0)
    return made


def used(hosts, channel, until=DAY[-1], since=DAY[0] - HOUR):
    return hosts.truth(0, channel, until) - hosts.truth(0, channel, since)


def test_hours_of_a_gas_meter_become_final_values_of_its_own_day(hosts):
    meter, noon = hosts.fleet[0], DAY[11]
    silence(meter, 0, noon + 60)  # three hours in which the host hears nothing
    fix(meter, 0, noon + 3 * HOUR + 60)
    hosts.plan(registers=[], back_days=3, before_days=3, reach="now")

    async def evening():
        async with hosts.listening():
            hosts.mount("H1-1", "Europe/Amsterdam")
            hosts.mount("H1-2", "UTC")
            hosts.now = float(MIDNIGHT - 3 * HOUR + 1200)
            first = await hosts.once()
            hosts.now = float(MIDNIGHT + 1200)  # the last value is that of midnight
            hosts.plan(profiles=[], name="registers", reach="now")
            hosts.plan(registers=[], active=False)
            await hosts.once()
            hosts.now += 3 * DAY_S
            hosts.validate()
            known = hosts.final("H1-1")
            hosts.plan(registers=[], back_days=5, before_days=3, reach="now")
            hosts.plan(profiles=[], name="registers", active=False)
            await hosts.once()
            hosts.validate()
            return first, known, hosts.final("H1-1")

    first, known, late = asyncio.run(evening())
    assert first.failures == {}
    day = DAY[-1] // DAY_S
    assert hosts.days("H1-1")[day] == (DAY[0] - HOUR, HOUR, 24, "Europe/Amsterdam", VALUE)
    assert hosts.days("H1-2")[day][0] % DAY_S == 0  # that of the water meter is another
    assert list(known.ends) == list(DAY)
    # What the host did not hear, and what was not read: estimated, to the litre of the register.
    heard = [place for place in range(24) if known.quality[place] == Quality.VALID]
    assert heard == [*range(12), *range(16, 21)]
    for place in (*range(12), *range(16, 21)):
        assert known.final[place] == used(hosts, 1, DAY[place], DAY[place] - HOUR)
    estimated = [place for place in range(24) if known.quality[place] == Quality.ESTIMATED]
    assert estimated == [12, 13, 14, 15, 21, 22, 23]
    assert known.rule[21] == Made.REGISTER_DIFFERENCE
    assert sum(known.final[21:]) == used(hosts, 1, since=DAY[20])
    assert sum(known.final) == used(hosts, 1)
    # The late hours take their places, and nothing else changes.
    assert late.final[:21] == known.final[:21]
    assert [late.version[place] for place in (0, 21, 22, 23)] == [1, 2, 2, 2]
    for place in (21, 22, 23):
        assert late.final[place] == used(hosts, 1, DAY[place], DAY[place] - HOUR)


def test_heat_and_electricity_behind_a_host_have_final_values_too(sqlite_engine):
    hosts = ruled(sqlite_engine, channels=(3, 4))
    hosts.plan(back_days=3, before_days=3)

    async def night():
        async with hosts.listening():
            await hosts.once()
            hosts.now += DAY_S
            hosts.validate()

    asyncio.run(night())
    midnight = NOW // DAY_S * DAY_S
    for channel in (3, 4):
        day = hosts.days(f"H1-{channel}")[midnight // DAY_S - 1]
        assert day == (midnight - DAY_S, HOUR, 24, "UTC", VALUE)
        one = hosts.final(f"H1-{channel}")
        assert set(one.quality) == {Quality.VALID}
        assert sum(one.final) == used(hosts, channel) > 0
