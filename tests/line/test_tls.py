"""TLS on loopback: who trusts whom, what is said when they do not, and files that do not fit."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from scripted import NOON, client, request

from ferraris.core.errors import Error, LineError, SecurityError, UsageError
from ferraris.line.blocking import run
from ferraris.line.dialing import dial, dial_blocking
from ferraris.line.serving import serve
from ferraris.line.tls import client_context, explain, server_context
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.get import GetResponseNormal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP

Options = dict[str, str]


async def session(driver: Any) -> Any:
    await driver.open()
    try:
        return await driver.exchange(request())
    finally:
        await driver.close()


async def asynchronous(endpoint: Endpoint) -> Any:
    return await session(await dial(endpoint, client("tls", 5.0)))


async def blocking(endpoint: Endpoint) -> Any:
    def ask() -> Any:
        return run(session(dial_blocking(endpoint, client("tls", 5.0))))

    return await asyncio.get_running_loop().run_in_executor(None, ask)


Twin = Callable[[Endpoint], Any]
TWINS = pytest.mark.parametrize("twin", [asynchronous, blocking])


def ask(server: Options, options: Options, twin: Twin, *, scheme: str = "tls") -> Any:
    """One session with a listener that has the options of `server`."""

    async def test() -> Any:
        fleet = Fleet(template("residential"), 1, seed=5)
        listener = await serve(
            Endpoint(scheme, "127.0.0.1", 0, server),
            lambda: server_stack(TCP, fleet.find, entropy=bytes, utc=lambda: NOON),
        )
        async with listener:
            return await twin(Endpoint("tls", "127.0.0.1", listener.port, options))

    return asyncio.run(test())


def shown(pair: tuple[Path, Path]) -> Options:
    return {"cert": str(pair[0]), "key": str(pair[1])}


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other")


@TWINS
def test_the_server_is_known(authority: Authority, twin: Twin) -> None:
    server = shown(authority.issue("meter"))
    assert isinstance(ask(server, {"ca": str(authority.file)}, twin), GetResponseNormal)


@TWINS
def test_both_are_known(authority: Authority, twin: Twin) -> None:
    ca = {"ca": str(authority.file)}
    server = ca | shown(authority.issue("meter"))
    answer = ask(server, ca | shown(authority.issue("head-end")), twin)
    assert isinstance(answer, GetResponseNormal)


@TWINS
def test_a_stranger_is_not_trusted(authority: Authority, other: Authority, twin: Twin) -> None:
    server = shown(other.issue("meter"))
    for options in ({"ca": str(authority.file)}, {}):
        with pytest.raises(SecurityError, match=r"not from an authority.*ca=FILE"):
            ask(server, options, twin)


@TWINS
def test_expired(authority: Authority, twin: Twin) -> None:
    server = shown(authority.issue("old", days=-1))
    with pytest.raises(SecurityError, match="has expired"):
        ask(server, {"ca": str(authority.file)}, twin)


@TWINS
def test_another_name(authority: Authority, twin: Twin) -> None:
    server = shown(authority.issue("elsewhere", addresses=("192.0.2.1",)))
    with pytest.raises(SecurityError, match=r"another name than 127\.0\.0\.1"):
        ask(server, {"ca": str(authority.file)}, twin)


@TWINS
def test_a_client_that_shows_nothing(authority: Authority, twin: Twin) -> None:
    ca = {"ca": str(authority.file)}
    server = ca | shown(authority.issue("meter"))
    with pytest.raises((LineError, SecurityError), match="cert=FILE&key=FILE"):
        ask(server, ca, twin)


@TWINS
def test_a_client_that_is_a_stranger(authority: Authority, other: Authority, twin: Twin) -> None:
    ca = {"ca": str(authority.file)}
    server = ca | shown(authority.issue("meter"))
    with pytest.raises((LineError, SecurityError), match="does not trust our certificate"):
        ask(server, ca | shown(other.issue("stranger")), twin)


def alert(server: Options, options: Options) -> Error:
    """What a client learns from the alert of a server, without a socket between them."""
    endpoint = Endpoint("tls", "127.0.0.1", 0, options)
    contexts = server_context(Endpoint("tls", "meter", 0, server)), client_context(endpoint)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    contexts[1].maximum_version = ssl.TLSVersion.TLSv1_2  # where the alert ends the handshake
    meter = contexts[0].wrap_bio(there, back, server_side=True)
    asking = contexts[1].wrap_bio(back, there, server_hostname="127.0.0.1")
    for _ in range(10):
        for end in (asking, meter):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as cause:
                if end is asking:
                    return explain(endpoint, cause)
    raise AssertionError("no alert came")


def test_alerts_name_the_remedy(authority: Authority, other: Authority) -> None:
    ca = {"ca": str(authority.file)}
    server = ca | shown(authority.issue("meter"))
    nothing = alert(server, ca)
    assert isinstance(nothing, SecurityError)
    assert "cert=FILE&key=FILE" in str(nothing)
    stranger = alert(server, ca | shown(other.issue("stranger")))
    assert isinstance(stranger, SecurityError)
    assert "does not trust our certificate" in str(stranger)
    late = alert(server, ca | shown(authority.issue("late", days=-1)))
    assert "our certificate has expired" in str(late)


@TWINS
def test_a_listener_without_tls(authority: Authority, twin: Twin) -> None:
    with pytest.raises((LineError, SecurityError)) as caught:
        ask({}, {"ca": str(authority.file)}, twin, scheme="tcp")
    assert "127.0.0.1" in str(caught.value)


@TWINS
def test_insecure_is_spelled_out_and_warned_of(other: Authority, twin: Twin) -> None:
    server = shown(other.issue("meter"))
    with pytest.warns(UserWarning, match="whoever answers"):
        assert isinstance(ask(server, {"insecure": "1"}, twin), GetResponseNormal)
    with pytest.raises(SecurityError):
        ask(server, {"insecure": "0"}, twin)


@pytest.mark.parametrize("reference", ["env:METER_PASSPHRASE", "@passphrase"])
def test_a_locked_key(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METER_PASSPHRASE", "open sesame")
    (tmp_path / "passphrase").write_text("open sesame\n")
    server = shown(authority.issue("locked", passphrase=b"open sesame"))
    server["passphrase"] = reference
    answer = ask(server, {"ca": str(authority.file)}, asynchronous)
    assert isinstance(answer, GetResponseNormal)


def test_files_that_do_not_fit(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "wrong secret")
    good, locked = authority.issue("good"), authority.issue("locked", passphrase=b"secret")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing\n")
    for options, words in [
        ({"ca": str(tmp_path / "none.pem")}, "No such file"),
        ({"ca": str(nothing)}, "ca=.*nothing in PEM form"),
        ({"cert": str(nothing)}, "cert=.*nothing in PEM form"),
        ({"cert": str(good[0]), "key": str(nothing)}, "PEM form"),
        ({"key": str(good[1])}, "needs its certificate"),
        ({"cert": str(good[0]), "key": str(locked[1])}, "is locked: name its passphrase"),
        (shown(locked) | {"passphrase": "env:WRONG"}, "wrong passphrase"),
        (shown(locked) | {"passphrase": "env:MISSING_ONE"}, "MISSING_ONE is not set"),
        (shown(locked) | {"passphrase": f"@{tmp_path}/none"}, "No such file"),
        (
            {"cert": str(good[0]), "key": str(authority.issue("third")[1])},
            "is not the key of",
        ),
    ]:
        with pytest.raises(UsageError, match=words) as caught:
            client_context(Endpoint("tls", "meter", options=options))
        assert "secret" not in str(caught.value)
    for options, words in [
        ({}, "shows a certificate"),
        (shown(good) | {"insecure": "1"}, "is for clients"),
    ]:
        with pytest.raises(UsageError, match=words):
            server_context(Endpoint("tls", "meter", options=options))


def test_a_context_serves_until_its_files_change(authority: Authority) -> None:
    pair = authority.issue("often")
    endpoint = Endpoint("tls", "meter", options=shown(pair) | {"ca": str(authority.file)})
    with warnings.catch_warnings():
        first = client_context(endpoint)
        assert client_context(endpoint) is first
        authority.issue("often")
        assert client_context(endpoint) is not first
