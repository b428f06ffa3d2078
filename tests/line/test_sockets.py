"""The asyncio and the blocking driver on real sockets: the same procedures, the same answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from loopback import Files, needs_ipv6

import ferraris
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import Listening, listen
from ferraris.meter.templates import template

NOON = 1_795_003_200.0
UNTIL = datetime.fromtimestamp(NOON, UTC)
SINCE = UNTIL - timedelta(days=1)


V4 = [(scheme, "127.0.0.1") for scheme in ("tcp", "tcp+hdlc", "udp", "udp+hdlc", "tls+hdlc")]
V6 = [pytest.param(("tcp", "::"), marks=needs_ipv6)] + [
    pytest.param((scheme, "::1"), marks=needs_ipv6) for scheme in ("tcp", "udp", "tls")
]


@pytest.fixture(params=[*V4, *V6], ids="-".join)
def listening(request: pytest.FixtureRequest, certificates: Files) -> Iterator[Listening]:
    """A fleet of three in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    fleet = Fleet(template("residential"), 3, seed=5)
    scheme, host = request.param
    endpoint = Endpoint(scheme, host, 0, certificates[0] if scheme.startswith("tls") else {})
    opened = loop.run_until_complete(listen(fleet, endpoint, utc=lambda: NOON))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield opened
    asyncio.run_coroutine_threadsafe(finish(opened), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def finish(listening: Listening) -> None:
    await listening.close()
    await asyncio.sleep(0)


def url_of(listening: Listening, certificates: Files) -> str:
    endpoint = listening.endpoint()
    host = endpoint.host if endpoint.host != "::" else "127.0.0.1"
    options = certificates[1] if endpoint.line == "tls" else {}
    return Endpoint(endpoint.scheme, host, endpoint.port, options).url


def security(listening: Listening, place: int = 0) -> ferraris.HighGMAC:
    keys = listening.line(place)
    return ferraris.HighGMAC(
        bytes.fromhex(keys["encryption_key"]), bytes.fromhex(keys["authentication_key"])
    )


def test_blocking_and_asynchronous_twins_agree(listening: Listening, certificates: Files) -> None:
    url = url_of(listening, certificates)
    with ferraris.open(url, security=security(listening)) as meter:
        blocking = (meter.read("1-0:1.8.0").value, meter.profile("1-0:99.1.0", SINCE, UNTIL))

    async def procedure() -> tuple[object, ferraris.Series]:
        async with ferraris.connect(url, security=security(listening)) as meter:
            value = (await meter.read("1-0:1.8.0")).value
            return value, await meter.profile("1-0:99.1.0", SINCE, UNTIL)

    assert asyncio.run(procedure()) == blocking
    assert len(blocking[1]) == 96


def test_the_counter_is_learnt_as_public_client(listening: Listening, certificates: Files) -> None:
    url = url_of(listening, certificates)
    for _ in range(3):  # each session learns anew what the one before has used
        with ferraris.open(url, security=security(listening)) as meter:
            assert meter.read("1-0:1.8.0").value


def test_meters_of_one_listener_differ(listening: Listening, certificates: Files) -> None:
    names = set()
    url = url_of(listening, certificates)
    for place in range(3):
        with ferraris.open(url, server=listening.line(place)["server"]) as meter:
            names.add(meter.read("0-0:42.0.0").value)
    assert len(names) == 3


def test_many_tasks_share_one_association(listening: Listening, certificates: Files) -> None:
    async def procedure() -> set[object]:
        url = url_of(listening, certificates)
        async with ferraris.connect(url, security=security(listening)) as meter:
            reads = [meter.read("1-0:1.8.0") for _ in range(20)]
            return {reading.value for reading in await asyncio.gather(*reads)}

    assert len(asyncio.run(procedure())) == 1


def test_a_cancelled_read_leaves_the_association_usable(
    listening: Listening, certificates: Files
) -> None:
    async def procedure() -> object:
        url = url_of(listening, certificates)
        async with ferraris.connect(url, security=security(listening)) as meter:
            first = await meter.read("1-0:1.8.0")
            task = asyncio.create_task(meter.read("1-0:2.8.0"))
            await asyncio.sleep(0)  # it has been sent
            task.cancel()
            again = await meter.read("1-0:1.8.0")
            return first.value == again.value and first.name == again.name

    assert asyncio.run(procedure()) is True


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ferraris.LineError, match=f"127.0.0.1:{port}"):
        ferraris.open(f"tcp://127.0.0.1:{port}")

    async def procedure() -> None:
        async with ferraris.connect(f"tcp://127.0.0.1:{port}"):
            pass

    with pytest.raises(ferraris.LineError, match=f"127.0.0.1:{port}"):
        asyncio.run(procedure())


@pytest.mark.parametrize("what", ["silent", "closes", "garbage"])
def test_a_listener_that_is_no_meter(what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def peer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                if what == "garbage":
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                if what != "closes":
                    connection.recv(1000)

        thread = threading.Thread(target=peer)
        thread.start()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        expected = ferraris.DecodeError if what == "garbage" else ferraris.LineError
        with pytest.raises(expected):
            ferraris.open(url, timeout_s=0.2)
        thread.join()


def test_a_meter_in_this_process() -> None:
    with ferraris.open("sim://residential?seed=3") as meter:
        assert meter.read("1-0:1.8.0").value
    with pytest.raises(ferraris.UsageError, match="residential"):
        ferraris.open("sim://castle")
