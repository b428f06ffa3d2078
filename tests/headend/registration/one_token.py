"""Registers a meter whose master key lies in a token, in a process of its own.

The library of the token reads its settings once in each process: `one_token.py LIBRARY PIN FOLDER`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from colony import Colony

from ferraris.headend.inventory import key_id
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import KeyStore
from ferraris.keys.pkcs11 import Token


async def main(library: str, pin: str, folder: str) -> None:
    engine = Engine(Path(folder) / "store.sqlite")
    migrate(engine)
    with Token.open(library, label="ferraris", pin=pin) as token:
        token.make_wrapping_key()
        kept = KeyStore.create(Path(folder) / "keys.sqlite", token=token)
        colony = Colony(engine, "", store=kept)
        async with colony.fleet(1) as (fleet, _):
            name = key_id("north", colony.meter(1).external_id)
            token.import_wrapping_key("master of meter 1", fleet.key(0, b"master"))
            kept.put_master_key(name, "master of meter 1")
            registrar = colony.registrar()
            colony.commission(registrar)
            await registrar.round()
            in_meter = fleet[0].keys
        print(colony.progress(1).step, colony.meter(1).state)
        assert kept.get(name, "encryption_key") == in_meter.encryption_key
        assert kept.get(name, "authentication_key") == in_meter.authentication_key
        assert kept.get(name, "previous_encryption_key") != in_meter.encryption_key
        kept.close()


asyncio.run(main(*sys.argv[1:]))
