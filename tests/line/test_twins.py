"""The blocking and the asyncio driver behave alike on every line of sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from loopback import Files
from scripted import PUSH, ScriptedMeter, client, request

from ferraris.core.errors import Error, LineError, UsageError
from ferraris.line.blocking import run
from ferraris.line.dialing import dial, dial_blocking
from ferraris.line.driver import Driver
from ferraris.line.tls import server_context
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.association.client import is_push

LINES = ("tcp", "tls", "udp", "tcp+hdlc")
Procedure = Callable[[Driver[Any, Any]], Coroutine[Any, Any, Any]]


def asynchronous(endpoint: Endpoint, procedure: Procedure, on_push: Callable[[Any], None]) -> Any:
    async def session() -> Any:
        layer = client(endpoint.scheme)
        return await procedure(await dial(endpoint, layer, is_push=is_push, on_push=on_push))

    return asyncio.run(session())


def blocking(endpoint: Endpoint, procedure: Procedure, on_push: Callable[[Any], None]) -> Any:
    layer = client(endpoint.scheme)
    return run(procedure(dial_blocking(endpoint, layer, is_push=is_push, on_push=on_push)))


TWINS = pytest.mark.parametrize("twin", [asynchronous, blocking])
Twin = Callable[[Endpoint, Procedure, Callable[[Any], None]], Any]


@pytest.fixture(params=LINES)
def meter(request: pytest.FixtureRequest, certificates: Files) -> Any:
    context: ssl.SSLContext | None = None
    if request.param == "tls":
        context = server_context(Endpoint("tls", "127.0.0.1", 0, certificates[0]))
    with ScriptedMeter(request.param, context) as meter:
        yield meter


def endpoint_of(meter: ScriptedMeter, certificates: Files) -> Endpoint:
    endpoint = meter.endpoint()
    return meter.endpoint(certificates[1]) if endpoint.line == "tls" else endpoint


async def outcome(awaitable: Coroutine[Any, Any, Any]) -> str:
    try:
        answer = await awaitable
    except Error as error:
        return f"{type(error).__name__}: {error.message}"
    return "nothing" if answer is None else type(answer).__name__


@TWINS
def test_one_session(meter: ScriptedMeter, certificates: Files, twin: Twin) -> None:
    pushed: list[Any] = []

    async def session(driver: Driver[Any, Any]) -> list[str]:
        said = [await outcome(driver.open()), await outcome(driver.exchange(request()))]
        meter.mode = "push"
        said.append(await outcome(driver.exchange(request())))
        if meter.endpoint().scheme != "tcp+hdlc":  # a link that is not answered is lost
            meter.mode = "silent"
            said.append(await outcome(driver.exchange(request())))
            meter.mode = "answer"
        said.append(await outcome(driver.exchange(request())))
        said.append(await outcome(driver.close()))
        said.append(await outcome(driver.exchange(request())))
        said.append(await outcome(driver.close()))
        return said

    said = twin(endpoint_of(meter, certificates), session, pushed.append)
    silence = "LineError: no answer within 0.2 s: the meter is silent, or no meter has this address"
    answer = "GetResponseNormal"
    expected = ["nothing", answer, answer, silence, answer, "nothing"]
    if meter.endpoint().scheme == "tcp+hdlc":
        expected.remove(silence)
    assert said[:-2] == expected
    assert said[-2].startswith("LineError: the connection is closed")
    assert said[-1] == "nothing"
    assert pushed == [PUSH]


@TWINS
@pytest.mark.parametrize("mode", ["silent", "cut"])
@pytest.mark.parametrize("when", ["opening", "exchange"])
def test_trouble(
    meter: ScriptedMeter, certificates: Files, twin: Twin, mode: str, when: str
) -> None:
    async def session(driver: Driver[Any, Any]) -> list[str]:
        said = []
        if when == "exchange":
            said.append(await outcome(driver.open()))
        meter.mode = mode
        tried = driver.open() if when == "opening" else driver.exchange(request())
        said.append(await outcome(tried))
        said.append(await outcome(driver.close()))
        return said

    said = twin(endpoint_of(meter, certificates), session, lambda _: None)
    if when == "exchange":
        assert said.pop(0) == "nothing"
    assert said[0].startswith("LineError: ")
    assert said[1] == "nothing"


@TWINS
def test_pushes_that_nobody_can_take(
    meter: ScriptedMeter, certificates: Files, twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(unit: Any) -> None:
        raise ValueError("no room")

    async def session(driver: Driver[Any, Any]) -> list[str]:
        said = [await outcome(driver.open())]
        meter.mode = "push"
        said.append(await outcome(driver.exchange(request())))
        said.append(await outcome(driver.close()))
        return said

    with caplog.at_level(logging.ERROR):
        said = twin(endpoint_of(meter, certificates), session, fails)
    assert said == ["nothing", "GetResponseNormal", "nothing"]
    assert "no room" in caplog.text


@TWINS
def test_a_request_that_cannot_be_sent(
    meter: ScriptedMeter, certificates: Files, twin: Twin
) -> None:
    async def session(driver: Driver[Any, Any]) -> list[str]:
        said = [await outcome(driver.open())]
        with pytest.raises(UsageError, match="not a request"):
            await driver.exchange(PUSH)
        said.append(await outcome(driver.exchange(request())))
        said.append(await outcome(driver.close()))
        return said

    said = twin(endpoint_of(meter, certificates), session, lambda _: None)
    assert said == ["nothing", "GetResponseNormal", "nothing"]


@TWINS
@pytest.mark.parametrize("scheme", LINES)
def test_nobody_there(scheme: str, twin: Twin) -> None:
    with socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    ) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    async def session(driver: Driver[Any, Any]) -> None:
        await driver.open()

    with pytest.raises(LineError, match=f"{port}"):
        twin(Endpoint(scheme, "127.0.0.1", port), session, lambda _: None)


@TWINS
@pytest.mark.parametrize("scheme", LINES)
def test_names_that_do_not_exist(scheme: str, twin: Twin) -> None:
    async def session(driver: Driver[Any, Any]) -> None:
        await driver.open()

    with pytest.raises(LineError, match=r"meter\.invalid"):
        twin(Endpoint(scheme, "meter.invalid", 1), session, lambda _: None)


def test_lines_that_are_none() -> None:
    with pytest.raises(UsageError, match="sim: is not a line"):
        dial_blocking(Endpoint("sim", "residential", 0), client("tcp"))
