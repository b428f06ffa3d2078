"""A whole association in both roles, with everything that may come on a line in any order.

Between a client and a meter stands somebody who loses, repeats, reorders, cuts, alters and invents:
random legal and illegal APDUs for both, at any moment. Nobody may raise, hang, grow or leave its
table of states; and when it is over, an honest client reads the same meter.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from ferraris.client.security import HighGMAC, NoSecurity, Password
from ferraris.core.errors import UsageError
from ferraris.core.layer import Deliver
from ferraris.core.stack import over
from ferraris.messaging.dlms.action import ActionRequestNormal
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.states import CLIENT, SERVER, State
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.messaging.dlms.get import GetRequestNext, GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import SetRequestNormal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP
from ferraris.transport.wrapper import pack, unpack

NOW = 1_790_000_000.0
STEPS = 400
MOST_WAITING = 64
LOCKED_S = 2 * 86_400.0
"""No port is locked for longer, whatever was tried."""

LDN = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
LOAD = AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)
CLOCK = bytes((0, 0, 1, 0, 0, 255))
ENTRIES = Selection(2, bytes.fromhex("020406000000010600000040120001120000"))
APDUS = tuple(
    bytes.fromhex(each)
    for each in (
        "601da109060760857405080101be10040e01000000065f1f0400001014ffff",
        "6200",
        "6300",
        "c001c1000100002a0000ff0200",
        "c0028100000001",
        "c001c100070100630100ff0200",
        "c101c10008000001 0000ff020009 0c07ea0101ff000000ff800000".replace(" ", ""),
        "c301c1000800000 10000ff010 10f00".replace(" ", ""),
        "c401c1000901aa",
        "c402c100000000010003010203",
        "c501c100",
        "c701c10000",
        "d80102",
        "0e010600",
        "0f00000001000204",
        "c2000100002a0000ff02090100",
        "e0800001000003c001c1",
        "c8200000000000000000",
        "cc1e3000000001aabbccddeeff00112233445566778899",
        "db08465252000000000112300000000 1aabbccddeeff001122334455".replace(" ", ""),
        "",
        "60",
        "00",
    )
)


class World:
    """One meter, one client of a kind, and what is on the line between them."""

    def __init__(self, how: str, random: Random) -> None:
        self.random = random
        self.fleet = Fleet(template("residential"), 1, seed=3)
        self.now = 0.0
        self.counter = 1
        self.how = how
        self.server = self._server()
        self.association, self.client = self._client()
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.heard: list[bytes] = list(APDUS)
        self.delivered: Counter[str] = Counter()
        self.seen: set[State] = set()

    def _server(self) -> Any:
        stack = server_stack(
            TCP, self.fleet.find, entropy=self.random.randbytes, utc=lambda: NOW + self.now
        )
        stack.open(self.now)
        return stack

    def _client(self) -> tuple[ClientAssociation, Any]:
        keys = self.fleet.line(0, "")
        self.counter += 10_000
        security: Any = {
            "none": NoSecurity(),
            "password": Password(keys["password"].encode()),
            "gmac": HighGMAC(
                bytes.fromhex(keys["encryption_key"]),
                bytes.fromhex(keys["authentication_key"]),
                invocation_counter=self.counter,
                server_system_title=bytes.fromhex(keys["system_title"]),
            ),
        }[self.how]
        self.sap = {"none": 16, "password": 2, "gmac": 1}[self.how]
        association = ClientAssociation(security.parameters(self.random.randbytes))
        return association, over(association, TCP.client_stack(self.sap, 1))

    def drain(self) -> None:
        """Everything that both want to say goes onto the line."""
        for stack, line in ((self.client, self.to_server), (self.server, self.to_client)):
            for _ in range(10_000):
                unit = stack.transmit(self.now)
                if unit is None:
                    break
                assert type(unit) is bytes
                line.append(unit)
                self.heard.append(unpack(unit)[2])
            else:
                raise AssertionError("a stack that never stops talking")
            for _ in range(10_000):
                what = stack.event()
                if what is None:
                    break
                self.delivered[type(what).__name__] += 1
            else:
                raise AssertionError("a stack that never stops telling")
        del self.heard[len(APDUS) : -200]
        self.seen.add(self.association.state)
        served = self.server.upper._associations
        assert len(served) <= MOST_WAITING
        assert {each.state for _, each in served.values()} <= set(SERVER)

    # -- what can happen ----------------------------------------------------------------------

    def ask(self) -> None:
        request: Any = self.random.choice(
            (
                GetRequestNormal(0, LDN),
                GetRequestNormal(0, LOAD, ENTRIES),
                GetRequestNext(0, self.random.randrange(4)),
                SetRequestNormal(0x40, AttributeDescriptor(8, CLOCK, 3), None, b"\x10\xff\xc4"),
                ActionRequestNormal(0x40, MethodDescriptor(8, CLOCK, 1), b"\x0f\x00"),
            )
        )
        try:
            self.client.send(request, self.now)
        except UsageError:
            assert not self.client.room or self.association.state is not State.ASSOCIATED

    def pass_on(self) -> None:
        """An honest moment: whatever is on the line arrives."""
        for line, stack in ((self.to_server, self.server), (self.to_client, self.client)):
            while line:
                stack.receive(line.pop(0), self.now)
                self.drain()

    def invent(self) -> None:
        apdu = self.altered(self.random.choice(self.heard))
        to_server = self.random.random() < 0.5
        addresses = (self.sap, 1) if to_server else (1, self.sap)
        (self.server if to_server else self.client).receive(pack(*addresses, apdu), self.now)

    def altered(self, octets: bytes) -> bytes:
        """Often as it is, else with an octet changed, cut, doubled or in another length."""
        way = self.random.randrange(8)
        if not octets or way < 3:
            return octets
        place = self.random.randrange(len(octets))
        if way < 5:
            return octets[:place] + bytes((self.random.randrange(256),)) + octets[place + 1 :]
        if way == 5:
            return octets[:place]
        if way == 6:
            return octets[:place] + octets
        return octets + self.random.randbytes(self.random.randrange(40))

    def trouble(self) -> None:
        """Something is lost, comes twice, or in another order."""
        line = self.random.choice((self.to_server, self.to_client))
        if line:
            way = self.random.randrange(3)
            if way == 0:
                line.pop(self.random.randrange(len(line)))
            elif way == 1:
                line.append(self.random.choice(line))
            else:
                self.random.shuffle(line)

    def wait(self) -> None:
        self.now += self.random.choice((0.1, 3.0, 20.0))
        for stack in (self.client, self.server):
            deadline = stack.deadline
            if deadline is not None and deadline <= self.now:
                stack.wake(self.now)

    def reopen(self) -> None:
        self.association, self.client = self._client()
        self.to_server.clear()
        self.to_client.clear()
        self.client.open(self.now)

    def step(self) -> None:
        do = self.random.choices(
            (self.ask, self.pass_on, self.invent, self.trouble, self.wait, self.reopen, self.end),
            (20, 30, 30, 8, 6, 4, 2),
        )[0]
        do()
        self.drain()
        assert len(self.to_server) < MOST_WAITING
        assert len(self.to_client) < MOST_WAITING

    def end(self) -> None:
        if self.random.random() < 0.5:
            self.client.cancel(self.now)
        else:
            self.client.close(self.now)

    def honest(self) -> bytes:
        """A new client, and nobody between it and the meter, once its port is open again."""
        self.now += LOCKED_S
        self.reopen()
        self.drain()
        self.pass_on()
        self.pass_on()
        assert self.association.state is State.ASSOCIATED
        self.client.send(GetRequestNormal(0, LDN), self.now)
        self.to_server += [self.client.transmit(self.now)]
        self.server.receive(self.to_server.pop(), self.now)
        answer = self.server.transmit(self.now)
        self.client.receive(answer, self.now)
        while (what := self.client.event()) is not None:
            if isinstance(what, Deliver):
                unit = what.unit
                assert isinstance(unit, GetResponseNormal)
                assert unit.result == DataAccessResult.SUCCESS
                assert unit.data is not None
                return unit.data
        raise AssertionError("no answer")


@pytest.mark.parametrize("how", ["none", "password", "gmac"])
@pytest.mark.parametrize("seed", range(12))
def test_nobody_raises_hangs_grows_or_leaves_its_table(how: str, seed: int) -> None:
    world = World(how, Random(f"{how} {seed}"))
    world.client.open(world.now)
    world.drain()
    for _ in range(STEPS):
        world.step()
    assert world.seen <= set(CLIENT)
    assert State.ASSOCIATION_PENDING in world.seen
    assert world.honest() == b"\x09\x10" + world.fleet[0].logical_device_name


def test_the_walk_reaches_what_it_is_for() -> None:
    told: Counter[str] = Counter()
    seen: set[State] = set()
    for how in ("none", "password", "gmac"):
        world = World(how, Random(how))
        world.client.open(world.now)
        for _ in range(STEPS):
            world.step()
        told += world.delivered
        seen |= world.seen
    assert all(told[name] for name in ("Deliver", "Failed", "Opened", "Closed")), told
    assert State.RELEASE_PENDING in seen or State.IDLE in seen
