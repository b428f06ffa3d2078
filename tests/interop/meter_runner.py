"""A simulated meter at a fixed time: prints a JSON line with address and keys, then serves.

The second argument says as JSON what it is: `template`, `suite` and `mechanism`, and as `link` the
HDLC parameters that it offers; with `goes_on` time does not stand still. In suites 1 and 2 the line
also holds the private keys of its client, and the meter's public ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_private_key
from own_mechanism import answering

from ferraris.line.serving import serve
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HdlcProfile
from ferraris.transport.schemes import profile_of

NOON = 1_795_003_200.0


async def main(url: str, what: str = "{}") -> None:
    given: dict[str, Any] = {"template": "residential", **json.loads(what)}
    kind = template(
        given["template"],
        suite=given.get("suite", 0),
        mechanism=given.get("mechanism"),
        weak=True,
    )
    secret = Fleet(template(given["template"]), 1, seed=11).password(0)
    fleet = Fleet(kind, 1, seed=11, own_mechanism=answering(secret))
    fleet.always_awake = True
    endpoint = parse_url(url)
    profile = profile_of(endpoint.scheme)
    if isinstance(profile, HdlcProfile):
        profile = replace(profile, parameters=Parameters(**given.get("link", {})))
    begin = time.monotonic()

    def utc() -> float:
        return NOON + (time.monotonic() - begin if given.get("goes_on") else 0.0)

    listener = await serve(
        endpoint,
        lambda: server_stack(profile, fleet.find, entropy=os.urandom, utc=utc),
    )
    async with listener:
        line = {**fleet.line(0, str(replace(endpoint, port=listener.port))), **pairs_of(fleet)}
        print(json.dumps(line), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def pairs_of(fleet: Fleet) -> dict[str, str]:
    if not fleet.template.suite:
        return {}
    pairs = fleet.client_pairs(0)
    return {
        "client_signing": scalar(pairs.signing),
        "client_agreement": scalar(pairs.agreement),
        "meter_signing": pairs.peer_signing.hex(),
        "meter_agreement": pairs.peer_agreement.hex(),
    }


def scalar(key: Any) -> str:
    private: Any = load_der_private_key(key.to_der(), None)
    size = len(key.public_key) // 2
    return private.private_numbers().private_value.to_bytes(size, "big").hex()  # type: ignore[no-any-return]


asyncio.run(main(*sys.argv[1:]))
