"""Two head-ends, processes of their own, with one store and one key store - and one is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path

import pytest

from ferraris.headend.inventory import key_id
from ferraris.headend.registration import Step

HEAD = Path(__file__).with_name("one_head.py")
METERS = 12


async def head(colony, location):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HEAD),
        location,
        str(colony.place),
        "a colony",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def ended(process):
    _, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()


@pytest.mark.parametrize(
    ("location", "kills"),
    [("sqlite", 3), pytest.param("postgresql", 1, marks=pytest.mark.services)],
    indirect=["location"],
)
def test_two_heads_do_not_disturb_each_other(colony, location, kills):
    chance = random.Random(kills)

    async def scenario():
        async with asyncio.timeout(60), colony.fleet(METERS) as (fleet, _):
            colony.commission(colony.registrar())
            first = await head(colony, location)
            for _ in range(kills):
                victim = await head(colony, location)
                await asyncio.sleep(chance.uniform(0.0, 0.15))
                # A head with nothing left to do may have ended by itself.
                with contextlib.suppress(ProcessLookupError):
                    victim.kill()
                await victim.communicate()
            second = await head(colony, location)
            await asyncio.gather(ended(first), ended(second))
            return [meter.keys for meter in fleet]

    keys = asyncio.run(scenario())
    for number, in_meter in zip(colony.numbers(), keys, strict=True):
        meter = colony.meter(number)
        assert (meter.state, colony.progress(number).step) == ("active", Step.ACTIVE)
        assert colony.life(number) == [("known", "installed"), ("installed", "active")]
        kept = key_id("north", meter.external_id)
        assert colony.keys.get(kept, "encryption_key") == in_meter.encryption_key
        assert colony.keys.get(kept, "authentication_key") == in_meter.authentication_key
    assert colony.quarantined() == []
