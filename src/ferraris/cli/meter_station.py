"""Simulated meters on a socket, for any client."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple

import typer

from ferraris.cli.failures import one_line
from ferraris.cli.identities import write_identities, write_secretly
from ferraris.core.errors import Error
from ferraris.line.url import parse_url
from ferraris.meter.calling import call_in
from ferraris.meter.fleet import Fleet, KeysLine
from ferraris.meter.pushing import SCHEMES, Pusher
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

__all__ = ["Pushing", "call", "serve", "until_told"]

_CALLED = ("tcp", "tls", "tcp+hdlc", "tls+hdlc")
_FRESH_OCTETS = 32
_MOST_FAILURES = 100
_IN_FILES = 100  # meters whose certificates are written into files of their own as well


class Pushing(NamedTuple):
    """Whereto, how often and how the meters push."""

    url: str
    every_s: float
    ciphered: bool


async def serve(
    name: str,
    count: int,
    url: str,
    seed: int,
    keys_out: str | None,
    *,
    pushing: Pushing | None = None,
    suite: int = 0,
) -> None:
    """Listen, hand out the keys, and serve until interrupted or terminated."""
    endpoint = parse_url(url)
    # Fresh keys, because invocation counters begin anew: no key may see the same one twice.
    fleet = Fleet(
        template(name, suite=suite), count, seed, secret=secrets.token_bytes(_FRESH_OCTETS)
    )
    pusher = None if pushing is None else _pusher(fleet, pushing)
    async with await listen(fleet, endpoint) as listening:
        if keys_out is not None:
            _write_keys(fleet, map(listening.line, range(count)), keys_out)
        first, last = listening.endpoint(0), listening.endpoint(count - 1)
        ports = "" if first.port == last.port else f" to {last.port}"
        ready = partial(typer.echo, f"{count} x {name} at {first}{ports}", err=keys_out == "-")
        task = None if pusher is None else asyncio.create_task(pusher.run())
        await until_told(ready, listening.keep(_tell))
        if task is not None:
            task.cancel()


def _tell(error: Error) -> None:
    typer.echo(f"ferraris: {one_line(error)}", err=True)


def _telling_once() -> Callable[[Error], None]:
    """Tells each failure once, or a neighbourhood without a listener fills the screen."""
    told: set[str] = set()

    def tell(error: Error) -> None:
        line = one_line(error)
        if line not in told and len(told) < _MOST_FAILURES:
            told.add(line)
            _tell(error)

    return tell


def _pusher(fleet: Fleet, pushing: Pushing) -> Pusher:
    endpoint = parse_url(pushing.url, schemes=SCHEMES)
    return Pusher(
        fleet,
        endpoint,
        every_s=pushing.every_s,
        ciphered=pushing.ciphered,
        on_failure=_telling_once(),
    )


async def call(
    name: str, count: int, url: str, seed: int, keys_out: str | None, *, suite: int = 0
) -> None:
    """Hand out the keys and call in, again and again, until interrupted or terminated."""
    endpoint = parse_url(url, schemes=_CALLED)
    fleet = Fleet(
        template(name, suite=suite), count, seed, secret=secrets.token_bytes(_FRESH_OCTETS)
    )
    if keys_out is not None:
        _write_keys(fleet, (fleet.line(index, endpoint.url) for index in range(count)), keys_out)
    ready = partial(typer.echo, f"{count} x {name} calling {endpoint}", err=keys_out == "-")
    await until_told(ready, call_in(fleet, endpoint, on_failure=_telling_once()))


def _write_keys(fleet: Fleet, lines: Iterable[KeysLine], keys_out: str) -> None:
    """One line a meter; the file is whole or not there, and nobody else may read it."""
    texts = map(json.dumps, lines)
    if keys_out == "-":
        for text in texts:
            typer.echo(text)
        return
    if fleet.template.suite:
        write_identities(keys_out, fleet.client_pairs(0), fleet.certificates(_IN_FILES))
    write_secretly(keys_out, (f"{text}\n" for text in texts))


async def until_told(
    ready: Callable[[], None], lost: Coroutine[Any, Any, None] | None = None
) -> None:
    """Until the process is interrupted or terminated, or `lost` ends and perhaps raises.

    `ready` is called as soon as an interruption would be heard.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, told.set)
        except NotImplementedError:  # Windows: KeyboardInterrupt does it
            continue
    ready()
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(told.wait())]
    if lost is not None:
        waiting.append(asyncio.create_task(lost))
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    for each in done:
        await each
