"""What all parts of a collection stand on: the store, clocks, claims, and patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from ferraris.headend.collect.claims import Claims
from ferraris.headend.collect.settings import CollectionSettings
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError

__all__ = ["Ground", "Offload"]

Offload = Callable[..., Awaitable[Any]]

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0

Made = TypeVar("Made")


class Ground:
    """The store of one tenant, used from an event loop.

    `clock` is UTC in epoch seconds, `steady` monotonic. One transaction of this process runs at a
    time: they would only wait for each other.
    """

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        claims: Claims,
        settings: CollectionSettings,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        offload: Offload,
    ) -> None:
        self.engine = engine
        self.archive = archive
        self.tenant = archive.tenant
        self.claims = claims
        self.settings = settings
        self.clock = clock
        self.steady = steady
        self.offload = offload
        self.away_since_s: float | None = None
        self._writing = asyncio.Lock()

    async def read(self, function: Callable[..., Made], *arguments: Any) -> Made:
        """Call a function with a view of the store; waits while the store is away."""
        return await self._patiently(self._view, function, arguments)

    async def write(self, function: Callable[..., Made], *arguments: Any) -> Made:
        """Call a function with a transaction; waits while the store is away.

        It is called again when the store went away meanwhile, so it must be able to stand that.
        """
        async with self._writing:
            return await self._patiently(self._transaction, function, arguments)

    async def write_now(self, function: Callable[..., Made], *arguments: Any) -> Made:
        """`write` without patience."""
        async with self._writing:
            made: Made = await self.offload(self._transaction, function, arguments)
            return made

    async def _patiently(self, how: Callable[..., Made], *arguments: Any) -> Made:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                made: Made = await self.offload(how, *arguments)
            except StoreAwayError:
                if self.away_since_s is None:
                    self.away_since_s = self.steady()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.away_since_s = None
                return made

    def _view(self, function: Callable[..., Made], arguments: tuple[Any, ...]) -> Made:
        with self.engine.reading() as connection:
            return function(connection, *arguments)

    def _transaction(self, function: Callable[..., Made], arguments: tuple[Any, ...]) -> Made:
        return self.engine.repeated(lambda connection: function(connection, *arguments))
