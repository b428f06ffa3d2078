"""Every fault by name against our own client: a named error or a recovery, and never a hang."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from pairing import Pair, watch

from ferraris.client.connecting import associate, with_blocks
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, Security
from ferraris.core.errors import (
    DecodeError,
    Error,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
)
from ferraris.core.layer import Closed
from ferraris.core.stack import over
from ferraris.line.virtual import VirtualLine
from ferraris.messaging.dlms.association.client import ClientAssociation, is_push
from ferraris.meter.faults import lots
from ferraris.meter.faults.stack import faulty_stack
from ferraris.meter.faults.table import FAULTS
from ferraris.model.time_control import Clock

NAME = "0-0:42.0.0*255"
SCHEMES = ("tcp", "udp", "tcp+hdlc")
SECURITIES = ("password", "gmac")
BORNE = "borne"
UNSEEN = "unseen"
How = type[Error] | str
Expected = tuple[How | tuple[How, How], ...]
Read = Callable[[Meter], Awaitable[object]]


class Outcome(NamedTuple):
    """What a client saw: before, of the struck read, next on the same association, on a new one."""

    before: object
    struck: object
    again: object
    after: object


class FailingPair(Pair):
    """A pair whose meters may fail; a connection that the meter cuts is cut at both ends."""

    def connect(
        self, security: Security, *, client: int | None = None, server: int = 1, **changes: Any
    ) -> Callable[[], Any]:
        association = ClientAssociation(security.parameters(self.entropy))
        association.parameters.response_timeout_s = 10.0
        association.parameters.conformance = self.conformance
        for name, value in changes.items():
            setattr(association.parameters, name, value)
        client_sap = security.client if client is None else client
        below = self.profile.client_stack(client_sap, server)
        stack = over(association, with_blocks(association, below))
        passive = faulty_stack(self.profile, self.fleet.find, entropy=self.entropy, utc=self.utc)
        self.line = line = VirtualLine(
            self.time, stack, passive, self.physics, seed=self.seed, is_push=is_push
        )

        def happened(what: object) -> None:
            if type(what) is Closed and not line.cut and self.profile.stream:
                # What has left arrives before the end of the connection does.
                self.time.at(self.time.now + 0.02, line.disconnect)

        line.station.happened = happened  # type: ignore[method-assign]
        return lambda: associate(line.driver, association, device="m")

    def strike(self, fault: str, security: str, read: Read, max_pdu: int) -> Outcome:
        """Read before, while and after the meter has a fault, and then on a new line."""
        meter = self.fleet[0]

        async def struck() -> tuple[object, object, object]:
            client = await self.connect(self.credentials(security), max_pdu=max_pdu)()
            before = await read(client)
            lots.begin(meter, fault, int(self.utc()), delay_s=2.0)
            found = await outcome(read, client)
            lots.end(meter, fault, int(self.utc()))
            again = await outcome(read, client)
            await client.close()
            return before, found, again

        async def anew() -> object:
            client = await self.connect(self.credentials(security), max_pdu=max_pdu)()
            found = await read(client)
            await client.close()
            return found

        return Outcome(*self.time.complete(struck()), self.time.complete(anew()))

    def credentials(self, name: str) -> Security:
        security = self.security(name)
        if isinstance(security, HighGMAC):
            return replace(security, invocation_counter=self.fleet[0].receive_floor(1) + 1)
        return security


async def outcome(read: Read, client: Meter) -> object:
    """What a read gives, or how it fails."""
    try:
        return await read(client)
    except Error as error:
        return error


async def name_of(meter: Meter) -> object:
    return (await meter.read(NAME)).value


async def clock(meter: Meter) -> object:
    return type(await meter.get(Clock.time, "0-0:1.0.0*255"))


async def profile(meter: Meter) -> object:
    return (await meter.profile("1-0:99.1.0*255")).columns


WHOLE: dict[str, Expected] = {
    "dead meter": (LineError,) * 3,
    "lose requests": (LineError,) * 3,
    "lose answers": (LineError,) * 3,
    "delay answers": (BORNE,) * 3,
    "slow link": (BORNE,) * 3,
    "duplicate answers": (BORNE,) * 3,
    "reorder answers": (BORNE,) * 3,
    "replay answers": ((SequenceError, SecurityError),) * 3,
    "truncate answers": (DecodeError,) * 3,
    "wrong tag": ((BORNE, SecurityError),) * 3,
    "busy": (RefusedError,) * 3,
    "cut before answer": (LineError,) * 3,
    "cut after answer": (BORNE,) * 3,
    "wrong invoke id": (SequenceError,) * 3,
    "other service": (SequenceError,) * 3,
    "refuse data": (RefusedError,) * 3,
    "counter too low": ((BORNE, SecurityError),) * 3,
    "garbage before frame": (DecodeError, LineError, BORNE),
    # Neither the wrapper nor a plain APDU has anything to check: what comes next finds out.
    "garbage inside frame": ((UNSEEN, SecurityError), LineError, BORNE),
    "garbage after frame": (BORNE, LineError, BORNE),
    "wrong check": (DecodeError, LineError, BORNE),
    "cut frame": (LineError, LineError, BORNE),
}
"""What our own client makes of each fault over TCP, UDP and HDLC; where it differs, plain and
ciphered."""

TYPED: dict[str, Expected] = {"wrong type": (DecodeError,) * 3}
BLOCKS: dict[str, Expected] = {
    "repeat block": (SequenceError,) * 3,
    "skip block": (SequenceError,) * 3,
}
CASES = [
    *((fault, name_of, 1024, expected) for fault, expected in WHOLE.items()),
    *((fault, clock, 1024, expected) for fault, expected in TYPED.items()),
    *((fault, profile, 300, expected) for fault, expected in BLOCKS.items()),
]


def test_every_fault_of_the_table_is_tried() -> None:
    assert sorted(case[0] for case in CASES) == sorted(FAULTS)


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("fault", "how", "expected"),
    [(fault, (read, max_pdu), expected) for fault, read, max_pdu, expected in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_fault_is_an_error_with_a_name_or_is_borne(
    fault: str, how: tuple[Read, int], expected: Expected, scheme: str, security: str
) -> None:
    pair = FailingPair(scheme)
    found = pair.strike(fault, security, *how)
    due = expected[SCHEMES.index(scheme)]
    if isinstance(due, tuple):
        due = due[SECURITIES.index(security)]
    if isinstance(due, type):
        assert isinstance(found.struck, due)
        assert str(found.struck)
    elif due is BORNE:
        assert found.struck == found.before
    else:
        assert found.struck != found.before
        assert isinstance(found.again, DecodeError)
    # The association goes on rightly, or is over and says so; the meter is as it was.
    assert found.again == found.before or isinstance(found.again, Error)
    assert found.after == found.before


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_lets_an_opening_hang(fault: str, scheme: str) -> None:
    pair = FailingPair(scheme)
    meter = pair.fleet[0]
    lots.begin(meter, fault, int(pair.utc()))

    async def session() -> object:
        opening = pair.connect(pair.credentials("gmac"))
        try:
            client = await opening()
        except Error as error:
            return error
        finally:
            lots.end(meter, fault, int(pair.utc()))
        found = await outcome(name_of, client)
        await client.close()
        return found

    found = pair.time.complete(session())
    assert found == meter.logical_device_name or isinstance(found, Error)
    pair.time.run()  # what is still on the line
    assert pair.time.complete(session()) == meter.logical_device_name


def test_a_share_strikes_the_same_exchanges_in_every_run() -> None:
    def run() -> list[bool]:
        pair = FailingPair()
        meter = pair.fleet[0]

        async def session() -> list[bool]:
            client = await pair.connect(pair.credentials("password"))()
            lots.begin(meter, "refuse data", int(pair.utc()), share=0.3)
            found = [await outcome(name_of, client) for _ in range(100)]
            await client.close()
            return [isinstance(each, RefusedError) for each in found]

        return pair.time.complete(session())

    first = run()
    assert first == run()
    assert 15 < sum(first) < 45


def test_one_meter_of_a_line_fails_and_the_other_does_not() -> None:
    pair = FailingPair()
    lots.begin(pair.fleet[1], "lose answers", 0)

    async def session() -> object:
        client = await pair.connect(pair.credentials("password"))()
        found = await name_of(client)
        await client.close()
        return found

    assert pair.time.complete(session()) == pair.fleet[0].logical_device_name


def test_no_counter_is_sent_twice_though_it_is_too_low() -> None:
    pair = FailingPair()
    counters: list[int] = []

    async def session() -> None:
        client = await pair.connect(pair.credentials("gmac"))()
        assert pair.line is not None
        watch(pair.line.driver, lambda octets: counters.append(_counter(octets)))
        for number in range(20):
            if number % 3 == 1:
                lots.begin(pair.fleet[0], "counter too low", int(pair.utc()))
            found = await outcome(name_of, client)
            assert isinstance(found, SecurityError) == (number % 3 == 1)
            lots.end(pair.fleet[0], "counter too low", int(pair.utc()))
        del counters[20:]
        await client.close()

    pair.time.complete(session())
    assert len(set(counters[:20])) == 20
    assert counters[:20] != sorted(counters[:20])


def _counter(octets: bytes) -> int:
    """Of a glo- APDU in the wrapper: tag, length, security control, counter."""
    return int.from_bytes(octets[11:15], "big")
