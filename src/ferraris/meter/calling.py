"""Simulated meters that call in, as those behind mobile networks do, and call again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ferraris.core.errors import LineError, UsageError
from ferraris.line.calling import call
from ferraris.line.url import Endpoint
from ferraris.meter.behaviour.windows import Calling
from ferraris.meter.faults.stack import faulty_stack
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server.service import server_stack
from ferraris.transport.schemes import profile_of

__all__ = ["Patience", "call_in"]

_SCHEMES = ("tcp", "tls", "tcp+hdlc", "tls+hdlc")
_MANAGEMENT_SAP = 1
_LONGEST_NAP_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Pauses between two calls, in seconds: the first, doubled while nobody answers, at most."""

    first_s: float = 1.0
    most_s: float = 60.0


async def call_in(
    fleet: Fleet,
    endpoint: Endpoint,
    *,
    patience: Patience | None = None,
    utc: Callable[[], float] = time.time,
    entropy: Callable[[int], bytes] = os.urandom,
    on_failure: Callable[[LineError], None] | None = None,
) -> None:
    """Let every meter of `fleet` call `endpoint`, serve there, and call again; until cancelled.

    Each has a connection of its own and answers at the management address and at its own. Meters
    that sleep call in their windows alone, and hang up at the end.
    `on_failure` hears of every call that failed. Raises `UsageError` for a line that nobody can be
    called on, `SecurityError` when one side does not trust the other, which no call would mend.
    """
    if endpoint.scheme not in _SCHEMES:
        raise UsageError(f"meters call tcp:// or tls://, not {endpoint.scheme}:")
    profile = profile_of(endpoint.scheme, endpoint.options)
    physical = endpoint.number("physical")

    async def keep_calling(index: int) -> None:
        meter = fleet[index]

        def directory(server_sap: int) -> SimulatedMeter | None:
            return meter if server_sap in (_MANAGEMENT_SAP, meter.server_sap) else None

        pauses = _Pauses(patience or Patience(), fleet.meter_seed(index))
        while True:
            closes_s = await _awake(meter, utc)
            make = faulty_stack if fleet.may_fail else server_stack
            stack = make(profile, directory, entropy=entropy, utc=utc, physical=physical)
            try:
                async with asyncio.timeout(closes_s):
                    await call(endpoint, stack)
                pauses.answered()
            except TimeoutError:  # the window is over: it hangs up and sleeps on
                continue
            except LineError as error:
                pauses.failed()
                if on_failure is not None:
                    on_failure(error)
            await asyncio.sleep(pauses.next_s())

    tasks = [asyncio.create_task(keep_calling(index)) for index in range(len(fleet))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awake(meter: SimulatedMeter, utc: Callable[[], float]) -> float | None:
    """Wait until a meter is awake; how many seconds it will be, None for always."""
    calling = next((each for each in meter.fleet.template.windows if type(each) is Calling), None)
    if calling is None or meter.fleet.always_awake:
        return None
    while True:
        now = utc()
        is_open, change = calling.change(meter, int(now))
        if is_open:
            return None if change is None else max(0.0, change - now)
        # A client may write other windows, so it looks again before long.
        await asyncio.sleep(_LONGEST_NAP_S if change is None else _nap_s(change - now))


def _nap_s(left_s: float) -> float:
    return min(_LONGEST_NAP_S, max(0.0, left_s))


class _Pauses:
    """How long one meter waits: by chance half to all of it, so that none march in step."""

    def __init__(self, patience: Patience, seed: int) -> None:
        self._patience = patience
        self._random = Random(seed)  # noqa: S311 - spreading calls, not secrets
        self._pause_s = patience.first_s

    def answered(self) -> None:
        self._pause_s = self._patience.first_s

    def failed(self) -> None:
        self._pause_s = min(2 * self._pause_s, self._patience.most_s)

    def next_s(self) -> float:
        return self._pause_s * self._random.uniform(0.5, 1.0)
