"""Simulated meters on a socket, for any client."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from functools import partial
from pathlib import Path

import typer

from ferraris.core.errors import UsageError
from ferraris.line import serving
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import profile_of

__all__ = ["serve"]

_SCHEMES = ("tcp", "tls", "udp", "tcp+hdlc", "tls+hdlc", "udp+hdlc")
_METERS_PER_LISTENER = 65_000
_FRESH_OCTETS = 32


async def serve(name: str, count: int, url: str, seed: int, keys_out: str | None) -> None:
    """Listen, hand out the keys, and serve until interrupted or terminated."""
    endpoint = parse_url(url, schemes=_SCHEMES)
    if count > _METERS_PER_LISTENER:
        raise UsageError(f"one listener serves {_METERS_PER_LISTENER} meters at most: run several")
    # Fresh keys, because invocation counters begin anew: no key may see the same one twice.
    fleet = Fleet(template(name), count, seed, secret=secrets.token_bytes(_FRESH_OCTETS))
    stack = partial(
        server_stack,
        profile_of(endpoint.scheme),
        fleet.find,
        entropy=os.urandom,
        utc=time.time,
        physical=endpoint.number("physical"),
    )
    server = await serving.serve(endpoint, stack)
    async with server:
        port = server.port
        options = {name: text for name, text in endpoint.options.items() if name == "physical"}
        ready = Endpoint(endpoint.scheme, _reachable(endpoint.host), port, options)
        if keys_out is not None:
            _write_keys(fleet, ready.url, keys_out)
        typer.echo(f"{count} x {name} at {ready}", err=keys_out == "-")
        await _until_told()


def _reachable(host: str) -> str:
    """An address for clients: who listens everywhere is reached on loopback too."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (not listening)


def _write_keys(fleet: Fleet, url: str, keys_out: str) -> None:
    """One line a meter; the file is whole or not there, and nobody else may read it."""
    lines = (json.dumps(fleet.line(index, url)) for index in range(len(fleet)))
    if keys_out == "-":
        for line in lines:
            typer.echo(line)
        return
    part = Path(f"{keys_out}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{line}\n" for line in lines)
    part.replace(keys_out)


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, told.set)
        except NotImplementedError:  # Windows: KeyboardInterrupt does it
            continue
    await told.wait()
