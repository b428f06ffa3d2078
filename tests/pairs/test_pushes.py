"""Pushes from a meter to its client: plain, ciphered, confirmed, forged, and between blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pairing import NOON, Pair

from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC
from ferraris.core.errors import LineError, SecurityError
from ferraris.core.layer import Failed
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.notify import LONG_CONFIRMED, DataNotification, EventNotification
from ferraris.server.notifying import Delivery

BODY = axdr.encode(octet_string(b"something happened"))
EVENT = EventNotification(None, AttributeDescriptor(1, Obis.parse("0-0:97.98.0*255"), 2), BODY)
PUSH = DataNotification(7, b"", BODY)
WAYS = {
    "as the association": {},
    "plain": {"control": 0},
    "authenticated": {"control": 0x10},
    "general": {"control": 0x30, "general": True},
}
SCHEMES = ["tcp", "tcp+hdlc"]


async def _read(meter: Meter) -> object:
    return (await meter.read("1-0:1.8.0")).value


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("push", [EVENT, PUSH], ids=["event", "data"])
@pytest.mark.parametrize("security", ["password", "gmac", "gmac general", "gmac dedicated"])
def test_a_push_arrives_between_two_reads(
    scheme: str, push: DataNotification | EventNotification, security: str
) -> None:
    pair = Pair(scheme)
    client = 2 if security == "password" else 1

    async def procedure(meter: Meter) -> None:
        await _read(meter)
        notification = pair.notify(client, push)
        await _read(meter)
        await _read(meter)
        assert notification.state is Delivery.SENT

    pair.run(pair.security(security), procedure)
    assert pair.pushes == [push]


@pytest.mark.parametrize("way", ["authenticated", "general"])
def test_a_push_is_protected_as_its_sender_chooses(way: str) -> None:
    pair = Pair()
    security = pair.security("gmac")
    control = WAYS[way]["control"]

    async def procedure(meter: Meter) -> None:
        assert meter._association._opening is not None
        channel = meter._association._opening.channel
        assert channel is not None
        channel._global.opener.minimum = 0x10  # type: ignore[union-attr] # takes less than it sends
        pair.notify(1, PUSH, **WAYS[way])
        await _read(meter)
        assert channel._global.opener._plans.keys() == {control, 0x30}  # type: ignore[union-attr]

    pair.run(security, procedure)
    assert pair.pushes == [PUSH]


def test_a_plain_push_in_a_protected_association_ends_nothing() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> list[object]:
        failures: list[object] = []
        driver = meter._driver
        happened = driver.happened  # type: ignore[attr-defined]

        def watch(what: object) -> None:
            failures.append(what)
            happened(what)

        driver.happened = watch  # type: ignore[attr-defined]
        pair.notify(1, PUSH, control=0)
        await _read(meter)
        return failures

    happened = pair.run(pair.security("gmac"), procedure)
    (failed,) = [what for what in happened if isinstance(what, Failed)]
    assert isinstance(failed.error, SecurityError)
    assert failed.ref is None
    assert pair.pushes == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("security", ["password", "gmac", "gmac general", "gmac dedicated"])
def test_a_confirmed_push_gets_its_receipt(scheme: str, security: str) -> None:
    pair = Pair(scheme)
    push = DataNotification(LONG_CONFIRMED | 9, b"", BODY)

    async def procedure(meter: Meter) -> None:
        await _read(meter)
        notification = pair.notify(2 if security == "password" else 1, push)
        await _read(meter)
        await _read(meter)
        assert notification.state is Delivery.CONFIRMED

    pair.run(pair.security(security), procedure)
    assert pair.pushes == [push]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_push_waits_for_the_end_of_an_answer_in_blocks(scheme: str) -> None:
    pair = Pair(scheme)
    busy: list[bool] = []

    def push() -> None:
        busy.append(pair.service._is_busy(pair.notify(2, EVENT).address))

    async def procedure(meter: Meter) -> int:
        layout = await meter.profile_layout("1-0:99.1.0")
        before = pair.time.now
        for when in (0.15, 0.35):
            pair.time.at(before + when, push)
        pair.time.at(before + 0.6, lambda: busy.append(bool(pair.pushes)))
        until = datetime.fromtimestamp(NOON, UTC)
        rows = len(await meter.profile(layout, until - timedelta(days=4), until))
        assert pair.time.now > before + 0.6
        await _read(meter)
        return rows

    assert pair.run(pair.security("password"), procedure, max_pdu=200) == 4 * 96
    assert busy == [True, True, False]
    assert pair.pushes == [EVENT, EVENT]


def test_a_push_does_not_wait_for_ever() -> None:
    pair = Pair()
    waited: list[list[object]] = []
    opening = pair.connect(pair.security("password"), max_pdu=300)

    async def session() -> None:
        meter = await opening()
        layout = await meter.profile_layout("1-0:99.1.0")
        line = pair.line
        assert line is not None

        def give_up() -> None:
            line.driver.arrive = lambda octets: None  # type: ignore[method-assign]
            pair.notify(2, EVENT)

        pair.time.at(pair.time.now + 0.1, give_up)
        pair.time.at(pair.time.now + 20, lambda: waited.append(list(pair.pushes)))
        pair.time.at(pair.time.now + 20, lambda: line.driver.__dict__.pop("arrive"))
        await meter.profile(layout)

    task = pair.time.spawn(session())  # type: ignore[arg-type]
    pair.time.run(200)
    with pytest.raises(LineError):
        task.result()
    assert waited == [[]]
    assert pair.pushes == [EVENT]


def test_pushes_are_bounded_and_a_stranger_gets_none() -> None:
    pair = Pair()
    pair.connect(pair.security("password"))
    assert pair.notify(99, EVENT).state is Delivery.DROPPED
    waiting = [pair.service.notify(pair.notify(2, EVENT).address, EVENT) for _ in range(40)]
    assert waiting[0].state is Delivery.WAITING
    assert waiting[-1].state is Delivery.DROPPED
    assert pair.service.dropped_notifications == 1 + 80 - 32


def test_a_ciphered_push_needs_no_association() -> None:
    pair = Pair()
    security = pair.security("gmac general")
    assert isinstance(security, HighGMAC)
    opening = pair.connect(security)
    pair.notify(1, PUSH)
    assert pair.line is not None
    heard: list[bytes] = []
    pair.line.driver.arrive = heard.append  # type: ignore[method-assign]
    pair.time.run(1)
    (octets,) = heard
    assert octets[8] == 0xDB
    assert BODY not in octets
    assert pair.fleet[0].system_title in octets
    del opening


def test_a_push_without_keys_is_dropped_with_its_error() -> None:
    pair = Pair()
    pair.connect(pair.security("password"))
    notification = pair.notify(2, PUSH, control=0x30)
    pair.time.run(1)
    assert notification.state is Delivery.DROPPED


def test_no_receipt_from_a_stranger_counts() -> None:
    pair = Pair()
    push = DataNotification(LONG_CONFIRMED | 5, b"", BODY)
    states: list[Delivery] = []

    async def procedure(meter: Meter) -> None:
        notification = pair.notify(1, push)
        forged = bytes.fromhex("0001 0001 0001 0006 10 40000005 00")
        assert pair.line is not None
        arrive = pair.line.station.arrive
        pair.time.at(pair.time.now + 0.005, lambda: arrive(forged))
        pair.time.at(pair.time.now + 0.006, lambda: states.append(notification.state))
        await _read(meter)
        await _read(meter)
        assert notification.state is Delivery.CONFIRMED

    pair.run(pair.security("gmac"), procedure)
    assert states == [Delivery.SENT]


@pytest.mark.parametrize("closed", [True, False])
def test_over_hdlc_a_push_needs_no_link(closed: bool) -> None:
    """Before the first SNRM, and after DISC as well."""
    pair = Pair("tcp+hdlc")
    if closed:
        pair.run(pair.security("password"), _read)
        pair.time.run(pair.time.now + 1)
    else:
        pair.connect(pair.security("password"))
    assert pair.line is not None
    heard: list[bytes] = []
    pair.line.driver.arrive = heard.append  # type: ignore[method-assign]
    states = [pair.notify(2, PUSH) for _ in range(3)]
    pair.time.run(pair.time.now + 1)
    assert [each.state for each in states] == [Delivery.SENT] * 3
    assert len(heard) == 3
    assert all(BODY in octets for octets in heard)
    assert pair.pushes == []


def test_over_hdlc_a_line_that_is_gone_takes_no_push() -> None:
    pair = Pair("tcp+hdlc")
    pair.run(pair.security("password"), _read)
    assert pair.line is not None
    pair.line.disconnect()
    notification = pair.notify(2, PUSH)
    pair.time.run(pair.time.now + 1)
    assert notification.state is Delivery.WAITING


def test_over_tcp_a_push_waits_when_the_connection_is_gone() -> None:
    pair = Pair()
    pair.run(pair.security("password"), _read)
    assert pair.line is not None
    pair.line.disconnect()
    notification = pair.notify(2, PUSH)
    pair.time.run(pair.time.now + 1)
    assert notification.state is Delivery.WAITING
