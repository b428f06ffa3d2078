"""Meters that call in through TLS, over the wrapper and over HDLC, known and unknown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest
from certificates import Authority
from scripted import NOON

from ferraris.client.calling import Access, Calls, Refusal, accept
from ferraris.client.security import HighGMAC
from ferraris.core.errors import LineError, SecurityError
from ferraris.line.url import Endpoint
from ferraris.meter.calling import Patience, call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

QUICK = Patience(0.01, 0.02)
SCHEMES = pytest.mark.parametrize("scheme", ["tls", "tls+hdlc"])


def run(procedure: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(procedure, 30))


def options(authority: Authority, name: str) -> dict[str, str]:
    certificate, key = authority.issue(name)
    return {"ca": str(authority.file), "cert": str(certificate), "key": str(key)}


def known(meters: Fleet) -> dict[str, Access]:
    line = meters.line(0, "")
    keys = (bytes.fromhex(line[name]) for name in ("encryption_key", "authentication_key"))
    return {line["id"]: Access(HighGMAC(*keys))}


def door(authority: Authority, scheme: str, meters: Fleet, **more: Any) -> Calls:
    """A head-end that shows a certificate and asks for one."""
    endpoint = Endpoint(scheme, "127.0.0.1", 0, options(authority, "head-end"))
    return accept(endpoint, known(meters), timeout_s=2.0, **more)


@SCHEMES
def test_both_show_who_they_are_and_the_meter_is_read(authority: Authority, scheme: str) -> None:
    async def procedure() -> None:
        meters = Fleet(template("residential"), 1, seed=7)
        async with door(authority, scheme, meters) as calls:
            endpoint = Endpoint(scheme, "127.0.0.1", calls.port, options(authority, "meter"))
            caller = asyncio.create_task(
                call_in(meters, endpoint, patience=QUICK, utc=lambda: NOON)
            )
            for _ in range(2):  # and it calls again
                meter = await anext(calls)
                assert meter.device == meters.line(0, "")["id"]
                assert (await meter.read("1-0:1.8.0")).value > 0
                await meter.close()
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)

    run(procedure())


@SCHEMES
def test_a_meter_that_trusts_nobody_here_says_so(authority: Authority, scheme: str) -> None:
    """Trying again would not help: the error ends the calling, and names the remedy."""

    async def procedure() -> None:
        meters = Fleet(template("residential"), 2, seed=7)
        async with door(authority, scheme, meters) as calls:
            with pytest.raises(SecurityError) as refused:
                await call_in(meters, Endpoint(scheme, "127.0.0.1", calls.port), patience=QUICK)
            assert "ca=" in str(refused.value)

    run(procedure())


@SCHEMES
def test_a_meter_that_shows_nothing_is_told_so(authority: Authority, scheme: str) -> None:
    async def procedure() -> None:
        meters = Fleet(template("residential"), 1, seed=7)
        async with door(authority, scheme, meters) as calls:
            endpoint = Endpoint(scheme, "127.0.0.1", calls.port, {"ca": str(authority.file)})
            heard = asyncio.get_running_loop().create_future()

            def hear(error: LineError) -> None:
                if not heard.done():
                    heard.set_result(str(error))

            caller = asyncio.create_task(call_in(meters, endpoint, on_failure=hear))
            assert "cert=FILE" in await heard
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)

    run(procedure())


@SCHEMES
def test_a_caller_without_tls_costs_its_own_connection(authority: Authority, scheme: str) -> None:
    async def procedure() -> None:
        meters = Fleet(template("residential"), 1, seed=7)
        refusals: list[Refusal] = []
        async with door(authority, scheme, meters, on_refused=refusals.append) as calls:
            reader, writer = await asyncio.open_connection("127.0.0.1", calls.port)
            writer.write(b"no TLS at all")
            with contextlib.suppress(ConnectionError):
                await reader.read()  # an alert, or nothing
            writer.close()
            endpoint = Endpoint(scheme, "127.0.0.1", calls.port, options(authority, "meter"))
            caller = asyncio.create_task(
                call_in(meters, endpoint, patience=QUICK, utc=lambda: NOON)
            )
            meter = await anext(calls)
            assert (await meter.read("1-0:1.8.0")).value > 0
            await meter.close()
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
        assert all(isinstance(each.error, LineError) for each in refusals)

    run(procedure())
