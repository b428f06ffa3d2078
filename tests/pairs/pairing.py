"""A client and a simulated meter on a virtual line: both ends real, time and wire imagined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, TypeVar

from ferraris.client.connecting import associate, with_blocks
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, NoSecurity, Password, Security
from ferraris.core.layer import Layer
from ferraris.core.stack import over
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.line.virtual import Physics, VirtualLine, VirtualTime
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation, is_push
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Template
from ferraris.meter.templates import template
from ferraris.model.data_storage import DataObject
from ferraris.server.device import (
    READ,
    READ_WRITE,
    AccessRights,
    AssociationSettings,
    ObjectEntry,
    ObjectRights,
)
from ferraris.server.notifying import Notification
from ferraris.server.service import Service, server_stack
from ferraris.transport.addresses import Addresses
from ferraris.transport.profiles import Profile
from ferraris.transport.schemes import profile_of

Result = TypeVar("Result")

PROPOSED = FULL_CONFORMANCE & ~int(Conformance.ACCESS)
"""What a client proposes unless a test says more: lists are the usual way."""

NOON = 1_795_003_200.0
"""2026-11-18 12:00 UTC."""

_VARIANTS: dict[str, dict[str, Any]] = {
    "gmac": {},
    "gmac general": {"general": True},
    "gmac dedicated": {"dedicated": True},
    "gmac general dedicated": {"general": True, "dedicated": True},
    "gmac authentication": {"protection": "authentication"},
    "gmac encryption": {"protection": "encryption"},
}
SECURITIES = ("password", *_VARIANTS)


class Mailbox(Behaviour):
    """An object of a class that nobody declares: it keeps what it gets, by SET or by ACTION.

    Method 1 takes a text and returns it backwards; attribute 2 is the text.
    """

    declares = DataObject
    KEY = (40_000, bytes(Obis.parse("0-0:96.128.0*255")))

    def __init__(self) -> None:
        super().__init__("0-0:96.128.0*255", {2: octet_string(b"")})
        self.key = self.KEY

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        self.set(meter, 2, data or axdr.encode(octet_string(b"")), now)
        _, text = axdr.decode(self.get(meter, 2, None, now))
        assert isinstance(text, bytes)
        return axdr.encode(octet_string(text[::-1])) if text else None


def fleet_with(
    of: Template | None = None, **changes: AssociationSettings | dict[str, Any]
) -> Fleet:
    """Residential meters with a mailbox and other associations: `c1={"policy": 0}` for client 1."""
    made = copy(of or template("residential"))
    made.behaviours = MappingProxyType({**made.behaviours, Mailbox.KEY: Mailbox()})
    made.objects = MappingProxyType(
        {**made.objects, Mailbox.KEY: ObjectEntry(Mailbox.KEY[0], 0, Mailbox.KEY[1])}
    )
    usable = ObjectRights({2: READ_WRITE}, {1: READ})
    associations = {
        client: replace(
            settings, rights=AccessRights({**settings.rights.objects, Mailbox.KEY: usable})
        )
        for client, settings in made.associations.items()
    }
    for name, change in changes.items():
        client = int(name[1:])
        known = associations.get(client)
        if isinstance(change, AssociationSettings):
            associations[client] = change
        else:
            assert known is not None
            associations[client] = replace(known, **change)
    made.associations = MappingProxyType(associations)
    return Fleet(made, 2, seed=7)


def watch(end: Any, see: Callable[[bytes], None]) -> None:
    """Let `see` look at whatever arrives at one end of a line."""
    arrive = end.arrive

    def seen(octets: bytes) -> None:
        see(octets)
        arrive(octets)

    end.arrive = seen


class Pair:
    """One virtual line; `run` runs a procedure on an association over it."""

    def __init__(
        self,
        scheme: str = "tcp",
        *,
        physics: Physics | None = None,
        seed: int = 1,
        fleet: Fleet | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.scheme = scheme
        self.profile = profile or profile_of(scheme)
        self.time = VirtualTime()
        self.fleet = fleet or Fleet(template("residential"), 2, seed=7)
        self.random = Random(seed)
        self.physics = physics
        self.seed = seed
        self.line: VirtualLine | None = None
        self.pushes: list[Apdu] = []
        self.conformance = PROPOSED

    @property
    def service(self) -> Service:
        """The server's messaging end of the line."""
        assert self.line is not None
        service: Service = self.line.station.layer.upper  # type: ignore[attr-defined]
        return service

    def notify(self, client: int, push: Any, **how: Any) -> Notification:
        """Let the meter push something to a client now."""
        assert self.line is not None
        notification = self.service.notify(Addresses(client, 1), push, **how)
        self.time.at(self.time.now, self.line.station.drain)
        return notification

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
        return replace(full, **_VARIANTS[name])

    def passive(self) -> Layer[Any, Any, bytes]:
        """The meters' end of a new line."""
        return server_stack(self.profile, self.fleet.find, entropy=self.entropy, utc=self.utc)

    def connect(
        self, security: Security, *, client: int | None = None, server: int = 1, **changes: Any
    ) -> Callable[[], Awaitable[Meter]]:
        """Lay a new line; what is returned opens the association on it."""
        association = ClientAssociation(security.parameters(self.entropy))
        client_sap = security.client if client is None else client
        if not changes.get("short_names"):  # they have services of their own
            association.parameters.conformance = self.conformance
        for name, value in changes.items():
            setattr(association.parameters, name, value)
        below = self.profile.client_stack(client_sap, server)
        stack = over(association, with_blocks(association, below))
        self.line = VirtualLine(
            self.time, stack, self.passive(), self.physics, seed=self.seed, is_push=is_push
        )
        driver = self.line.driver
        driver._on_push = self.pushes.append
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
