"""Erasures are finished by a head-end that runs: at its start, as after a restore, and each day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ferraris.headend.privacy.erasing import Erasure, complete
from ferraris.headend.privacy.sealer import CustomerSealer
from ferraris.headend.store.engine import Engine

__all__ = ["keep_settled"]

_DAY_S: Final = 86_400.0


async def keep_settled(
    engine: Engine,
    sealer: CustomerSealer,
    *,
    journal: Callable[..., None],
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run `complete` for all tenants now and once a day, until cancelled."""

    def settle() -> list[Erasure]:
        with engine.transaction() as connection:
            return complete(connection, sealer, at_s=clock(), journal=journal)

    while True:
        await asyncio.to_thread(settle)
        await sleep(_DAY_S)
