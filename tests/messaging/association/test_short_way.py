"""The short way of an exchange gives what the long way gives, whatever comes between."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.client.security import NoSecurity
from ferraris.core.errors import LineError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed
from ferraris.core.stack import Over, over
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.get import GetRequestNext, GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.set import SetRequestNormal
from ferraris.transport.wrapper import WrapperClient, pack

NAME = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
AARE = bytes.fromhex(
    "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001014ffff0007"
)
PUSH = bytes.fromhex("0f00000001000203010203")
WANTS_RECEIPT = bytes.fromhex("0f40000001000203010203")


def answer(number: int) -> bytes:
    return bytes((0xC4, 1, 0xC0 | number, 0, 0x11, 7))


def requests() -> dict[str, Any]:
    return {
        "get": GetRequestNormal(0xC0, NAME),
        "next": GetRequestNext(0xC0, 1),
        "set": SetRequestNormal(0xC0, NAME, None, b"\x11\x01"),
        "unconfirmed set": SetRequestNormal(0x80, NAME, None, b"\x11\x01"),
    }


ACTIONS = st.one_of(
    st.sampled_from(sorted(requests())),
    st.integers(0, 4).map(answer),
    st.sampled_from([PUSH, WANTS_RECEIPT, b"\xd8\x01\x01", b"\xff\xff", b"", b"\xc4"]),
    st.sampled_from(["wait", "cancel", "half", "two at once", "lost"]),
)


class Client:
    """A client over the wrapper, driven as drivers do; `short` takes the short way where it can."""

    def __init__(self, *, short: bool) -> None:
        self.short = short
        self.stack: Over[Any, Any, Any, bytes] = over(
            ClientAssociation(NoSecurity().parameters(bytes)), WrapperClient(16, 1)
        )
        self.now = 0.0
        self.told: list[Any] = []
        self.stack.open(self.now)
        self.drain()
        self.hear(pack(1, 16, AARE))

    def do(self, action: Any) -> None:
        self.now += 0.25
        if action in requests():
            self.ask(requests()[action])
        elif isinstance(action, bytes):
            self.hear(pack(1, 16, action))
        elif action == "wait":
            self.now += 60
            self.stack.wake(self.now)
        elif action == "cancel":
            self.stack.cancel(self.now)
        elif action == "half":
            self.hear(pack(1, 16, answer(1))[:9])
        elif action == "two at once":
            self.hear(pack(1, 16, PUSH) + pack(1, 16, answer(1)))
        else:
            self.stack.notice(Closed(LineError("cut")), self.now)
        self.drain()
        self.told.append((self.stack.room, self.stack.expects, self.stack.deadline))

    def ask(self, unit: Any) -> None:
        octets = self.stack.asked(unit, self.now) if self.short and self.stack.room else None
        if octets is not None:
            self.told.append(octets)
            return
        try:
            self.stack.send(unit, self.now)
        except UsageError as error:
            self.told.append(str(error))

    def hear(self, octets: bytes) -> None:
        if self.short:
            unit = self.stack.answered(octets, self.now)
            if unit is not None:
                self.happened(Deliver(unit))
        else:
            self.stack.receive(octets, self.now)
        self.drain()

    def drain(self) -> None:
        while True:
            while (what := self.stack.event()) is not None:
                self.happened(what)
            unit = self.stack.transmit(self.now)
            if unit is None:
                what = self.stack.event()
                if what is None:
                    return
                self.happened(what)
            else:
                self.told.append(unit)

    def happened(self, what: Any) -> None:
        if isinstance(what, Failed):
            self.told.append(("failed", str(what.error), what.ref))
        elif isinstance(what, Closed):
            self.told.append(("closed", str(what.error)))
        else:
            self.told.append(repr(what))


@given(st.lists(ACTIONS, max_size=14))
@settings(max_examples=300)
def test_both_ways_tell_the_same(actions: list[Any]) -> None:
    long, short = Client(short=False), Client(short=True)
    for action in actions:
        long.do(action)
        short.do(action)
        assert short.told == long.told


def test_the_short_way_is_taken() -> None:
    client = Client(short=True)
    request = GetRequestNormal(0xC0, NAME)
    octets = client.stack.asked(request, 1.0)
    assert octets == pack(16, 1, request.to_octets())
    assert client.stack.deadline is not None
    assert client.stack.asked(GetRequestNormal(0xC0, NAME), 1.0) is None  # one at a time
    found = client.stack.answered(pack(1, 16, answer(1)), 1.5)
    assert found is not None
    assert found.data == b"\x11\x07"
    assert client.stack.deadline is None
    assert client.stack.event() is None
