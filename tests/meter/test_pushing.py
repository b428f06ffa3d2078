"""Meters that push to a listener: every line, ciphered and plain, events too."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

import ferraris
from ferraris.client.listening import Listening
from ferraris.data import axdr
from ferraris.data.kinds import Data, array, enum, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.line.url import parse_url
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.general import decode_general_ciphering, decode_general_glo
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.notify import EventNotification
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.forms import KeySource, source_of
from ferraris.meter.behaviour.push_setup import course_of, protection_parameters
from ferraris.meter.behaviour.push_states import PushState
from ferraris.meter.fleet import Fleet
from ferraris.meter.pushing import SCHEMES, Pusher
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.server.device import AccessRefused, RequestContext
from ferraris.server.pushing import data_notification, push_object_list

NOON = 1_795_003_200.0
PATIENCE_S = 20.0
SETUP, PROFILE, ALARM = (bytes(Obis.parse(f"0-{each}:25.9.0*255")) for each in (0, 1, 4))
ENERGY = Obis.parse("1-0:1.8.0*255")
VOLTAGE = Obis.parse("1-0:32.7.0*255")


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(template("residential"), 3, seed=7)


def keys_of(fleet: Fleet) -> dict[bytes, ferraris.PushKeys]:
    return {
        meter.system_title: ferraris.PushKeys(
            meter.keys.encryption_key, meter.keys.authentication_key, protection="both"
        )
        for meter in fleet
    }


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario()

    asyncio.run(limited())


def pusher(fleet: Fleet, listening: Listening, **changes: object) -> Pusher:
    endpoint = parse_url(listening.url, schemes=SCHEMES)
    return Pusher(fleet, endpoint, utc=lambda: NOON, **changes)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize("scheme", [each for each in SCHEMES if not each.startswith("tls")])
@pytest.mark.parametrize("ciphered", [True, False])
def test_a_listener_reads_what_meters_push(fleet: Fleet, scheme: str, ciphered: bool):
    keys = keys_of(fleet) if ciphered else None

    async def scenario() -> None:
        async with ferraris.listen(f"{scheme}://127.0.0.1:0", keys) as listening:
            sending = pusher(fleet, listening, ciphered=ciphered)
            for index in (0, 2):
                await sending.push(index)
                push = await listening.next()
                meter = fleet[index]
                assert push.device == meter.logical_device_name.decode()
                assert push.system_title == (meter.system_title if ciphered else b"")
                assert push.addresses == (1, meter.server_sap)
                assert push.time is not None
                assert push.time.timestamp() == NOON
                values = {reading.name: reading for reading in push.readings}
                energy, voltage = values[ENERGY], values[VOLTAGE]
                assert energy.value == meter.total(0, int(NOON))
                assert (str(energy.unit), str(voltage.unit)) == ("Wh", "V")
                assert isinstance(voltage.value, Decimal)
                assert 200 < voltage.value < 260
            sending.close()

    run(scenario)


def test_events_are_pushed_too(fleet: Fleet):
    attribute = AttributeDescriptor(1, bytes(Obis.parse("0-0:97.98.0*255")), 2)

    async def scenario() -> None:
        async with ferraris.listen("udp://127.0.0.1:0", keys_of(fleet)) as listening:
            sending = pusher(fleet, listening)
            await sending.push_event(0, attribute)
            push = await listening.next()
            assert isinstance(push.apdu, EventNotification)
            (reading,) = push.readings
            assert (str(reading.name), reading.value) == ("0-0:97.98.0*255", 0)
            sending.close()

    run(scenario)


def test_a_fleet_goes_on_pushing_when_nobody_listened_at_first(fleet: Fleet):
    failures: list[ferraris.LineError] = []

    async def scenario() -> None:
        async with ferraris.listen("tcp://127.0.0.1:0") as first:
            sending = pusher(
                fleet, first, every_s=0.001, ciphered=False, on_failure=failures.append
            )
            port = first.port
        task = asyncio.create_task(sending.run())
        while not failures:
            await asyncio.sleep(0)
        async with ferraris.listen(f"tcp://127.0.0.1:{port}") as again:
            devices = {(await again.next()).device for _ in range(6)}
        task.cancel()
        assert devices == {meter.logical_device_name.decode() for meter in fleet}

    run(scenario)
    assert "no way to" in str(failures[0])


def test_confirmed_pushes_hear_their_confirmation(fleet: Fleet):
    async def scenario() -> None:
        async with ferraris.listen("tcp://127.0.0.1:0") as listening:
            sending = pusher(fleet, listening, ciphered=False, confirmed=True)
            await sending.push(0)
            await listening.next()
            while not sending.confirmed_by:
                await asyncio.sleep(0)
            assert sending.confirmed_by == {0: 1}
            sending.close()

    run(scenario)


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_profile_is_pushed_until_it_is_confirmed(fleet: Fleet, scheme: str):
    meter = fleet[1]
    keys = keys_of(fleet)
    title = meter.system_title
    keys[title] = dataclasses.replace(keys[title], lease=CounterLease(1, 9))

    async def scenario() -> None:
        async with ferraris.listen(f"{scheme}://127.0.0.1:0", keys) as listening:
            sending = pusher(fleet, listening, every_s=None)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0)
            act(meter, PROFILE)
            push = await listening.next()
            assert (push.system_title, len(push.data[1][2][1])) == (title, 96)
            while not sending.confirmed_by:
                await asyncio.sleep(0)
            assert sending.confirmed_by == {1: 1}
            course = course_of(meter, sending.plan.setup(PROFILE))
            assert (course.state, course.confirmed_at) == (PushState.IDLE, NOON)
            task.cancel()

    run(scenario)


def test_set_up_objects_say_whereto_and_how(fleet: Fleet):
    """One destination is deaf, and each of the others has its own."""

    async def scenario() -> None:
        async with (
            ferraris.listen("udp://127.0.0.1:0", keys_of(fleet)) as datagrams,
            ferraris.listen("tcp+hdlc://127.0.0.1:0") as frames,
        ):
            failures: list[ferraris.Error] = []
            sending = Pusher(fleet, every_s=None, utc=lambda: NOON, on_failure=failures.append)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0)
            destinations = {
                0: (0, b"127.0.0.1:1"),
                1: (1, f"127.0.0.1:{datagrams.port}".encode()),
                2: (5, f"127.0.0.1:{frames.port}".encode()),
            }
            for index, (service, text) in destinations.items():
                said = structure(enum(service), octet_string(text), enum(0))
                write(fleet[index], ALARM, 3, said)
                write(fleet[index], ALARM, 6, unsigned(0))
            write(fleet[2], ALARM, 10, array())
            for meter in fleet:
                meter.incident(Incident.DECIPHERING_FAILED, 1, NOON)
            assert (await datagrams.next()).system_title == fleet[1].system_title
            assert not (await frames.next()).protection.encrypted
            while not failures:
                await asyncio.sleep(0)
            assert "no way to" in str(failures[0])
            for service, text in ((2, b"ftp"), (0, b"")):
                write(fleet[0], ALARM, 3, structure(enum(service), octet_string(text), enum(0)))
                act(fleet[0], ALARM)
                seen = len(failures)
                while len(failures) == seen:
                    await asyncio.sleep(0)
                assert "destination" in str(failures[-1])
            task.cancel()

    run(scenario)


def test_a_listener_that_takes_nobody_keeps_nobody_else_waiting(fleet: Fleet):
    """Its queue is full, so that a call neither fails nor ends."""

    async def scenario() -> None:
        with socket.socket() as deaf, socket.socket() as one, socket.socket() as other:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for each in (one, other):
                each.setblocking(False)
                each.connect_ex(deaf.getsockname())
            async with ferraris.listen("tcp://127.0.0.1:0", keys_of(fleet)) as listening:
                sending = Pusher(fleet, every_s=None, utc=lambda: NOON, most_at_once=1)
                task = asyncio.create_task(sending.run())
                await asyncio.sleep(0)
                for meter in fleet:
                    port = listening.port if meter.index else deaf.getsockname()[1]
                    text = f"127.0.0.1:{port}".encode()
                    write(meter, ALARM, 3, structure(enum(0), octet_string(text), enum(0)))
                    act(meter, ALARM)
                heard = {(await listening.next()).system_title for _ in range(2)}
                assert heard == {fleet[1].system_title, fleet[2].system_title}
                waiting = course_of(fleet[0], sending.plan.setup(ALARM))
                assert waiting.state is PushState.SENDING
                task.cancel()

    run(scenario)


def test_signed_pushes_name_their_recipient():
    signing = Fleet(template("residential", suite=1), 1, seed=7)
    meter, ours = signing[0], b"FRR\0\0\0\0\1"
    pair = meter.pairs.signing
    assert pair is not None
    known = ferraris.PushKeys(
        meter.keys.encryption_key,
        meter.keys.authentication_key,
        suite=1,
        sender_signing=pair.public_key,
        client_system_title=ours,
    )

    async def scenario() -> None:
        keys = {meter.system_title: known}
        failures: list[ferraris.Error] = []
        async with ferraris.listen("tcp://127.0.0.1:0", keys) as listening:
            sending = pusher(signing, listening, every_s=None, on_failure=failures.append)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0)
            counters = []
            for control in (SIGNED, BOTH | SIGNED, BOTH):
                write(meter, ALARM, 10, protection_parameters(control, ours))
                act(meter, ALARM)
                push = await listening.next()
                assert push.protection.signed == bool(control & SIGNED)
                assert push.protection.encrypted == bool(control & BOTH)
                counters.append(push.protection.counter)
            assert counters == [None, 2, 3]
            assert listening.failures == 0
            write(meter, ALARM, 6, unsigned(0))
            write(meter, ALARM, 10, protection_parameters(SIGNED))
            act(meter, ALARM)
            while not failures:
                await asyncio.sleep(0)
            assert "recipient" in str(failures[0])
            task.cancel()

    run(scenario)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("source", [KeySource.WRAPPED, KeySource.ONE_PASS, KeySource.STATIC])
def test_a_set_up_object_asks_for_keys_of_their_own(source: KeySource, suite: int):
    pushing = Fleet(template("residential", suite=suite), 1, seed=7)
    meter, ours, client = pushing[0], b"FRR\0\0\0\0\1", pushing.client_pairs(0)
    known = ferraris.PushKeys(
        meter.keys.encryption_key,
        meter.keys.authentication_key,
        suite=suite,
        sender_signing=client.peer_signing,
        master_key=client.master_key,
        agreement_key=client.agreement,
        sender_agreement=client.peer_agreement,
        client_system_title=ours,
    )

    async def scenario() -> None:
        keys = {meter.system_title: known}
        failures: list[ferraris.Error] = []
        async with ferraris.listen("tcp://127.0.0.1:0", keys) as listening:
            sending = pusher(pushing, listening, every_s=None, on_failure=failures.append)
            task = asyncio.create_task(sending.run())
            await asyncio.sleep(0)
            seen = []
            for control in (BOTH, BOTH | SIGNED):
                write(meter, ALARM, 10, protection_parameters(control, ours, source))
                act(meter, ALARM)
                push = await listening.next()
                assert push.protection.authenticated
                assert push.protection.signed == bool(control & SIGNED)
                message = decode_general_ciphering(push.raw)
                assert source_of(message.key_info) is source
                seen.append(message.transaction_id)
            assert seen[0] < seen[1]
            assert (listening.failures, failures) == (0, [])
            write(meter, ALARM, 6, unsigned(0))
            write(meter, ALARM, 10, protection_parameters(BOTH, b"", source))
            act(meter, ALARM)
            while not failures:
                await asyncio.sleep(0)
            assert "recipient" in str(failures[0])
            task.cancel()

    run(scenario)


def test_key_information_of_another_form_is_refused():
    meter = Fleet(template("residential", suite=1), 1, seed=7)[0]
    nobody = octet_string(b"")
    for odd in (structure(enum(2)), structure(enum(2), enum(1)), enum(0)):
        options = structure(nobody, nobody, nobody, nobody, odd)
        with pytest.raises(AccessRefused):
            write(meter, ALARM, 10, array(structure(enum(2), options)))


def test_pushes_count_on_above_what_an_association_used(fleet: Fleet):
    meter = fleet[0]
    sending = Pusher(fleet, parse_url("udp://127.0.0.1:9"), every_s=None, utc=lambda: NOON)

    def counter() -> int:
        content = decode_general_glo(sending.protected(meter, b"\x0f")).content
        return int.from_bytes(content[1:5], "big")

    before = counter()
    assert counter() == before + 1
    between = meter.counter_lease(1).take()
    assert before < between < counter()


def test_the_period_becomes_the_schedule(fleet: Fleet):
    endpoint = parse_url("udp://127.0.0.1:4", schemes=SCHEMES)
    sending = Pusher(fleet, endpoint, every_s=15, utc=lambda: NOON)
    schedule = fleet[0].objects[22, bytes(Obis.parse("0-0:15.0.4*255"))]
    times = axdr.decode(fleet[0].get(schedule, 4, None, RequestContext(1, now=NOON)))[1]
    assert [each[1][0][1][:3].hex() for each in times] == ["ffff00", "ffff0f", "ffff1e", "ffff2d"]
    assert sending.plan.deadline == NOON + 15
    destination = fleet[0].get(fleet[0].objects[40, SETUP], 3, None, RequestContext(1, now=NOON))
    assert axdr.decode(destination)[1][1][1] == b"127.0.0.1:4"


def act(meter: SimulatedMeter, name: bytes) -> None:
    meter.act(meter.objects[40, name], 1, None, RequestContext(1, now=NOON))


def write(meter: SimulatedMeter, name: bytes, attribute: int, data: Data) -> None:
    context = RequestContext(1, now=NOON)
    meter.set(meter.objects[40, name], attribute, axdr.encode(data), None, context)


def test_what_cannot_be_pushed_is_said(fleet: Fleet):
    with pytest.raises(ferraris.UsageError, match="push to"):
        Pusher(fleet, parse_url("serial:///dev/null"))
    with pytest.raises(ferraris.UsageError, match="seconds"):
        Pusher(fleet, parse_url("udp://127.0.0.1:1"), every_s=0)
    context = RequestContext(1, now=NOON)
    with pytest.raises(ferraris.UsageError, match="no object"):
        push_object_list(fleet[0], bytes(6), context)
    missing = push_object_list(fleet[0], SETUP, context)[0]._replace(class_id=99)
    with pytest.raises(ferraris.UsageError, match="no object"):
        data_notification(fleet[0], [missing], context)
