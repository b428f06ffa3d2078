"""Meters that become active, and meters that do not: real ones on loopback sockets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from ferraris.client import HighGMAC, connect
from ferraris.core.errors import UsageError
from ferraris.data.obis import Obis
from ferraris.headend.collect.claims import Claims
from ferraris.headend.collect.dlms import DlmsMeters
from ferraris.headend.collect.target import Target
from ferraris.headend.inventory import key_id as name_key
from ferraris.headend.registration import RegistrationPolicy, Step, Tolerance
from ferraris.headend.registration.progress import ask_keys
from ferraris.headend.registration.push_learning import PushLearning
from ferraris.headend.registration.push_lists import PushLists
from ferraris.headend.store.tables.collecting import CONTACT
from ferraris.headend.store.tables.inventory import PUSH_LISTS, REGISTRATION
from ferraris.keys import SEND

NOON = 1_795_003_200.0
TITLE = b"FRR\x00\x00\x00\x00\x01"
POLICY = RegistrationPolicy(timeout_s=5.0)

BOTH = pytest.mark.parametrize(
    "location", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)


def run(procedure):
    async def limited():
        async with asyncio.timeout(20):
            return await procedure

    return asyncio.run(limited())


@BOTH
def test_a_meter_is_proved_set_given_keys_and_active(colony):
    async def scenario():
        async with colony.fleet(2) as (fleet, _):
            registrar = colony.registrar()
            colony.commission(registrar)
            assert await registrar.round() == 2
            assert await registrar.round() == 0
            return [meter.keys for meter in fleet]

    keys = run(scenario())
    for number, now in zip(colony.numbers(), keys, strict=True):
        meter = colony.meter(number)
        assert (meter.state, colony.progress(number).step) == ("active", Step.ACTIVE)
        assert colony.life(number) == [("known", "installed"), ("installed", "active")]
        assert meter.logical_device_name == meter.external_id
        assert meter.serial_number == meter.external_id[3:]
        assert meter.firmware == "FRR-R1.0"
        assert len(meter.configuration) == 16
        assert meter.heard_s == NOON
        key_id = name_key("north", meter.external_id)
        assert colony.keys.get(key_id, "encryption_key") == now.encryption_key
        assert colony.keys.get(key_id, "authentication_key") == now.authentication_key
        assert colony.keys.get(key_id, "previous_encryption_key") != now.encryption_key
        assert colony.keys.floor(key_id) > 0
    assert colony.quarantined() == []


def test_every_step_is_audited_and_told_and_no_secret_is(colony):
    async def scenario():
        async with colony.fleet(1):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    actions = [line["action"].removeprefix("registration: ") for line in colony.journal]
    assert actions == ["prove identity", "check", "set time", "renew keys", "record", "activate"]
    told = [json.loads(row.detail).get("registration") for row in colony.told("meter")]
    told = [each for each in told if each is not None]
    assert told == [
        "asked for",
        "identity proved",
        "checked",
        "time right",
        "keys renewed",
        "recorded",
        "active",
    ]
    text = repr(colony.journal)
    key_id = name_key("north", colony.meter(colony.numbers()[0]).external_id)
    for kind in ("encryption_key", "authentication_key", "master_key", "previous_encryption_key"):
        assert colony.keys.get(key_id, kind).hex() not in text


@pytest.mark.parametrize("off", [0, 8, -3600, 5 * 365 * 86_400, -5 * 365 * 86_400])
def test_a_clock_is_set_when_it_is_too_far_off(colony, off):
    async def scenario():
        async with colony.fleet(1, utc=lambda: colony.clock() + off) as (fleet, _):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            return fleet[0].local(int(colony.clock() + off))

    shown = run(scenario())
    progress = colony.progress(colony.numbers()[0])
    assert progress.step is Step.ACTIVE
    assert progress.clock_offset_s == off
    assert shown == NOON if abs(off) > 10 else NOON + off


@BOTH
def test_a_meter_that_differs_is_held_with_what_differs(colony):
    async def scenario(policy):
        async with colony.fleet(1, name="smr-5.0", companion="smr-5.2"):
            registrar = colony.registrar(policy)
            colony.commission(registrar)
            await registrar.round()

    run(scenario(POLICY))
    (number,) = colony.numbers()
    progress = colony.progress(number)
    assert progress.step is Step.HELD
    assert "not as smr-5.2 says: " in progress.message
    assert "missing; 0-1:94.31.10*255 missing, " in progress.message
    assert colony.meter(number).state == "installed"
    findings = json.loads(progress.findings)
    assert any(
        each["verdict"] == "missing" and each["obis"] == "0-0:97.98.1*255" and not each["tolerable"]
        for each in findings
    )


def test_what_the_policy_bears_is_recorded_and_passes(colony):
    bears = Tolerance(verdicts=frozenset({"extra", "missing", "differs", "unchecked"}))

    async def scenario():
        async with colony.fleet(1, name="smr-5.0", companion="smr-5.2"):
            registrar = colony.registrar(replace(POLICY, tolerance=bears, renew_keys=False))
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    progress = colony.progress(colony.numbers()[0])
    assert (progress.step, progress.message) == (Step.ACTIVE, "")
    assert json.loads(progress.findings)


def test_with_wrong_keys_it_is_quarantined_and_never_active(colony):
    async def scenario():
        async with colony.fleet(1):
            meter = colony.meter(colony.numbers()[0])
            key_id = name_key("north", meter.external_id)
            colony.keys.put(key_id, "authentication_key", bytes(16))
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            await registrar.round()

    run(scenario())
    (number,) = colony.numbers()
    assert colony.progress(number).step is Step.QUARANTINED
    assert colony.meter(number).state == "known"
    (stranger,) = colony.quarantined()
    assert (stranger.identity, stranger.reason) == (colony.meter(number).external_id, "wrong key")


@pytest.mark.parametrize(
    "lie",
    [
        {"logical_device_name": "FRR9999999999999"},
        {"serial_number": "9999999999999"},
        {"system_title": b"FRR99999"},
    ],
)
def test_a_meter_with_the_right_keys_and_another_name_is_quarantined(colony, lie):
    async def scenario():
        async with colony.fleet(1, **lie):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    (number,) = colony.numbers()
    assert colony.progress(number).step is Step.QUARANTINED
    assert colony.meter(number).state == "known"
    assert colony.quarantined()
    told = [(line["action"], line["outcome"]) for line in colony.journal]
    assert told == [("registration: quarantine", "failed"), ("stranger: turn away", "refused")]


def test_two_rows_of_one_name_are_not_both_right(colony):
    async def scenario():
        async with colony.fleet(1):
            colony.enrol(external_id="older", logical_device_name="FRR0130000000000")
            registrar = colony.registrar()
            colony.commission(registrar, colony.numbers()[:1])
            await registrar.round()

    run(scenario())
    assert colony.progress(colony.numbers()[0]).step is Step.QUARANTINED


def test_a_password_proves_nothing_unless_it_is_trusted(colony):
    async def scenario(policy):
        async with colony.fleet(1, client=2, authentication="password"):
            registrar = colony.registrar(policy)
            colony.commission(registrar)
            await registrar.round()

    run(scenario(POLICY))
    (number,) = colony.numbers()
    assert colony.progress(number).step is Step.HELD
    assert "proves nothing" in colony.progress(number).message


def test_without_a_master_key_it_is_held_and_goes_on_when_it_is_there(colony):
    async def scenario():
        async with colony.fleet(1) as (fleet, _):
            (number,) = colony.numbers()
            key_id = name_key("north", colony.meter(number).external_id)
            colony.keys.delete(key_id, "master_key")
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            held = colony.progress(number)
            colony.keys.put(key_id, "master_key", fleet.key(0, b"master"))
            colony.commission(registrar)
            await registrar.round()
            return held

    held = run(scenario())
    assert held.step is Step.HELD
    assert "master key" in held.message
    assert colony.meter(colony.numbers()[0]).state == "active"


def test_counters_that_the_meter_has_seen_are_left_out_once(colony):
    async def scenario():
        async with colony.fleet(1) as (_, listening):
            line = listening.line(0)
            keys = [bytes.fromhex(line[each]) for each in ("encryption_key", "authentication_key")]
            security = HighGMAC(*keys, invocation_counter=5000)
            async with connect(listening.endpoint(0), server=line["server"], security=security):
                pass  # the maker tested it
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            return name_key("north", line["id"])

    key_id = run(scenario())
    (number,) = colony.numbers()
    assert colony.progress(number).step is Step.ACTIVE
    assert colony.progress(number).counter_asked
    assert colony.keys.lease(key_id, SEND, kind="previous_encryption_key").start > 5000


@BOTH
def test_nobody_at_home_is_tried_again_later_and_later(colony):
    colony.enrol(external_id="gone", address="tcp://127.0.0.1:9")
    registrar = colony.registrar()
    colony.commission(registrar)

    async def scenario():
        pauses = []
        for _ in range(3):
            await registrar.round()
            progress = colony.progress(colony.numbers()[0])
            pauses.append(progress.not_before_s - colony.clock())
            colony.clock.now = progress.not_before_s
        return pauses

    key_id = name_key("north", "gone")
    for kind in ("encryption_key", "authentication_key"):
        colony.keys.put(key_id, kind, bytes(16))
    pauses = run(scenario())
    assert pauses == [15.0, 45.0, 135.0]
    assert colony.progress(colony.numbers()[0]).step is Step.ASKED


@pytest.mark.parametrize("state", ["suspended", "retired"])
def test_who_is_out_of_service_is_not_registered(colony, state):
    number = colony.enrol(external_id="old", state=state)
    with pytest.raises(UsageError, match=state):
        colony.commission(colony.registrar(), [number])


@BOTH
def test_what_meters_push_is_learnt_once_for_all_that_are_alike(colony):
    async def scenario():
        async with colony.fleet(3):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    with colony.engine.reading() as connection:
        (document,) = connection.execute(select(PUSH_LISTS.c.document)).scalars()
        used = connection.execute(select(REGISTRATION.c.push_lists)).scalars().all()
    assert len(set(used)) == 1
    known = PushLists.from_text(document)
    assert known.to_text() == document
    layout = known.profiles[Obis.parse("1-0:99.1.0*255")]
    assert [(str(each.name), each.unit) for each in layout.channels] == [
        ("1-0:1.8.0*255", 30),
        ("1-0:2.8.0*255", 30),
        ("1-0:3.8.0*255", 32),
        ("1-0:4.8.0*255", 32),
    ]
    assert any(each.layout and len(each.layout.columns) == 3 for each in known.merged.objects)


def test_a_meter_that_came_active_tells_at_its_first_session_what_it_pushes(colony):
    """As one does that is registered: the row is the same, and it is asked once."""

    async def scenario():
        async with colony.fleet(3, state="active") as (fleet, _):
            registrar = colony.registrar()
            colony.commission(registrar, [1])
            await registrar.round()
            learning = PushLearning(colony.engine, clock=colony.clock)
            meters = DlmsMeters(
                colony.keys,
                system_title=TITLE,
                key_of=lambda target: name_key("north", target.external_id),
                met=learning.meet,
            )
            asked = []
            for number, prepared in ((2, True), (3, False), (3, False)):
                target = Target.of(colony.meter(number))
                if prepared:
                    learning.prepare([target, Target.of(colony.meter(1))])
                floor = fleet[number - 1].receive_floor(1)
                async with meters.open(target):
                    pass
                asked.append(fleet[number - 1].receive_floor(1) - floor)
            return asked

    second, third, again = run(scenario())
    assert min(second, third) > again + 2
    with colony.engine.reading() as connection:
        query = select(REGISTRATION.c.push_lists, REGISTRATION.c.step, REGISTRATION.c.occasion)
        rows = connection.execute(query.order_by(REGISTRATION.c.meter)).all()
    lists = {row.push_lists for row in rows}
    assert len(lists) == 1
    assert lists != {None}
    assert [row.occasion for row in rows] == ["operator", "session", "session"]
    assert {row.step for row in rows} == {"active"}


def test_a_meter_that_is_being_read_waits_its_turn(colony):
    async def scenario():
        async with colony.fleet(1):
            (number,) = colony.numbers()
            collector = Claims(colony.tenant, "collector", lease_s=30.0, steady=colony.clock)
            with colony.engine.transaction() as connection:
                collector.beat(connection, now=NOON)
                assert collector.claim(connection, {number}, now=NOON)
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            waiting = colony.progress(number)
            with colony.engine.transaction() as connection:
                collector.settle(connection, [number], [], now=NOON)
            colony.clock.now = waiting.not_before_s
            await registrar.round()
            return waiting

    waiting = run(scenario())
    assert (waiting.step, waiting.tries, waiting.not_before_s) == (Step.ASKED, 0, NOON + 2.0)
    assert colony.progress(1).step is Step.ACTIVE


def test_a_meter_that_the_collector_holds_back_is_free_after_its_registration(colony):
    async def scenario():
        async with colony.fleet(1, state="active"):
            (number,) = colony.numbers()
            row = {"tenant": colony.tenant, "meter": number, "state": "held", "tries": 3}
            row |= {"not_before_s": 0, "reason": "security", "message": "wrong key", "since_s": 0}
            with colony.engine.transaction() as connection:
                connection.execute(CONTACT.insert().values(row))
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()

    run(scenario())
    assert colony.progress(1).step is Step.ACTIVE
    with colony.engine.reading() as connection:
        assert connection.execute(select(CONTACT)).all() == []


def test_who_reads_a_meter_before_and_after_new_keys_is_not_shut_out(colony):
    """The collector keeps its floors now and then: after the renewal here, of before it."""

    async def scenario():
        async with colony.fleet(1):
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            name = name_key("north", colony.meter(1).external_id)
            meters = DlmsMeters(colony.keys, system_title=TITLE, key_of=lambda target: name)
            for _ in range(3):
                async with meters.open(Target.of(colony.meter(1))) as face:
                    for _ in range(20):
                        await face.read_registers(["1-0:1.8.0*255"])
                with colony.engine.transaction() as connection:
                    ask_keys(connection, [colony.known(1)], "anna", NOON)
                await registrar.round()
                meters.keep()
            return colony.keys.floor(name)

    assert run(scenario()) < 20
