"""Meters that call in over loopback: met, refused, silent, speaking nonsense, here already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ferraris.client.calling import Access, Calls, Refusal, accept
from ferraris.client.identity import Identity
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, Password
from ferraris.core.errors import Error, LineError, RefusedError, SecurityError, UsageError
from ferraris.core.layer import Deliver, Opened
from ferraris.core.stack import Plain, over
from ferraris.line.calling import call
from ferraris.line.url import Endpoint
from ferraris.meter.calling import Patience, call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

NOON = 1_795_003_200.0
QUICK = Patience(0.01, 0.02)
ENERGY = "1-0:1.8.0*255"


def fleet(count: int = 1, seed: int = 7) -> Fleet:
    return Fleet(template("residential"), count, seed=seed)


def gmac(meters: Fleet, index: int = 0) -> HighGMAC:
    line = meters.line(index, "")
    return HighGMAC(
        bytes.fromhex(line["encryption_key"]), bytes.fromhex(line["authentication_key"])
    )


def known(meters: Fleet) -> dict[str, Access]:
    return {
        meters.line(index, "")["id"]: Access(gmac(meters, index)) for index in range(len(meters))
    }


def run(procedure: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(procedure, 30))


@asynccontextmanager
async def calling(meters: Fleet, calls: Calls, scheme: str = "tcp") -> AsyncIterator[None]:
    endpoint = Endpoint(scheme, "127.0.0.1", calls.port)
    task = asyncio.create_task(call_in(meters, endpoint, patience=QUICK, utc=lambda: NOON))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Refused:
    """Collects refusals, and waits for them."""

    def __init__(self) -> None:
        self.all: list[Refusal] = []
        self._came = asyncio.Event()

    def __call__(self, refusal: Refusal) -> None:
        self.all.append(refusal)
        self._came.set()

    async def first(self) -> Refusal:
        await self._came.wait()
        return self.all[0]


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_a_meter_that_calls_is_identified_and_associated_on_one_connection(scheme: str) -> None:
    async def procedure() -> None:
        meters = fleet()
        async with (
            accept(f"{scheme}://127.0.0.1:0", known(meters)) as calls,
            calling(meters, calls, scheme),
        ):
            meter = await anext(calls)
            assert meter.identity is not None
            assert meter.identity.logical_device_name == meters[0].logical_device_name
            assert meter.device == meters.line(0, "")["id"]
            assert meter.system_title == meters[0].system_title
            assert (await meter.read(ENERGY)).value > 0
            await meter.close()

    run(procedure())


def test_many_call_and_each_is_told_from_the_others() -> None:
    async def procedure() -> None:
        meters = fleet(20)
        names = {meters.line(index, "")["id"] for index in range(len(meters))}
        found: set[str] = set()
        async with (
            accept("tcp://127.0.0.1:0", known(meters), most_at_once=3) as calls,
            calling(meters, calls),
        ):
            async for meter in calls:
                found.add(meter.device)
                await meter.read(ENERGY)
                await meter.close()
                if found == names:
                    break

    run(procedure())


def test_general_blocks_are_proposed_where_they_are_wanted() -> None:
    async def procedure() -> None:
        meters = fleet()
        for window in (0, 16):
            calls = accept("tcp://127.0.0.1:0", known(meters), block_window=window)
            async with calls, calling(meters, calls):
                meter = await anext(calls)
                assert meter.negotiated.general_blocks == bool(window)
                assert len(await meter.object_list()) > 50  # in blocks, either way
                await meter.close()
        with pytest.raises(UsageError, match="window"):
            accept("tcp://127.0.0.1:0", {}, block_window=64)

    run(procedure())


def test_a_meter_calls_again_after_it_was_let_go() -> None:
    async def procedure() -> None:
        meters = fleet()
        async with accept("tcp://127.0.0.1:0", known(meters)) as calls, calling(meters, calls):
            for _ in range(3):
                meter = await anext(calls)
                await meter.read(ENERGY)
                await meter.close()

    run(procedure())


def test_keys_may_be_a_coroutine_that_asks_a_store() -> None:
    async def procedure() -> None:
        meters = fleet()
        asked: list[Identity] = []

        async def look_up(identity: Identity) -> Access | None:
            await asyncio.sleep(0)
            asked.append(identity)
            password = meters.line(0, "")["password"].encode()
            return Access(Password(password), device="cellar")

        async with accept("tcp://127.0.0.1:0", look_up) as calls, calling(meters, calls):
            meter = await anext(calls)
            assert meter.device == "cellar"
            await meter.close()
        assert asked[0].name == meters.line(0, "")["id"]
        assert asked[0].peer.startswith("127.0.0.1:")

    run(procedure())


def test_a_system_title_in_hex_finds_the_access_too() -> None:
    async def procedure() -> None:
        meters = fleet()
        identity = Identity("peer", b"", meters[0].system_title)
        assert identity.name == meters[0].system_title.hex()

    run(procedure())


async def refused(keys: Any, caller: Callable[[Calls], Awaitable[None]], **changes: Any) -> Refusal:
    """What became of a caller, while a good meter is met as ever."""
    good = fleet(seed=99)
    everybody = {**keys, **known(good)} if isinstance(keys, dict) else keys
    told = Refused()
    async with accept(
        "tcp://127.0.0.1:0", everybody, on_refused=told, timeout_s=2.0, **changes
    ) as calls:
        task = asyncio.ensure_future(caller(calls))
        refusal = await told.first()
        async with calling(good, calls):
            meter = await anext(calls)
            assert meter.device == good.line(0, "")["id"]
            assert (await meter.read(ENERGY)).value > 0
            await meter.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return refusal


def sends(octets: bytes) -> Callable[[Calls], Awaitable[None]]:
    async def caller(calls: Calls) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", calls.port)
        try:
            writer.write(octets)
            await reader.read()
        finally:
            writer.close()

    return caller


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        pytest.param(b"", LineError, id="silent"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", LineError, id="another protocol"),
        pytest.param(bytes(5000), Error, id="a flood"),
        pytest.param(bytes.fromhex("0001000100100003610100"), Error, id="no AARE"),
    ],
)
def test_silence_and_nonsense_cost_their_own_connection(octets: bytes, error: type) -> None:
    async def procedure() -> None:
        refusal = await refused({}, sends(octets), patience_s=0.3)
        assert isinstance(refusal.error, error)
        assert refusal.identity.peer.startswith("127.0.0.1:")

    run(procedure())


def meter_calls(meters: Fleet) -> Callable[[Calls], Awaitable[None]]:
    async def caller(calls: Calls) -> None:
        async with calling(meters, calls):
            await asyncio.Event().wait()

    return caller


def test_somebody_unknown_is_refused() -> None:
    async def procedure() -> None:
        meters = fleet(seed=3)
        refusal = await refused({}, meter_calls(meters))
        assert isinstance(refusal.error, SecurityError)
        assert refusal.identity.logical_device_name == meters[0].logical_device_name

    run(procedure())


def test_wrong_keys_are_refused() -> None:
    async def procedure() -> None:
        meters = fleet(seed=3)
        wrong = HighGMAC(bytes(16), bytes(range(16)))
        refusal = await refused({meters.line(0, "")["id"]: Access(wrong)}, meter_calls(meters))
        assert isinstance(refusal.error, RefusedError)
        assert "wrong key" in str(refusal.error)

    run(procedure())


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_other_ways_are_tried_and_one_leads_to_the_next_on_one_connection(scheme: str) -> None:
    meters = fleet()
    password = meters.line(0, "")["password"].encode()
    told: list[str] = []

    async def then(meter: Meter) -> Access:
        told.append(str((await meter.read(ENERGY)).unit))
        return Access(gmac(meters))

    async def otherwise(error: Error) -> Access | None:
        told.append(type(error).__name__)
        return Access(Password(password), client=2, then=then)

    wrong = Access(HighGMAC(bytes(16), bytes(16), invocation_counter=1), otherwise=otherwise)

    async def procedure() -> None:
        asked: list[Identity] = []

        def keys(identity: Identity) -> Access:
            asked.append(identity)
            return wrong

        async with (
            accept(f"{scheme}://127.0.0.1:0", keys) as calls,
            calling(meters, calls, scheme),
        ):
            meter = await anext(calls)
            assert meter.identity is asked[0]
            assert (await meter.read(ENERGY)).value > 0
            await meter.close()
        assert len(asked) == 1

    run(procedure())
    assert told == ["RefusedError", "Wh"]


def test_who_hangs_up_after_a_no_is_refused_for_that_no() -> None:
    meters, refused = fleet(), Refused()

    async def procedure() -> None:
        async def otherwise(error: Error) -> Access | None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return Access(gmac(meters))

        wrong = Access(HighGMAC(bytes(16), bytes(16), invocation_counter=1), otherwise=otherwise)
        async with accept("tcp://127.0.0.1:0", lambda _: wrong, on_refused=refused) as calls:
            endpoint = Endpoint("tcp", "127.0.0.1", calls.port)
            task = asyncio.create_task(call_in(meters, endpoint, utc=lambda: NOON))
            assert isinstance((await refused.first()).error, RefusedError)

    run(procedure())


def test_who_is_here_already_is_refused_and_the_first_lives_on() -> None:
    async def procedure() -> None:
        meters = fleet()
        told = Refused()
        async with (
            accept("tcp://127.0.0.1:0", known(meters), on_refused=told) as calls,
            calling(meters, calls),
        ):
            first = await anext(calls)
            async with calling(meters, calls):
                refusal = await told.first()
            assert "here already" in str(refusal.error)
            assert refusal.identity.name == first.device
            assert (await first.read(ENERGY)).value > 0
            await first.close()

    run(procedure())


def test_who_lost_its_connection_may_come_again() -> None:
    async def procedure() -> None:
        meters = fleet()
        async with accept("tcp://127.0.0.1:0", known(meters)) as calls:
            async with calling(meters, calls):
                first = await anext(calls)
            with pytest.raises(LineError):
                await first.read(ENERGY)
            async with calling(meters, calls):
                second = await anext(calls)
                await first.close()
                assert (await second.read(ENERGY)).value > 0
                await second.close()

    run(procedure())


def test_a_fault_in_keys_is_a_refusal() -> None:
    async def procedure() -> None:
        told = Refused()

        def keys(identity: Identity) -> Access:
            raise KeyError(identity.name)

        meters = fleet()
        async with (
            accept("tcp://127.0.0.1:0", keys, on_refused=told) as calls,
            calling(meters, calls),
        ):
            refusal = await told.first()
        assert isinstance(refusal.error, UsageError)
        assert "KeyError" in str(refusal.error)

    run(procedure())


class Greets(Plain[bytes, bytes, bytes]):
    """A meter's line that says something before it is asked."""

    def __init__(self, greeting: bytes) -> None:
        super().__init__()
        self._greeting = greeting

    def open(self, now: float) -> None:
        self._down.append(self._greeting)
        self._up.append(Opened())

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize(
    "greeting",
    [
        b"IMEI:351234567890123;\r\n",
        bytes.fromhex("00010001006600040f000000"),
        b"\x00\x01\x00",
    ],
    ids=["a heartbeat", "a push to another client", "half a header"],
)
def test_what_a_meter_says_first_is_heard_and_not_taken_for_an_answer(
    scheme: str, greeting: bytes
) -> None:
    async def procedure() -> None:
        meters = fleet()
        stack = server_stack(profile_of(scheme), meters.find, entropy=bytes, utc=lambda: NOON)
        stack = over(stack, Greets(greeting))  # type: ignore[arg-type]
        async with accept(f"{scheme}://127.0.0.1:0", known(meters)) as calls:
            endpoint = Endpoint(scheme, "127.0.0.1", calls.port)
            task = asyncio.create_task(call(endpoint, stack))  # type: ignore[arg-type]
            meter: Meter = await anext(calls)
            assert meter.identity is not None
            assert meter.identity.greeting == greeting
            assert (await meter.read(ENERGY)).value > 0
            await meter.close()
            await task

    run(procedure())


def test_leaving_closes_the_door_and_lets_meters_go_that_nobody_took() -> None:
    async def procedure() -> None:
        meters = fleet(3)
        calls = accept("tcp://127.0.0.1:0", known(meters))
        await calls.open()
        async with calling(meters, calls):
            meter = await anext(calls)
            await calls.close()
            assert (await meter.read(ENERGY)).value > 0  # who was handed out lives on
            await meter.close()
            with pytest.raises(StopAsyncIteration):
                await anext(calls)

    run(procedure())


def test_what_cannot_work_is_said_at_once() -> None:
    with pytest.raises(UsageError):
        accept("sim://residential", {})
    with pytest.raises(UsageError):
        accept("tcp://127.0.0.1:0", {}, most_at_once=0)
    with pytest.raises(UsageError):
        asyncio.run(call_in(fleet(), Endpoint("udp", "127.0.0.1", 1)))
