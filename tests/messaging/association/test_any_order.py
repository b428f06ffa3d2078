"""Both roles of an association under random legal and illegal happenings, from seeds.

Whatever comes in whatever order: nothing but `UsageError` for a caller's own mistake is raised, the
state stays in its table, who expects has a deadline, every request has one outcome at most, and
when calm returns the association works or is closed, and a new one works.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest

from ferraris.core.errors import Error, LineError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, Progress
from ferraris.messaging.dlms.action import (
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation, is_push
from ferraris.messaging.dlms.association.parameters import (
    FULL_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    ClientParameters,
    ServerOffer,
)
from ferraris.messaging.dlms.association.server import (
    Indication,
    Receipt,
    Reply,
    ServerAssociation,
)
from ferraris.messaging.dlms.association.states import CLIENT, SERVER, State
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithList,
)
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.notify import LONG_CONFIRMED, DataNotification, EventNotification
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.set import (
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestNormal,
    SetRequestWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.messaging.dlms.short_name import (
    BlockNumberAccess,
    ParameterisedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)

NAME = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
METHOD = MethodDescriptor(70, bytes((0, 0, 96, 3, 10, 255)), 1)
LONG = b"\x09\x82\x02\x00" + bytes(512)
SHORT = b"\x09\x02ok"
CLIENT_TITLE, SERVER_TITLE = b"FRR\x00\x00\x00\x00\x01", b"FRR\x00\x00\x00\x00\x02"
FORMS = ("plain", "password", "digest", "gmac", "gmac plain", "dedicated", "general", "presumed")
SHORT_FORMS = ("short", "short password", "short digest", "short gmac", "short general")


class Ends:
    """A client and a server, and what lies between them."""

    def __init__(self, form: str, seed: int) -> None:
        self.random = Random(seed)
        self.short_names = form.startswith("short")
        form = form.removeprefix("short").strip() or "plain" if self.short_names else form
        self.form = form
        self.now = 0.0
        keys = CipherKeys(0, bytes(range(16)), bytes(range(16, 32)))
        ciphered = form in ("gmac", "dedicated", "general", "presumed")
        mechanism = {"plain": 0, "password": 1, "digest": 6, "presumed": 0}.get(form, 5)
        lock: dict[str, Any] = {"mechanism": mechanism, "secret": b"secret", "ciphered": ciphered}
        if mechanism == 5 or ciphered:
            lock["keys"] = keys
        entropy = self.random.randbytes
        self.parameters = ClientParameters(
            max_pdu=128,
            short_names=self.short_names,
            control=0x30 if ciphered else 0,
            general=form in ("general", "presumed"),
            system_title=CLIENT_TITLE if mechanism > 4 or ciphered else b"",
            peer_system_title=SERVER_TITLE if form == "presumed" else b"",
            lease=CounterLease(1, 1 << 20),
            challenge=entropy(16),
            dedicated=entropy if form == "dedicated" else None,
            pre_established=form == "presumed",
            server_max_pdu=128,
            **lock,
        )
        self.offer = ServerOffer(
            SHORT_NAME_CONFORMANCE if self.short_names else FULL_CONFORMANCE,
            128,
            short_names=self.short_names,
            policy=0x30 if ciphered else 0,
            system_title=SERVER_TITLE,
            lease=CounterLease(1, 1 << 20),
            pre_established=form == "presumed",
            client_max_pdu=128,
            **lock,
        )
        self.client = ClientAssociation(self.parameters)
        self.server = ServerAssociation(self.offer, entropy)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.outcomes: dict[int, int] = {}
        self.requests: list[Apdu] = []
        self.opened = self.closed = 0
        self.last: Any = None

    # -- what may happen

    def pull(self) -> None:
        octets = self.client.transmit(self.now)
        if octets is not None:
            self.up.append(octets)

    def ask(self) -> None:
        request = self.any_request()
        try:
            self.client.send(request, self.now)
        except UsageError:
            assert not self.client.room
        else:
            self.requests.append(request)
            self.outcomes[id(request)] = 0

    def any_request(self) -> Any:
        return (any_short_request if self.short_names else any_request)(self.random)

    def serve(self) -> None:
        if self.up:
            self.hear(self.up.popleft())

    def hear(self, octets: bytes) -> None:
        outcome = self.server.receive(octets)
        answer: bytes | None = None
        if isinstance(outcome, Indication):
            answer = self.server.respond(response_to(outcome.request, self.random))
        elif isinstance(outcome, Reply):
            answer = outcome.octets
        else:
            assert isinstance(outcome, Receipt)
        if answer is not None:
            self.down.append(answer)

    def answer(self) -> None:
        if self.down:
            self.client.receive(self.down.popleft(), self.now)

    def push(self) -> None:
        number = LONG_CONFIRMED * self.random.randrange(2) | 5
        push: Any = self.random.choice(
            (DataNotification(number, b"", SHORT), EventNotification(None, NAME, SHORT))
        )
        self.down.append(self.server.notification(push))

    def lose(self) -> None:
        for queue in (self.up, self.down):
            if queue and self.random.random() < 0.5:
                queue.popleft()

    def repeat(self) -> None:
        for queue in (self.up, self.down):
            if queue:
                queue.append(queue[0])

    def alter(self) -> None:
        for queue in (self.up, self.down):
            if queue and queue[0]:
                octets = bytearray(queue.popleft())
                octets[self.random.randrange(len(octets))] ^= 1 << self.random.randrange(8)
                queue.appendleft(bytes(octets))

    def inject(self) -> None:
        tags = (0x60, 0x61, 0x62, 0x63, 0xC0, 0xC1, 0xC3, 0xC4, 0xC7, 0xC8, 0xD0, 0xD8, 0xDB, 0x0F)
        short = (0x60, 0x61, 0x62, 0x63, 0x05, 0x06, 0x0C, 0x0D, 0x0E, 0x16, 0x18, 0x25, 0xD8, 0xDB)
        head = bytes((self.random.choice(short if self.short_names else tags),))
        octets = head + self.random.randbytes(self.random.randrange(40))
        self.random.choice((self.up, self.down)).append(octets)

    def stray(self) -> None:
        """A well-formed APDU in the wrong place."""
        apdu = self.any_request()
        if self.random.random() < 0.5:
            apdu = response_to(apdu, self.random)
        self.random.choice((self.up, self.down)).append(apdu.to_octets())

    def cancel(self) -> None:
        self.client.cancel(self.now)

    def wait(self) -> None:
        self.now += self.random.choice((0.1, 3.0, 11.0))
        self.client.wake(self.now)

    def progress(self) -> None:
        self.client.notice(Progress(), self.now)

    def open(self) -> None:
        if self.client.state is State.INACTIVE:
            self.client.open(self.now)

    def close(self) -> None:
        if self.client.state is not State.INACTIVE:
            self.client.close(self.now)

    def cut(self) -> None:
        if self.random.random() < 0.2:
            self.client.notice(Closed(LineError("cut")), self.now)
            self.server.disconnected()
            self.server = ServerAssociation(self.offer, self.random.randbytes)
            self.up.clear()
            self.down.clear()

    # -- what must hold

    def check(self) -> None:
        assert self.client.state in CLIENT
        assert self.server.state in SERVER
        if self.client.expects:
            assert self.client.deadline is not None
        while (what := self.client.event()) is not None:
            self.last = what
            if type(what) is Opened:
                self.opened += 1
            elif type(what) is Closed:
                self.closed += 1
            elif type(what) is Failed:
                assert isinstance(what.error, Error)
                if what.ref is not None:
                    self.outcomes[id(what.ref)] += 1
            elif type(what) is Deliver and not is_push(what.unit):
                self.outcomes[id(self.requests[-1])] += 1
        assert all(count <= 1 for count in self.outcomes.values())

    def calm(self) -> None:
        """Let everything under way arrive, until nothing moves; then time passes."""
        for _ in range(400):
            moved = len(self.up) + len(self.down)
            self.pull()
            moved += len(self.up)
            self.serve()
            self.answer()
            self.check()
            if not moved:
                if self.client.deadline is None:
                    return
                self.now = self.client.deadline
                self.client.wake(self.now)
        raise AssertionError("it never comes to rest")


def any_request(random: Random) -> Any:
    how = random.choice((0xC0, 0x40, 0x80, 0x00, 0xC1))
    data = random.choice((SHORT, LONG))
    number = random.randrange(4)
    block = random.randrange(2) == 1, number, bytes(random.randrange(60))
    return random.choice(
        (
            GetRequestNormal(how, NAME),
            GetRequestNext(how, number),
            GetRequestWithList(how, [(NAME, None)] * 3),
            SetRequestNormal(how, NAME, None, data[:60]),
            SetRequestFirstBlock(how, NAME, None, *block),
            SetRequestBlock(how, *block),
            SetRequestWithList(how, [(NAME, None)], [SHORT]),
            ActionRequestNormal(how, METHOD, SHORT),
            ActionRequestFirstBlock(how, METHOD, *block),
            ActionRequestNextBlock(how, number),
        )
    )


def any_short_request(random: Random) -> Any:
    number = random.randrange(4)
    last = random.randrange(2) == 1
    variable = VariableName(0x2008)
    return random.choice(
        (
            ReadRequest([variable]),
            ReadRequest([variable] * 3),
            ReadRequest([ParameterisedAccess(0x2008, Selection(2, SHORT))]),
            ReadRequest([BlockNumberAccess(number)]),
            ReadRequest([ReadDataBlockAccess(last, number, bytes(random.randrange(60)))]),
            ReadRequest([variable, BlockNumberAccess(number)]),
            WriteRequest([variable], [SHORT]),
            WriteRequest([WriteDataBlockAccess(last, number)], [SHORT]),
            WriteRequest([WriteDataBlockAccess(last, number)], []),
            UnconfirmedWriteRequest([variable], [SHORT]),
        )
    )


def response_to(request: Any, random: Random) -> Any:
    data = random.choice((SHORT, LONG))
    if isinstance(request, ReadRequest):
        return ReadResponse([data] * len(request.variables))
    if isinstance(request, WriteRequest | UnconfirmedWriteRequest):
        return WriteResponse([DataAccessResult.SUCCESS] * len(request.variables))
    iip = request.invoke_id_and_priority
    kind = type(request).__name__
    if kind == "GetRequestWithList":
        return GetResponseWithList(iip, [data, DataAccessResult.OBJECT_UNDEFINED, data])
    if kind.startswith("Get"):
        return GetResponseNormal(iip, DataAccessResult.SUCCESS, data)
    if kind == "SetRequestWithList":
        return SetResponseWithList(iip, [DataAccessResult.SUCCESS])
    if kind.startswith("Set"):
        return SetResponseNormal(iip, DataAccessResult.SUCCESS)
    if kind == "ActionRequestWithList":
        return ActionResponseWithList(iip, [])
    return ActionResponseNormal(iip, ActionResult.SUCCESS, data)


USUAL = ("pull", "serve", "answer", "ask", "pull", "serve", "answer", "open")
UNUSUAL = (
    *("push", "lose", "repeat", "alter", "inject", "stray"),
    *("cancel", "wait", "progress", "close", "cut"),
)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", FORMS + SHORT_FORMS)
def test_any_order(form: str, seed: int) -> None:
    ends = Ends(form, seed)
    for _ in range(400):
        happening = ends.random.choice(USUAL if ends.random.random() < 0.85 else UNUSUAL)
        getattr(ends, happening)()
        ends.check()
    ends.calm()
    if ends.client.state is not State.INACTIVE:
        ends.close()
        ends.calm()
    assert ends.client.state is State.INACTIVE
    # The line is good again: a new association works, whatever the server believes of the old one.
    opened = ends.opened
    ends.open()
    ends.calm()
    assert ends.opened == opened + 1, ends.last
    request: Any = GetRequestNormal(0xC0, NAME)
    if ends.short_names:
        request = ReadRequest([VariableName(0x2008)])
    ends.requests.append(request)
    ends.outcomes[id(request)] = 0
    ends.client.send(request, ends.now)
    ends.calm()
    assert ends.outcomes[id(request)] == 1
    assert type(ends.last) is Deliver


@pytest.mark.parametrize("form", FORMS + SHORT_FORMS)
def test_without_trouble_everything_is_answered(form: str) -> None:
    ends = Ends(form, 99)
    ends.open()
    ends.calm()
    for _ in range(60):
        ends.ask()
        ends.calm()
    assert set(ends.outcomes.values()) == {1}
    assert ends.closed == 0


@pytest.mark.parametrize("form", ["plain", "gmac", "dedicated"])
@pytest.mark.parametrize("steps", range(14))
def test_a_cancel_at_any_step_spoils_nothing(form: str, steps: int) -> None:
    """Steps alternate between both ends; the answer to the question after it is the right one."""
    ends = Ends(form, steps)
    ends.open()
    for _ in range(steps // 3 if steps < 9 else 20):
        ends.pull()
        ends.serve()
        ends.answer()
        ends.check()
    if ends.client.state is State.ASSOCIATED:
        long = GetRequestWithList(0xC0, [(NAME, None)] * 3)
        ends.requests.append(long)
        ends.outcomes[id(long)] = 0
        ends.client.send(long, ends.now)
        for step in (ends.pull, ends.serve, ends.answer)[: steps % 4]:
            step()
        ends.check()
    ends.cancel()
    ends.calm()
    assert ends.client.state is State.ASSOCIATED
    request = SetRequestNormal(0xC0, NAME, None, SHORT)
    ends.requests.append(request)
    ends.outcomes[id(request)] = 0
    ends.client.send(request, ends.now)
    ends.calm()
    assert ends.outcomes[id(request)] == 1
    assert isinstance(ends.last, Deliver)
    assert isinstance(ends.last.unit, SetResponseNormal)
