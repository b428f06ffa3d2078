"""A head-end that only registers, as a process of its own: `one_head.py STORE KEYS PASSPHRASE`.

Says "ready" and registers whoever is due until nobody is left.
"""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import func, select

from ferraris.headend.registration import Registrar, RegistrationPolicy, Strangers
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER
from ferraris.keys import KeyStore

NOON = 1_795_003_200.0


def left(engine: Engine) -> int:
    with engine.reading() as connection:
        query = select(func.count()).select_from(METER).where(METER.c.state != "active")
        return int(connection.execute(query).scalar_one())


async def main(location: str, place: str, passphrase: str) -> None:
    engine, keys = Engine(location), KeyStore.open(place, passphrase)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def clock() -> float:
        return NOON + loop.time() - begun

    registrar = Registrar(
        engine,
        keys,
        Strangers(engine, clock),
        system_title=b"FRRHES01",
        policy=RegistrationPolicy(lease_s=0.5, first_pause_s=0.1, at_once=3, clock_limit_s=300.0),
        clock=clock,
    )
    print("ready", flush=True)
    while left(engine):
        if not await registrar.round():
            await asyncio.sleep(0.02)


asyncio.run(main(*sys.argv[1:]))
