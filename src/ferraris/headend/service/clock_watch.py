"""Whether the clock of this machine may be believed: whoever plans by a wrong one reads nothing, or
everything anew, drops what is not old, and sets meters' clocks wrong.

The clock is compared with the newest times that the store knows of meters, and while the process
runs with a clock that only goes on. In doubt all that acts by the hour waits, and says so.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select

from ferraris.core.errors import Error
from ferraris.headend.observe.logs import logger
from ferraris.headend.service.supervising import Part
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.inventory import METER

__all__ = ["OVERRIDE", "ClockWatch", "WrongClockError", "newest_known", "steady_clock"]

OVERRIDE: Final = "trust-clock"
"""A file of this name beside the configuration says that the clock is right; it is used once."""

TOLERANCE_S: Final = 12 * 3600.0
"""By how much the clock may differ from what is known: zones are often mistaken, days are not."""

LONGEST_REST_S: Final = 30 * 86_400.0
"""After how long without any meter a clock is rather wrong than the head-end was off."""

MADE_S: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock is right that says an earlier time: this program was not there yet."""

_LOOK_S: Final = 2.0


class WrongClockError(Error):
    """The clock of this machine is in doubt; the message says why, and what to do."""


class ClockWatch:
    """A part of the service that fails while the clock is in doubt, and a gate for other parts.

    `clock` is UTC in epoch seconds and is what is doubted; `steady` only goes on.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Callable[..., None],
        *,
        override: Path | None,
        clock: Callable[[], float],
        steady: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        offload: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._override = override
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._offload = offload
        self._believed: tuple[float, float] | None = None
        """Both clocks, as they were together when the first was believed last."""
        self._doubt = ""
        self._trusted, self._doubted = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Look now and then; raises `WrongClockError` while in doubt."""
        while True:
            doubt = self._jump() if self._believed is not None else await self._offload(self._odd)
            if doubt and self._is_overridden():
                await self._offload(self._believe_operator, doubt)
                doubt = ""
            if doubt:
                self._hold(doubt)
                raise WrongClockError(
                    f"{doubt}. Nothing is read, planned, validated or dropped meanwhile. Put the "
                    f"clock right; or if it is right, make a file named {OVERRIDE} beside the "
                    "configuration",
                    where="clock",
                )
            self._believe()
            await self._sleep(_LOOK_S)

    def held(self, part: Part) -> Part:
        """A part that works only while the clock is believed: stopped in doubt, begun again."""

        async def gated() -> None:
            while True:
                await self._trusted.wait()
                if await self._until_doubt(part):
                    return

        return gated

    async def _until_doubt(self, part: Part) -> bool:
        """Whether the part ended by itself."""
        work = asyncio.ensure_future(part())
        doubted = asyncio.ensure_future(self._doubted.wait())
        try:
            await asyncio.wait([work, doubted], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return True
            return False
        finally:
            doubted.cancel()
            if not work.done():
                work.cancel()
            await asyncio.gather(work, doubted, return_exceptions=True)

    # -- what is to be thought of it ----------------------------------------------------------

    def _jump(self) -> str:
        """While the process runs: has it gone another way than time does?"""
        assert self._believed is not None
        clock, steady = self._believed
        off_s = self._clock() - clock - (self._steady() - steady)
        if abs(off_s) <= TOLERANCE_S:
            return ""
        way = "forwards" if off_s > 0 else "back"
        return f"the clock jumped {way} by {_span(abs(off_s))}, to {_shown(self._clock())}"

    def _odd(self) -> str:
        """At the start: does it fit what is known?"""
        now = self._clock()
        if now < MADE_S:
            return f"the clock says {_shown(now)}, before this program was made"
        with self._engine.reading() as connection:
            known = newest_known(connection)
        if known is None:
            return ""
        if now < known - TOLERANCE_S:
            return (
                f"the clock says {_shown(now)}, {_span(known - now)} before the newest time that "
                f"the store knows of a meter, {_shown(known)}"
            )
        if now > known + LONGEST_REST_S:
            return (
                f"the clock says {_shown(now)}, and no meter was heard since {_shown(known)}: was "
                f"this head-end off for {_span(now - known)}?"
            )
        return ""

    # -- what follows -------------------------------------------------------------------------

    def _hold(self, doubt: str) -> None:
        if self._doubt != doubt:
            logger("clock").error("the clock is in doubt", why=doubt)
        self._doubt = doubt
        self._trusted.clear()
        self._doubted.set()

    def _believe(self) -> None:
        if self._doubt:
            logger("clock").info("the clock is believed again", why_not=self._doubt)
        self._doubt = ""
        self._believed = self._clock(), self._steady()
        self._doubted.clear()
        self._trusted.set()

    def _is_overridden(self) -> bool:
        return self._override is not None and self._override.exists()

    def _believe_operator(self, doubt: str) -> None:
        with self._engine.transaction() as connection:
            self._journal(
                connection,
                tenant=0,
                principal="operator",
                action="clock.trust",
                subject="clock",
                detail={"doubt": doubt},
                at_s=self._clock(),
            )
        assert self._override is not None
        self._override.unlink(missing_ok=True)


def newest_known(connection: Connection) -> float | None:
    """The newest time that a session with a meter ended or that a meter was heard; UTC seconds.

    Only parts that wait in doubt write these, so no wrong clock can vouch for itself.
    """
    session = select(SESSION.c.ended_s).order_by(SESSION.c.id.desc()).limit(1)
    heard = select(func.max(METER.c.heard_s))
    found = [connection.execute(each).scalar() for each in (session, heard)]
    return max((float(each) for each in found if each is not None), default=None)


def steady_clock() -> float:
    """Seconds that only go on, those in which the machine sleeps included where it counts them."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _shown(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{at_s:.0f} s"


def _span(seconds: float) -> str:
    return f"{seconds / 86_400:.1f} days" if seconds >= 86_400 else f"{seconds / 3600:.0f} hours"
