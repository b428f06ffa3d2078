"""A simulated meter at a fixed time: prints a JSON line with address and keys, then serves."""

from __future__ import annotations

import asyncio
import json
import sys

from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

NOON = 1_795_003_200.0


async def main(url: str) -> None:
    fleet = Fleet(template("residential"), 1, seed=11)
    listening = await listen(fleet, parse_url(url), utc=lambda: NOON)
    print(json.dumps(listening.line(0)), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await listening.close()


asyncio.run(main(sys.argv[1]))
