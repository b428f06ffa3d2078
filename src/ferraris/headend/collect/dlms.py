"""How the collector reaches DLMS meters: addresses, counters leased in batches, associations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from ferraris.client import HighGMAC, Kind, Meter, NoSecurity, Password, Security, connect
from ferraris.data.readings import Reading, Series
from ferraris.keys import RECEIVE, SEND, Keys
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.security.counters import CounterLease

__all__ = ["DlmsMeters", "DlmsTarget"]

_LEASED_AT_ONCE = 256  # invocation counters for each meter: a session uses about ten
_NEIGHBOURS = 500  # meters whose counters are leased in one transaction


@dataclass(frozen=True, slots=True)
class DlmsTarget:
    """Where one meter is and how to speak to it; secrets are in the key store under `meter`.

    `authentication` is "none", "password" or "gmac"; `kind` names meters that are alike.
    """

    meter: str
    endpoint: Endpoint
    client: int = 1
    server: int = 1
    authentication: str = "gmac"
    system_title: bytes = b""
    kind: str = ""


class DlmsMeters:
    """Opens associations for the collector.

    Invocation counters are leased from the key store before they are used, for many meters in one
    transaction, since the store writes each lease to disk. Receive floors go back with `keep`.
    `block_window` proposes general block transfer, which saves round trips with meters that take
    only short APDUs.
    """

    def __init__(
        self,
        keys: Keys,
        targets: Mapping[str, DlmsTarget],
        *,
        system_title: bytes,
        timeout_s: float = 10.0,
        max_pdu: int = 0xFFFF,
        block_window: int = 0,
    ) -> None:
        self._keys = keys
        self._targets = targets
        self._system_title = system_title
        self._timeout_s = timeout_s
        self._max_pdu = max_pdu
        self._block_window = block_window
        self._kinds: dict[str, Kind] = {}
        self._leases: dict[str, CounterLease] = {}
        self._floors: dict[str, int] = {}
        self._order = list(targets)
        self._place = {name: place for place, name in enumerate(self._order)}

    @asynccontextmanager
    async def open(self, target: DlmsTarget) -> AsyncIterator[_Face]:
        """Connect and associate; release on leaving."""
        connecting = connect(
            target.endpoint,
            client=target.client,
            server=target.server,
            security=self._security(target),
            timeout_s=self._timeout_s,
            device=target.meter,
            max_pdu=self._max_pdu,
            block_window=self._block_window,
            kind=self._kinds.setdefault(target.kind, Kind()) if target.kind else None,
        )
        async with connecting as meter:
            try:
                yield _Face(meter)
            finally:
                self._floors[target.meter] = meter.receive_floor

    def keep(self) -> None:
        """Write the receive floors of finished sessions to the key store."""
        floors = {meter: floor for meter, floor in self._floors.items() if floor >= 0}
        self._floors.clear()
        if floors:
            self._keys.raise_floors(floors, RECEIVE)

    def _security(self, target: DlmsTarget) -> Security:
        if target.authentication == "none":
            return NoSecurity()
        if target.authentication == "password":
            return Password(self._keys.get(target.meter, "password"))
        return HighGMAC(
            self._keys.get(target.meter, "encryption_key"),
            self._keys.get(target.meter, "authentication_key"),
            system_title=self._system_title,
            lease=self._lease(target.meter),
            server_system_title=target.system_title,
            receive_floor=self._floors.get(target.meter, -1),
        )

    def _lease(self, meter: str) -> CounterLease:
        lease = self._leases.get(meter)
        if lease is None or lease.left < _LEASED_AT_ONCE // 4:
            place = self._place[meter]
            self._lease_for(self._order[place : place + _NEIGHBOURS])
            lease = self._leases[meter]
        return lease

    def _lease_for(self, meters: Iterable[str]) -> None:
        needy = [meter for meter in meters if self._needs_lease(meter)]
        found = self._keys.lease_many(needy, SEND, _LEASED_AT_ONCE)
        floors = self._keys.floors(needy, RECEIVE)
        for meter, values in found.items():
            self._leases[meter] = CounterLease.of(values)
            self._floors.setdefault(meter, floors.get(meter, -1))

    def _needs_lease(self, meter: str) -> bool:
        if self._targets[meter].authentication != "gmac":
            return False
        lease = self._leases.get(meter)
        return lease is None or lease.left < _LEASED_AT_ONCE // 4


class _Face:
    """One open association as the collector wants it (`meter_face.MeterFace`)."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def read_profile(self, profile: str, since: datetime, until: datetime) -> Series:
        return await self._meter.profile(profile, since, until)

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        return await self._meter.read_many(names)
