"""A simulated meter at a fixed time: prints a JSON line with address and keys, then serves.

The second argument, if any, holds the HDLC parameters that it offers, as JSON; the third names
the template.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace

from ferraris.line.serving import serve
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HdlcProfile
from ferraris.transport.schemes import profile_of

NOON = 1_795_003_200.0


async def main(url: str, link: str = "{}", name: str = "residential") -> None:
    fleet = Fleet(template(name), 1, seed=11)
    endpoint = parse_url(url)
    profile = profile_of(endpoint.scheme)
    if isinstance(profile, HdlcProfile):
        profile = replace(profile, parameters=Parameters(**json.loads(link)))
    listener = await serve(
        endpoint,
        lambda: server_stack(profile, fleet.find, entropy=os.urandom, utc=lambda: NOON),
    )
    async with listener:
        print(json.dumps(fleet.line(0, str(replace(endpoint, port=listener.port)))), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
