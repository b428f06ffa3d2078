"""Dedicated keys, pre-established associations, protected answers, gateways, shared lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairing import NOON, Pair, fleet_with, watch

from ferraris.client import services
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, NoSecurity, Password
from ferraris.core.errors import LineError, RefusedError, SecurityError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, To
from ferraris.core.stack import fork, over
from ferraris.data.obis import Obis
from ferraris.line.virtual import VirtualLine, VirtualTime
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.gateway import ThroughGateway
from ferraris.messaging.dlms.association.parameters import ClientParameters
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNext, GetRequestNormal
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.meter.templates import template
from ferraris.server.device import AccessMode, AccessRights, ObjectRights
from ferraris.server.gateway import Gateway
from ferraris.server.service import Service
from ferraris.transport import profiles
from ferraris.transport.addresses import Addresses
from ferraris.transport.wrapper import WrapperClients

ENERGY = AttributeDescriptor(3, Obis.parse("1-0:1.8.0*255"), 2)
NAME = AttributeDescriptor(1, Obis.parse("0-0:42.0.0*255"), 2)
MESSAGE = AttributeDescriptor(1, Obis.parse("0-0:96.13.0*255"), 2)


async def _read(meter: Meter) -> object:
    return (await meter.read("1-0:1.8.0")).value


def gmac(pair: Pair, **changes: Any) -> HighGMAC:
    security = pair.security("gmac")
    assert isinstance(security, HighGMAC)
    return replace(security, **changes)


# -- dedicated keys -------------------------------------------------------------------------------


@pytest.mark.parametrize("general", [False, True])
def test_services_go_under_the_dedicated_key_both_ways(general: bool) -> None:
    pair = Pair()
    seen: list[int] = []

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        for end in (pair.line.driver, pair.line.station):
            watch(end, lambda octets: seen.append(octets[8]))
        await _read(meter)
        assert meter._association._opening is not None
        channel = meter._association._opening.channel
        assert channel is not None
        before = channel._global.sealer.lease.last, channel.floor
        await _read(meter)
        assert (channel._global.sealer.lease.last, channel.floor) == before
        assert channel._dedicated is not None
        assert channel._dedicated.floor >= 1
        assert channel._dedicated.sealer.lease.last is not None

    pair.run(gmac(pair, dedicated=True, general=general), procedure)
    services_seen, release = seen[:-2], seen[-2:]
    assert set(services_seen) == ({0xDC} if general else {0xD0, 0xD4})
    assert release == [0x62, 0x63]  # under the global key


def test_each_association_has_a_dedicated_key_of_its_own_which_is_never_shown() -> None:
    pair = Pair()
    security = gmac(pair, dedicated=True)
    keys: list[bytes] = []
    shown = ""
    for _ in range(2):
        _stack = pair.connect(security)
        assert pair.line is not None
        association: ClientAssociation = pair.line.driver.layer.upper  # type: ignore[attr-defined]
        association.open(0.0)
        opening = association._opening
        assert opening is not None
        assert opening._dedicated_key is not None
        keys.append(opening._dedicated_key)
        shown += repr(association.parameters) + repr(opening) + repr(opening.channel)
    assert keys[0] != keys[1]
    assert not any(repr(key) in shown or key.hex() in shown for key in keys)


def test_a_dedicated_key_needs_ciphering() -> None:
    pair = Pair()
    with pytest.raises(UsageError, match="dedicated"):
        pair.run(gmac(pair, dedicated=True, ciphered=False), _read)


@pytest.mark.parametrize("key", [bytes(5), None], ids=["short", "the global one"])
def test_an_unfit_dedicated_key_is_refused(key: bytes | None) -> None:
    pair = Pair()
    security = gmac(pair)
    unfit = security.encryption_key if key is None else key
    with pytest.raises((RefusedError, SecurityError)):
        pair.run(security, _read, dedicated=lambda count: unfit)


# -- pre-established associations -----------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize("general", [False, True])
def test_a_pre_established_association_needs_no_opening(scheme: str, general: bool) -> None:
    title = b"" if general else b"FRR\x00\x00\x00\x00\x01"
    fleet = fleet_with(c1={"pre_established": True, "client_system_title": title, "mechanism": 0})
    pair = Pair(scheme, fleet=fleet)
    security = gmac(pair, general=general, server_system_title=fleet[0].system_title)
    sent: list[bytes] = []

    async def procedure(meter: Meter) -> object:
        assert pair.line is not None
        watch(pair.line.station, sent.append)
        await services.set_(meter._driver, meter.negotiated, MESSAGE, b"\x09\x01A", confirmed=False)
        assert await services.get(meter._driver, MESSAGE) == b"\x09\x01A"
        return await _read(meter)

    assert pair.run(security, procedure, pre_established=True)
    assert not any(octets[8] in (0x60, 0x62) or b"\xe6\xe6\x00b" in octets for octets in sent)
    again = replace(security, invocation_counter=fleet[0].receive_floor(1) + 1)
    assert pair.run(again, _read, pre_established=True)  # another line, the same association


def test_a_pre_established_association_takes_no_plain_and_no_forged_request() -> None:
    pair = Pair(fleet=fleet_with(c1={"pre_established": True, "mechanism": 0}))
    with pytest.raises(RefusedError, match="not serve"):
        pair.run(NoSecurity(), _read, client=1, pre_established=True)
    title = pair.fleet[0].system_title
    forged = gmac(pair, general=True, encryption_key=bytes(16), server_system_title=title)
    with pytest.raises(RefusedError):
        pair.run(forged, _read, pre_established=True)
    right = gmac(pair, general=True, server_system_title=title)
    assert pair.run(right, _read, pre_established=True)


def test_a_pre_established_association_is_not_opened_again() -> None:
    pair = Pair(fleet=fleet_with(c16={"pre_established": True}))
    with pytest.raises(RefusedError):
        pair.run(NoSecurity(), _read)

    async def name(meter: Meter) -> bytes:
        return await meter.get_raw(NAME)

    assert pair.run(NoSecurity(), name, pre_established=True)


# -- answers protected by right -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "ciphered", "served"),
    [
        (AccessMode.AUTHENTICATED_RESPONSE, True, True),
        (AccessMode.AUTHENTICATED_RESPONSE | AccessMode.ENCRYPTED_RESPONSE, True, True),
        (AccessMode.SIGNED_RESPONSE, True, False),
        (AccessMode.AUTHENTICATED_RESPONSE, False, False),
        (AccessMode.ENCRYPTED_RESPONSE, False, False),
    ],
)
def test_an_answer_is_protected_as_its_right_demands(
    mode: AccessMode, ciphered: bool, served: bool
) -> None:
    key = (NAME.class_id, NAME.logical_name)
    rights = AccessRights({key: ObjectRights({2: AccessMode.READ | mode})})
    pair = Pair(fleet=fleet_with(c1={"policy": 0, "rights": rights}, c16={"rights": rights}))
    weakest = "authentication" if mode & AccessMode.ENCRYPTED_RESPONSE else "encryption"
    security = gmac(pair, protection=weakest) if ciphered else NoSecurity()
    controls: list[int] = []

    async def procedure(meter: Meter) -> bytes:
        assert pair.line is not None
        if ciphered:
            assert meter._association._opening is not None
            channel = meter._association._opening.channel
            assert channel is not None
            opener = channel._global.opener
            assert opener is not None
            opener.minimum = 0
            opened = opener.open
            arrive = pair.line.driver.arrive
            pair.line.driver.arrive = lambda octets: (controls.append(octets[10]), arrive(octets))[
                1
            ]  # type: ignore[method-assign]
            assert opened is not None
        results = await services.get_list(meter._driver, meter.negotiated, [(NAME, None)])
        if served:
            return await meter.get_raw(NAME)
        assert results == [DataAccessResult.READ_WRITE_DENIED]
        with pytest.raises(RefusedError):
            await meter.get_raw(NAME)
        return b""

    assert bool(pair.run(security, procedure)) is served
    if served:
        # Every answer carries both protections: one from the request, one from the right.
        assert controls[:2] == [0x30, 0x30]


# -- several associations on one line -------------------------------------------------------------


class Shared:
    """Two clients on one connection, their octets in one stream, served by one stack."""

    def __init__(self, pair: Pair, *clients: tuple[int, ClientParameters]) -> None:
        pair.connect(NoSecurity())
        assert pair.line is not None
        self.now = 0.0
        self.server = pair.line.station.layer
        self.clients = {
            client: over(ClientAssociation(parameters), profiles.TCP.client_stack(client, 1))
            for client, parameters in clients
        }
        self.events: dict[int, list[Any]] = {client: [] for client in self.clients}
        for stack in self.clients.values():
            stack.open(self.now)
        self.pump()

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for client, stack in self.clients.items():
                while (octets := stack.transmit(self.now)) is not None:
                    assert isinstance(octets, bytes)
                    self.server.receive(octets, self.now)
                    moved = True
                while (what := stack.event()) is not None:
                    self.events[client].append(what)
            while self.server.event() is not None:
                pass
            while (octets := self.server.transmit(self.now)) is not None:
                assert isinstance(octets, bytes)
                moved = True
                for stack in self.clients.values():
                    stack.receive(octets, self.now)

    def ask(self, client: int, request: Any) -> Any:
        self.events[client].clear()
        self.clients[client].send(request, self.now)
        self.pump()
        (answer,) = [what.unit for what in self.events[client] if type(what) is Deliver]
        return answer


def test_two_clients_interleave_on_one_line_and_part_one_by_one() -> None:
    pair = Pair()
    parameters = gmac(pair).parameters(pair.entropy)
    parameters.max_pdu = 300
    shared = Shared(pair, (1, parameters), (16, ClientParameters(max_pdu=128)))
    for events in shared.events.values():
        assert any(type(what) is Opened for what in events)
    everything = AttributeDescriptor(15, Obis.parse("0-0:40.0.0*255"), 2)
    how = service_class()
    blocks: dict[int, list[bytes]] = {1: [], 16: []}
    answers = {client: shared.ask(client, GetRequestNormal(how, everything)) for client in (1, 16)}
    while answers:
        for client, answer in list(answers.items()):
            blocks[client].append(answer.raw_data)
            if answer.last_block:
                del answers[client]
            else:
                answers[client] = shared.ask(client, GetRequestNext(how, answer.block_number))
    assert len(blocks[1]) > len(blocks[16]) > 1
    shared.clients[1].close(shared.now)
    shared.pump()
    assert type(shared.events[1][-1]) is Closed
    assert shared.ask(16, GetRequestNormal(how, NAME)).data
    assert not any(type(what) is Failed and what.ref is not None for what in shared.events[16])


def test_a_fork_of_associations_on_one_connection() -> None:
    """Two clients and two logical devices, four associations on one stream."""
    pair = Pair()
    pair.connect(NoSecurity())
    assert pair.line is not None
    server, now = pair.line.station.layer, 0.0
    uppers: dict[Any, Any] = {}
    for device in (0, 1):
        uppers[Addresses(16, pair.fleet[device].server_sap)] = ClientAssociation(
            ClientParameters(max_pdu=128)
        )
        password = Password(pair.fleet.line(device, "")["password"].encode())
        parameters = password.parameters(pair.entropy)
        uppers[Addresses(2, pair.fleet[device].server_sap)] = ClientAssociation(parameters)
    stack = over(fork(uppers), WrapperClients())
    heard: list[tuple[Addresses, Any]] = []

    def pump() -> None:
        moved = True
        while moved:
            moved = False
            while (octets := stack.transmit(now)) is not None:
                assert isinstance(octets, bytes)
                server.receive(octets, now)
            while server.event() is not None:
                pass
            while (octets := server.transmit(now)) is not None:
                assert isinstance(octets, bytes)
                stack.receive(octets, now)
                moved = True
            while (what := stack.event()) is not None:
                if type(what) is Deliver:
                    heard.append((what.unit.address, what.unit.unit))

    stack.open(now)
    pump()
    assert {address for address, what in heard if type(what) is Opened} == uppers.keys()
    for gone in list(uppers):
        heard.clear()
        for address, upper in uppers.items():
            if upper.room:
                stack.send(To(address, GetRequestNormal(service_class(), NAME)), now)
        pump()
        names = {address: what.data for address, what in heard}
        assert names.keys() == {address for address, upper in uppers.items() if upper.room}
        for address, name in names.items():
            device = pair.fleet.find(address.server_sap)
            assert device is not None
            assert name[2:] == device.logical_device_name
        uppers[gone].close(now)
        pump()
    assert not any(upper.room for upper in uppers.values())


def test_the_end_of_a_link_ends_all_its_associations() -> None:
    pair = Pair()
    password = pair.security("password").parameters(pair.entropy)
    shared = Shared(pair, (16, ClientParameters()), (2, password))
    service = pair.service
    assert len(service._associations) == 2
    shared.server.notice(Closed(LineError("cut")), shared.now)
    assert service._associations == {}


# -- gateways -------------------------------------------------------------------------------------


def through(
    pair: Pair, network: int, address: bytes, parameters: ClientParameters
) -> tuple[VirtualLine, ClientAssociation]:
    def utc() -> float:
        return NOON + pair.time.now

    def behind(network: int, address: bytes) -> Any:
        if network != 3 or address not in (b"\x00\x0a", b"\x00\x0b"):
            return None
        meter = pair.fleet[address[1] - 10]
        return lambda server: meter if server == 1 else None

    association = ClientAssociation(parameters)
    own = Service(lambda server: None, entropy=pair.entropy, utc=utc)
    gateway = Gateway(own, behind, entropy=pair.entropy, utc=utc)
    line = VirtualLine(
        pair.time,
        over(
            association,
            over(ThroughGateway(network, address), profiles.TCP.client_stack(16, 1)),
        ),
        over(gateway, profiles.TCP.server_stack()),
    )
    return line, association


@pytest.mark.parametrize("place", [0, 1])
def test_a_gateway_passes_on_to_the_device_behind_it(place: int) -> None:
    pair = Pair()
    line, _ = through(pair, 3, bytes((0, 10 + place)), ClientParameters(max_pdu=128))

    async def session() -> bytes:
        await line.driver.open()
        objects = AttributeDescriptor(15, Obis.parse("0-0:40.0.0*255"), 2)
        assert len(await services.get(line.driver, objects)) > 500  # in blocks
        name = await services.get(line.driver, NAME)
        await line.driver.close()
        return name

    expected = pair.fleet[place].logical_device_name
    assert pair.time.complete(session())[2:] == expected


def test_behind_a_gateway_an_address_that_nobody_has_is_silence() -> None:
    pair = Pair()
    line, _ = through(pair, 3, b"\x09", ClientParameters())
    with pytest.raises(LineError, match="silent"):
        pair.time.complete(line.driver.open())


def test_a_client_through_a_gateway_hears_its_device_only() -> None:
    layer = ThroughGateway(3, b"\x0a")
    for octets in ("c401c10000", "e7030101 c401c10000", "e7040 10a c401c10000", "e703", ""):
        layer.receive(bytes.fromhex(octets.replace(" ", "")), 0.0)
        assert type(layer.event()) is Failed
    layer.receive(bytes.fromhex("e703010ac401c10000"), 0.0)
    assert layer.event() == Deliver(bytes.fromhex("c401c10000"))
    for network, address in ((256, b"\x01"), (1, b""), (1, bytes(128))):
        with pytest.raises(UsageError):
            ThroughGateway(network, address)


def test_templates_are_left_alone() -> None:
    fleet_with(c1={"policy": 0})
    assert template("residential").associations[1].policy == 0x30
    assert VirtualTime().now == 0
