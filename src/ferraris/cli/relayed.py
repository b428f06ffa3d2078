"""The relay of `ferraris capture`: between a client and a meter until somebody ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import typer

from ferraris.line.recording import Recording
from ferraris.line.relay import relay as line_relay
from ferraris.line.url import Endpoint

__all__ = ["relay"]


def relay(here: Endpoint, meter: Endpoint, recording: Recording, *, once: bool) -> None:
    """Relay until interrupted, or with `once` until the first client is done; tell of failures."""
    asyncio.run(_relay(here, meter, recording, once=once))


async def _relay(here: Endpoint, meter: Endpoint, recording: Recording, *, once: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises as ever
            loop.add_signal_handler(number, stopped.set)
    async with await line_relay(here, meter, recording) as running:
        shown = f"{here.line}://{here.host}:{running.port}"
        typer.echo(f"listening on {shown}, relaying to {meter}")
        ends = running.ended if once else stopped
        waits = [asyncio.create_task(each.wait()) for each in {stopped, ends}]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    for failure in running.failures:
        typer.echo(f"ferraris: {failure}", err=True)
