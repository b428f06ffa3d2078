"""Erasures are finished after a restore, and by a head-end that runs: at its start and each day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ferraris.headend.audit import Audit
from ferraris.headend.privacy.erasing import Erasure, complete
from ferraris.headend.privacy.sealer import CustomerSealer, customer_sealer
from ferraris.headend.store.engine import Engine
from ferraris.keys import Keys

__all__ = ["keep_settled", "settle"]

_DAY_S: Final = 86_400.0


def settle(engine: Engine, keys: Keys, *, at_s: float, journal: Audit) -> list[Erasure]:
    """Erase again who was erased since this copy of the store was made, and compare one by one.

    `journal` is `Journal.write`.
    """
    with engine.transaction() as connection:
        sealer = customer_sealer(engine, keys)
        return complete(connection, sealer, at_s=at_s, journal=journal, thorough=True)


async def keep_settled(
    engine: Engine,
    sealer: CustomerSealer,
    *,
    journal: Audit,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run `complete` for all tenants now and once a day, until cancelled."""

    def finish() -> list[Erasure]:
        with engine.transaction() as connection:
            return complete(connection, sealer, at_s=clock(), journal=journal)

    while True:
        await asyncio.to_thread(finish)
        await sleep(_DAY_S)
