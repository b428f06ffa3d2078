"""Simulated meters on a socket, for any client."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import typer

from ferraris.cli.failures import one_line
from ferraris.cli.identities import write_identities, write_secretly
from ferraris.core.errors import Error, UsageError
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.calling import call_in
from ferraris.meter.fleet import Fleet, KeysLine
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.pushing import SCHEMES, Pusher
from ferraris.meter.serving import listen
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.template import Template
from ferraris.meter.templates import template

__all__ = ["Keeping", "Kind", "Pushing", "Shipping", "call", "serve", "until_told", "write_keys"]

_CALLED = ("tcp", "tls", "tcp+hdlc", "tls+hdlc")
_FRESH_OCTETS = 32
_MOST_FAILURES = 100
_IN_FILES = 100  # meters whose certificates are written into files of their own as well


class Kind(NamedTuple):
    """What meters these are: a template, its suite, and how clients prove themselves.

    With `awake` those that sleep, but for some windows, listen and call at any time.
    """

    name: str
    suite: int
    mechanism: int | None = None
    weak: bool = False
    awake: bool = False

    def template(self) -> Template:
        """Build it."""
        return template(self.name, suite=self.suite, mechanism=self.mechanism, weak=self.weak)


class Pushing(NamedTuple):
    """Whereto, how often and how the meters push."""

    url: str
    every_s: float
    ciphered: bool


class Shipping(NamedTuple):
    """Where the shipment file goes, and under which key its secrets are wrapped."""

    file: str
    transport_key: bytes


class Keeping(NamedTuple):
    """Where the state is kept, and the passphrase that seals it."""

    directory: str
    passphrase: bytes | None


async def serve(
    kind: Kind,
    count: int,
    url: str,
    seed: int,
    keys_out: str | None,
    *,
    pushing: Pushing | None = None,
    keeping: Keeping | None = None,
    shipping: Shipping | None = None,
) -> None:
    """Listen, hand out the keys, and serve until interrupted or terminated."""
    endpoint = parse_url(url)
    with _fleet(kind, count, seed, keeping) as fleet:
        await _serve(fleet, endpoint, keys_out, pushing, shipping)


async def _serve(
    fleet: Fleet,
    endpoint: Endpoint,
    keys_out: str | None,
    pushing: Pushing | None,
    shipping: Shipping | None,
) -> None:
    name, count = fleet.template.name, len(fleet)
    pusher = None if pushing is None else _pusher(fleet, pushing)
    async with await listen(fleet, endpoint) as listening:
        if keys_out is not None:
            write_keys((fleet,), map(listening.line, range(count)), keys_out)
        if shipping is not None:
            _ship(fleet, map(listening.line, range(count)), shipping, called=True)
        first, last = listening.endpoint(0), listening.endpoint(count - 1)
        ports = "" if first.port == last.port else f" to {last.port}"
        ready = partial(typer.echo, f"{count} x {name} at {first}{ports}", err=keys_out == "-")
        task = None if pusher is None else asyncio.create_task(pusher.run())
        await until_told(ready, _kept(fleet, listening.keep(_tell)))
        if task is not None:
            task.cancel()


def _ship(fleet: Fleet, lines: Iterable[KeysLine], shipping: Shipping, *, called: bool) -> None:
    write_secretly(
        shipping.file, shipment_lines(fleet, lines, shipping.transport_key, called=called)
    )


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
    kind: Kind,
    count: int,
    url: str,
    seed: int,
    keys_out: str | None,
    *,
    keeping: Keeping | None = None,
    shipping: Shipping | None = None,
) -> None:
    """Hand out the keys and call in, again and again, until interrupted or terminated."""
    endpoint = parse_url(url, schemes=_CALLED)
    with _fleet(kind, count, seed, keeping) as fleet:
        if keys_out is not None:
            lines = (fleet.line(index, endpoint.url) for index in range(count))
            write_keys((fleet,), lines, keys_out)
        if shipping is not None:
            lines = (fleet.line(index, endpoint.url) for index in range(count))
            _ship(fleet, lines, shipping, called=False)
        ready = partial(
            typer.echo, f"{count} x {kind.name} calling {endpoint}", err=keys_out == "-"
        )
        calling = call_in(fleet, endpoint, on_failure=_telling_once())
        await until_told(ready, _kept(fleet, calling))


@contextmanager
def _fleet(kind: Kind, count: int, seed: int, keeping: Keeping | None) -> Iterator[Fleet]:
    """The meters, as they were left; what they remember is kept at the end."""
    made = kind.template()
    if keeping is None:
        # Fresh keys, because invocation counters begin anew: no key may see the same one twice.
        fleet = Fleet(made, count, seed, secret=secrets.token_bytes(_FRESH_OCTETS))
        fleet.always_awake = kind.awake
        yield fleet
        return
    identity = Identity(kind.name, kind.suite, seed)
    with StateDirectory.open(keeping.directory, identity, keeping.passphrase) as memory:
        fleet = Fleet(made, count, seed, secret=memory.secret, memory=memory)
        fleet.always_awake = kind.awake
        yield fleet


async def _kept(fleet: Fleet, running: Coroutine[Any, Any, None]) -> None:
    """Run, and keep what the meters remember meanwhile."""
    memory = fleet.memory
    if isinstance(memory, StateDirectory):
        await asyncio.gather(running, memory.keep())
    else:
        await running


def write_keys(fleets: Sequence[Fleet], lines: Iterable[KeysLine], keys_out: str) -> None:
    """One line a meter; the file is whole or not there, and nobody else may read it.

    Private keys of clients stand beside it, so that one fleet at most has a suite above 0.
    """
    certified = [fleet for fleet in fleets if fleet.template.suite]
    if len(certified) > 1:
        raise UsageError("keys can be handed out for one group with certificates, not for more")
    texts = map(json.dumps, lines)
    if keys_out == "-":
        for text in texts:
            typer.echo(text)
        return
    for fleet in certified:
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
