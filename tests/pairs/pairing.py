"""A client and a simulated meter on a virtual line: both ends real, time and wire imagined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from ferraris.client.connecting import associate, client_stack
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, NoSecurity, Password, Security
from ferraris.line.url import Endpoint
from ferraris.line.virtual import Physics, VirtualLine, VirtualTime
from ferraris.messaging.dlms.association.client import is_push
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import profile_of

Result = TypeVar("Result")

NOON = 1_795_003_200.0
"""2026-11-18 12:00 UTC."""

SECURITIES = ("none", "password", "gmac", "gmac general", "gmac authentication only")


class Pair:
    """One virtual line; `run` runs a procedure on an association over it."""

    def __init__(
        self,
        scheme: str = "tcp",
        *,
        physics: Physics | None = None,
        seed: int = 1,
        fleet: Fleet | None = None,
    ) -> None:
        self.scheme = scheme
        self.time = VirtualTime()
        self.fleet = fleet or Fleet(template("residential"), 2, seed=7)
        self.random = Random(seed)
        self.physics = physics
        self.seed = seed
        self.line: VirtualLine | None = None

    def entropy(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def utc(self) -> float:
        return NOON + self.time.now

    def security(self, name: str) -> Security:
        line = self.fleet.line(0, "")
        if name == "none":
            return NoSecurity()
        if name == "password":
            return Password(line["password"].encode())
        full = HighGMAC(
            bytes.fromhex(line["encryption_key"]),
            bytes.fromhex(line["authentication_key"]),
            invocation_counter=self.fleet[0].receive_floor(1) + 1,
        )
        if name == "gmac general":
            return replace(full, general=True)
        return full

    def connect(
        self, security: Security, *, client: int | None = None, server: int = 1, **changes: Any
    ) -> Callable[[], Awaitable[Meter]]:
        """Lay a new line; what is returned opens the association on it."""
        stack, association = client_stack(
            Endpoint(self.scheme, "meter"),
            security.client if client is None else client,
            server,
            security,
            entropy=self.entropy,
        )
        for name, value in changes.items():
            setattr(association.parameters, name, value)
        passive = server_stack(
            profile_of(self.scheme), self.fleet.find, entropy=self.entropy, utc=self.utc
        )
        self.line = VirtualLine(
            self.time, stack, passive, self.physics, seed=self.seed, is_push=is_push
        )
        driver = self.line.driver
        return lambda: associate(driver, association, device="m")

    def run(
        self,
        security: Security,
        procedure: Callable[[Meter], Awaitable[Result]],
        *,
        client: int | None = None,
        server: int = 1,
        **changes: Any,
    ) -> Result:
        """Associate, run the procedure, release."""
        opening = self.connect(security, client=client, server=server, **changes)

        async def session() -> Result:
            meter = await opening()
            try:
                return await procedure(meter)
            finally:
                await meter.close()

        return self.time.complete(session())
