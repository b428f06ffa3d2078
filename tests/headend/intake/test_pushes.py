"""Pushes of real meters over real sockets: stored, turned away, repeated, replayed, in storms."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from doors import (
    BOTH,
    DAY,
    ENERGY,
    NOON,
    Talker,
    apdu,
    bare_pusher,
    household,
    pusher,
    readings,
    run,
    seen,
    stored,
    taking,
    until,
)
from sqlalchemy import select

from ferraris.client import HighGMAC, connect
from ferraris.data import axdr
from ferraris.data.kinds import (
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.data.readings import Quality
from ferraris.headend.collect.alarms import LAST_GASP, acknowledge, words_of_alarm
from ferraris.headend.inventory import key_id
from ferraris.headend.registration import Step
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.readings import ALARM, BLOCK, REGISTER_READ
from ferraris.keys.renewal import Renewals
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.meter.behaviour.push_setup import PushListV2, Sent
from ferraris.meter.consumption import Consumption
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import Happening
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Template
from ferraris.meter.templates import template
from ferraris.meter.templates.mechanisms import proving
from ferraris.meter.templates.residential import associations, residential_objects
from ferraris.meter.zone import Zone
from ferraris.model.push import RepetitionDelay
from ferraris.server.device import RequestContext
from ferraris.transport import wrapper

PROFILE = "1-0:99.1.0*255"
ROWS, ALARMS, GASP = (bytes(Obis.parse(f"0-{each}:25.9.0*255")) for each in (1, 4, 5))


@BOTH
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_registers_that_are_pushed_are_stored(colony, scheme):
    fleet, numbers = household(colony, 3)

    async def scenario():
        async with taking(colony.intake(f"{scheme}://127.0.0.1:0")) as intake:
            sending = pusher(fleet, intake, colony.clock, scheme)
            for index in range(3):
                await sending.push(index)
            await until(lambda: intake.counts.stored == 3)
            sending.close()
            return intake.counts

    counts = run(scenario())
    assert (counts.taken, counts.stored, counts.undecodable) == (3, 3, 0)
    for index, number in enumerate(numbers):
        values = {str(each.name): each for each in readings(colony, number)}
        assert values[ENERGY].value == fleet[index].total(0, int(NOON))
        assert values[ENERGY].time.timestamp() == NOON
        assert str(values[ENERGY].unit) == "Wh"
        assert "0-0:42.0.0*255" not in values
        assert colony.meter(number).heard_s == NOON
    assert colony.quarantined() == []


def test_what_was_taken_is_written_when_it_ends(colony):
    fleet, numbers = household(colony, 1)

    async def scenario():
        intake = colony.intake(settings=replace(colony.quick, linger_s=60.0))
        async with taking(intake):
            with Talker(intake) as talker:
                for _ in range(20):
                    talker.say(apdu(fleet))
            await until(lambda: intake.counts.taken == 20)
        return intake.counts

    counts = run(scenario())
    assert counts.stored == 20
    assert readings(colony, numbers[0])
    assert colony.keys.floor(key_id("north", colony.meter(numbers[0]).external_id)) >= 0


@BOTH
def test_the_same_push_again_is_dropped_and_an_older_one_is_a_replay(colony):
    fleet, _ = household(colony)

    async def scenario(sent):
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                for octets in sent:
                    talker.say(octets)
                expected = len(sent)
                await until(lambda: seen(intake) == expected)
            return intake.counts

    first, second, third = (apdu(fleet) for _ in range(3))
    counts = run(scenario([first, second, second, first]))
    assert (counts.stored, counts.duplicates) == (2, 1)
    assert counts.turned_away == {"replay": 1}
    (row,) = colony.quarantined()
    assert (row.identity, row.reason) == (colony.meter(1).external_id, "replay")
    # Another process, which has heard nothing: the floor is in the key store.
    counts = run(scenario([first, second, third]))
    assert (counts.stored, counts.duplicates) == (1, 1)
    assert counts.turned_away == {"replay": 1}


@pytest.mark.parametrize(
    ("state", "reason"), [("retired", "retired"), ("suspended", "suspended"), (None, "unknown")]
)
def test_who_is_no_meter_of_ours_is_quarantined_and_nothing_is_stored(colony, state, reason):
    fleet = Fleet(template("residential"), 1, seed=7)
    if state is not None:
        colony.deliver(fleet, 0, state=state)

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                for _ in range(5):
                    talker.say(apdu(fleet))
                await until(lambda: intake.counts.turned_away.total() == 5)

    run(scenario())
    (row,) = colony.quarantined()
    assert (row.reason, row.times) == (reason, 5)
    assert stored(colony, REGISTER_READ) == 0


def test_wrong_keys_unprotected_pushes_and_garbage_are_turned_away_by_name(colony):
    fleet, numbers = household(colony)
    forged = Fleet(template("residential"), 1, seed=7, secret=b"another")

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                talker.say(apdu(forged))
                talker.say(apdu(fleet, ciphered=False))
                talker.say(b"what is this")
                talker.say(apdu(fleet)[:60])
                await until(lambda: intake.counts.turned_away.total() == 4)
                talker.say(apdu(fleet))  # and life goes on
                await until(lambda: intake.counts.stored == 1)
            return intake.counts

    counts = run(scenario())
    assert counts.turned_away == {"wrong key": 1, "unprotected": 1, "garbage": 2}
    reasons = {row.reason: row.identity for row in colony.quarantined()}
    name = colony.meter(numbers[0]).external_id
    assert reasons == {"wrong key": name, "unprotected": name, "garbage": "(garbage)"}


@pytest.mark.parametrize("ciphered", [True, False])
def test_a_known_meter_announces_itself_and_is_registered(colony, ciphered):
    async def scenario():
        async with colony.fleet(1) as (fleet, _):
            registrar = colony.registrar()
            async with taking(colony.intake(registrar=registrar)) as intake:
                sending = pusher(fleet, intake, colony.clock, ciphered=ciphered)
                await sending.push(0)
                await until(lambda: intake.counts.announced)
                sending.close()
            assert stored(colony, REGISTER_READ) == 0  # it is not active yet
            await registrar.round()

    run(scenario())
    (number,) = colony.numbers()
    assert colony.progress(number).occasion == "push"
    assert colony.progress(number).step is Step.ACTIVE


def test_who_announces_itself_with_anothers_name_is_not_active(colony):
    """A claim leads to a call of the one whose name it was; that one proves it, or does not."""
    fleet, _ = household(colony, state="known", address="tcp://127.0.0.1:9")

    async def scenario():
        registrar = colony.registrar()
        async with taking(colony.intake(registrar=registrar)) as intake:
            with Talker(intake) as talker:
                talker.say(apdu(fleet, ciphered=False))
                await until(lambda: intake.counts.announced)
        await registrar.round()

    run(scenario())
    assert colony.progress(1).step is Step.ASKED
    assert colony.meter(1).state == "known"


def test_keys_that_were_renewed_are_found(colony):
    async def scenario():
        async with colony.fleet(1) as (fleet, _):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            async with taking(colony.intake()) as intake:
                with Talker(intake) as talker:
                    talker.say(apdu(fleet))
                    await until(lambda: intake.counts.stored == 1)
                    colony.clock.now += 10
                    colony.commission(registrar)  # anew: the keys are renewed once more
                    await registrar.round()
                    for _ in range(3):
                        talker.say(apdu(fleet))
                    await until(lambda: intake.counts.stored == 4)
            return intake.counts

    counts = run(scenario())
    assert counts.turned_away == {}
    assert colony.quarantined() == []


def test_the_floor_of_an_old_key_is_not_that_of_the_new_one(colony):
    """Pushes were taken under the old key, and their floor is written after the renewal."""
    fleet, numbers = household(colony)
    name = key_id("north", colony.meter(numbers[0]).external_id)
    senders = colony.senders()
    (sender,) = senders.look_up([fleet.system_title(0)])
    sender.accepted(5000)
    renewals, kinds = Renewals(colony.keys), ["encryption_key", "authentication_key"]
    renewals.prepare(name, kinds)
    renewals.send(name, kinds)
    renewals.accepted(name, kinds)
    renewals.proved(name, kinds)
    senders.keep_floors([sender])
    assert colony.keys.floor(name) == -1
    assert colony.keys.floor(name, kind="previous_encryption_key") == 5000


def test_a_key_on_its_way_is_tried(colony):
    fleet, numbers = household(colony)
    name = key_id("north", colony.meter(numbers[0]).external_id)
    kinds = ["encryption_key", "authentication_key"]
    renewals = Renewals(colony.keys)
    renewals.prepare(name, kinds)
    renewals.send(name, kinds)  # and the process died

    async def scenario():
        async with taking(colony.intake()) as intake:
            with Talker(intake) as talker:
                talker.say(apdu(fleet))
                await until(lambda: intake.counts.stored == 1)
                pairs = [colony.keys.get(name, f"next_{kind}") for kind in kinds]
                fleet[0].change().secure().keys = type(fleet[0].keys)(0, *pairs)
                fleet[0].change().next_counter = 0
                colony.clock.now += 10
                talker.say(apdu(fleet))
                await until(lambda: intake.counts.stored == 2)

    run(scenario())
    assert colony.keys.floor(name, kind="next_encryption_key") >= 0


async def registered(colony, fleet_of):
    registrar = colony.registrar()
    colony.commission(registrar)
    await registrar.round()
    return fleet_of


def push_rows(fleet, clock):
    meter = fleet[0]
    meter.act(meter.objects[40, ROWS], 1, None, RequestContext(1, now=int(clock())))


def test_a_pushed_profile_with_fewer_columns_fills_no_gap_but_is_kept(colony):
    async def scenario():
        async with colony.fleet(1) as (fleet, _):
            await registered(colony, fleet)
            async with taking(colony.intake()) as intake:
                sending = pusher(fleet, intake, colony.clock)
                task = asyncio.create_task(sending.run())
                await asyncio.sleep(0.02)
                push_rows(fleet, colony.clock)
                await until(lambda: intake.counts.stored == 1)
                task.cancel()

    run(scenario())
    with colony.engine.reading() as connection:
        archive = Archive(colony.engine, colony.tenant)
        span = (int(NOON) - 8 * DAY, int(NOON) + DAY)
        assert len(archive.series(connection, 1, PROFILE, *span).ends) == 0
        apart = archive.series(connection, 1, f"{PROFILE} (push)", *span)
    assert len(apart.ends) > 0
    assert [each.unit for each in apart.channels] == [30, 30]  # learnt when it was registered


def whole_rows(colony):
    """A household meter whose push has all columns of its load profile."""
    consumption = Consumption(Zone(), Tariff(), 0)
    everybody = [
        replace(
            each,
            behaviour=PushListV2(
                "0-1:25.9.0*255",
                (
                    Sent(1, "0-0:42.0.0*255", 2),
                    Sent(7, PROFILE, 2, restriction=(1, null_data(), null_data())),
                ),
                retries=3,
                repetition=RepetitionDelay(60, 200, 900),
                confirms=True,
            ),
        )
        if each.behaviour.key == (40, ROWS)
        else each
        for each in residential_objects(consumption, 0)
    ]
    rights = associations(everybody, 0, proving(None, 0, weak=False))
    kind = Template("residential", consumption, everybody, rights)
    return colony.fleet(1, kind=kind)


@BOTH
def test_a_pushed_profile_with_all_columns_is_the_one_that_is_read(colony):
    async def scenario():
        async with whole_rows(colony) as (fleet, listening):
            await registered(colony, fleet)
            async with taking(colony.intake()) as intake:
                sending = pusher(fleet, intake, colony.clock)
                task = asyncio.create_task(sending.run())
                await asyncio.sleep(0.02)
                push_rows(fleet, colony.clock)
                await until(lambda: intake.counts.stored == 1)
                task.cancel()
            keys = fleet[0].keys
            security = HighGMAC(
                keys.encryption_key, keys.authentication_key, invocation_counter=1 << 20
            )
            line = listening.line(0)
            async with connect(
                listening.endpoint(0), server=line["server"], security=security
            ) as meter:
                since = datetime.fromtimestamp(NOON - DAY, UTC)
                return await meter.profile(PROFILE, since, datetime.fromtimestamp(NOON, UTC))

    read = run(scenario())
    archive = Archive(colony.engine, colony.tenant)
    with colony.engine.transaction() as connection:
        found = archive.series(connection, 1, PROFILE, int(NOON) - DAY, int(NOON))
        sources = connection.execute(select(BLOCK.c.source)).scalars().all()
        assert set(sources) == {"push"}
        # What is pulled adds nothing: it is there, under the same channels.
        blocks = pack_series(PROFILE, read, int(NOON) - DAY, int(NOON))
        again = archive.put(connection, 1, Brought(blocks=blocks), now=NOON)
    assert list(found.ends) == list(read.ends)
    assert len(found.ends) == 96
    assert tuple(found.channels) == tuple(read.channels)
    assert [list(each) for each in found.columns] == [list(each) for each in read.columns]
    assert list(found.status) == list(read.status)
    assert again.intervals == 0


@BOTH
def test_alarms_are_raised_repeated_over_and_acknowledged(colony):
    fleet, (number,) = household(colony, companion="idis-like")
    context = RequestContext(1, now=int(NOON))

    def rows():
        with colony.engine.reading() as connection:
            return connection.execute(select(ALARM).order_by(ALARM.c.id)).all()

    async def scenario():
        async with taking(colony.intake()) as intake:
            sending = pusher(fleet, intake, colony.clock)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0.02)
            meter = fleet[0]
            seen = []
            meter.incident(Incident.DECIPHERING_FAILED, 1, colony.clock())
            for stored in (1, 2, 3):
                await until(lambda stored=stored: intake.counts.stored == stored)
                seen.append(rows())
                if stored == 2:
                    descriptor = meter.objects[1, bytes(Obis.parse("0-0:97.98.20*255"))]
                    meter.set(descriptor, 2, axdr.encode(double_long_unsigned(0)), None, context)
                meter.act(meter.objects[40, ALARMS], 1, None, context)
            task.cancel()
            return seen

    (raised,), (repeated,), (over,) = run(scenario())
    assert (raised.meter, raised.source, raised.times) == (number, "push", 1)
    assert raised.name == words_of_alarm("idis-like", 1, 13)
    assert (repeated.id, repeated.times, repeated.cleared_s) == (raised.id, 2, None)
    assert (over.id, over.cleared_s) == (raised.id, NOON)
    with colony.engine.transaction() as connection:
        assert acknowledge(connection, colony.tenant, over.id, "anna", NOON)
        assert not acknowledge(connection, colony.tenant, over.id, "berta", NOON + 1)
        assert not acknowledge(connection, colony.tenant + 1, over.id, "berta", NOON + 1)
    assert rows()[0].acknowledged_by == "anna"
    told = [json.loads(row.detail)["state"] for row in colony.told("alarm")]
    assert told == ["raised", "cleared"]


def test_a_last_gasp_is_an_alarm_until_the_meter_is_heard_again(colony):
    fleet, (number,) = household(colony, companion="idis")

    async def scenario():
        async with taking(colony.intake()) as intake:
            sending = pusher(fleet, intake, colony.clock)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0.02)
            meter, context = fleet[0], RequestContext(1, now=int(colony.clock()))
            meter.set(meter.objects[40, GASP], 5, axdr.encode(long_unsigned(0)), None, context)
            switch_off(meter, int(colony.clock()))
            await until(lambda: intake.counts.stored == 1)
            with colony.engine.reading() as connection:
                alarms = connection.execute(select(ALARM)).all()
                archive = Archive(colony.engine, colony.tenant)
                events = archive.events(connection, number, int(NOON) - 60, int(NOON) + 60)
            colony.clock.now += 3600
            switch_on(meter, int(colony.clock()))
            await sending.push(0)
            await until(lambda: intake.counts.stored >= 2)
            task.cancel()
            return alarms, events

    alarms, events = run(scenario())
    assert [row.name for row in alarms] == [LAST_GASP]
    assert [(each.code, each.log) for each in events] == [(232, "push")]
    with colony.engine.reading() as connection:
        (alarm,) = connection.execute(select(ALARM).where(ALARM.c.name == LAST_GASP)).all()
    assert alarm.cleared_s == NOON + 3600


def test_a_log_that_is_pushed_becomes_events_once(colony):
    fleet, (number,) = household(colony, companion="idis")
    log = "0-0:99.98.0*255"

    async def scenario():
        meter, context = fleet[0], RequestContext(1, now=int(NOON))
        meter.note(Happening.METER_COVER_OPENED, int(NOON) - 60)
        column = [(8, "0-0:1.0.0*255", 2, 0), (1, "0-0:96.11.0*255", 2, 0)]
        columns = array(
            *(
                structure(
                    long_unsigned(kind),
                    octet_string(bytes(Obis.parse(name))),
                    integer(attribute),
                    long_unsigned(index),
                )
                for kind, name, attribute, index in column
            )
        )
        listed = structure(
            long_unsigned(7),
            octet_string(bytes(Obis.parse(log))),
            integer(2),
            long_unsigned(0),
            structure(enum(0), null_data(), null_data()),
            columns,
        )
        first = structure(
            long_unsigned(40), octet_string(ROWS), integer(2), long_unsigned(0),
            structure(enum(0), null_data(), null_data()), array(),
        )  # fmt: skip
        entry = meter.objects[7, bytes(Obis.parse(log))]
        rows = axdr.decode(meter.get(entry, 2, None, context))
        body = axdr.encode(structure(array(first, listed), rows))
        async with taking(colony.intake()) as intake:
            made = bare_pusher(fleet.template)
            with Talker(intake) as talker:
                for _ in range(2):
                    plain = DataNotification(1, b"", body).to_octets()
                    talker.say(wrapper.pack(meter.server_sap, 1, made.protected(meter, plain)))
                await until(lambda: intake.counts.stored == 2)
            return rows

    rows = run(scenario())
    with colony.engine.reading() as connection:
        archive = Archive(colony.engine, colony.tenant)
        events = archive.events(connection, number, 0, int(NOON) + 60)
    assert len(events) == len(rows[1]) > 0
    assert {str(each.log) for each in events} == {log}


@pytest.mark.parametrize("years", [-20, 5])
def test_a_clock_that_is_years_off_is_not_believed(colony, years):
    fleet, (number,) = household(colony)
    wrong = NOON + years * 365 * DAY

    async def scenario():
        async with taking(colony.intake()) as intake:
            sending = pusher(fleet, intake, lambda: wrong)
            await sending.push(0)
            await until(lambda: intake.counts.stored == 1)
            sending.close()

    run(scenario())
    (energy,) = [each for each in readings(colony, number) if str(each.name) == ENERGY]
    assert energy.time.timestamp() == NOON
    assert Quality.INVALID_TIME in energy.quality
