"""The process of a head-end: from its configuration to its last commit."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable

from ferraris.headend.configuration import Configuration
from ferraris.headend.observe.logs import configure_logs, logger
from ferraris.headend.service.building import Built, Furnishing, built
from ferraris.headend.service.notifying import notify, watchdog_s
from ferraris.headend.service.supervising import supervise

__all__ = ["run", "serve_until"]

_LOOK_S = 0.05


async def run(
    configuration: Configuration, *, told: Callable[[Built], None] = lambda whole: None
) -> None:
    """Run a head-end until a signal ends it; returns when everything is stopped and committed.

    `told` is called once it listens.
    """
    observe = configuration.observe
    configure_logs(observe.log_level, observe.log_form)
    stop = asyncio.Event()
    if sys.platform != "win32":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    with built(configuration, Furnishing()) as whole:
        await serve_until(stop, whole, told=told)


async def serve_until(
    stop: asyncio.Event, whole: Built, *, told: Callable[[Built], None] = lambda whole: None
) -> None:
    """Run the parts of a head-end until the event is set."""
    log = logger("service")
    log.info("starting", store=whole.house.engine.location, parts=sorted(whole.parts))
    parts = asyncio.create_task(supervise(whole.parts, whole.health, clock=time.monotonic))
    watching = asyncio.create_task(_tell_watchdog(whole))
    stopped = asyncio.create_task(stop.wait())
    try:
        while "http" not in whole.ports and not stop.is_set() and not parts.done():
            await asyncio.sleep(_LOOK_S)
        if "http" in whole.ports:
            notify("READY=1")
            log.info("ready", ports=whole.ports)
            told(whole)
        await asyncio.wait([stopped, parts], return_when=asyncio.FIRST_COMPLETED)
    finally:
        notify("STOPPING=1")
        log.info("stopping")
        for task in (watching, stopped, parts):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await parts
        log.info("stopped")


async def _tell_watchdog(whole: Built) -> None:
    """As long as the event loop turns, the watchdog hears of it; with what is at fault."""
    every_s = watchdog_s()
    if every_s is None:
        return
    while True:
        report = whole.health.ready()
        faults = [f"{part}: {text}" for part, text in report.parts.items() if text != "ok"]
        notify("WATCHDOG=1\nSTATUS=" + ("; ".join(faults).replace("\n", " ") or "well"))
        await asyncio.sleep(every_s / 3)
