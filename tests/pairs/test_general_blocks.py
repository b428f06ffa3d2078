"""General block transfer between a client and a meter: agreed, given up, lost, pushed, ciphered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pairing import NOON, Mailbox, Pair, fleet_with

from ferraris.client import services
from ferraris.client.connecting import client_stack, with_blocks
from ferraris.client.meter import Meter
from ferraris.client.push import Push
from ferraris.client.push_receiving import PushReceiver
from ferraris.client.security import HighGMAC, NoSecurity, Password
from ferraris.core.errors import Error, LineError, RefusedError, SequenceError, UsageError
from ferraris.core.stack import over
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.line.url import parse_url
from ferraris.line.virtual import Physics, VirtualLine
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.gateway import ThroughGateway
from ferraris.messaging.dlms.association.parameters import ClientParameters
from ferraris.messaging.dlms.block_transfer.transfer import ABORT
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor
from ferraris.messaging.dlms.notify import LONG_CONFIRMED, DataNotification
from ferraris.server.gateway import Gateway
from ferraris.server.notifying import Delivery
from ferraris.server.service import Service
from ferraris.transport import profiles

BOX = AttributeDescriptor(*Mailbox.KEY, 2)
REVERSE = MethodDescriptor(*Mailbox.KEY, 1)
GENERAL: dict[str, Any] = {"general_blocks": True}
CLIENTS = {"none": 16, "password": 2}


def text(octets: bytes) -> bytes:
    return axdr.encode(octet_string(octets))


def letters(count: int) -> bytes:
    return bytes(each * 7 % 251 for each in range(count))


def pair_of(scheme: str = "tcp", **changes: Any) -> Pair:
    offered = {**GENERAL, **changes.pop("settings", {})}
    return Pair(scheme, fleet=fleet_with(c1=offered, c2=offered, c16=offered), **changes)


def gmac(pair: Pair, name: str = "gmac") -> HighGMAC:
    security = pair.security(name)
    assert isinstance(security, HighGMAC)
    return replace(security, server_system_title=pair.fleet[0].system_title)


def watch(end: Any, see: Callable[[bytes], None]) -> None:
    arrive = end.arrive

    def seen(octets: bytes) -> None:
        see(octets)
        arrive(octets)

    end.arrive = seen


# -- when it is proposed and agreed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "proposed"),
    [
        ("tcp://h:1", "none", True),
        ("tcp://h:1", "gmac", True),
        ("tcp+hdlc://h:1", "password", True),
        ("udp://h:1", "none", False),
        ("udp://h:1", "password", False),
        ("udp://h:1", "gmac", True),
        ("udp://h:1", "gmac general", True),
        ("udp://h:1", "gmac encryption", False),  # no tag: a mixed answer would pass
        ("udp+hdlc://h:1", "none", True),
    ],
)
def test_it_is_proposed_where_a_late_block_is_found_out(
    url: str, name: str, proposed: bool
) -> None:
    security = Pair().security(name)
    stack, association = client_stack(parse_url(url), 1, 1, security, block_window=9)
    assert association.parameters.general_blocks is proposed
    assert (type(stack.lower).__name__ == "Over") is proposed
    stack, association = client_stack(parse_url(url), 1, 1, security, block_window=0)
    assert not association.parameters.general_blocks


def test_a_server_offers_none_to_plain_clients_over_datagrams() -> None:
    """Even to a client that proposes it."""
    for scheme, agreed in (("tcp", True), ("udp", False)):
        pair = pair_of(scheme)

        async def procedure(meter: Meter) -> bool:
            return meter.negotiated.general_blocks

        password = pair.security("password")
        assert pair.run(password, procedure, general_blocks=True) is agreed
        assert pair.run(gmac(pair), procedure, general_blocks=True)


def test_without_the_other_end_blocks_are_those_of_the_service() -> None:
    pair = Pair(fleet=fleet_with())

    async def procedure(meter: Meter) -> bytes:
        assert not meter.negotiated.general_blocks
        await services.set_(meter._driver, meter.negotiated, BOX, text(letters(5000)))
        return await services.get(meter._driver, BOX)

    answer = pair.run(pair.security("password"), procedure, general_blocks=True, max_pdu=512)
    assert answer == text(letters(5000))


# -- one exchange of the association, whatever its size -------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        (scheme, name)
        for scheme in ("tcp", "tcp+hdlc", "udp")
        for name in ("password", "gmac", "gmac general", "gmac dedicated")
        if (scheme, name) != ("udp", "password")  # not proposed there
    ],
)
@pytest.mark.parametrize("window", [1, 16, 63])
def test_long_both_ways(scheme: str, name: str, window: int) -> None:
    pair = pair_of(scheme, settings={"block_window": window})
    exchanges: list[str] = []

    async def procedure(meter: Meter) -> None:
        driver = meter._driver
        send = driver.layer.upper.send  # type: ignore[attr-defined]

        def counted(unit: Any, now: float) -> None:
            exchanges.append(type(unit).__name__)
            send(unit, now)

        driver.layer.upper.send = counted  # type: ignore[attr-defined]
        driver.layer._asked = None  # type: ignore[attr-defined] # all go the long way, past us
        how = meter._association.parameters.ciphered
        octets = letters(20_000)
        await services.set_(driver, meter.negotiated, BOX, text(octets), protected=how)
        assert await services.get(driver, BOX) == text(octets)
        back = await services.act(driver, meter.negotiated, REVERSE, text(octets), protected=how)
        assert back == text(octets[::-1])

    security = pair.security(name) if name == "password" else gmac(pair, name)
    pair.run(security, procedure, general_blocks=True, block_window=window, max_pdu=900)
    assert exchanges == ["SetRequestNormal", "GetRequestNormal", "ActionRequestNormal"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "physics",
    [
        pytest.param({"loss": 0.2}, id="loss"),
        pytest.param({"duplication": 0.3, "reorder": 0.2}, id="disorder"),
    ],
)
def test_ciphered_over_datagrams_no_wrong_octet(physics: dict[str, float], seed: int) -> None:
    pair = pair_of("udp", seed=seed)
    security = gmac(pair)

    unknown: list[bool] = []

    async def written(meter: Meter, octets: bytes) -> None:
        """Write until the meter is known to have it; what is unknown is read back."""
        for _ in range(30):
            try:
                await services.set_(meter._driver, meter.negotiated, BOX, octets, protected=True)
            except Error as error:
                unknown.append(error.outcome_unknown or isinstance(error, RefusedError))
            with contextlib.suppress(Error):
                if await services.get(meter._driver, BOX) == octets:
                    return
        raise AssertionError("thirty tries were not enough")

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        pair.line.physics = Physics(**physics)
        for count in (3000, 9000, 30_000):
            await written(meter, text(letters(count)))
        pair.line.physics = Physics()
        pair.time.at(pair.time.now + 60, lambda: None)
        assert await services.get(meter._driver, BOX) == text(letters(30_000))

    pair.run(security, procedure, general_blocks=True, max_pdu=1024, response_timeout_s=4.0)
    assert all(unknown)


def test_the_whole_apdu_is_ciphered_once_and_blocks_are_not() -> None:
    pair = pair_of()
    tags: list[int] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.driver, lambda octets: tags.append(octets[8]))
        watch(pair.line.station, lambda octets: tags.append(octets[8]))
        opening = meter._association._opening
        assert opening is not None
        assert opening.channel is not None
        before = opening.channel._global.sealer.lease.last
        await services.set_(
            meter._driver, meter.negotiated, BOX, text(letters(9000)), protected=True
        )
        after = opening.channel._global.sealer.lease.last
        assert before is not None
        assert after == before + 1  # one counter for nine thousand octets

    pair.run(gmac(pair), procedure, general_blocks=True)
    assert set(tags[:-2]) == {0xE0}


# -- endings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc", "udp"])
def test_a_client_that_gives_up_is_heard_and_asks_again(scheme: str) -> None:
    pair = pair_of(scheme)
    seen: list[bytes] = []

    async def procedure(meter: Meter) -> None:
        line = pair.line
        assert line is not None
        driver = meter._driver
        await services.set_(driver, meter.negotiated, BOX, text(letters(30_000)), protected=True)
        watch(line.station, seen.append)
        arrive = line.driver.arrive
        heard = 0

        def deaf_after_some(octets: bytes) -> None:
            nonlocal heard
            heard += 1
            if heard <= 20:
                arrive(octets)

        line.driver.arrive = deaf_after_some  # type: ignore[method-assign]
        if scheme == "tcp+hdlc":
            pair.time.at(pair.time.now + 1, lambda: setattr(line.driver, "arrive", arrive))
            assert await services.get(driver, BOX) == text(letters(30_000))  # the link repeats
            return
        with pytest.raises(LineError) as caught:
            await services.get(driver, BOX)
        assert not caught.value.outcome_unknown
        assert pair.service._transfers._transfers
        line.driver.arrive = arrive  # type: ignore[method-assign]
        await services.get(driver, REVERSE_NAME)
        assert ABORT.to_octets() in [octets[8:] for octets in seen]
        assert await services.get(driver, BOX) == text(letters(30_000))

    pair.run(gmac(pair), procedure, general_blocks=True, max_pdu=512)


REVERSE_NAME = AttributeDescriptor(*Mailbox.KEY, 1)


def test_a_write_whose_transfer_fails_is_unknown() -> None:
    pair = pair_of()
    errors: list[LineError] = []

    async def procedure(meter: Meter) -> None:
        line = pair.line
        assert line is not None
        line.station.arrive = lambda octets: None  # type: ignore[method-assign]
        with pytest.raises(LineError, match="tries") as caught:
            await services.set_(
                meter._driver, meter.negotiated, BOX, text(letters(9000)), protected=True
            )
        errors.append(caught.value)

    pair.run(gmac(pair), procedure, general_blocks=True)
    assert errors[0].outcome_unknown


def test_a_request_beyond_all_bounds_is_given_up_by_the_server() -> None:
    pair = pair_of()

    async def procedure(meter: Meter) -> None:
        huge = text(bytes(5 * 1024 * 1024))
        with pytest.raises(SequenceError, match="gave the transfer up") as caught:
            await services.set_(meter._driver, meter.negotiated, BOX, huge, protected=True)
        assert caught.value.outcome_unknown
        await services.get(meter._driver, REVERSE_NAME)

    pair.run(gmac(pair), procedure, general_blocks=True)


def test_an_unconfirmed_request_goes_in_one_piece_or_not_at_all() -> None:
    pair = pair_of()

    async def procedure(meter: Meter) -> None:
        for service, name in ((services.set_, BOX), (services.act, REVERSE)):
            with pytest.raises(UsageError, match="confirmed"):
                await service(  # type: ignore[operator]
                    meter._driver, meter.negotiated, name, text(letters(9000)), confirmed=False
                )

    pair.run(gmac(pair), procedure, general_blocks=True)


# -- pushes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize("name", ["password", "gmac", "gmac general"])
def test_a_long_push_goes_in_blocks_that_nobody_acknowledges(scheme: str, name: str) -> None:
    pair = pair_of(scheme)
    push = DataNotification(LONG_CONFIRMED | 9, b"", text(letters(4000)))
    security = pair.security("password") if name == "password" else gmac(pair, name)

    async def procedure(meter: Meter) -> None:
        await services.get(meter._driver, REVERSE_NAME)
        notification = pair.notify(CLIENTS.get(name, 1), push)
        for _ in range(3):
            await services.get(meter._driver, REVERSE_NAME)
        assert notification.state is Delivery.CONFIRMED

    pair.run(security, procedure, general_blocks=True, max_pdu=1024)
    assert pair.pushes == [push]


def test_a_receipt_does_not_overtake_a_request_in_blocks() -> None:
    """A push and a long request meet on the line; the receipt has the higher counter."""
    pair = pair_of()
    push = DataNotification(LONG_CONFIRMED | 9, b"", text(b"short"))

    async def procedure(meter: Meter) -> None:
        notification = pair.notify(1, push)
        octets = text(letters(60_000))
        await services.set_(meter._driver, meter.negotiated, BOX, octets, protected=True)
        assert await services.get(meter._driver, BOX) == octets
        assert notification.state is Delivery.CONFIRMED

    pair.run(gmac(pair), procedure, general_blocks=True, max_pdu=1024)
    assert pair.pushes == [push]


def test_a_push_waits_as_long_as_the_client_goes_on_fetching() -> None:
    """Its counter is above that of the answer: were it to break in, the answer would be lost."""
    pair = pair_of(physics=Physics(octets_per_second=400.0))
    push = DataNotification(3, b"", text(b"later"))

    async def procedure(meter: Meter) -> None:
        octets = text(letters(30_000))
        await services.set_(meter._driver, meter.negotiated, BOX, octets, protected=True)
        pair.time.at(pair.time.now + 1, lambda: pair.notify(1, push))
        before = pair.time.now
        assert await services.get(meter._driver, BOX) == octets
        assert pair.time.now > before + 60
        await services.get(meter._driver, REVERSE_NAME)

    pair.run(gmac(pair), procedure, general_blocks=True, max_pdu=1024, response_timeout_s=60.0)
    assert pair.pushes == [push]


def test_a_push_waits_for_the_end_of_an_answer_in_general_blocks() -> None:
    pair = pair_of()
    push = DataNotification(3, b"", text(b"later"))
    seen: list[int] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        octets = text(letters(60_000))
        await services.set_(meter._driver, meter.negotiated, BOX, octets, protected=True)
        watch(pair.line.driver, lambda octets: seen.append(octets[8]))
        pair.time.at(pair.time.now + 0.05, lambda: pair.notify(1, push))
        await services.get(meter._driver, BOX)
        await services.get(meter._driver, REVERSE_NAME)

    pair.run(gmac(pair, "gmac general"), procedure, general_blocks=True, max_pdu=1024)
    assert pair.pushes == [push]
    assert seen.index(0xDB) >= seen.count(0xE0) > 50


def test_a_push_too_long_for_a_client_without_blocks_is_dropped() -> None:
    pair = Pair(fleet=fleet_with())

    async def procedure(meter: Meter) -> None:
        notification = pair.notify(2, DataNotification(1, b"", text(letters(4000))))
        await services.get(meter._driver, REVERSE_NAME)
        assert notification.state is Delivery.DROPPED

    pair.run(pair.security("password"), procedure, max_pdu=1024)
    assert pair.pushes == []


def test_who_listens_joins_the_blocks_of_a_meter_without_an_association() -> None:
    pair = pair_of(settings={"client_max_pdu": 300})
    pair.connect(gmac(pair))
    line = pair.line
    assert line is not None
    receiver = PushReceiver(plain=True)
    heard: list[Any] = []
    line.driver.arrive = (
        lambda octets: heard.extend(  # type: ignore[method-assign]
            receiver.take(octets[8:], "meter")
        )
    )
    pair.notify(1, DataNotification(9, b"", text(letters(2000))), control=0)
    pair.time.run(1)
    (push,) = heard
    assert isinstance(push, Push)
    assert push.data == octet_string(letters(2000))


# -- gateways -------------------------------------------------------------------------------------


def test_the_gateway_header_stays_outermost() -> None:
    pair = pair_of()

    def utc() -> float:
        return NOON + pair.time.now

    def behind(network: int, address: bytes) -> Any:
        return (lambda server: pair.fleet[0] if server == 1 else None) if network == 3 else None

    own = Service(lambda server: None, entropy=pair.entropy, utc=utc)
    password = pair.security("password")
    assert isinstance(password, Password)
    parameters: ClientParameters = password.parameters(pair.entropy)
    parameters.max_pdu, parameters.general_blocks = 512, True
    association = ClientAssociation(parameters)
    below = over(ThroughGateway(3, b"\x01"), profiles.TCP.client_stack(2, 1))
    line = VirtualLine(
        pair.time,
        over(association, with_blocks(association, below)),
        over(Gateway(own, behind, entropy=pair.entropy, utc=utc), profiles.TCP.server_stack()),
    )
    tags: list[bytes] = []
    watch(line.driver, lambda octets: tags.append(octets[8:9] + octets[12:13]))
    watch(line.station, lambda octets: tags.append(octets[8:9] + octets[12:13]))

    async def session() -> bytes:
        await line.driver.open()
        assert association.negotiated is not None
        assert association.negotiated.has(Conformance.GENERAL_BLOCK_TRANSFER)
        await services.set_(line.driver, association.negotiated, BOX, text(letters(5000)))
        found = await services.get(line.driver, BOX)
        await line.driver.close()
        return found

    assert pair.time.complete(session()) == text(letters(5000))
    assert {tag[:1] for tag in tags} == {b"\xe6", b"\xe7"}
    assert tags.count(b"\xe6\xe0") > 2
    assert tags.count(b"\xe7\xe0") > 10


def test_no_security_over_hdlc() -> None:
    pair = pair_of("tcp+hdlc")

    async def procedure(meter: Meter) -> bytes:
        objects = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
        return await services.get(meter._driver, objects)

    in_blocks = pair.run(NoSecurity(), procedure, general_blocks=True, max_pdu=128)
    assert in_blocks == pair.run(NoSecurity(), procedure)
