"""A simulated meter on a serial port, in a thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ferraris.line import serial
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

__all__ = ["serving"]

NOON = 1_795_003_200.0


@contextmanager
def serving(place: Endpoint) -> Iterator[None]:
    """A meter on the port, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(serial.listen(place, lambda: meter_stack(place)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:

        async def finish() -> None:
            async with listener:
                pass

        asyncio.run_coroutine_threadsafe(finish(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def meter_stack(place: Endpoint) -> Any:
    fleet = Fleet(template("residential"), 2, seed=5)
    profile = profile_of(place.scheme, place.options)
    return server_stack(profile, fleet.find, entropy=os.urandom, utc=lambda: NOON, physical=17)
